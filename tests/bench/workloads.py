"""What is measured, one class a workload: whole transfers of a large file, a tree, a million files, a tiny file.

make() prepares what is given, round() measures every contender once, report() prints the table."""
import json
import os
import re
import shutil
import statistics
import subprocess
import time

from contenders import ColdPeer, Copy, Https, Ideal, Peer, Rsync, Scp
from lab import GIB, MIB, file_system, human, measured_size, note, random_file, ratio, spread, table

TREE = ["/usr/include", "/usr/share/doc", "/usr/lib/python3", "/usr/share/cmake-3.25", "/usr/lib/gcc"]
LEAST_FILES = 30_000


def same(source, arrived):
    if subprocess.run(["diff", "-rq", "--no-dereference", source, arrived], stdout=subprocess.DEVNULL).returncode:
        raise RuntimeError(f"{arrived} is not what was sent")


def small_tree(sources, quick):
    """Folders of this system, copied; none of them twice unless they are too few."""
    path = sources / ("small-quick" if quick else "small")
    if not path.exists():
        part = path.with_suffix(".part")  # under its name once it is complete
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for i, folder in enumerate(d for d in (TREE[:1] if quick else TREE) if os.path.isdir(d)):
            subprocess.run(["cp", "-rL", folder, part / str(i)], stderr=subprocess.DEVNULL, check=False)
        while not quick and (count := sum(len(files) for _, _, files in os.walk(part))) < LEAST_FILES:
            subprocess.run(["cp", "-r", part / "0", part / f"more{count}"], check=True)
        part.rename(path)
    return path


class Workload:
    letter, contenders = "", []

    def __init__(self, lab, args):
        self.lab, self.args = lab, args
        self.sources = lab.work / "sources"
        self.tools = []
        for kind in self.contenders:
            if not issubclass(kind, Peer) and not re.search(args.only, kind.name):
                continue
            if missing := kind.missing():
                note(f"{self.letter}: {kind.name} is left out: {', '.join(missing)} is not there")
            else:
                self.tools.append(kind(lab))
        self.samples = {}

    def rounds(self):
        return self.args.rounds

    def rotated(self, number):
        """Another one begins each round."""
        turn = number % len(self.tools)
        return self.tools[turn:] + self.tools[:turn]

    def say(self, number, name, text):
        note(f"{self.letter} round {number + 1}: {name}: {text}")

    def transfer(self, tool, source, dest, size, check, via=None):
        """One measured run of a contender that is not started yet."""
        self.lab.fresh(dest)
        tool.start(dest, via)
        try:
            self.lab.heat(dest, size)
            sample = self.lab.measure(tool.roots(), lambda: tool.send(source, dest))
        finally:
            tool.stop()
        if check:
            same(source, dest / source.name)
        return sample


class Compared(Workload):
    """Whole transfers, each of which is a Sample; the tables of A and B."""

    def report_samples(self, title, samples, size, files):
        base = samples["peer"]
        rows = []
        for name, runs in samples.items():
            seconds = [r.seconds for r in runs]
            costs = [f"{statistics.median(r.cpu[side] for r in runs) * GIB / size:.2f}" for side in ("giver", "taker")]
            peaks = [f"{max(r.rss[side] for r in runs) / MIB:.0f}" for side in ("giver", "taker")]
            if not any(r.rss["taker"] for r in runs):
                costs[1] = peaks[1] = ""
            rows.append([name, spread(seconds), ratio(seconds, (b.seconds for b in base)), f"{size / statistics.median(seconds) / 1e6:.0f}",
                         *costs, *peaks, f"{max(r.others for r in runs):.0%}"])
        print(f"\n{title}: {files} file(s), {human(size)}, {len(base)} round(s)")
        table(["", "seconds", "time / peer's", "MB/s", "CPU s/GiB giver", "taker", "peak MiB giver", "taker", "others' CPU"], rows)


class Large(Compared):
    letter, contenders = "A", [Peer, Ideal, Https, Scp, Rsync]

    def make(self):
        self.source = random_file(self.sources / "large", self.args.size)
        self.files, self.size = measured_size(self.source)

    def round(self, number):
        for tool in self.rotated(number):
            s = self.transfer(tool, self.source, self.args.dest, self.size, number == 0)
            self.samples.setdefault(tool.name, []).append(s)
            self.say(number, tool.name, f"{s.seconds:.3f} s, others' CPU {s.others:.0%}")

    def report(self):
        ordered = {t.name: self.samples[t.name] for t in self.tools}
        self.report_samples("A: one large file", ordered, self.size, self.files)


class Small(Compared):
    letter, contenders = "B", [Peer, Copy, Rsync, Scp]

    def make(self):
        self.source = small_tree(self.sources, self.args.quick)
        self.files, self.size = measured_size(self.source)
        self.places = [self.args.dest]
        other = self.lab.work / "received-beside"
        other.mkdir(exist_ok=True)
        if os.stat(other).st_dev != os.stat(self.args.dest).st_dev:
            self.places.append(other)

    def round(self, number):
        for place in self.places:
            for tool in self.rotated(number):
                s = self.transfer(tool, self.source, place, self.size, number == 0)
                self.samples.setdefault((place, tool.name), []).append(s)
                self.say(number, tool.name, f"{s.seconds:.3f} s onto {file_system(place)}, others' CPU {s.others:.0%}")
                self.lab.fresh(place)

    def report(self):
        for place in self.places:
            ordered = {t.name: self.samples[place, t.name] for t in self.tools}
            self.report_samples(f"B: many small files, onto {file_system(place)}", ordered, self.size, self.files)


class Many(Workload):
    """Empty files and files of one byte, ten in a folder; peer against itself."""
    letter, contenders = "N", [Peer]

    def counts(self):
        return [2_000, 20_000] if self.args.quick else [100_000, 1_000_000]

    def rounds(self):
        return 1

    def make(self):
        for count in self.counts():
            done = self.sources / f"many{count}"
            if done.exists():
                continue
            root = done.with_suffix(".part")
            shutil.rmtree(root, ignore_errors=True)
            for folder in range(count // 10):
                where = root / str(folder // 1000) / str(folder)
                where.mkdir(parents=True)
                for i in range(10):
                    with open(where / str(i), "wb") as f:
                        f.write(b"x" * (i % 2))
            root.rename(done)

    def round(self, number):
        for count in self.counts():
            source, tool, seen = self.sources / f"many{count}", self.tools[0], {}
            self.lab.fresh(self.args.dest)
            tool.start(self.args.dest)

            def send():
                began = time.monotonic()
                client = self.lab.serve(tool.offer(source, "--json"), stdout=subprocess.PIPE)
                for line in client.stdout:
                    row, now = json.loads(line), time.monotonic() - began
                    if row["type"] == "offered":
                        seen["offered"] = now
                    elif row["type"] == "progress" and (row["files_done"] or row["bytes_done"]):
                        seen.setdefault("first", now)
                self.lab.reap("giver", client)
            try:
                sample = self.lab.measure(tool.roots(), send)
            finally:
                tool.stop()
            arrived = sum(len(files) for _, _, files in os.walk(self.args.dest))
            if arrived != count:
                raise RuntimeError(f"{arrived} files arrived of {count}")
            self.samples[count] = (sample, seen)
            self.say(number, f"{count} files", f"{sample.seconds:.2f} s")
            self.lab.fresh(self.args.dest)

    def report(self):
        print(f"\nN: empty files and files of one byte, ten in a folder, onto {file_system(self.args.dest)}")
        rows = [[count, f"{s.seconds:.2f}", f"{s.seconds / count * 1e6:.0f}", f"{seen.get('offered', 0):.2f}", f"{seen.get('first', s.seconds):.2f}",
                 *(f"{s.cpu[side] / count * 1e6:.0f}" for side in ("giver", "taker")), *(f"{s.rss[side] / MIB:.0f}" for side in ("giver", "taker"))]
                for count, (s, seen) in self.samples.items()]
        table(["files", "seconds", "µs/file", "offered after s", "first progress after s", "CPU µs/file giver", "taker", "peak MiB giver", "taker"],
              rows)


class Tiny(Workload):
    letter, contenders = "C", [Peer, ColdPeer, Https, Scp]
    times = 5

    def make(self):
        self.source = random_file(self.sources / "tiny", 1024)

    def round(self, number):
        for tool in self.rotated(number):
            self.lab.fresh(self.args.dest)
            tool.start(self.args.dest)
            try:
                for turn in range(self.times + 1):
                    began = time.monotonic()
                    tool.send(self.source, self.args.dest)
                    took = time.monotonic() - began
                    if turn:  # the first one warms up
                        self.samples.setdefault(tool.name, []).append(took)
                    same(self.source, self.args.dest / "tiny")
                    (self.args.dest / "tiny").unlink()
                    tool.settle()
            finally:
                tool.stop()
            self.say(number, tool.name, f"{statistics.median(self.samples[tool.name]) * 1000:.1f} ms")

    def report(self):
        print(f"\nC: one file of 1 KiB, {len(self.samples['peer'])} transfers each: wall time of the command")
        base = self.samples["peer"]
        table(["", "ms", "time / peer's"], [[t.name, spread((x * 1000 for x in self.samples[t.name]), "{:.1f}"),
                                            ratio(self.samples[t.name], base)]
                                           for t in self.tools])
