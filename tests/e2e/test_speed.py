"""What makes transfers fast, and what makes them slow on purpose: lanes that come and go, memory that does not grow, limits."""
import os
import re
import time
import unittest

from peers import PATIENCE, Case

MIB = 1 << 20


def memory(node, what):
    """MiB of a running node: VmRSS now, VmHWM at most so far."""
    with open(f"/proc/{node.pid}/status") as f:
        return int(re.search(what + r":\s+(\d+)", f.read())[1]) / 1024


def is_sanitized(node):
    with open(f"/proc/{node.pid}/maps") as f:
        return "san.so" in f.read()


class Lanes(Case):
    def over_lanes(self, size, hold):
        """A transfer that stands still after `hold` bytes; its connections are the session and two lanes."""
        alice, bob, proxy = self.pair_through_proxy()
        path = alice.file("large.bin", size)
        giving = alice.command("offer", "bob", path)
        number = bob.await_pending()
        proxy.hold(hold)
        bob.run("accept", str(number), "--no-wait")
        proxy.wait_held()
        self.assertEqual(len(proxy.connections), 3)
        return alice, bob, proxy, path, giving, number

    def lose(self, *numbers):
        """A transfer that loses those of its connections midway and arrives all the same; how many bytes more than the file passed."""
        alice, bob, proxy, path, giving, _ = self.over_lanes(96 * MIB, 24 * MIB)
        for number in numbers:
            proxy.cut_one(number)
        proxy.release()
        self.assertEqual(giving.finish().code, 0)
        self.assert_same(path, os.path.join(bob.downloads, "large.bin"))
        return proxy.counts[False] - 96 * MIB

    def test_a_lane_is_lost_midway(self):
        self.assertLess(self.lose(2), 12 * MIB, "more was sent again than the lost lane had under way")

    def test_both_lanes_are_lost_midway(self):
        self.lose(1, 2)

    def test_the_session_is_lost_midway(self):
        self.lose(0)

    def test_blocks_that_come_in_another_order(self):
        """One lane stands still while the other brings all the rest; what it was asked for comes last."""
        alice, bob, proxy, path, giving, number = self.over_lanes(128 * MIB, 24 * MIB)
        proxy.freeze(1)
        bob.watch().until(lambda o: o["number"] == number and o["bytes_done"] >= 100 * MIB)
        self.assertIsNone(giving.process.poll())
        proxy.release()
        self.assertEqual(giving.finish().code, 0)
        self.assert_same(path, os.path.join(bob.downloads, "large.bin"))


class Memory(Case):
    def test_it_does_not_grow_with_what_is_moved(self):
        alice, bob = self.pair()
        if is_sanitized(alice.node):
            self.skipTest("a sanitizer keeps memory of its own")
        self.give(alice, bob, alice.file("small.bin", 48 * MIB), self.tree(alice, "few", 1_000))
        before = [memory(p.node, "VmHWM") for p in (alice, bob)]
        self.give(alice, bob, alice.file("large.bin", 480 * MIB), self.tree(alice, "many", 60_000))
        after = [memory(p.node, "VmHWM") for p in (alice, bob)]
        for a, b in zip(before, after):
            self.assertLess(b - a, 6, f"MiB before {before}, after {after}")
            self.assertLess(b, 40, f"MiB before {before}, after {after}")

    def tree(self, peer, name, count):
        top = os.path.join(peer.files, name)
        for n in range(count):
            folder = os.path.join(top, f"{n // 100:04}")
            if n % 100 == 0:
                os.makedirs(folder)
            with open(os.path.join(folder, f"{n % 100:02}"), "wb") as f:
                f.write(b"x" * (n % 3))
        return top


class Limits(Case):
    def timed(self, giver, taker, size, **options):
        began = time.monotonic()
        self.give(giver, taker, giver.file(f"{size}.bin", size), **options)
        return time.monotonic() - began

    def test_of_one_transfer(self):
        alice, bob = self.pair()
        self.assertGreater(self.timed(alice, bob, 2_000_000, offer=("--limit", "1M")), 1.7)
        self.assertGreater(self.timed(alice, bob, 2_000_001, accept=("--limit", "1MB/s")), 1.7)
        # Over lanes.
        self.assertGreater(self.timed(alice, bob, 20_000_000, offer=("--limit", "10M")), 1.7)
        self.assertGreater(self.timed(alice, bob, 20_000_001, accept=("--limit", "10M")), 1.7)

    def test_of_the_whole_node(self):
        alice, bob = self.pair()
        for node in (alice, bob):
            node.run("config", "limit", "10M")
            self.assertIn("10 MB/s at most", node.run("status").out)
            self.assertGreater(self.timed(alice, bob, 20_000_000, offer=("--again",)), 1.7)
            node.run("config", "limit", "none")

    def test_lifted_while_it_runs(self):
        alice, bob = self.pair()
        for lift in ((alice, "offer", "bob"), (bob, "accept"), (alice, "config")):
            path = alice.file(f"{lift[0].name}-{lift[1]}.bin", 60_000_000)
            if lift[1] == "config":
                alice.run("config", "limit", "100k")
                give = ()
            else:
                give = ("--limit", "100k") if lift[1] == "offer" else ()
            giving = alice.command("offer", "bob", path, *give)
            number = bob.await_pending()
            bob.run("accept", str(number), "--no-wait", *(("--limit", "100k") if lift[1] == "accept" else ()))
            bob.watch().until(lambda o: o["number"] == number and o["bytes_done"] > 0)
            self.assertIsNone(giving.process.poll())
            if lift[1] == "offer":
                self.assertIn("at most 100 kB/s", alice.run("offers").out)
                alice.run("offer", "bob", path, "--limit", "none")
            elif lift[1] == "accept":
                bob.run("accept", str(number), "--limit", "none")
            else:
                alice.run("config", "limit", "none")
            self.assertEqual(giving.finish(60 * PATIENCE).code, 0)
            self.assert_same(path, os.path.join(bob.downloads, os.path.basename(path)))

    def test_others_go_on_beside_a_limited_one(self):
        alice, bob = self.pair()
        slow = alice.command("offer", "bob", alice.file("slow.bin", 3_000_000), "--limit", "20k")
        number = bob.await_pending()
        bob.run("accept", str(number), "--no-wait")
        bob.watch().until(lambda o: o["number"] == number and o["bytes_done"] > 0)
        self.give(alice, bob, alice.file("quick.bin", 3_000_000))
        self.assertIsNone(slow.process.poll())
        self.assertEqual([o["state"] for o in bob.offers() if o["number"] == number], ["active"])
        alice.run("cancel", str([o["number"] for o in alice.offers()][0]))
        self.assertNotEqual(slow.finish().code, 0)

    def test_what_is_no_speed(self):
        alice, bob = self.pair()
        path = alice.file("x", 1)
        for speed in ("fast", "20x", "-1M", "5", "", "1e9", "0.5k"):
            refused = alice.run("offer", "bob", path, "--limit", speed, code=2)
            self.assertIn("--limit takes a speed such as 20M", refused.err)
            self.assertIn(f"‘{speed}’", refused.err)
        self.assertIn('"none"', alice.run("config", "limit", "quick", code=2).err)
        self.assertEqual(alice.run("config", "limit").out.strip(), '"none"')


if __name__ == "__main__":
    unittest.main()
