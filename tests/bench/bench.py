#!/usr/bin/env python3
"""Measures peer on this machine against other programs, in interleaved rounds, and prints for every workload medians (least..most) and the
ratios of the same rounds. Python's standard library only; a program that is not there is left out.

    bench.py --peer build/peer/peer [--workloads ABNCDTEG] [--rounds 5] [--size 4G] [--dest DIR] [--work DIR] [--quick]

A  one large file                                          B  a tree of many small files
N  a million empty files and files of one byte             C  one file of 1 KiB
D  a transfer cut at half by killing one side              T  the same of 100,000 small files
E  a path of 100 ms and 1 Gbit/s
G  twenty transfers at once, from one and to one           (F, CPU and memory of both sides, are columns of A, B and N)

Competitors: nginx and curl (https, TLS 1.3, AES-128-GCM), scp and rsync over ssh (aes128-gcm), cp, and ideal.cpp, the least that such a
transfer can cost (g++, libssl-dev, libxxhash-dev). Debian: apt-get install openssh-server rsync nginx-light curl.

Everything listens on 127.0.0.1 with keys made on the spot. --dest on a tmpfs shows what the programs cost; on a disk, above all the disk."""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from conditions import Crowd, Cut, CutTree, LongPath
from lab import Lab, note, size_of
from workloads import Large, Many, Small, Tiny

ALL = {w.letter: w for w in (Large, Small, Many, Tiny, Cut, CutTree, LongPath, Crowd)}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--peer", default="build/peer/peer", help="the binary")
    a.add_argument("--workloads", default="ABNCDTEG", help="letters, in any order")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--size", type=size_of, help="of the large file (default: 4G); D and E give half as much")
    a.add_argument("--dest", help="folder that receives, e.g. on a tmpfs (default: in the work folder)")
    a.add_argument("--work", help="folder for sources, keys and state, kept for the next run (default: a temporary one, removed at the end)")
    a.add_argument("--only", default="", metavar="REGEX", help="the competitors to measure, by name (peer always is)")
    a.add_argument("--quick", action="store_true", help="one round, small sizes: does everything work?")
    args = a.parse_args()
    wanted = args.workloads.upper().replace("F", "")
    if strange := set(wanted) - set(ALL):
        a.error(f"there is no workload {', '.join(sorted(strange))}")
    if not os.access(args.peer, os.X_OK):
        a.error(f"{args.peer} is no program")
    if args.quick:
        args.rounds = 1
    args.size = args.size or size_of("256M" if args.quick else "4G")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    work = Path(args.work or tempfile.mkdtemp(prefix="peer-bench-")).absolute()
    work.mkdir(parents=True, exist_ok=True)
    (work / "sources").mkdir(exist_ok=True)
    base = Path(tempfile.mkdtemp(prefix="peer-bench-received-", dir=args.dest or work))
    args.dest = base / "received"
    args.dest.mkdir()
    lab = Lab(args.peer, work)
    failed = False
    try:
        for letter in wanted:
            workload = ALL[letter](lab, args)
            try:
                note(f"{letter}: making what is given")
                workload.make()
                for number in range(workload.rounds()):
                    workload.round(number)
                workload.report()
            except (RuntimeError, OSError, subprocess.SubprocessError) as e:
                failed = True
                print(f"\n{letter}: failed: {e} (commands.log in the work folder says more)\n", flush=True)
                lab.clear()
    finally:
        lab.close()
        shutil.rmtree(base, ignore_errors=True)
        for folder in ("homes", "received-beside") if args.work else ():
            shutil.rmtree(work / folder, ignore_errors=True)
        for counts in work.glob("relay-*"):
            counts.unlink()
        if not args.work:
            shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
