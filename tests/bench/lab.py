"""Processes, their cost, and the places that files come from and go to."""
import contextlib
import dataclasses
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

HOST = "127.0.0.1"
HERE = Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")
MIB, GIB = 1 << 20, 1 << 30


def size_of(text):
    """Bytes of 4G, 256M, 64K (powers of 1024) or a plain number."""
    unit = {"K": 1 << 10, "M": MIB, "G": GIB}.get(text[-1:].upper())
    return int(float(text[:-1]) * unit) if unit else int(text)


def human(size):
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} B"


def free_port():
    """A port nobody listens on, below the range from which outgoing connections get theirs."""
    while True:
        port = random.randrange(12000, 30000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind((HOST, port))
            return port


def wait_port(port, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, port), 1).close()
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")


def family(pid):
    """The process and all its descendants that are alive."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                todo += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
            found.append(pid)
    return found


def cpu_of(pid):
    """CPU seconds of a process and of its children that have been waited for."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICK
    return 0.0


def rss_of(pid):
    """The most memory, in bytes, that the process has held so far."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def machine_cpu():
    """Seconds that all CPUs of this machine have been busy."""
    user, nice, system, _idle, _wait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / TICK


def alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@dataclasses.dataclass
class Sample:
    """What one timed run took. CPU in seconds, RSS in bytes; `others` is the share of all CPUs that was used by anybody else;
    `began` is a moment of the monotonic clock."""
    seconds: float
    cpu: dict
    rss: dict
    others: float
    began: float


class Meter:
    """Adds up what both sides spend: processes that were there before, and commands run meanwhile."""

    def __init__(self, roots):
        self.roots = {"giver": [], "taker": [], **roots}
        self.spent = {side: -sum(map(cpu_of, self.living(side))) for side in self.roots}
        self.before = {side: set(self.living(side)) for side in self.roots}
        self.rss = dict.fromkeys(self.roots, 0)
        self.commands = {side: [] for side in self.roots}
        self.busy, self.began = machine_cpu(), time.monotonic()
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    def living(self, side):
        return [p for root in self.roots[side] for p in family(root)]

    def look(self):
        for side in self.roots:
            held = sum(rss_of(p) for root in self.roots[side] + self.commands[side] for p in family(root))
            self.rss[side] = max(self.rss[side], held)

    def sample(self):
        pause = 0.02 + 0.02 * sum(map(len, self.roots.values()))  # looking at many processes costs CPU time itself
        while not self.ending.wait(pause):
            self.look()

    def finish(self):
        seconds = time.monotonic() - self.began
        busy = machine_cpu() - self.busy
        self.ending.set()
        self.thread.join()
        self.look()
        end = time.monotonic() + 3  # servers take a moment to wait for the children that did the work
        while time.monotonic() < end and any(set(self.living(side)) - self.before[side] for side in self.roots):
            time.sleep(0.02)
        cpu = {side: self.spent[side] + sum(map(cpu_of, self.living(side))) for side in self.roots}
        return Sample(seconds, cpu, self.rss, max(0.0, (busy - sum(cpu.values())) / (seconds * os.cpu_count())), self.began)


class Relay:
    """long_path.py as a process of its own, and what it counted."""

    def __init__(self, lab, target_port, delay=0.0, rate=0, every=0.05):
        self.counts = lab.work / f"relay-{time.monotonic_ns()}"
        self.rate, self.port = rate, free_port()
        self.process = lab.serve([sys.executable, HERE / "long_path.py", "--listen", self.port, "--to", f"{HOST}:{target_port}", "--delay", delay,
                                  "--rate", rate, "--count", self.counts, "--count-every", every], stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def series(self, direction):
        """[(moment, bytes passed so far)]; direction is 1 (to the listener) or 2 (back)."""
        rows = [line.split() for line in self.counts.read_text().splitlines() if line.count(" ") == 2]
        return [(float(r[0]), int(r[direction])) for r in rows]

    def passed(self, direction):
        with open(self.counts, "rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - 200))
            whole = f.read().split(b"\n")[:-1]
        return int(whole[-1].split()[direction]) if whole else 0


class Lab:
    """One run of the benchmarks: its folders, and every process that it started."""

    def __init__(self, peer, work):
        self.peer, self.work = os.path.abspath(peer), Path(work)
        self.processes, self.nodes, self.rubbish, self.meter = [], [], [], None
        self.log = open(self.work / "commands.log", "ab")

    def start(self, command, **options):
        return subprocess.Popen([str(c) for c in command], **{"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": self.log, **options})

    def serve(self, command, **options):
        """Starts a process that lives until end()."""
        process = self.start(command, **options)
        self.processes.append(process)
        return process

    def end(self, process, number=signal.SIGTERM):
        if process in self.processes:
            self.processes.remove(process)
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def run(self, command):
        """Runs a command that costs neither side anything."""
        subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, check=True, timeout=3600)

    def reap(self, side, process, fails=False):
        """Waits for a command's end and puts what it cost on that side's account."""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process in self.processes:
            self.processes.remove(process)
        if self.meter:
            self.meter.spent[side] += usage.ru_utime + usage.ru_stime
        if process.returncode and not fails:
            raise RuntimeError(f"{' '.join(map(str, process.args))} ended with {process.returncode}")

    def client(self, side, command):
        """Runs a command of that side to its end."""
        process = self.serve(command)
        if self.meter:
            self.meter.commands[side].append(process.pid)
        self.reap(side, process)

    def measure(self, roots, action):
        self.meter = Meter(roots)
        try:
            action()
            return self.meter.finish()
        finally:
            self.meter.ending.set()
            self.meter = None

    def heat(self, folder, size):
        """Writes and deletes as much as the run will write. Where a hypervisor takes free memory back, the first write to a page is slow,
        whoever comes first pays for it, and that would be measured instead of the program."""
        path, block = folder / ".heat", bytes(4 * MIB)
        with open(path, "wb", buffering=0) as f:
            for _ in range(size // len(block) + 1):
                f.write(block)
        path.unlink()

    def fresh(self, folder):
        """An empty folder of that name; what was in it is deleted now or, many files of a disk, put aside: right after a mass deletion ext4
        is slow to find free inodes."""
        folder = Path(folder)
        if folder.exists():
            with os.scandir(folder) as entries:
                trees = any(e.is_dir(follow_symlinks=False) for e in entries)
            if trees and file_system(folder) != "tmpfs":
                aside = folder.with_name(f"{folder.name}-{time.monotonic_ns()}")
                folder.rename(aside)
                self.rubbish.append(aside)
            else:
                shutil.rmtree(folder)
        folder.mkdir(parents=True)
        if file_system(folder) != "tmpfs":
            subprocess.run(["sync", "-f", folder], check=False)
        return folder

    def clear(self):
        """Ends whatever runs."""
        for node in list(self.nodes):
            node.stop()
        for process in list(self.processes):
            self.end(process)

    def close(self):
        self.clear()
        for folder in self.rubbish:
            shutil.rmtree(folder, ignore_errors=True)
        self.log.close()


def file_system(folder):
    """The type of the file system that holds the folder."""
    return subprocess.run(["df", "--output=fstype", folder], capture_output=True, text=True, check=True).stdout.split()[-1]


def measured_size(path):
    """(files, bytes) of a file or a tree; reading it all, so that it is in memory."""
    files = size = 0
    for where, _, names in os.walk(path) if path.is_dir() else [(path.parent, [], [path.name])]:
        for name in names:
            full = os.path.join(where, name)
            if os.path.islink(full):
                continue
            files += 1
            with open(full, "rb", buffering=0) as f:
                while part := f.read(4 * MIB):
                    size += len(part)
    return files, size


def random_file(path, size):
    if not (path.exists() and path.stat().st_size == size):
        with open(path, "wb") as f:
            for at in range(0, size, 4 * MIB):
                f.write(os.urandom(min(4 * MIB, size - at)))
    return path


def spread(values, form="{:.2f}"):
    """`median (least..most)`."""
    values = list(values)
    middle = form.format(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))}..{form.format(max(values))})"


def ratio(values, base):
    """The median of what each round took against what the same round took of `base`; nothing for `base` itself."""
    values, base = list(values), list(base)
    return "" if values == base else f"{statistics.median(a / b for a, b in zip(values, base)):.2f}"


def note(text):
    print(f"# {text}", file=sys.stderr, flush=True)


def table(head, rows):
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)
