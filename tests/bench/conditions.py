"""Transfers under harder conditions, one class a workload: cut and resumed, over a long path, many at once."""
import os
import shutil
import time

from contenders import Https, Node, Peer, Rsync
from lab import MIB, Relay, human, measured_size, random_file, ratio, spread, table
from workloads import Workload, same, small_tree

DELAY, RATE = 0.05, 125_000_000  # the long path: 100 ms there and back, 1 Gbit/s
CUT_RATE = 250_000_000  # slow enough to be cut where it is meant to be
PARTIES = 20


class Cut(Workload):
    """A file cut at half by killing one side, then resumed; all through a relay that counts."""
    letter, contenders = "D", [Peer, Https, Rsync]

    def make(self):
        self.size = self.args.size // 2
        self.source = random_file(self.sources / "cut", self.size)
        measured_size(self.source)

    def one(self, tool, side):
        dest, relays = self.lab.fresh(self.args.dest), []

        def via(port):
            relays.append(Relay(self.lab, port, rate=CUT_RATE, every=0.01))
            return relays[0].port
        tool.start(dest, via)
        relay = relays[0]
        try:
            self.lab.heat(dest, self.size)
            before = relay.passed(tool.payload)
            tool.begin(self.source, dest)
            while relay.passed(tool.payload) - before < self.size / 2:
                if tool.client.poll() is not None:
                    raise RuntimeError(f"{tool.name} ended before half had passed")
                time.sleep(0.005)
            tool.kill(side)
            time.sleep(0.5)  # until what was on its way has been counted
            cut = relay.passed(tool.payload) - before
            began = time.monotonic()
            tool.resume(side, self.source, dest)
            tool.finish()
            took = time.monotonic() - began
            time.sleep(0.1)
            after = relay.series(tool.payload)
            total = after[-1][1] - before
            first = next((at for at, passed in after if passed > before + cut + 65536 and at > began), began) - began
        finally:
            tool.stop()
            self.lab.end(relay.process)
        same(self.source, dest / self.source.name)
        if total < self.size:
            raise RuntimeError(f"{tool.name}: only {total} bytes passed the relay")
        least = (self.size - min(cut, self.size)) / CUT_RATE
        return {"cut": cut / self.size * 100, "again": (total - self.size) / MIB, "share": (total / self.size - 1) * 100, "rest": took,
                "first": first, "limit": took / least}

    def round(self, number):
        for tool in self.rotated(number):
            for side in ("giver", "taker"):
                r = self.one(tool, side)
                self.samples.setdefault((tool.name, side), []).append(r)
                self.say(number, f"{tool.name}, {side} killed", f"{r['again']:.1f} MiB again, rest in {r['rest']:.2f} s, "
                                                                f"first byte after {r['first']:.2f} s")

    def report(self):
        print(f"\n{self.letter}: {human(self.size)}, one side killed at half, over a path of {CUT_RATE / 1e6:.0f} MB/s")
        print("What is sent again is counted with the protocol's own bytes; the rest is timed from the restart of what was killed.")
        rows = []
        for side in ("giver", "taker"):
            for name in (t.name for t in self.tools):
                runs, base = self.samples[name, side], self.samples["peer", side]
                shown = [spread(r[key] for r in runs) for key in ("cut", "again", "share", "first", "limit", "rest")]
                rows.append([f"{name}, {side} killed", *shown, ratio((r["rest"] for r in runs), (b["rest"] for b in base))])
        table(["", "cut at %", "sent again, MiB", "% of the file", "first new byte after s", "rest / what the path needs", "rest, s",
               "time / peer's"], rows)


class CutTree(Cut):
    """The same with many small files."""
    letter, contenders = "T", [Peer]

    def make(self):
        count = 20_000 if self.args.quick else 100_000
        self.source = self.sources / f"cut{count}"
        if not self.source.exists():
            part = self.source.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            for i in range(count):
                folder = part / str(i // 1000) / str(i // 100 % 10)
                if i % 100 == 0:
                    folder.mkdir(parents=True)
                (folder / str(i)).write_bytes(os.urandom(1 + i * 37 % 10_000))
            part.rename(self.source)
        self.size = sum(os.path.getsize(os.path.join(where, name)) for where, _, names in os.walk(self.source) for name in names)


class LongPath(Workload):
    """The file and the tree over a path of 100 ms and 1 Gbit/s, and over the same path without the delay."""
    letter, contenders = "E", [Peer, Https, Rsync]

    def rounds(self):
        return min(self.args.rounds, 2)

    def make(self):
        file = random_file(self.sources / "far", self.args.size // 2)
        tree = small_tree(self.sources, self.args.quick)
        self.given = {p: measured_size(p) for p in (file, tree)}

    def one(self, tool, source, delay, check):
        relays, size = [], self.given[source][1]

        def via(port):
            relays.append(Relay(self.lab, port, delay, RATE))
            return relays[0].port
        try:
            sample = self.transfer(tool, source, self.args.dest, size, check, via)
        finally:
            for relay in relays:
                self.lab.end(relay.process)
        series = [(at - sample.began, passed) for at, passed in relays[0].series(tool.payload) if at >= sample.began]
        last = series[-1][1]
        end = next(at for at, passed in series if passed > last - MIB)
        skipped = 5 if end > 8 else end / 2
        start = next((at, passed) for at, passed in series if at >= skipped)
        late = (last - start[1]) / max(end - start[0], 0.05) / RATE
        return sample.seconds, size / sample.seconds / RATE, late, skipped

    def round(self, number):
        for source in self.given:
            for tool in self.rotated(number):
                if source.is_dir() and tool.payload == 2:
                    continue
                for delay in (DELAY, 0):
                    r = self.one(tool, source, delay, number == 0)
                    self.samples.setdefault((source, tool.name, delay), []).append(r)
                    self.say(number, tool.name, f"{source.name}, {delay * 1000:.0f} ms: {r[0]:.2f} s, {r[1]:.0%} of the link")

    def report(self):
        for source, (files, size) in self.given.items():
            print(f"\nE: {files} file(s), {human(size)}, over {DELAY * 1000:.0f} ms each way and {RATE / 1e6:.0f} MB/s")
            rows, skipped = [], 0
            for name in [t.name for t in self.tools if (source, t.name, DELAY) in self.samples]:
                far, near, base = (self.samples[key] for key in ((source, name, DELAY), (source, name, 0), (source, "peer", DELAY)))
                skipped = far[0][3] if name == "peer" else skipped
                seconds, without = [r[0] for r in far], [r[0] for r in near]
                rows.append([name, spread(seconds), ratio(seconds, (b[0] for b in base)), spread((r[1] * 100 for r in far), "{:.0f}"),
                             spread((r[2] * 100 for r in far), "{:.0f}"), spread(without), ratio(seconds, without)])
            table(["", "seconds", "time / peer's", "share of the link, %", f"after the first {skipped:.1f} s (peer's)", "seconds without delay",
                   "time / without delay"], rows)


class Crowd(Workload):
    """One giver and many takers, many givers and one taker, against one transfer of as many bytes; peer against itself."""
    letter, contenders = "G", [Peer]

    def make(self):
        self.part = self.args.size // PARTIES
        self.file = random_file(self.sources / "part", self.part)
        self.whole = random_file(self.sources / "large", self.part * PARTIES)
        for path in (self.file, self.whole):
            measured_size(path)

    def crowd(self, giving):
        """`giving`: the one gives. Returns (duration of the whole, durations of the transfers, peak RSS of the one)."""
        dest = self.lab.fresh(self.args.dest)
        nodes = []

        def node(name, host):
            (dest / name).mkdir()
            nodes.append(Node(self.lab, name, dest / name, host))
            return nodes[-1]
        try:
            one = node("one", "127.0.0.2" if giving else "127.0.0.1")
            others = [node(f"p{i}", "127.0.0.1" if giving else "127.0.0.2") for i in range(PARTIES)]
            pairs = [(one, o) if giving else (o, one) for o in others]
            for giver, taker in pairs:
                giver.know(taker, taker.address)
                taker.know(giver)
                self.lab.run(taker.command("trust", giver.name, "--yes"))
            one.wait_session(PARTIES)
            self.lab.heat(dest, self.part * PARTIES + PARTIES * 32 * MIB)  # the nodes want memory too
            ends = {}

            def give():
                began = time.monotonic()
                clients = [self.lab.serve(giver.command("offer", taker.name, self.file, "--no-input", "--as", f"from-{giver.name}"))
                           for giver, taker in pairs]
                while len(ends) < PARTIES:
                    for i, client in enumerate(clients):
                        if i not in ends and os.waitid(os.P_PID, client.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                            ends[i] = time.monotonic() - began
                    time.sleep(0.005)
                for client in clients:
                    self.lab.reap("giver", client)
            alone, crowd = [one.pid], [o.pid for o in others]
            sides = {"giver": alone, "taker": crowd} if giving else {"giver": crowd, "taker": alone}
            sample = self.lab.measure(sides, give)
            for giver, taker in pairs:
                same(self.file, dest / taker.name / f"from-{giver.name}")
        finally:
            for n in nodes:
                n.stop()
        return sample.seconds, list(ends.values()), sample.rss["giver" if giving else "taker"], sum(sample.cpu.values())

    def round(self, number):
        single = self.transfer(self.tools[0], self.whole, self.args.dest, self.part * PARTIES, False)
        self.samples.setdefault("single", []).append((single.seconds, [single.seconds], max(single.rss.values()), sum(single.cpu.values())))
        for name, giving in (("giver", True), ("taker", False)):
            r = self.crowd(giving)
            self.samples.setdefault(name, []).append(r)
            self.say(number, f"one {name}", f"{r[0]:.2f} s, one transfer of as much {single.seconds:.2f} s")

    def report(self):
        print(f"\nG: {PARTIES} transfers of {human(self.part)} at once, against one of {human(self.part * PARTIES)}")
        names = {"single": "one giver, one taker", "giver": f"one giver, {PARTIES} takers", "taker": f"{PARTIES} givers, one taker"}
        base = self.samples["single"]
        table(["", "seconds", "time / one transfer's", "slowest / fastest", "CPU s of all", "peak MiB of the one"],
              [[names[key], spread(r[0] for r in runs), ratio((r[0] for r in runs), (b[0] for b in base)),
                "" if key == "single" else spread(max(r[1]) / min(r[1]) for r in runs), spread(r[3] for r in runs),
                f"{max(r[2] for r in runs) / MIB:.0f}"] for key, runs in self.samples.items()])
