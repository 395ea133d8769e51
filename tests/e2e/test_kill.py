"""SIGKILL of the giver, of the taker, of both, at messages written, at file operations and at random places of the stream: after a restart
everything goes on by itself. A random sample, or with PEER_LONG=1 every message and every operation."""
import shutil
import unittest

from fault_case import RENAMED, FaultCase
from faults import KILL_AFTER, KILL_BEFORE, LONG, arrived
from local import Local, NodeGone

CHANGES = ["create", "write", "truncate", "allocate", "sync", "rename", "link", "unlink", "mkdir", "symlink", "chmod", "utime"]
MESSAGES = 30  # in a short run, of each side
OPERATIONS = 30
LAST = 70  # operations of the end, where files get their names and records go: all of them in a short run too


class Kill:
    """The death of one node before or after its `at`th message or change of a file; perhaps the other dies with it."""

    def __init__(self, victim, other, kinds, at, action, both):
        self.victim, self.other, self.kinds, self.at, self.action, self.both = victim, other, kinds, at, action, both

    def __str__(self):
        what = "message" if self.kinds == ["message"] else "operation"
        return f"{self.victim} {'and the other ' if self.both else ''}killed {'before' if self.action == KILL_BEFORE else 'after'} {what} {self.at}"


class Killing(FaultCase):
    def by_name(self, name):
        return self.giver if name == "giver" else self.taker

    def folders(self, name, folder):
        return [folder, self.by_name(name).home]

    def one(self, kill, folder):
        self.shims[self.by_name(kill.victim)].arm(self.folders(kill.victim, folder), kill.kinds, kill.at, kill.action)
        self.carry_through(folder, kill.both)

    def carry_through(self, folder, both=False):
        """An offer made, accepted and waited for, whoever dies on the way: what a person does is done again until it was answered."""
        self.number, self.taken = None, None
        for step in (self.offer, lambda: self.accept(folder), lambda: self.wait(folder)):
            while True:
                try:
                    step()
                    break
                except NodeGone:
                    self.revive(both)
        for shim in self.shims.values():
            shim.disarm()
        self.check_records()
        for local, number in ((self.a, self.number), (self.b, self.taken)):
            row = local.offer(number)
            self.assertEqual((row["state"], row["failed"]), ("done", 0))
        self.check_arrived(folder)

    def offer(self):
        self.number = self.a.ask("offer", peers=[self.taker.name], paths=self.roots, again=False, wait=False)["numbers"][0]

    def accept(self, folder):
        """Once; a crash may have come before or after it was noted."""
        given = self.until(lambda: self.a.offer(self.number), alive=True)
        row = self.until(lambda: (o := self.incoming(given["id"])) and o["state"] != "preparing" and o or self.arrived_before(given), alive=True)
        self.assertLessEqual(len(self.b.offers()), 1)
        self.taken = row["number"]
        if row["state"] == "pending":
            self.b.ask("accept", offer=str(self.taken), to=folder, wait=False)

    def restart(self, dead):
        """Ends those and starts them again, and connects to them."""
        for p in dead:
            self.shims[p].disarm()
            if p.node:
                p.kill()
        for p in dead:
            p.start()
        if self.giver in dead:
            self.a.close()
            self.a = Local(self.giver.home)
        if self.taker in dead:
            self.b.close()
            self.b = Local(self.taker.home)

    def arrived_before(self, given):
        row = self.b.offer(self.taken) if self.taken else None
        return row if row and row["id"] == given["id"] else None

    def wait(self, folder):
        seen = []

        def done():
            there, here = self.a.offer(self.number), self.b.offer(self.taken)
            if there is None or here is None:
                return False  # while it goes from the open ones to the history
            if there["state"] == "done" and not seen:  # P3: not before everything is in its place
                seen.append(self.assertEqual(arrived(self.roots, folder, RENAMED), []))
            return there["state"] == here["state"] == "done"
        self.until(done, alive=True)
        self.until(lambda: not self.a.offers() and not self.b.offers(), alive=True)

    def revive(self, both):
        """Starts again what has ended, with what it takes to go on."""
        dead = []
        for p in (self.giver, self.taker):
            if both or p.node.poll() is not None:
                dead.append(p)
        if not dead:  # its socket goes before it does
            for p, local in ((self.giver, self.a), (self.taker, self.b)):
                try:
                    local.ask("status")
                except NodeGone:
                    p.node.wait(10)
                    dead.append(p)
        self.assertTrue(dead, "a node closed its socket and lives")
        self.restart(dead)


class Kills(Killing):
    def count(self, name, kinds):
        folder = self.landing()
        shim = self.shims[self.by_name(name)]
        shim.arm(self.folders(name, folder), kinds)
        self.carry_through(folder)
        shutil.rmtree(folder)
        return shim.calls

    def sweep(self, name, kinds, sample, last):
        calls = self.count(name, kinds)
        for both in (False, True):
            places = set(self.chance.spread(calls, sample)) | set(() if both else range(max(1, calls - last), calls + 1))
            at = 0
            while LONG or places:
                at = at + 1 if LONG else min(places)
                places.discard(at)
                for action in (KILL_BEFORE, KILL_AFTER) if LONG and kinds == ["message"] else (self.chance.numbers.choice((KILL_BEFORE, KILL_AFTER)),):
                    fired = self.run_point(Kill(name, None, kinds, at, action, both), self.one)
                if LONG and not fired and at > calls:
                    break
        return calls

    def test_giver_at_messages(self):
        calls = self.sweep("giver", ["message"], MESSAGES, 3)
        self.report(f", {calls} messages")

    def test_taker_at_messages(self):
        calls = self.sweep("taker", ["message"], MESSAGES, 3)
        self.report(f", {calls} messages")

    def test_giver_at_operations(self):
        calls = self.sweep("giver", CHANGES, OPERATIONS, 10)
        self.report(f", {calls} operations")

    def test_taker_at_operations(self):
        calls = self.sweep("taker", CHANGES, OPERATIONS, LAST)
        self.report(f", {calls} operations")


class Stream(Killing):
    """The giver, the taker or both die at random places of the stream."""
    proxied = True
    SIZE = 24 << 20
    WINDOW = 16 << 20  # wanted at a time: two lanes and the session
    DEATHS = 3         # in one transfer

    def tree(self):
        return [self.giver.file("big.bin", self.SIZE), self.giver.file("plain.txt", 1000)]

    def one(self, places, folder):
        self.number, self.taken, before = None, None, self.proxy.counts[False]
        self.offer()
        self.proxy.hold(places[0][0])
        self.accept(folder)
        for i, (_, dead) in enumerate(places):
            self.proxy.wait_held()
            for p in dead:
                p.kill()
            self.proxy.cut()
            if i + 1 < len(places):
                self.proxy.hold(places[i + 1][0])
            self.restart([p for p in dead])
        self.wait(folder)
        self.check_records()
        self.check_arrived(folder)
        again = self.proxy.counts[False] - before - self.SIZE
        self.most_again = max(self.most_again, again)
        self.assertLess(again, len(places) * self.WINDOW + (1 << 20))  # P4

    def test_random_places(self):
        self.most_again = 0
        for _ in range(100 if LONG else 5):
            # What is left when the last one dies is more than what was sent for the others.
            cuts = [self.chance.numbers.randrange(1, self.SIZE // self.DEATHS) for _ in range(self.DEATHS)]
            who = [self.chance.numbers.choice(([self.giver], [self.taker], [self.giver, self.taker])) for _ in cuts]
            self.run_point(list(zip(cuts, who)), self.one)
        self.report(f", {self.DEATHS * self.points} deaths, at most {self.most_again} bytes sent again for {self.DEATHS}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
