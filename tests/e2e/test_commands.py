"""The command line itself: help, usage, JSON, settings, one node per home."""
import json
import os
import socket
import unittest

from peers import Case, ID

COMMANDS = """start stop status offer offers accept reject cancel wait receive get list share unshare shares peers add rename forget
block unblock note trust untrust id history config help""".split()


class Commands(Case):
    def test_help(self):
        alice = self.peer("alice", False)
        overview = alice.run("help").out
        for c in COMMANDS:
            with self.subTest(command=c):
                text = alice.run(c, "--help").out
                self.assertIn(f"peer {c}", text)
                self.assertEqual(alice.run("help", c).out, text)
                self.assertIn(c, overview)
        self.assertRegex(alice.run("--version").out, r"\d+\.\d+")
        for c in ("send", "recv", "ls"):
            alice.run(c, "--help")
        first = alice.run(code=None)
        for line in ("peer start", "peer offer", "peer accept"):
            self.assertIn(line, first.out + first.err)

    def test_usage_errors(self):
        alice = self.peer("alice", False)
        wrong = alice.run("ofer", "bob", "x", code=2)
        self.assertIn("offer", wrong.err)
        for args in (("offer",), ("offer", "bob"), ("offers", "--nonsense"), ("start", "--yes"), ("accept", "1", "--on-clash", "maybe"), ("offer", "bob", "-"),
                     ("start", "--port", "99999"), ("add",), ("share",), ("rename", "x"), ("reject", "1", "2", "3")):
            with self.subTest(args=args):
                self.assertEqual(alice.run(*args, code=None).code, 2)
        a, b = alice.file("one/x", 1), alice.file("two/x", 1)
        self.assertEqual(alice.run("offer", "127.0.0.1:1", a, b, code=None).code, 2)  # two roots of one name
        self.assertEqual(alice.run("offer", "127.0.0.1:1", a, "--no-wait", code=None).code, 2)  # no lasting node

    def test_json(self):
        alice, bob = self.pair()
        alice.run("offer", "bob", alice.file("we\x1bird\n", 10), "--no-wait")
        bob.await_pending()
        for who, args in ((bob, ("offers",)), (alice, ("offers",)), (alice, ("peers",)), (alice, ("status",)), (alice, ("id",)), (alice, ("shares",)), (alice, ("history",)),
                          (alice, ("config",))):
            with self.subTest(args=args):
                for row in who.run(*args, "--json").rows():
                    self.assertEqual(row["v"], 1)
                    self.assertIn("type", row)
        row, = bob.offers()
        self.assertEqual((row["type"], row["direction"], row["state"], row["files"], row["bytes"]), ("offer", "in", "pending", 1, 10))

    def test_errors_and_changes_are_rows_too(self):
        alice = self.peer("alice", False)
        for args, code in ((("id", "nobody", "--json"), 10), (("--json", "ofer"), 2), (("accept", "1", "--on-clash", "x", "--json"), 2), (("wait", "--json"), 10)):
            with self.subTest(args=args):
                said = alice.run(*args, code=code)
                row, = said.rows()
                self.assertEqual((row["v"], row["type"], row["exit"]), (1, "error", code))
                self.assertIn(row["text"].splitlines()[0], said.err)
        row, = alice.run("config", "name", "ann", "--json").rows()
        self.assertEqual((row["type"], row["key"], row["value"]), ("setting", "name", "ann"))
        values = {r["key"]: r["value"] for r in alice.run("config", "--json").rows()}
        self.assertEqual((values["name"], values["port"]), ("ann", 56744))
        alice.run("share", alice.files, "--as", "s")
        row, = alice.run("unshare", "s", "--json").rows()
        self.assertEqual((row["type"], row["name"]), ("unshared", "s"))

    def test_rows_of_a_wait_are_news(self):
        alice, bob = self.pair()
        giving = alice.command("offer", "bob", alice.file("x", 10), "--json", "--timeout", "2")
        bob.await_pending()
        given = giving.finish()
        self.assertEqual(given.code, 9)
        rows = [r for r in given.rows() if r["type"] == "progress"]
        self.assertEqual(len(rows), len({json.dumps(r, sort_keys=True) for r in rows}))
        self.assertLessEqual(len(rows), 3)
        self.assertEqual(given.rows()[-1]["type"], "error")
        taken = bob.run("receive", "--from", "contacts", "--yes", "--count", "1", "--json")
        self.assertNotIn("withdrawn", [r["type"] for r in taken.rows()])
        last = [r for r in taken.rows() if r["type"] == "offer"][-1]
        self.assertEqual(last["state"], "done")
        self.assertGreater(last["ended"], 0)

    def test_a_dry_run_of_an_offer_says_the_scan_once(self):
        alice = self.peer("alice", False)
        said = alice.run("offer", "127.0.0.1:1", alice.file("x", 10), "-n")
        self.assertEqual((said.out + said.err).count("1 file, 10 bytes"), 1, repr(said))

    def test_all_about_one_offer(self):
        alice, bob = self.pair()
        alice.file("d/a", 10)
        alice.file("d/b", 20)
        alice.run("offer", "bob", os.path.join(alice.files, "d"), alice.file("c", 5), "--note", "here they are", "--no-wait")
        number = str(bob.await_pending())
        shown = bob.run("offers", number).out
        for part in ("from alice ‘d and 1 more’", "here they are", f"peer accept {number}", f"peer reject {number}", "3 files"):
            self.assertIn(part, shown.split("\n\n")[0])
        self.assertRegex(shown, r"(?m)^3  .*  d/b$")

    def test_the_only_offer_needs_no_number(self):
        alice, bob = self.pair()
        self.assertEqual(alice.run("cancel", code=10).code, 10)
        alice.run("offer", "bob", alice.file("x", 10), "--no-wait")
        waiting = alice.command("wait", "--json")
        self.assertIn(b"progress", waiting.process.stdout.readline())  # it has found its offer
        bob.await_pending()
        bob.run("reject", "--block")
        self.assertEqual(waiting.finish().code, 3)
        bob.run("unblock", "alice")
        alice.run("offer", "bob", alice.file("y", 10), "--no-wait")
        self.assertIn("is cancelled", alice.run("cancel").err)
        self.assertIn("was not trusted", bob.run("untrust", "alice").err)

    def test_several_open_offers_are_told_apart(self):
        alice, bob = self.pair()
        for n in range(12):
            alice.run("offer", "bob", alice.file(f"file-{n}", 1000 * (n + 1)), "--no-wait")
        bob.run("offer", "alice", bob.file("back", 10), "--no-wait")
        alice.await_pending(title="back")
        said = alice.run("cancel", code=2).err.splitlines()
        self.assertIn("several offers are open: give the number", said[0])
        self.assertEqual(said[1], "  1  to bob: ‘file-0’, 1 file, 1 kB")
        self.assertEqual((len(said), said[-1]), (12, "  and 3 more: peer offers"))
        said = bob.run("accept", code=2).err
        self.assertIn("several incoming offers are open: give the number", said)
        self.assertRegex(said, r"(?m)^  \d+  from alice: ‘file-0’, 1 file, 1 kB$")

    def test_status_and_stop(self):
        alice = self.peer("alice", False)
        self.assertFalse(alice.run("status", "--json").rows()[0]["running"])
        alice.run("stop")
        alice.start()
        self.assertTrue(alice.run("status", "--json").rows()[0]["running"])
        node = alice.node
        alice.run("stop")
        self.assertEqual(node.wait(20), 0)

    def test_one_node_per_home(self):
        alice = self.peer("alice")
        second = alice.run("start", "--port", str(alice.port), code=1)
        self.assertIn(str(alice.node.pid), second.err)

    def test_start_in_the_background(self):
        alice = self.peer("alice", False)
        said = alice.run("start", "--background", "--listen", "127.0.0.1", "--port", str(alice.port), "--downloads", alice.downloads, "--name", "ann")
        self.assertIn("ann", said.out + said.err)
        self.assertTrue(ID.search(said.out + said.err))
        self.assertIn(f":{alice.port}", said.out + said.err)
        alice.run("stop")

    def test_the_first_lines_of_start(self):
        alice = self.peer("alice")
        said = "".join(alice.log)
        for part in ("alice", str(alice.port)):
            self.assertIn(part, said)
        self.assertIn(alice.id()[:15], said)

    def test_a_taken_port(self):
        alice = self.peer("alice", False)
        with socket.create_server(("127.0.0.1", alice.port)):
            refused = alice.run("start", "--port", str(alice.port), "--listen", "127.0.0.1", "--downloads", alice.downloads, code=1)
        self.assertIn(str(alice.port), refused.err)
        self.assertIn("--port", refused.err)  # the command with another port

    def test_time_that_is_over_says_what_was_tried(self):
        alice = self.peer("alice", False)
        with socket.create_server(("127.0.0.1", alice.port)):
            late = alice.run("receive", "--port", str(alice.port), "--listen", "127.0.0.1", "--timeout", "1", code=9)
        self.assertIn(f"listen on TCP port {alice.port}", late.err)
        self.assertIn(f"peer receive --port {alice.port + 1}", late.err)
        with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and says nothing
            where = "127.0.0.1:%d" % silent.getsockname()[1]
            late = alice.run("add", "bob", where, "--timeout", "1", code=9)
        self.assertIn(f"add bob {where}", late.err)
        late = alice.run("receive", "--port", str(alice.port), "--listen", "127.0.0.1", "--timeout", "1", code=9)
        self.assertIn("no offer was taken", late.err)

    def test_listen_takes_addresses(self):
        alice = self.peer("alice", False)
        for bad in ("zzz", "7", "example.org", "127.0.0.1:80"):
            refused = alice.run("start", "--listen", bad, code=2)
            self.assertIn(bad, refused.err)
            self.assertNotIn("another port", refused.err)
        refused = alice.run("offer", "bob", alice.file("x", 1), "--as", "x" * 300, code=2)
        self.assertNotIn("'/'", refused.err)

    def test_settings(self):
        alice = self.peer("alice", False)
        alice.run("config", "port", "12345")
        self.assertIn("12345", alice.run("config", "port").out)
        self.assertIn("offers_from", alice.run("config").out)
        self.assertNotEqual(alice.run("config", "port", "99999", code=None).code, 0)
        self.assertIn("port", alice.run("config", "prot", code=None).err)
        with open(os.path.join(alice.home, "config.toml"), "a") as f:
            f.write("downloads = [broken\n")
        broken = alice.run("start", "--port", str(alice.port), code=None)
        self.assertNotEqual(broken.code, 0)
        self.assertIn("config.toml", broken.err)

    def test_a_misspelt_setting_is_told(self):
        alice = self.peer("alice", False)
        with open(os.path.join(alice.home, "config.toml"), "w") as f:
            f.write('offer_from = "contacts"\n')
        started = alice.run("start", "--port", str(alice.port), "--downloads", alice.downloads, "--background")
        self.assertIn("offer_from", started.err)
        self.assertIn("offers_from", started.err)

    def test_settings_read_again_keep_what_start_was_told(self):
        alice = self.peer("alice")
        alice.run("config", "on_clash", "skip")
        status, = [r for r in alice.run("status", "--json").rows() if r["type"] in ("node", "status")]
        self.assertEqual(status["downloads"], alice.downloads)

    def test_history(self):
        alice, bob = self.pair()
        self.give(alice, bob, alice.file("x", 10))
        for p, direction in ((alice, "out"), (bob, "in")):
            row, = p.run("history", "--json").rows()
            self.assertEqual((row["direction"], row["state"], row["files_done"]), (direction, "done", 1), json.dumps(row))
        self.assertIn("x", alice.run("history").out)

    def test_a_closed_pipe_ends_quietly(self):
        alice = self.peer("alice", False)
        r, w = os.pipe()
        os.close(r)
        import subprocess
        from peers import PEER
        p = subprocess.run([PEER, "help"], env=alice.env, stdout=w, stderr=subprocess.PIPE, timeout=60)
        os.close(w)
        self.assertEqual(p.stderr, b"")


if __name__ == "__main__":
    unittest.main(verbosity=2)
