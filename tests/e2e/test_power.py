"""The power goes while bytes arrive: what was written and not synced is lost in part, and the machine comes back with another boot ID."""
import glob
import os
import tempfile
import time
import unittest
import uuid

from faults import DELAY, FOR_EVER, LONG, SHIM, Chance, Shim
from network import until
from peers import PATIENCE, Case

MIB = 1 << 20
PAGE = 4096
SIZE = 48 * MIB
ROUNDS = 24 if LONG else 4
REBOOTED = 'mount --make-rprivate /proc && mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'  # /proc alone: a chroot has no mount as its root


@unittest.skipUnless(os.geteuid() == 0, "another boot ID is mounted over the machine's, which needs root")
class Power(Case):
    def reboot(self, peer):
        """From now on `peer` runs on a machine that was started again."""
        name = os.path.join(peer.folder, "boot id")
        with open(name, "w") as f:
            f.write(f"{uuid.uuid4()}\n")
        peer.inside = ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", REBOOTED, name]

    def lose(self, chance, path):
        """What a file system may do to a file that was not synced: pages of it are zeros, or its end is missing."""
        before = os.stat(path)
        size = before.st_size
        with open(path, "r+b") as f:
            for _ in range(chance.numbers.randrange(1, 6) if size else 0):
                start = chance.numbers.randrange(0, size, PAGE)
                length = min(chance.numbers.randrange(1, 200) * PAGE, size - start)
                f.seek(start)
                f.write(bytes(length))
            if chance.numbers.random() < 0.3:
                f.truncate(chance.numbers.randrange(size + 1))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # which tells nothing of it

    def tear(self, chance, path):
        """The end of a file that is appended to: gone, or its last page is zeros or noise."""
        size = os.path.getsize(path)
        cut = chance.numbers.randrange(size + 1)
        with open(path, "r+b") as f:
            f.truncate(cut)
            f.seek(0, os.SEEK_END)
            f.write(chance.numbers.choice([b"", bytes(PAGE), chance.numbers.randbytes(PAGE)]))

    def test_what_was_not_on_the_disk_is_wanted_again(self):
        chance, folder = Chance("power"), self.folder
        for n in range(ROUNDS):
            self.folder = tempfile.mkdtemp(dir=folder)
            alice, bob, proxy = self.pair_through_proxy()
            big = alice.file("d/big.bin", SIZE // 2, seed=n)
            for i in range(200):
                alice.file(f"d/small/{i:03}", SIZE // 400, seed=i)
            path = os.path.dirname(big)
            given = int(alice.run("offer", "bob", path, "--no-wait").out)
            taken = bob.await_pending()
            proxy.hold(chance.numbers.randrange(SIZE // 8, SIZE))
            bob.run("accept", str(taken), "--no-wait")
            proxy.wait_held()
            bob.kill()
            staged = [os.path.join(where, name) for where, _, names in os.walk(bob.downloads) for name in names]
            self.assertTrue(staged)
            journals = glob.glob(os.path.join(bob.home, "offers", "*", "journal*"))
            self.assertTrue(journals, os.listdir(os.path.join(bob.home, "offers")))
            with self.subTest(round=n, seed=chance.seed):
                for name in staged:
                    if chance.numbers.random() < 0.5:
                        self.lose(chance, name)
                for name in journals:
                    self.tear(chance, name)
                self.reboot(bob)
                proxy.cut()
                bob.start()
                bob.run("wait", str(taken))
                alice.run("wait", str(given))
                self.assert_same(path, os.path.join(bob.downloads, "d"))
                self.assert_no_leftovers(bob.downloads)
            for p in (alice, bob):
                p.stop()

    @unittest.skipUnless(SHIM, "PEER_FAULT_SHIM names no library")
    def test_stopped_while_it_is_hashed_again(self):
        """The end waits for the piece that is being read, not for the rest; the next start hashes the rest and goes on."""
        alice, bob, proxy = self.pair_through_proxy()
        path = alice.file("big.bin", SIZE)
        alice.run("offer", "bob", path, "--no-wait")
        taken = bob.await_pending()
        proxy.hold(SIZE // 2)
        bob.run("accept", str(taken), "--no-wait")
        proxy.wait_held()
        bob.kill()
        proxy.cut()
        sent = proxy.counts[False]
        shim = Shim(os.path.join(self.folder, "faults"))
        bob.node_env = shim.environment
        for _ in range(3):
            self.reboot(bob)
            shim.arm([bob.downloads], ["read"], 1, DELAY, 200, FOR_EVER)  # milliseconds of each: seconds for all
            bob.start()
            until(lambda: shim.fired > 2, 60, "what is staged is read again")
            asked = time.monotonic()
            bob.stop()
            self.assertLess(time.monotonic() - asked, 2 * PATIENCE)
        shim.disarm()
        bob.start()
        bob.run("wait", str(taken))
        self.assert_same(path, os.path.join(bob.downloads, "big.bin"))
        self.assert_no_leftovers(bob.downloads)
        self.assertLess(proxy.counts[False] - sent, SIZE // 2 + (20 * MIB))  # what was staged was not sent again


if __name__ == "__main__":
    unittest.main(verbosity=2)
