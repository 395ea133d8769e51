"""A source that changes while it is sent: what changed is named on both sides, the rest arrives, and no file that arrived is a mixture."""
import os
import threading
import unittest

from faults import LONG, Chance
from local import Local
from peers import Case

PAGE = 4096
FILES = 32
SIZE = 2 << 20  # of each file: all are more than what is under way at a time
REASONS = "changed while sending|changed|vanished|cannot be read|unreadable"


def pages(version, size=SIZE):
    """The bytes of one version: every page holds its number."""
    return (version.to_bytes(8, "big") * (PAGE // 8)) * (size // PAGE)


def versions_in(path):
    with open(path, "rb") as f:
        data = f.read()
    return {int.from_bytes(data[at:at + 8], "big") for at in range(0, len(data), 8)}, len(data)


class Changing:
    """Ways to change a file; `version` is that of new bytes."""

    @staticmethod
    def truncate(path, _version):
        os.truncate(path, SIZE // 2)

    @staticmethod
    def grow(path, version):
        with open(path, "ab") as f:
            f.write(pages(version, PAGE))

    @staticmethod
    def rewrite(path, version):
        with open(path, "r+b") as f:
            f.write(pages(version))

    @staticmethod
    def rewrite_and_hide(path, version):
        """Size and time are what they were."""
        st = os.stat(path)
        Changing.rewrite(path, version)
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))

    @staticmethod
    def rewrite_one_page(path, version):
        with open(path, "r+b") as f:
            f.seek(SIZE - PAGE)
            f.write(pages(version, PAGE))

    @staticmethod
    def delete(path, _version):
        os.unlink(path)

    @staticmethod
    def replace(path, version):
        """By another file of its size and time, at once."""
        st = os.stat(path)
        with open(path + ".new", "wb") as f:
            f.write(pages(version))
        os.utime(path + ".new", ns=(st.st_atime_ns, st.st_mtime_ns))
        os.rename(path + ".new", path)

    @staticmethod
    def folder(path, _version):
        os.unlink(path)
        os.mkdir(path)

    @staticmethod
    def link(path, _version):
        os.unlink(path)
        os.symlink("/etc/passwd", path)

    @staticmethod
    def fifo(path, _version):
        os.unlink(path)
        os.mkfifo(path)

    @staticmethod
    def forbid(path, _version):
        os.chmod(path, 0)


WAYS = [getattr(Changing, name) for name in vars(Changing) if not name.startswith("_")]


class ChangingSource(Case):
    def setUp(self):
        super().setUp()
        self.chance = Chance(self.id().split(".")[-1])
        self.giver, self.taker, self.proxy = self.pair_through_proxy()
        self.a, self.b = Local(self.giver.home), Local(self.taker.home)
        self.addCleanup(self.a.close)
        self.addCleanup(self.b.close)

    def source(self, name):
        """A folder of files, all version 1."""
        folder = os.path.join(self.giver.files, name)
        os.makedirs(folder)
        for i in range(FILES):
            with open(os.path.join(folder, f"{i:02}"), "wb") as f:
                f.write(pages(1))
        return folder

    def send(self, folder, after, change):
        """Offers `folder`, takes it, and calls change() when `after` bytes have passed; the results of both sides."""
        number = self.a.ask("offer", peers=["bob"], paths=[folder], again=True, wait=False)["numbers"][0]
        title = os.path.basename(folder)
        taken = self.taker.await_pending(title=title)
        self.proxy.hold(after)
        request = self.b.begin("accept", offer=str(taken), wait=True)
        self.proxy.wait_held()
        change()
        self.proxy.release()
        while "result" not in (m := self.b.next(request)):
            pass
        return self.a.ask("wait", offers=[str(number)]), m["result"]

    def check(self, folder, given, taken, offered_only):
        """The named ones are missing, all others are there, whole, and of one version that existed."""
        name = os.path.basename(folder)
        there, here = given["offers"][0], taken["offers"][0]
        named = {f["path"]: f["text"] for f in here.get("failures", [])}
        self.assertEqual(set(named), {f["path"] for f in there.get("failures", [])})
        got = os.path.join(self.taker.downloads, name)
        arrived = set(os.listdir(got))
        self.assertEqual({f"{i:02}" for i in range(FILES)} - arrived, {os.path.basename(p) for p in named})
        for one in arrived:
            versions, size = versions_in(os.path.join(got, one))
            self.assertEqual((len(versions), size), (1, SIZE), f"{one} is a mixture of {versions}")
            if offered_only:
                self.assertEqual(versions, {1})
        for text in named.values():
            self.assertRegex(text, REASONS)
        self.assertEqual(here["failed"], len(named))
        self.assertEqual((given["exit"], taken["exit"]), (8, 8) if named else (0, 0))
        self.assertEqual([n for n in os.listdir(self.taker.downloads) if n.startswith(".")], [])
        return named

    def test_every_way(self):
        """At a random place of the stream every file is changed, each in another way."""
        ways = [w for w in WAYS if w is not Changing.forbid or os.geteuid()]  # root may read all
        for run in range(20 if LONG else 2):
            folder = self.source(f"every way {run}")
            order = self.chance.numbers.sample(ways, len(ways))

            def change():
                for i in range(FILES):
                    order[i % len(order)](os.path.join(folder, f"{i:02}"), 2)
            after = self.chance.numbers.randrange(1, 16 << 20)
            named = self.check(folder, *self.send(folder, after, change), offered_only=True)
            # What was not under way yet, which is most, is changed in every way.
            self.assertGreaterEqual(len(named), len(ways))

    def test_never_still(self):
        """Files are rewritten again and again, in place and by renaming, for as long as they are sent."""
        for run in range(20 if LONG else 2):
            folder = self.source(f"never still {run}")
            stop = threading.Event()
            moving = [w for w in (Changing.rewrite, Changing.rewrite_and_hide, Changing.rewrite_one_page, Changing.replace)]
            numbers = self.chance.numbers

            def change_on():
                version = 2
                while not stop.is_set():
                    numbers.choice(moving)(os.path.join(folder, f"{numbers.randrange(FILES // 2) * 2:02}"), version)
                    version += 1
            thread = threading.Thread(target=change_on)
            try:
                given, taken = self.send(folder, numbers.randrange(1, 16 << 20), thread.start)
            finally:
                stop.set()
                if thread.ident:
                    thread.join()
            named = self.check(folder, given, taken, offered_only=True)
            self.assertTrue(all(int(os.path.basename(p)) % 2 == 0 for p in named), named)  # those nobody touched are here


if __name__ == "__main__":
    unittest.main(verbosity=2)
