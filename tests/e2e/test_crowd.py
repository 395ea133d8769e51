"""Many peers and many offers at once; one that fails disturbs nobody."""
import os
import unittest

from peers import Case


class Crowd(Case):
    def test_thirty_offers_from_ten_peers(self):
        hub = self.peer("hub")
        givers = [self.peer(f"p{i}") for i in range(10)]
        commands = []
        for i, p in enumerate(givers):
            p.add(hub)
            hub.run("add", p.name, "--id", p.id())
            for k in range(3):
                path = p.file(f"{p.name}-{k}/data", 200_000 + 1000 * k, seed=i * 3 + k)
                commands.append((path, p.command("offer", "hub", os.path.dirname(path))))
        watch, numbers = hub.watch(), set()
        while len(numbers) < 30:
            numbers.add(watch.until(lambda o: o["direction"] == "in" and o["state"] == "pending" and o["number"] not in numbers)["number"])
        accepts = [hub.command("accept", str(n)) for n in sorted(numbers)]
        for path, c in commands:
            given = c.finish()
            self.assertEqual(given.code, 0, repr(given))
            root = os.path.dirname(path)
            self.assert_same(root, os.path.join(hub.downloads, os.path.basename(root)))
        for c in accepts:
            taken = c.finish()
            self.assertEqual(taken.code, 0, repr(taken))
        self.assert_no_leftovers(hub.downloads)

    def test_both_directions_at_once(self):
        alice, bob = self.pair()
        a, b = alice.file("from-alice", 40 << 20), bob.file("from-bob", 40 << 20, seed=2)
        alice.run("offer", "bob", a, "--no-wait")
        bob.run("offer", "alice", b, "--no-wait")
        at_bob, at_alice = bob.await_pending(), alice.await_pending()
        x, y = bob.command("accept", str(at_bob)), alice.command("accept", str(at_alice))
        for c in (x, y):
            taken = c.finish()
            self.assertEqual(taken.code, 0, repr(taken))
        self.assert_same(a, os.path.join(bob.downloads, "from-alice"))
        self.assert_same(b, os.path.join(alice.downloads, "from-bob"))

    def test_crossed_dials(self):
        """Both know the other's address and start at once: one session stays, nothing is lost or doubled."""
        alice, bob = self.peer("alice"), self.peer("bob")
        alice.add(bob)
        bob.add(alice)
        alice.stop()
        bob.stop()
        alice.start()
        bob.start()
        a, b = alice.file("a", 3 << 20), bob.file("b", 3 << 20, seed=2)
        x, y = alice.command("offer", "bob", a), bob.command("offer", "alice", b)
        bob.run("accept", str(bob.await_pending()))
        alice.run("accept", str(alice.await_pending()))
        self.assertEqual((x.finish().code, y.finish().code), (0, 0))
        self.assertEqual(os.listdir(bob.downloads), ["a"])
        self.assertEqual(os.listdir(alice.downloads), ["b"])

    def test_a_client_that_crashes_may_come_back_at_once(self):
        alice, bob = self.pair()
        carol = self.peer("carol")
        carol.add(bob)
        path = carol.file("c", 1000)
        giving = carol.command("offer", "bob", path)
        bob.await_pending()
        giving.process.kill()
        giving.finish()
        carol.kill()
        self.give(alice, bob, alice.file("a", 1000), title="a")
        carol.start()
        bob.run("accept", str(bob.await_pending(title="c")))
        self.assert_same(path, os.path.join(bob.downloads, "c"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
