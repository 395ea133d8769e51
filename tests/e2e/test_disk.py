"""The Nth file operation fails: at the taker's folder and records, at the giver's files. A random sample, or with PEER_LONG=1 every one."""
import os
import shutil
import unittest

from fault_case import RENAMED, FaultCase
from faults import ERRORS, FAIL, FOR_EVER, LONG, SHORT, arrived, half_delivered, number_of
from local import Refused

WINDOW = 16 << 20  # two lanes and the session
SAMPLE = 3         # places of each kind, errno and duration, in a short run
WHY = {"EIO": "Input/output error", "ENOSPC": "No space left on device", "EDQUOT": "Disk quota exceeded", "EROFS": "Read-only file system",
       "EMFILE": "Too many open files", "ENFILE": "Too many open files in system", "ENOMEM": "Cannot allocate memory"}


class Point:
    """One fault: the `at`th operation of `kind`, and `times` - 1 behind it, end as `error` says."""

    def __init__(self, kind, at, error, times):
        self.kind, self.at, self.error, self.times = kind, at, error, times

    def arm(self, shim, folders):
        short = self.error == "short"
        shim.arm(folders, [self.kind], self.at, SHORT if short else FAIL, 0 if short else number_of(self.error), self.times)

    def __str__(self):
        return f"{self.kind} {self.at}: {self.error}, {'for ever' if self.times == FOR_EVER else self.times}"


class Sweep(FaultCase):
    on_clash = "rename"

    def setUp(self):
        super().setUp()
        self.most_again = 0

    def offer(self):
        """Makes the offer; its number and its row there, and its row here once it can be answered or is in trouble."""
        number = self.a.ask("offer", peers=[self.taker.name], paths=self.roots, again=True, wait=False)["numbers"][0]
        given = self.a.offer(number)
        row = self.until(lambda: (o := self.incoming(given["id"])) and (o["state"] != "preparing" or "trouble" in o) and o)
        return number, given, row

    def accept(self, number, folder, **more):
        """What came of it: its exit code, or the trouble it is in, or why it was refused."""
        request = self.b.begin("accept", offer=str(number), to=folder, on_clash=self.on_clash, wait=True, **more)
        try:
            while True:
                m = self.b.next(request)
                if "result" in m:
                    return m["result"]["exit"], None, None
                if "trouble" in m.get("offer", {}):
                    return None, m["offer"]["trouble"], None
        except Refused as e:
            return e.exit, None, e.text

    def check_text(self, point, text):
        """P7: a trouble names what was attempted, on what, and why."""
        self.assertIn(WHY.get(point.error, "").lower(), text.lower())
        self.assertRegex(text, "‘.+’")

    def check_given(self, request):
        """How a `wait` of the giver ends; P4: what was sent again is at most what was under way."""
        while "result" not in (m := self.a.next(request)):
            pass
        self.assertEqual(m["result"]["exit"], 0)
        offered, = m["result"]["offers"]
        again = offered["sent_bytes"] - offered["bytes"]
        self.most_again = max(self.most_again, again)
        self.assertLess(again, WINDOW)

    def sweep(self, shim, folders, kinds, one):
        """Runs one(POINT, FOLDER) for a sample of all points, or for all; `folders` are those that count, given the one that receives."""
        counts = self.count(shim, folders)
        for kind in (k for k in kinds if counts[k]):
            for error in ERRORS[kind]:
                for times in (1, 2) if error in ("EINTR", "short") else (1, FOR_EVER):
                    for at in self.places(counts[kind], error):
                        if not self.run_point(Point(kind, at, error, times), one) and LONG:
                            break
        self.report(f", at most {self.most_again} bytes sent again, operations {({k: n for k, n in counts.items() if n})}")

    def places(self, count, _error):
        """Which places of one kind, error and duration are tried."""
        return range(1, 1 << 30) if LONG else self.chance.spread(count, SAMPLE)

    def count(self, shim, folders):
        """How often each kind of operation happens in a transfer without a fault."""
        folder = self.landing()
        shim.arm(folders(folder))
        number, _, row = self.offer()
        self.assertEqual(self.accept(row["number"], folder), (0, None, None))
        self.assertEqual(self.a.ask("wait", offers=[str(number)])["exit"], 0)
        self.check_records()
        self.check_arrived(folder)
        shim.disarm()
        shutil.rmtree(folder)
        return shim.by_kind()


class Taker(Sweep):
    def check_half(self, folder):
        self.assertEqual(half_delivered(self.roots, folder, RENAMED), [])

    def one(self, point, folder):
        """A fault at the taker: when its cause has gone one command, or none, brings everything."""
        shim = self.shims[self.taker]
        point.arm(shim, [folder, os.path.join(self.taker.home, "offers")])
        number, _, row = self.offer()
        waiting = self.a.begin("wait", offers=[str(number)])
        if "trouble" in row:
            self.check_text(point, row["trouble"]["text"])
        code, trouble, refused = self.accept(row["number"], folder)
        if refused and point.kind == "stat" and not WHY[point.error] in refused:
            self.assertRegex(refused, "cannot write into ‘.+’|needs .+ in ‘.+’")  # the folder cannot be asked about
        elif refused:
            self.check_text(point, refused)
            self.assertEqual(code, 1)
        elif trouble:
            self.check_text(point, trouble["text"])
            self.assertEqual(trouble["code"], "no_space" if point.error in ("ENOSPC", "EDQUOT") else "disk")
            self.check_half(folder)
            self.assertNotEqual(self.a.offer(number)["state"], "done")  # P3
            self.b.ask("status")  # P6
        shim.disarm()
        if refused or trouble:
            code, trouble, refused = self.accept(row["number"], folder)
        self.assertEqual((code, trouble, refused), (0, None, None))
        self.check_given(waiting)
        self.check_records()
        self.check_arrived(folder)
        self.check_growth()

    def test_taker(self):
        self.sweep(self.shims[self.taker], lambda to: [to, os.path.join(self.taker.home, "offers")], ERRORS, self.one)

    def test_others_go_on(self):
        """P6: while one folder can take nothing, another peer's offer arrives in another."""
        carol = self.peer("carol")
        carol.add(self.taker)
        self.taker.run("add", "carol", "--id", carol.id())
        folder, shim = self.landing(), self.shims[self.taker]
        shim.arm([folder], ["create", "write"], 20, error=number_of("EIO"), times=FOR_EVER)
        number, _, row = self.offer()
        _, trouble, _ = self.accept(row["number"], folder)
        self.check_text(Point("write", 20, "EIO", FOR_EVER), trouble["text"])
        path = carol.file("other", 3 << 20)
        self.give(carol, self.taker, path, title="other")
        self.assert_same(path, os.path.join(self.taker.downloads, "other"))
        self.assertEqual(self.a.offer(number)["state"], "active")
        shim.disarm()
        self.assertEqual(self.accept(row["number"], folder), (0, None, None))
        self.check_arrived(folder)


class Durable(Sweep):
    def test_it_is_on_the_disk_before_it_is_done(self):
        """Only with the option anything waits for the disk; what the disk then says did not get there is no done, but wanted anew."""
        shim = self.shims[self.taker]
        for durable, error in ((False, None), (True, None), (True, "EIO")):
            folder = self.landing()
            shim.arm([folder], ["sync"], 1 if error else 0, FAIL, number_of(error) if error else 0, FOR_EVER)
            number, _, row = self.offer()
            came = self.accept(row["number"], folder, durable=durable)
            self.assertEqual(shim.by_kind().get("sync", 0) > 0, durable)
            if error:
                self.check_text(Point("sync", 1, error, FOR_EVER), came[1]["text"])
                self.assertEqual([n for n in os.listdir(folder) if not n.startswith(".")], ["plain.txt"])
                shim.disarm()
                came = self.accept(row["number"], folder, durable=True)
            self.assertEqual(came, (0, None, None))
            self.assertEqual(self.a.ask("wait", offers=[str(number)])["exit"], 0)
            self.check_records()
            self.check_arrived(folder)
            shim.disarm()
            shutil.rmtree(folder)


class Merging(Taker):
    """The same when what arrives goes entry by entry into a folder that was there, over files of other content."""
    on_clash = "overwrite"
    KINDS = ["open", "rename", "unlink", "mkdir", "chmod", "utime", "stat", "close"]

    def landing(self):
        folder = super().landing()
        os.makedirs(os.path.join(folder, "tree/many/1"))
        for name in ("tree/stays", "tree/many/1/001", "tree/many/1/004"):
            with open(os.path.join(folder, name), "w") as f:
                f.write("was here")
        return folder

    def check_half(self, folder):
        with open(os.path.join(folder, "tree/stays")) as f:
            self.assertEqual(f.read(), "was here")

    def check_arrived(self, folder):
        found = arrived(self.roots, folder)
        # Folders that were there keep their time, and what lay in them and was not offered.
        there = [d for d in found if not d.startswith("mtime") or not d.endswith(("b'tree'", "b'tree/many'", "b'tree/many/1'"))]
        self.assertEqual([d for d in there if d != "too much: b'tree/stays'"], [])
        self.check_half(folder)
        self.until(lambda: not [n for n in os.listdir(folder) if n.startswith(".")])
        self.assertEqual(self.around.changed(but=folder), [])

    def test_taker(self):
        self.sweep(self.shims[self.taker], lambda to: [to], self.KINDS, self.one)

    test_others_go_on = None  # once is enough


class Giver(Sweep):
    READS = ["open", "read", "stat", "seek", "list"]

    def places(self, count, error):
        if error in ("ENOMEM", "EMFILE", "ENFILE"):  # the taker waits five seconds then
            return self.chance.spread(count, 15 if LONG else 1)
        return super().places(count, error)

    def one(self, point, folder):
        """A fault at the giver's files: what it hit is named, or comes later; all else arrives."""
        shim = self.shims[self.giver]
        point.arm(shim, [self.giver.files])
        scan, number = {"unreadable": [], "unreadable_count": 0}, None
        try:
            request = self.a.begin("offer", peers=[self.taker.name], paths=self.roots, again=True, wait=False)
            while number is None:
                m = self.a.next(request)
                scan = m if m.get("event") == "scanned" else scan
                number = (m.get("result", {}).get("numbers") or [None])[0]
        except Refused as e:
            self.check_text(point, e.text)
            shim.disarm()
            number = self.a.ask("offer", peers=[self.taker.name], paths=self.roots, again=True, wait=False)["numbers"][0]
        given = self.a.offer(number)
        row = self.until(lambda: (o := self.incoming(given["id"])) and o["state"] != "preparing" and o)
        request = self.b.begin("accept", offer=str(row["number"]), to=folder, wait=True)
        while "result" not in (m := self.b.next(request)):
            if "trouble" in m.get("offer", {}):  # the giver's; tried again by itself
                shim.disarm()
        shim.disarm()
        ended = self.a.ask("wait", offers=[str(number)])
        self.check_records()
        self.check_missing(m["result"], ended, scan, folder)
        self.check_growth()

    def check_missing(self, taken, ended, scan, folder):
        """What did not arrive is what was named, on both sides."""
        there, here = ended["offers"][0], taken["offers"][0]
        unread = {u["path"] for u in scan["unreadable"]}
        gone = {f["path"] for f in here.get("failures", [])}
        self.assertEqual(gone, {f["path"] for f in there.get("failures", [])})
        self.assertEqual(here["failed"], there["failed"])
        found = arrived(self.roots, folder, RENAMED, limit=10_000, holes=False)
        self.assertEqual([d for d in found if not d.startswith(("missing", "mtime"))], [])
        missing = {d[len("missing: b'"):-1] for d in found if d.startswith("missing")}
        if len(gone) == here["failed"] and len(unread) == scan["unreadable_count"]:
            named = gone | unread
            self.assertEqual([p for p in missing if not any(p == n or p.startswith(n + "/") for n in named)], [])
        else:  # too many to name
            self.assertGreaterEqual(here["failed"] + scan["unreadable_count"], len(missing))
        self.assertEqual((taken["exit"], ended["exit"]), (8 if here["failed"] else 0, 8 if here["failed"] or unread else 0))
        self.check_around(folder)

    def test_giver(self):
        self.sweep(self.shims[self.giver], lambda to: [self.giver.files], self.READS, self.one)


if __name__ == "__main__":
    unittest.main(verbosity=2)
