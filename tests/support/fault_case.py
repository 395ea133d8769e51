"""A test case of two peers that each run with the fault shim, and what holds after every fault."""
import contextlib
import os
import shutil
import time
import unittest

from faults import SHIM, Bystanders, Chance, Shim, arrived, resident, rich_tree
from local import Local, NodeGone, Refused
from peers import PATIENCE, Case
from proxy import Proxy

PATIENT = 60 * PATIENCE  # in which a transfer of a few megabytes has long gone on
RENAMED = {"plain.txt": "plain (1).txt"}  # that name is taken where files land
RESIDENT_MORE = 64 << 20
MANY = 12  # failures shown before a sweep gives up


@unittest.skipUnless(SHIM, "PEER_FAULT_SHIM names no library")
class FaultCase(Case):
    proxied = False  # whether all connections pass self.proxy

    def setUp(self):
        super().setUp()
        self.points, self.fired, self.pairs, self.failures, self.began = 0, 0, 0, [], time.monotonic()
        self.chance = Chance(self.id().split(".")[-1])
        self.addCleanup(self.close)
        self.new_pair()

    def new_pair(self):
        """Two peers that know each other; nothing is left of those before."""
        self.close()
        for p in self.peers:
            if p.node:
                p.kill()
        self.pairs += 1
        hosts = ("127.0.0.2", "127.0.0.3") if self.proxied else ("127.0.0.1", "127.0.0.1")  # as in pair_through_proxy()
        self.giver = self.peer(f"alice{self.pairs}", False, host=hosts[0])
        self.taker = self.peer(f"bob{self.pairs}", False, host=hosts[1])
        self.shims, self.before = {}, {}
        for p in (self.giver, self.taker):
            self.shims[p] = Shim(os.path.join(self.folder, p.name + ".faults"))
            p.node_env = self.shims[p].environment
            p.start()
        address = self.taker.address
        if self.proxied:
            self.proxy = Proxy(self.taker.port, self.taker.host)
            self.addCleanup(self.proxy.close)
            address = self.proxy.address
        self.giver.add(self.taker, address)
        self.taker.run("add", self.giver.name, "--id", self.giver.id())
        self.roots = self.tree()
        self.around = Bystanders(self.taker)
        self.a, self.b = Local(self.giver.home), Local(self.taker.home)

    def tree(self):
        return rich_tree(self.giver)

    def close(self):
        for name in ("a", "b"):
            with contextlib.suppress(AttributeError):
                getattr(self, name).close()

    def landing(self):
        """A new folder to receive in, where one name is taken."""
        folder = os.path.join(self.around.folder, f"to {self.points}")
        os.mkdir(folder)
        with open(os.path.join(folder, "plain.txt"), "w") as f:
            f.write("was here")
        return folder

    def until(self, wanted, alive=False):
        """The first true value of wanted(), asked again and again; with `alive`, NodeGone if a node ends."""
        end = time.monotonic() + PATIENT
        while time.monotonic() < end:
            if alive and any(p.node.poll() is not None for p in (self.giver, self.taker)):
                raise NodeGone("it was killed")
            if found := wanted():
                return found
            time.sleep(0.002)
        shown = ("number", "state", "trouble", "away", "lanes", "bytes_done", "files_done", "sent_bytes")
        rows = [[{k: o[k] for k in shown if k in o} for o in local.offers()] for local in (self.a, self.b)]
        self.fail(f"did not happen: the giver's {rows[0]}, the taker's {rows[1]}")

    def incoming(self, identity):
        return next((o for o in self.b.offers() if o["id"] == identity), None)

    def check_around(self, folder):
        """P5, and nothing is left of what was staged."""
        self.until(lambda: not [n for n in os.listdir(folder) if n.startswith(".")])
        with open(os.path.join(folder, "plain.txt")) as f:
            self.assertEqual(f.read(), "was here")
        self.assertEqual(self.around.changed(but=folder), [])

    def check_arrived(self, folder):
        """P1 of all that was offered, and P5."""
        self.assertEqual(arrived(self.roots, folder, RENAMED), [])
        self.check_around(folder)

    def check_records(self):
        """Nothing is open, and no record is kept of an offer that has ended."""
        for p, local in ((self.giver, self.a), (self.taker, self.b)):
            self.until(lambda: not local.offers())
            self.until(lambda: not os.listdir(os.path.join(p.home, "offers")))

    def check_growth(self):
        """P8: memory and descriptors are what they were after the first transfers of the same process."""
        for p in (self.giver, self.taker):
            now = resident(p.node.pid)
            points, then = self.before.setdefault(p.node.pid, (self.points, now))
            if self.points < points + 5:
                self.before[p.node.pid] = points, now
            else:
                self.assertLess(now[0], then[0] + RESIDENT_MORE)
                self.assertLess(now[1], then[1] + 16)

    def run_point(self, point, one):
        """Runs one(POINT, FOLDER). A failure is noted, and the next point gets new peers."""
        self.points += 1
        folder = self.landing()
        try:
            one(point, folder)
            fired = any(s.fired for s in self.shims.values())
        except (AssertionError, OSError, NodeGone, Refused) as e:
            fired = True
            where = [s.where for s in self.shims.values() if s.fired]
            logs = "".join(p.log_file()[-1500:] for p in (self.giver, self.taker))
            self.failures.append(f"{point} at {where}: {type(e).__name__} {str(e)[:1500]}\n{logs}")
            print(self.failures[-1], flush=True)
            self.assertLess(len(self.failures), MANY, "too many failures")
            self.new_pair()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.fired += fired
        return fired

    def report(self, more=""):
        print(f"{self.id().split('.')[-1]}: {self.points} points, {self.fired} fired, {time.monotonic() - self.began:.0f} s{more}", flush=True)
        self.assertEqual(self.failures, [], "\n\n".join(self.failures))
