"""Every connection between two peers is reset at some byte of either direction, from the first handshake to the last word, or the kernel has no
memory for it: the transfer goes on by itself and both agree in the end. Each try is told with its place; PEER_SEED tries the same again, PEER_LONG=1
many more."""
import shutil
import threading
import unittest

from faults import FAIL, LONG, arrived, number_of
from fault_case import RENAMED, FaultCase

POINTS = 400 if LONG else 40  # of each direction
EDGE = 12 << 10               # bytes at both ends, where the handshakes and most control messages are
WINDOW = 16 << 20
CALLS = 60 if LONG else 3     # of each kind, error and side


class Transfers(FaultCase):
    proxied = True

    def transfer(self, folder):
        number = self.a.ask("offer", peers=[self.taker.name], paths=self.roots, again=True, wait=False)["numbers"][0]
        given = self.a.offer(number)
        row = self.until(lambda: (o := self.incoming(given["id"])) and o["state"] != "preparing" and o)
        self.b.ask("accept", offer=str(row["number"]), to=folder, wait=False)

        def done():
            there, here = self.a.offer(number), self.b.offer(row["number"])
            if there and there["state"] == "done":  # P3: not before everything is in its place
                self.assertEqual(arrived(self.roots, folder, RENAMED), [])
            return there and here and there["state"] == here["state"] == "done"
        self.until(done)


class Cuts(Transfers):
    def one(self, place, folder):
        at, back = place
        before, over, cut = self.proxy.counts[False], threading.Event(), []

        def cut_when_held():
            while not over.is_set():
                if self.proxy.held.wait(0.02):
                    cut.append(self.proxy.cut())
                    return
        self.proxy.cut()
        self.proxy.hold(at, back)
        cutter = threading.Thread(target=cut_when_held)
        cutter.start()
        try:
            self.transfer(folder)
        finally:
            over.set()
            cutter.join()
            self.proxy.release()
        self.cuts += len(cut)
        self.check_records()
        self.check_arrived(folder)
        self.check_growth()
        self.most = max(self.most, self.proxy.counts[False] - before)

    def test_any_byte(self):
        self.cuts = self.most = 0
        self.run_point((1 << 40, False), self.one)  # nothing is cut: how much there is
        whole = {False: self.most, True: self.proxy.counts[True]}
        self.run_point((1 << 40, False), self.one)
        whole[True] = self.proxy.counts[True] - whole[True]
        for back in (False, True):
            edges = min(EDGE, whole[back] // 3)
            for i in range(POINTS):
                part = ((1, edges), (edges, whole[back] - edges), (whole[back] - edges, whole[back]))[i % 3]
                self.run_point((self.chance.numbers.randrange(*part), back), self.one)
        self.assertGreater(self.cuts, POINTS)
        self.assertLess(self.most, whole[False] + WINDOW)  # P4
        self.report(f", {self.cuts} cuts, at most {self.most - whole[False]} bytes more than without")


class Kernel(Transfers):
    """ENOBUFS and ENOMEM of the Nth send, receive and connect of a TCP connection."""

    def one(self, point, folder):
        side, kind, error, at, times = point
        shim = self.shims[self.giver if side == "giver" else self.taker]
        self.proxy.cut()  # from the first byte of a new session
        shim.arm([], [kind], at, FAIL, number_of(error), times)
        before = self.proxy.counts[False]
        self.transfer(folder)
        self.check_records()
        self.check_arrived(folder)
        self.check_growth()
        self.assertLess(self.proxy.counts[False] - before, self.most + 2 * WINDOW)  # P4

    def count(self, side, kind):
        """How many there are, and how many bytes pass, when all goes well."""
        shim, folder, before = self.shims[self.giver if side == "giver" else self.taker], self.landing(), self.proxy.counts[False]
        self.proxy.cut()
        shim.arm([], [kind])
        self.transfer(folder)
        self.check_records()
        shim.disarm()
        shutil.rmtree(folder)
        self.most = self.proxy.counts[False] - before
        return shim.calls

    def test_no_memory_for_a_connection(self):
        for side in ("giver", "taker"):
            for kind in ("send", "receive", "connect"):
                calls = self.count(side, kind)
                for error in ("ENOBUFS", "ENOMEM"):
                    for at in self.chance.spread(calls, CALLS):
                        self.run_point((side, kind, error, at, self.chance.numbers.choice((1, 4))), self.one)
        self.assertGreater(self.fired, 4 * CALLS)
        self.report()


if __name__ == "__main__":
    unittest.main(verbosity=2)
