"""Offers that wait: for somebody who is away, for several people, for the user's go; and what is told meanwhile and afterwards."""
import contextlib
import os
import signal
import time
import unittest

from local import Local
from peers import Case


class Away(Case):
    def apart(self):
        """alice's node runs, bob's has ended; they are contacts, and alice knows where he was."""
        alice, bob = self.pair()
        bob.stop()
        return alice, bob

    def test_offered_to_somebody_away(self):
        alice, bob = self.apart()
        path = alice.file("letter", 5000)
        made = alice.run("offer", "bob", path, "--no-wait")
        number = made.out.strip()
        self.assertRegex(number, r"^\d+$")
        self.assertIn("bob is not reachable; the offer stays here and goes out when bob appears", made.err)
        self.assertEqual([(o["state"], o.get("away")) for o in alice.offers()], [("pending", True)])
        alice.stop()  # a stored thing: it waits in the home, not in the process
        bob.start()
        alice.start()
        bob.run("accept", str(bob.await_pending()))
        self.assert_same(path, os.path.join(bob.downloads, "letter"))
        self.assertEqual(alice.run("wait", number).code, 0)

    def test_they_come_in_the_order_in_which_they_were_made(self):
        alice, bob = self.apart()
        names = [f"{n:02}" for n in range(12)]
        for name in names:
            alice.run("offer", "bob", alice.file(name, 10), "--no-wait")
        bob.start()
        watch = bob.watch()
        watch.until(lambda o: len([w for w in watch.offers.values() if w["state"] == "pending"]) == len(names))
        self.assertEqual([o["title"] for o in sorted(bob.offers(), key=lambda o: o["number"])], names)

    def test_a_crash_right_after_the_number(self):
        alice, bob = self.apart()
        path = alice.file("letter", 5000)
        alice.run("offer", "bob", path, "--no-wait")
        alice.kill()
        alice.start()
        bob.start()
        bob.run("accept", str(bob.await_pending()))
        self.assert_same(path, os.path.join(bob.downloads, "letter"))

    def test_followed_while_the_other_is_away(self):
        alice, bob = self.apart()
        path = alice.file("letter", 5000)
        giving = alice.command("offer", "bob", path)
        alice.watch().until(lambda o: o["state"] == "pending" and o.get("away"))
        bob.start()
        bob.run("accept", str(bob.await_pending()))
        given = giving.finish()
        self.assertEqual(given.code, 0, repr(given))
        self.assertIn("delivered to bob", given.err)

    def test_withdrawn_before_it_went_out(self):
        alice, bob = self.apart()
        number = alice.run("offer", "bob", alice.file("x", 10), "--no-wait").out.strip()
        alice.run("cancel", number)
        self.assertEqual(alice.offers(), [])
        other = alice.run("offer", "bob", alice.file("y", 10), "--no-wait").out.strip()
        bob.start()
        bob.await_pending(title="y")
        self.assertEqual([o["title"] for o in bob.offers()], ["y"])
        alice.run("cancel", other)

    def test_expires_while_the_other_is_away(self):
        alice, _ = self.apart()
        given = alice.run("offer", "bob", alice.file("x", 10), "--expires", "1s", code=9)
        self.assertIn("expired", given.err)
        self.assertEqual(alice.offers(), [])

    def test_left_to_the_node(self):
        alice, bob = self.apart()
        giving = alice.command("offer", "bob", alice.file("x", 10))
        told = b""
        while b"goes out when bob appears" not in told:
            told = giving.process.stderr.readline()
        number = alice.offers()[0]["number"]
        giving.signal(signal.SIGINT)
        given = giving.finish()
        self.assertEqual(given.code, 130)
        self.assertIn(f"the node goes on. peer wait {number}, peer cancel {number}", given.err)
        bob.start()
        bob.run("accept", str(bob.await_pending()))
        alice.run("wait", str(number))

    def test_the_same_command_again_is_the_same_offer(self):
        alice, _ = self.apart()
        path = alice.file("x", 10)
        numbers = {alice.run("offer", "bob", path, "--no-wait").out.strip() for _ in range(2)}
        self.assertEqual(len(numbers), 1)
        self.assertEqual(len(alice.offers()), 1)

    def test_an_unknown_address_stays_an_error(self):
        alice = self.peer("alice")
        refused = alice.run("offer", "127.0.0.1:9", alice.file("x", 10), code=4)
        self.assertIn("127.0.0.1:9 refused the connection", refused.err)
        self.assertEqual(alice.offers(), [])

    def test_without_a_lasting_node(self):
        alice, bob = self.peer("alice", False), self.peer("bob")
        alice.run("add", "bob", bob.address, "--id", bob.id(), "--yes")
        bob.stop()
        path = alice.file("x", 10)
        giving = alice.run("offer", "bob", path, "--timeout", "2s", code=9)
        number = alice.offers()[0]["number"]
        self.assertIn(f"peer wait {number}", giving.err)
        bob.start()
        waiting = alice.command("wait", str(number))
        bob.run("accept", str(bob.await_pending()))
        self.assertEqual(waiting.finish().code, 0)

    def test_status_says_what_waits_and_why(self):
        alice, bob = self.apart()
        number = alice.run("offer", "bob", alice.file("x", 10), "--no-wait").out.strip()
        alice.watch().until(lambda o: "unreached" in o)
        status = alice.run("status").out
        self.assertRegex(status, rf"offer {number} to bob .*bob is not reachable")
        self.assertIn("refused the connection", status)
        waiting, = (r for r in alice.run("status", "--json").rows()[0]["waiting"])
        self.assertEqual((waiting["number"], waiting["away"]), (int(number), True))
        self.assertIn("next_try", waiting)

    def test_sessions_setting(self):
        alice, bob = self.pair()
        connected = lambda: [s["peer"]["name"] for s in alice.run("status", "--json").rows()[0]["sessions"]]
        self.assertEqual(connected(), ["bob"])
        self.assertEqual(alice.run("config", "sessions", "nobody", code=2).out, "")
        alice.run("config", "sessions", "off")
        bob.run("config", "sessions", "off")
        alice.stop()
        bob.stop()
        bob.start()
        alice.start()
        self.assertEqual(connected(), [])
        # An offer is business all the same.
        alice.run("offer", "bob", alice.file("x", 10), "--no-wait")
        bob.run("accept", str(bob.await_pending()))


class Several(Case):
    def three(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        for p in (bob, carol):
            alice.add(p)
            p.run("add", "alice", "--id", alice.id())
        return alice, bob, carol

    def test_taken_by_all(self):
        alice, bob, carol = self.three()
        for i in range(20):
            alice.file(f"d/{i}", 1000 * i, seed=i)
        giving = alice.command("offer", "bob,carol", os.path.join(alice.files, "d"))
        for p in (bob, carol):
            p.run("accept", str(p.await_pending()))
            self.assert_same(os.path.join(alice.files, "d"), os.path.join(p.downloads, "d"))
        given = giving.finish()
        self.assertEqual(given.code, 0, repr(given))
        self.assertIn("delivered to bob", given.err)
        self.assertIn("delivered to carol", given.err)

    def test_one_says_no(self):
        alice, bob, carol = self.three()
        giving = alice.command("offer", "bob,carol", alice.file("x", 10))
        bob.run("reject", str(bob.await_pending()))
        carol.run("accept", str(carol.await_pending()))
        given = giving.finish()
        self.assertEqual(given.code, 8, repr(given))
        self.assertIn("bob rejected", given.err)
        self.assert_same(os.path.join(alice.files, "x"), os.path.join(carol.downloads, "x"))

    def test_all_say_no(self):
        alice, bob, carol = self.three()
        giving = alice.command("offer", "bob,carol", alice.file("x", 10))
        for p in (bob, carol):
            p.run("reject", str(p.await_pending()))
        self.assertEqual(giving.finish().code, 8)

    def test_one_is_away(self):
        alice, bob, carol = self.three()
        carol.stop()
        made = alice.run("offer", "bob,carol", alice.file("x", 10), "--no-wait")
        self.assertEqual(len(made.out.split()), 2)
        self.assertIn("carol is not reachable", made.err)
        self.assertNotIn("bob is not reachable", made.err)
        bob.run("accept", str(bob.await_pending()))
        carol.start()
        carol.run("accept", str(carol.await_pending()))
        alice.run("wait", *made.out.split())

    def test_a_name_that_is_none(self):
        alice, bob, _ = self.three()
        refused = alice.run("offer", "bob,dave", alice.file("x", 10), code=10)
        self.assertIn("dave", refused.err)
        self.assertEqual(alice.offers() + bob.offers(), [])
        self.assertEqual(alice.run("offer", "bob,,carol", alice.file("y", 10), code=2).out, "")


class Pausing(Case):
    def held(self, size=48 << 20, after=8 << 20, limit="none"):
        alice, bob, proxy = self.pair_through_proxy()
        path = alice.file("big", size)
        alice.run("offer", "bob", path, "--limit", limit, "--no-wait")
        number = bob.await_pending()
        proxy.hold(after)
        bob.run("accept", str(number), "--no-wait")
        proxy.wait_held()
        return alice, bob, proxy, path, number, alice.offers()[0]["number"]

    def arrives(self, alice, bob, path, number):
        bob.run("wait", str(number))
        self.assert_same(path, os.path.join(bob.downloads, os.path.basename(path)))
        self.assert_no_leftovers(bob.downloads)
        alice.await_end("done")

    def test_the_taker_pauses(self):
        alice, bob, proxy, path, number, given = self.held()
        said = bob.run("pause", str(number))
        self.assertIn(f"peer resume {number}", said.err)
        proxy.release()
        alice.watch().until(lambda o: (o.get("trouble") or {}).get("code") == "paused")
        self.assertIn("bob paused", alice.run("offers").out)
        self.assertIn(f"peer resume {number}", bob.run("offers").out)
        bob.stop()
        bob.start()  # it stays paused over a restart, and the giver hears of it
        alice.watch().until(lambda o: (o.get("trouble") or {}).get("code") == "paused" and not o.get("away"))
        self.assertEqual(bob.offers()[0]["trouble"]["code"], "paused")
        bob.run("resume", str(number))
        self.arrives(alice, bob, path, number)

    def test_paused_and_resumed_again_and_again(self):
        """By either side and by both, without a moment between: the last word counts, and nothing is lost."""
        alice, bob, proxy, path, number, given = self.held(32 << 20, 4 << 20)
        alice.run("offer", "bob", path, "--limit", "1M", "--no-wait")  # (it would be over too soon)
        with contextlib.closing(Local(alice.home)) as at_alice, contextlib.closing(Local(bob.home)) as at_bob:
            sides = {"giver": (at_alice, str(given)), "taker": (at_bob, str(number))}
            for who in (("giver",), ("taker",), ("giver", "taker")):
                proxy.hold(2 << 20)
                for n in range(7):
                    asked = [(local, local.begin("pause" if n % 2 == 0 else "resume", offer=o)) for local, o in map(sides.get, who)]
                    for local, request in asked:
                        while "result" not in local.next(request):
                            pass
                    if n == 3:
                        proxy.release()  # the rest of it happens while bytes pass
                for local, o in map(sides.get, who):
                    self.assertTrue(local.offer(int(o))["paused"])
                    local.ask("resume", offer=o)
        alice.run("offer", "bob", path, "--limit", "none", "--no-wait")
        proxy.release()
        self.arrives(alice, bob, path, number)
        self.assertLess(proxy.counts[False], (32 << 20) + (64 << 20))

    def test_what_is_changed_while_it_is_paused_is_found(self):
        alice, bob, proxy, path, number, given = self.held(after=24 << 20)
        bob.run("pause", str(number))
        proxy.release()
        staged, = [os.path.join(where, "big") for where, _, names in os.walk(bob.downloads) if "big" in names]
        bob.watch().until(lambda o: o["number"] == number and "chosen_bytes" not in o)  # it is closed
        before = os.stat(staged)
        with open(staged, "r+b") as f:
            f.seek(3 << 20)
            f.write(b"something else")
        os.utime(staged, ns=(before.st_atime_ns, before.st_mtime_ns))
        bob.run("resume", str(number))
        self.arrives(alice, bob, path, number)

    def test_the_giver_pauses(self):
        alice, bob, proxy, path, number, given = self.held()
        alice.run("pause", str(given))
        proxy.release()
        bob.watch().until(lambda o: (o.get("trouble") or {}).get("code") == "paused")
        self.assertIn("alice paused", bob.run("offers").out)
        waiting = bob.command("wait", str(number))
        alice.run("resume", str(given))
        self.assertEqual(waiting.finish().code, 0)
        self.arrives(alice, bob, path, number)

    def test_paused_before_the_answer(self):
        alice, bob = self.pair()
        bob.stop()
        path = alice.file("big", 8 << 20)
        number = alice.run("offer", "bob", path, "--no-wait").out.strip()
        alice.run("pause", number)
        bob.start()
        taken = bob.await_pending()
        bob.run("accept", str(taken), "--no-wait")
        bob.watch().until(lambda o: (o.get("trouble") or {}).get("code") == "paused")
        self.assertEqual(os.path.exists(os.path.join(bob.downloads, "big")), False)
        alice.run("resume", number)
        self.arrives(alice, bob, path, taken)

    def test_what_is_not_carried_out_cannot_be_paused(self):
        alice, bob = self.pair()
        alice.run("offer", "bob", alice.file("x", 10), "--no-wait")
        number = bob.await_pending()
        refused = bob.run("pause", str(number), code=1)
        self.assertIn(f"peer reject {number}", refused.err)
        self.assertIn("not paused", bob.run("resume", str(number), code=1).err)

    def stopped(self, giver_stops):
        alice, bob, proxy, path, number, given = self.held(256 << 20, limit="20M")  # (it would be over too soon)
        proxy.release()
        stops, stays = (alice, bob) if giver_stops else (bob, alice)
        watch = stays.watch()
        stops.node.send_signal(signal.SIGTERM)
        watch.until(lambda o: o.get("away") and (o.get("trouble") or {}).get("code") == "paused")
        self.assertIn(f"{stops.name} paused: its program was ended", stays.run("offers").out)
        stops.stop()
        if giver_stops:
            time.sleep(6)  # it would have been tried again
            self.assertIn(f"{stops.name} paused: its program was ended", stays.run("offers").out)
        alice.run("offer", "bob", path, "--limit", "none", "--no-wait") if not giver_stops else None
        stops.start()
        alice.run("offer", "bob", path, "--limit", "none", "--no-wait") if giver_stops else None
        self.arrives(alice, bob, path, number)

    def test_a_giver_that_is_stopped_says_so(self):
        self.stopped(giver_stops=True)

    def test_a_taker_that_is_stopped_says_so(self):
        self.stopped(giver_stops=False)

    def test_accepted_and_then_nothing(self):
        alice = self.peer("alice")
        alice.run("config", "give_up_after", "2s")
        client = self.session(alice)
        alice.run("add", "quiet", "--id", self.client_id())
        giving = alice.command("offer", "quiet", alice.file("x", 1 << 20))
        offer = client.hear("offer")
        client.say("accept", id=offer["id"], round=1, manifest=offer["manifest"]["sha256"], files=1, bytes=1 << 20, lanes=0)
        given = giving.finish()
        self.assertEqual(given.code, 9, repr(given))
        self.assertIn("quiet accepted and took nothing for 2 s: given up", given.err)
        # The offer stands: whoever wants again gets.
        client.say("want", id=offer["id"], offset=0, length=1000)
        self.assertEqual(client.hear("data", about=offer["id"])["length"], 1000)


class History(Case):
    def test_receipts(self):
        alice, bob = self.pair()
        self.give(alice, bob, alice.file("x", 1000), alice.file("y", 24))
        rows = {p.name: p.run("history", "--json").rows()[0] for p in (alice, bob)}
        for row in rows.values():
            self.assertEqual((row["files_done"], row["bytes_done"], row["state"]), (2, 1024, "done"))
            self.assertEqual((row["giver"], row["taker"]), (alice.id(), bob.id()))
            self.assertGreaterEqual(row["ended"], row["made"])
        self.assertEqual(rows["alice"]["manifest"], rows["bob"]["manifest"])
        self.assertRegex(rows["alice"]["manifest"], r"^[0-9a-f]{64}$")
        self.assertEqual(rows["alice"]["id"], rows["bob"]["id"])

    def test_cleared(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        for p in (bob, carol):
            alice.add(p)
            p.run("add", "alice", "--id", alice.id())
            self.give(alice, p, alice.file("x", 1000))
        open_number = alice.run("offer", "bob", alice.file("y", 24), "--no-wait").out.strip()
        names = lambda *peer: [r["peer"]["name"] for r in alice.run("history", *peer, "--json").rows()]
        self.assertEqual(names(), ["carol", "bob"])
        self.assertEqual(names("bob"), ["bob"])
        self.assertIn("1 offer", alice.run("history", "--clear", "bob").err)
        self.assertEqual(names(), ["carol"])
        alice.run("history", "--clear")
        self.assertEqual(names(), [])
        self.assertEqual([str(o["number"]) for o in alice.offers()], [open_number])
        # What has ended is not offered a second time for that.
        alice.stop()
        bob.stop()
        bob.start()
        alice.start()
        bob.await_pending(title="y")
        self.assertEqual([o["title"] for o in bob.offers()], ["y"])

    def test_days(self):
        alice, bob = self.pair()
        self.give(alice, bob, alice.file("x", 1000))
        self.assertEqual(alice.run("config", "history_days").out.strip(), "90")
        self.assertEqual(len(alice.run("history", "--json").rows()), 1)
        alice.run("config", "history_days", "0")
        alice.watch()  # (the node has read it by now)
        end = time.monotonic() + 30
        while alice.run("history", "--json").rows() and time.monotonic() < end:
            time.sleep(0.1)
        self.assertEqual(alice.run("history", "--json").rows(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
