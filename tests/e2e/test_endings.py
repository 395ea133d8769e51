"""How offers end when they do not simply arrive: no, never mind, again, too late; and the exit codes that say so."""
import os
import signal
import unittest

from peers import Case


class Endings(Case):
    def held(self, make, after=3 << 20):
        """A transfer that stands still after some bytes; returns (alice, bob, proxy, alice's running command, bob's number)."""
        alice, bob, proxy = self.pair_through_proxy()
        giving = alice.command("offer", "bob", make(alice))
        number = bob.await_pending()
        proxy.hold(after)
        bob.run("accept", str(number), "--no-wait")
        proxy.wait_held()
        return alice, bob, proxy, giving, number

    def test_rejected_with_a_reason(self):
        alice, bob = self.pair()
        giving = alice.command("offer", "bob", alice.file("x", 10))
        bob.run("reject", str(bob.await_pending()), "--reason", "no space for \x1b]0;this")
        given = giving.finish()
        self.assertEqual(given.code, 3, repr(given))
        self.assertIn("no space for", given.out + given.err)
        self.assertNotIn("\x1b", given.out + given.err)
        self.assertEqual(alice.offers() + bob.offers(), [])

    def test_rejected_and_blocked(self):
        alice, bob = self.pair()
        giving = alice.command("offer", "bob", alice.file("x", 10))
        bob.run("reject", str(bob.await_pending()), "--block")
        self.assertEqual(giving.finish().code, 3)
        again = alice.run("offer", "bob", alice.file("y", 10), "--timeout", "5", code=None)
        self.assertNotEqual(again.code, 0)
        self.assertEqual(bob.offers(), [])

    def test_withdrawn_before_the_answer(self):
        alice, bob = self.pair()
        number = alice.run("offer", "bob", alice.file("x", 10), "--no-wait").out.strip()
        bob.await_pending()
        alice.run("cancel", number)
        bob.watch().socket.close()
        self.assertEqual(alice.offers(), [])
        gone = [o for o in bob.run("history", "--json").rows() if o["state"] == "cancelled"]
        self.assertEqual(len(gone), 1)

    def test_what_is_carried_out_keeps_its_options(self):
        alice, bob, proxy, giving, number = self.held(lambda alice: alice.file("big", 16 << 20))
        other = bob.run("accept", str(number), "--to", os.path.join(bob.folder, "elsewhere"), code=1)
        self.assertIn(bob.downloads, other.err)
        self.assertIn(f"peer cancel {number}", other.err)
        proxy.release()
        self.assertEqual(giving.finish().code, 0)
        self.assertEqual(os.listdir(bob.downloads), ["big"])

    def test_the_giver_cancels_in_the_middle(self):
        alice, bob, proxy, giving, number = self.held(lambda alice: alice.file("big", 64 << 20))
        waiting = bob.command("wait", str(number))
        alice.run("cancel", str(alice.offers()[0]["number"]))
        proxy.release()
        waited = waiting.finish()
        self.assertEqual(waited.code, 3)
        self.assertIn("was cancelled by alice", waited.err)
        self.assertNotEqual(giving.finish().code, 0)
        self.assertEqual(os.listdir(bob.downloads), [])

    def test_the_taker_cancels_in_the_middle(self):
        alice, bob, proxy, giving, number = self.held(lambda alice: alice.file("big", 64 << 20))
        bob.run("cancel", str(number))
        proxy.release()
        given = giving.finish()
        self.assertEqual(given.code, 3, repr(given))
        self.assertEqual(os.listdir(bob.downloads), [])
        self.assertEqual(alice.offers() + bob.offers(), [])

    def test_cancel_keeps_what_is_complete(self):
        def tree(alice):
            for i in range(16):
                alice.file(f"d/{i:02}", 4 << 20, seed=i)
            return os.path.join(alice.files, "d")
        alice, bob, proxy, giving, number = self.held(tree, after=40 << 20)
        bob.run("cancel", str(number), "--keep")
        proxy.release()
        self.assertEqual(giving.finish().code, 3)
        kept = os.listdir(os.path.join(bob.downloads, "d"))
        self.assertTrue(0 < len(kept) < 16, kept)
        for name in kept:
            self.assert_same(os.path.join(alice.files, "d", name), os.path.join(bob.downloads, "d", name))
        self.assert_no_leftovers(bob.downloads)

    def test_cancel_keeps_nothing_of_what_is_not_complete(self):
        alice, bob, proxy, giving, number = self.held(lambda alice: alice.file("big", 64 << 20))
        cancelled = bob.run("cancel", str(number), "--keep")
        self.assertNotIn("kept", cancelled.out + cancelled.err)
        proxy.release()
        self.assertEqual(giving.finish().code, 3)
        self.assertEqual(os.listdir(bob.downloads), [])

    def test_cancel_keeps_what_is_complete_of_what_is_paused(self):
        def tree(alice):
            for i in range(16):
                alice.file(f"d/{i:02}", 4 << 20, seed=i)
            return os.path.join(alice.files, "d")
        alice, bob, proxy, giving, number = self.held(tree, after=40 << 20)
        bob.run("pause", str(number))
        bob.watch().until(lambda o: (o.get("trouble") or {}).get("code") == "paused")
        said = bob.run("cancel", str(number), "--keep")
        kept = os.listdir(os.path.join(bob.downloads, "d"))
        self.assertTrue(0 < len(kept) < 16, kept)
        self.assertIn(f"kept: ‘{os.path.join(bob.downloads, 'd')}’", said.out + said.err)
        proxy.release()
        self.assertEqual(giving.finish().code, 3)
        self.assert_no_leftovers(bob.downloads)

    def test_only_the_taker_can_keep(self):
        alice, bob, proxy, giving, number = self.held(lambda alice: alice.file("big", 64 << 20))
        mine = str(alice.offers()[0]["number"])
        self.assertIn("at the other side", alice.run("cancel", mine, "--keep", code=2).err)
        alice.run("cancel", mine)
        proxy.release()
        self.assertNotEqual(giving.finish().code, 0)

    def test_accepted_again_is_followed(self):
        alice, bob, proxy, giving, number = self.held(lambda alice: alice.file("big", 64 << 20))
        again = bob.command("accept", str(number))
        proxy.release()
        self.assertEqual(again.finish().code, 0)
        self.assertEqual(giving.finish().code, 0)
        # Once more when it is over: the same, and nothing happens.
        self.assertIn("verified", bob.run("accept", str(number)).err)
        self.assertEqual(os.listdir(bob.downloads), ["big"])
        rejected = alice.command("offer", "bob", alice.file("y", 10))
        number = str(bob.await_pending())
        bob.run("reject", number)
        rejected.finish()
        self.assertIn("rejected", bob.run("accept", number, code=1).err)

    def test_what_is_still_to_be_said_is_history_already(self):
        alice, bob, proxy, giving, number = self.held(lambda alice: alice.file("big", 64 << 20))
        alice.kill()
        proxy.cut()
        giving.finish()
        bob.run("cancel", str(number))
        self.assertEqual([(o["number"], o["state"]) for o in bob.run("history", "--json").rows()], [(number, "cancelled")])

    def test_the_same_offer_twice_is_one(self):
        alice, bob = self.pair()
        path = alice.file("x", 1000)
        first = alice.run("offer", "bob", path, "--no-wait").out.strip()
        self.assertEqual(alice.run("offer", "bob", path, "--no-wait").out.strip(), first)
        self.assertNotEqual(alice.run("offer", "bob", path, "--no-wait", "--again").out.strip(), first)
        with open(path, "ab") as f:
            f.write(b"more")
        self.assertNotEqual(alice.run("offer", "bob", path, "--no-wait").out.strip(), first)

    def test_expired(self):
        alice, bob = self.pair()
        given = alice.run("offer", "bob", alice.file("x", 10), "--expires", "1s", code=None)
        self.assertEqual(given.code, 9, repr(given))
        self.assertEqual(alice.offers(), [])

    def test_a_timeout_of_the_command(self):
        alice, bob = self.pair()
        self.assertEqual(alice.run("offer", "bob", alice.file("x", 10), "--timeout", "1", code=None).code, 9)

    def test_interrupted_and_gone_on(self):
        alice, bob = self.pair()
        giving = alice.command("offer", "bob", alice.file("x", 10))
        number = bob.await_pending()
        giving.signal(signal.SIGINT)
        stopped = giving.finish()
        self.assertEqual(stopped.code, 130, repr(stopped))
        self.assertIn("peer", stopped.err)  # says what to run to go on
        waiting = alice.command("wait", str(alice.offers()[0]["number"]))
        bob.run("accept", str(number))
        self.assertEqual(waiting.finish().code, 0)

    def test_not_reachable(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        alice.add(bob)
        bob.stop()
        given = alice.run("offer", bob.address, alice.file("x", 10), "--timeout", "5", code=None)
        self.assertIn(given.code, (4, 9), repr(given))
        self.assertIn("peer start", given.err)

    def test_no_such_thing(self):
        alice, bob = self.pair()
        for args, code in ((("offer", "carol", alice.file("x", 1)), 10), (("offer", "bob", "/no/such/file"), 10), (("accept", "99"), 10),
                           (("reject", "99"), 10), (("cancel", "99"), 10), (("wait", "99"), 10), (("unshare", "nothing"), 10), (("forget", "carol"), 10),
                           (("get", "bob", "nothing/here"), 10), (("list", "bob", "nothing"), 10)):
            with self.subTest(args=args):
                self.assertEqual(alice.run(*args, code=None).code, code)


if __name__ == "__main__":
    unittest.main(verbosity=2)
