"""The command line itself: help, usage, JSON, settings, one node per home."""
import json
import os
import socket
import unittest

from peers import Case, ID

COMMANDS = """start stop status offer offers accept reject cancel wait receive get list share unshare shares peers add rename forget
block unblock trust untrust id history config help""".split()


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
                     ("start", "--port", "99999"), ("wait",), ("add",), ("share",), ("rename", "x"), ("reject", "1", "2", "3")):
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
