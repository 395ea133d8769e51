"""A disk that is slow: as slow as 1 MB/s, or so slow that something else happens before an operation ends; and one that stands still."""
import os
import shutil
import signal
import time
import unittest

from fault_case import FaultCase
from faults import DELAY, FOR_EVER, LONG, resident
from peers import PATIENCE

MIB = 1 << 20
SLOW = 100  # milliseconds for each write of up to 100 kB: 1 MB a second
LONG_WHILE = 60_000  # milliseconds; the test lets go long before
STILL = 600 if LONG else 12  # seconds


class Slow(FaultCase):
    def offer(self, **more):
        number = self.a.ask("offer", peers=[self.taker.name], paths=self.roots, again=True, wait=False, **more)["numbers"][0]
        given = self.a.offer(number)
        row = self.until(lambda: (o := self.incoming(given["id"])) and o["state"] == "pending" and o)
        return number, row["number"]

    def states(self, *numbers):
        """How both sides' histories say that it ended, and what arrived."""
        rows = []
        for p, number in zip((self.giver, self.taker), numbers):
            p.run("wait", str(number), code=None)
            rows += [r for r in p.run("history", "--json").rows() if r["number"] == number]
        return [r["state"] for r in rows], rows[1]


class Disk(Slow):
    def tree(self):
        return [self.giver.file("big.bin", 6 * MIB), self.giver.file("small", 1000)]

    def test_a_disk_of_one_megabyte_a_second(self):
        """Others go on meanwhile, the node's memory does not grow, and nobody is taken for dead."""
        slow, quick = self.landing(), os.path.join(self.around.folder, "quick")
        os.mkdir(quick)
        number, taken = self.offer()
        self.shims[self.taker].arm([slow], ["write"], 1, DELAY, SLOW, FOR_EVER)
        before = resident(self.taker.node.pid)[0]
        self.b.ask("accept", offer=str(taken), to=slow, wait=False)
        self.until(lambda: self.shims[self.taker].fired > 3)
        other, other_taken = self.offer()
        self.b.ask("accept", offer=str(other_taken), to=quick, wait=True)
        row = self.b.offer(taken)
        self.assertEqual(row["state"], "active", "the slow one is still under way")
        self.assertNotIn("trouble", row)
        self.assertFalse(row.get("away"))
        self.assertLess(resident(self.taker.node.pid)[0], before + 96 * MIB)
        self.taker.run("wait", str(taken), timeout=90 * PATIENCE)
        self.assertEqual(self.states(number, taken)[0], ["done", "done"])
        self.check_arrived_in(slow, quick)

    def check_arrived_in(self, *folders):
        for folder in folders:
            for path in self.roots:
                self.assert_same(path, os.path.join(folder, os.path.basename(path)))


class Still(Slow):
    """Who reads stands still and goes on as if nothing had been; meanwhile nothing piles up on either side."""

    def tree(self):
        return [self.giver.file("big.bin", 64 * MIB), self.giver.file("small", 1000)]

    def half_way(self):
        """Some of it is stored, and from now on nothing can be."""
        folder = self.landing()
        number, taken = self.offer()
        self.b.ask("accept", offer=str(taken), to=folder, wait=False, limit=8 * MIB)
        self.until(lambda: (self.b.offer(taken) or {}).get("bytes_done", 0) > 2 * MIB)
        return folder, number, taken, [resident(p.node.pid)[0] for p in (self.giver, self.taker)]

    def goes_on(self, folder, number, taken, before):
        for p, held in zip((self.giver, self.taker), before):
            self.assertLess(resident(p.node.pid)[0], held + 64 * MIB)
        self.b.ask("accept", offer=str(taken), to=folder, wait=False, limit=0)
        self.taker.run("wait", str(taken))
        self.assertEqual(self.states(number, taken)[0], ["done", "done"])
        for path in self.roots:
            self.assert_same(path, os.path.join(folder, os.path.basename(path)))

    def test_the_disk_stands_still(self):
        folder, number, taken, before = self.half_way()
        shim = self.shims[self.taker]
        shim.arm([folder], ["write"], 1, DELAY, 2 * 1000 * STILL, FOR_EVER)
        self.until(lambda: shim.fired)
        time.sleep(STILL)  # this is how long it lasts
        self.assertEqual(self.b.offer(taken)["state"], "active")
        for local, n in ((self.a, number), (self.b, taken)):
            self.assertFalse(local.offer(n).get("away"), "nobody is taken for dead")
        shim.disarm()
        self.goes_on(folder, number, taken, before)

    @unittest.skipUnless(LONG, "ten minutes (test_silence.py: one)")
    def test_the_taker_stands_still(self):
        folder, number, taken, before = self.half_way()
        self.taker.node.send_signal(signal.SIGSTOP)
        time.sleep(STILL)  # this is how long it lasts
        self.assertTrue(self.a.offer(number)["away"])
        self.taker.node.send_signal(signal.SIGCONT)
        self.goes_on(folder, number, taken, before)


class Crossing(Slow):
    """A cancel that comes while what arrived gets its final names."""

    def tree(self):
        return [self.giver.file(f"root{i}", 10_000, seed=i) for i in range(4)]

    def cross(self, canceller):
        """The second root's final name takes so long that a cancel comes meanwhile."""
        self.points += 1
        folder = self.landing()
        shim = self.shims[self.taker]
        number, taken = self.offer()
        shim.arm([folder], ["rename"], 2, DELAY, LONG_WHILE)
        self.b.ask("accept", offer=str(taken), to=folder, wait=False)
        self.until(lambda: shim.fired)
        local, n = (self.a, number) if canceller is self.giver else (self.b, taken)
        said = local.begin("cancel", offer=str(n), keep=False, ask=False)
        self.until(lambda: local.offer(n)["state"] == "cancelled")
        shim.disarm()
        while "result" not in local.next(said):
            pass
        return folder, *self.states(number, taken)

    def test_a_cancel_that_crosses_the_delivery(self):
        for canceller in (self.giver, self.taker):
            with self.subTest(canceller.name):
                folder, states, taken = self.cross(canceller)
                self.assertEqual(len(set(states)), 1, "both tell the same")
                here = sorted(n for n in os.listdir(folder) if n.startswith("root"))
                for name in here:
                    self.assert_same(os.path.join(self.giver.files, name), os.path.join(folder, name))
                if states[0] == "done":
                    self.assertEqual(len(here), 4)
                named = sorted(os.path.basename(p) for p in taken.get("delivered", []))
                self.assertEqual(named, here, "what stays is named in the history")
                self.check_around(folder)
                self.check_records()
                shutil.rmtree(folder)


if __name__ == "__main__":
    unittest.main(verbosity=2)
