#!/usr/bin/env python3
"""Measures peer against `scp -c aes128-gcm@openssh.com` and rsync over ssh on loopback, in interleaved rounds: one large file, a tree of many
small files, one file of 1 KiB between running peers. Prints medians and the ratios of the same rounds. Python's standard library only.

    bench.py --peer build/peer/peer [--work DIR] [--dest DIR] [--rounds 5] [--size 4G] [--only large,small,tiny]

Needs openssh-server and rsync. The sshd that it starts listens on 127.0.0.1 with keys of its own, and is ended by its pid."""
import argparse
import contextlib
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CIPHER = "aes128-gcm@openssh.com"
TREE = ["/usr/include", "/usr/share/doc", "/usr/lib/python3", "/usr/share/cmake-3.25", "/usr/lib/gcc"]
LEAST_FILES = 30_000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port):
    for _ in range(600):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


class Tool:
    """start() before each timed run, send() is what is timed."""

    def __init__(self, bench):
        self.bench = bench
        self.server = None

    def stop(self):
        if self.server:
            self.server.terminate()
            self.server.wait(20)
            self.server = None

    def check(self, command):
        with open(self.bench.work / "clients.log", "ab") as log:
            subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)


class Peer(Tool):
    """A receiver that accepts from anyone; the giver's own node is running too where `running` is set."""
    name = "peer"

    def start(self, dest, running):
        self.port, work = free_port(), self.bench.work
        log = open(work / "peer.log", "ab")
        self.server = subprocess.Popen([self.bench.peer, "receive", "--home", work / "taker", "--yes", "--from", "anyone", "--count", "1000000", "--listen", "127.0.0.1",
                                        "--port", str(self.port), "--downloads", dest], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_port(self.port)
        self.node = None
        if running:
            self.check([self.bench.peer, "start", "--home", work / "giver", "--background", "--listen", "127.0.0.1", "--port", free_port()])
            self.node = True

    def send(self, source, dest):
        self.check([self.bench.peer, "offer", "--home", self.bench.work / "giver", "--again", "--yes", f"127.0.0.1:{self.port}", source])

    def stop(self):
        if self.node:
            self.check([self.bench.peer, "stop", "--home", self.bench.work / "giver"])
        super().stop()


class Ssh(Tool):
    def start(self, dest, running):
        folder = self.bench.work / "ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        for key in ("host", "user"):
            if not (folder / key).exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        (folder / "authorized").write_text((folder / "user.pub").read_text())
        self.port = free_port()
        (folder / "config").write_text(f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
                                       "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nSubsystem sftp internal-sftp\n")
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        log = open(self.bench.work / "sshd.log", "ab")
        self.server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", folder / "config"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_port(self.port)
        self.options = ["-i", folder / "user", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-F", "none", "-c", CIPHER]


class Scp(Ssh):
    name = "scp"

    def send(self, source, dest):
        self.check(["scp", "-q", "-r", "-p", "-P", self.port, *self.options, source, f"127.0.0.1:{dest}/"])


class Rsync(Ssh):
    name = "rsync"

    def send(self, source, dest):
        self.check(["rsync", "-a", "--whole-file", "-e", " ".join(map(str, ["ssh", "-p", self.port, *self.options])), source, f"127.0.0.1:{dest}/"])


class Bench:
    def __init__(self, args, work):
        self.peer, self.work = os.path.abspath(args.peer), work
        self.dest = Path(args.dest or work) / "peer-bench-received"
        self.args = args

    def sources(self):
        folder = self.work / "sources"
        folder.mkdir(exist_ok=True)
        made = {}
        for name in self.args.only.split(","):
            made[name] = folder / name
            if made[name].exists():
                continue
            if name == "large":
                key = os.urandom(16).hex()
                subprocess.run(f"head -c {self.args.size} /dev/zero | openssl enc -aes-128-ctr -K {key} -iv {'0' * 32} > '{made[name]}'", shell=True, check=True)
            elif name == "tiny":
                made[name].write_bytes(os.urandom(1024))
            else:
                made[name].mkdir()
                for i, d in enumerate(d for d in TREE if os.path.isdir(d)):
                    subprocess.run(["cp", "-rL", d, made[name] / str(i)], stderr=subprocess.DEVNULL)
                while (count := sum(len(files) for _, _, files in os.walk(made[name]))) < LEAST_FILES:
                    subprocess.run(["cp", "-r", made[name] / "0", made[name] / f"more{count}"], check=True)
        return made

    def one(self, tool, source, workload, compare):
        shutil.rmtree(self.dest, ignore_errors=True)
        self.dest.mkdir()
        tool.start(self.dest, workload == "tiny")
        try:
            if workload == "tiny":  # running peers have met before
                tool.send(source, self.dest)
                (self.dest / source.name).unlink()
            began = time.monotonic()
            tool.send(source, self.dest)
            took = time.monotonic() - began
        finally:
            tool.stop()
        if compare and subprocess.run(["diff", "-rq", source, self.dest / source.name]).returncode:
            raise RuntimeError(f"{tool.name}: what arrived is not what was sent")
        return took

    def run(self):
        tools = [t(self) for t in (Peer, Scp, Rsync)]
        for workload, source in self.sources().items():
            times = {t.name: [] for t in tools}
            for number in range(self.args.rounds):
                for tool in tools:
                    took = self.one(tool, source, workload, number == 0)
                    times[tool.name].append(took)
                    print(f"# {workload} round {number + 1}: {tool.name} {took:.3f} s", file=sys.stderr)
            files = [f for f in source.rglob("*") if f.is_file()] if source.is_dir() else [source]
            print(f"\n{workload}: {len(files)} file(s), {sum(f.stat().st_size for f in files) / 1e6:.1f} MB, {self.args.rounds} rounds\n")
            print("| | median s | least s | most s | time / peer's |\n|---|---|---|---|---|")
            for name, t in times.items():
                ratio = statistics.median(a / b for a, b in zip(t, times["peer"]))
                print(f"| {name} | {statistics.median(t):.3f} | {min(t):.3f} | {max(t):.3f} | {ratio:.2f} |", flush=True)
        shutil.rmtree(self.dest, ignore_errors=True)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--peer", default="build/peer/peer", help="the binary")
    a.add_argument("--work", help="folder for sources, keys, state (default: a temporary one, removed at the end)")
    a.add_argument("--dest", help="folder that receives, e.g. on a tmpfs (default: the work folder)")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--size", default="4G", help="of the large file, as head -c takes it")
    a.add_argument("--only", default="large,small,tiny")
    args = a.parse_args()
    for program in ("scp", "rsync", "ssh-keygen", "/usr/sbin/sshd"):
        if not shutil.which(program):
            sys.exit(f"bench.py: {program} is missing: apt-get install openssh-server openssh-client rsync")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    work = Path(args.work or tempfile.mkdtemp(prefix="peer-bench-")).absolute()
    work.mkdir(parents=True, exist_ok=True)
    try:
        Bench(args, work).run()
    finally:
        if not args.work:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
