"""Memory gives out: what a node asks for is not there, once or for a while, at any place and at either side; or there is little of it altogether."""
import os
import shutil
import time
import unittest

from fault_case import FaultCase
from faults import FAIL, FOR_EVER, LONG
from local import Refused
from peers import INSTRUMENTED, Case

SAMPLE = 300 if LONG else 12  # places of each kind and side
BLOCK = 64 << 10              # what holds blocks, lists and files is of this size or more
TWICE = 2                     # once is what the reserve is for
WHILE = 3                     # seconds
MIB = 1 << 20


class Gone:
    """The `at`th piece of `fewest` bytes or more is not there, nor are `times` - 1 behind it."""

    def __init__(self, side, fewest, at, times):
        self.side, self.fewest, self.at, self.times = side, fewest, at, times

    def arm(self, shim):
        shim.arm([], ["memory"], self.at, FAIL, 0, self.times, self.fewest)

    def __str__(self):
        many = "all" if self.times == FOR_EVER else self.times
        return f"{self.side}: no memory for {many} pieces of {self.fewest} bytes or more, from number {self.at} on"


class Sweep(FaultCase):
    """The node lives, at most this one transfer stands still and says why, and it goes on by itself."""

    def shim_of(self, side):
        return self.shims[self.giver if side == "giver" else self.taker]

    def transfer(self, folder, let_go=None):
        number = self.said(self.a, "offer", let_go, peers=[self.taker.name], paths=self.roots, again=True, wait=False)["numbers"][0]
        given = self.until(lambda: self.a.offer(number), alive=True)
        row = self.until(lambda: (o := self.incoming(given["id"])) and o["state"] != "preparing" and o or self.seen(o, let_go), alive=True)
        self.said(self.b, "accept", let_go, offer=str(row["number"]), to=folder, wait=False)

        def done():
            try:
                rows = [local.offer(n) for local, n in ((self.a, number), (self.b, row["number"]))]
            except Refused as e:
                self.assertRegex(str(e), "memory")
                return False
            for o in rows:
                self.seen(o, let_go)
            return all(o and o["state"] == "done" for o in rows)
        self.until(done, alive=True)

    def seen(self, offer, let_go):
        """The cause goes when the trouble shows, or after a while, for there may be no transfer yet to show it."""
        trouble = (offer or {}).get("trouble")
        if trouble and trouble["ours"]:
            self.assertIn("Cannot allocate memory", trouble["text"])
        if let_go and (trouble or time.monotonic() > self.began_point + WHILE):
            let_go()

    def said(self, local, do, let_go, **what):
        """A command may fail for want of memory, and is given again."""
        try:
            return local.ask(do, **what)
        except Refused as e:
            self.assertRegex(str(e), "memory")
        if let_go:
            let_go()
        return local.ask(do, **what)

    def one(self, gone, folder):
        self.began_point = time.monotonic()
        shim = self.shim_of(gone.side)
        gone.arm(shim)
        self.transfer(folder, shim.disarm if gone.times == FOR_EVER else None)
        shim.disarm()
        self.check_records()
        self.check_arrived(folder)

    def count(self, side, fewest):
        self.began_point = time.monotonic()
        folder, shim = self.landing(), self.shim_of(side)
        shim.arm([], ["memory"], fewest=fewest)
        self.transfer(folder)
        shim.disarm()
        self.check_records()
        shutil.rmtree(folder)
        return shim.calls

    def sweep(self, fewest, times):
        for side in ("taker", "giver"):
            calls = self.count(side, fewest)
            for at in self.chance.spread(calls, SAMPLE):
                self.run_point(Gone(side, fewest, at, times), self.one)
        self.report()

    def test_a_block(self):
        self.sweep(BLOCK, TWICE)

    def test_no_blocks_for_a_while(self):
        self.sweep(BLOCK, FOR_EVER)

    @unittest.skipUnless(LONG, "SQLite may not have saved a record then: for a night, and to be looked at")
    def test_anything(self):
        self.sweep(1, 1)


class Limited(Case):
    """64 MiB for all that a node's process writes to in memory (RLIMIT_DATA), the stacks of its threads among it."""

    @unittest.skipIf(INSTRUMENTED, "a sanitizer takes more for itself")
    @unittest.skipUnless(shutil.which("prlimit"), "prlimit sets the limit")
    def test_many_files_and_a_big_one(self):
        alice, bob = self.peer("alice", False), self.peer("bob", False)
        for p in (alice, bob):
            p.inside = ["prlimit", f"--stack={MIB}", f"--data={64 * MIB}"]
            p.start()
        alice.add(bob)
        bob.run("add", "alice", "--id", alice.id())
        for i in range(4000):
            alice.file(f"many/{i % 40}/{i}", i % 3000, seed=i)
        many, big = os.path.join(alice.files, "many"), alice.file("big", 200 * MIB)
        self.give(alice, bob, many, big)
        for path in (many, big):
            self.assert_same(path, os.path.join(bob.downloads, os.path.basename(path)))
        self.assert_no_leftovers(bob.downloads)


if __name__ == "__main__":
    unittest.main(verbosity=2)
