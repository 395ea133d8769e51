"""Every connection between two peers is reset at some byte of either direction, from the first handshake to the last word: the transfer goes on
by itself and both agree in the end. Each try is told with its place; PEER_SEED tries the same again, PEER_LONG=1 many more."""
import threading
import unittest

from faults import LONG, arrived
from fault_case import RENAMED, FaultCase

POINTS = 400 if LONG else 40  # of each direction
EDGE = 12 << 10               # bytes at both ends, where the handshakes and most control messages are
WINDOW = 16 << 20


class Cuts(FaultCase):
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
