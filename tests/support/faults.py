"""What the fault tests share: the shim's control, the tree they send, and the promises that are checked after every fault."""
import errno
import mmap
import os
import random
import struct

from peers import differences, snapshot

SHIM = os.environ.get("PEER_FAULT_SHIM", "")
LONG = os.environ.get("PEER_LONG") == "1"

KINDS = ["open", "create", "read", "write", "truncate", "allocate", "sync", "rename", "link", "unlink", "mkdir", "symlink", "chmod", "utime",
         "close", "seek", "stat", "list", "message", "send", "receive", "connect", "memory"]
FAIL, SHORT, KILL_BEFORE, KILL_AFTER, DELAY = range(5)
FOR_EVER = (1 << 64) - 1

# What Linux answers to each kind of operation when a disk, a quota, memory or a table of descriptors gives out.
_FULL, _TABLE, _ANY = ["ENOSPC", "EDQUOT"], ["EMFILE", "ENFILE"], ["EIO", "ENOMEM"]
ERRORS = {
    "open": _ANY + _TABLE + ["EINTR"], "create": _ANY + _FULL + _TABLE + ["EROFS", "EINTR"], "read": ["EIO", "EINTR", "short"],
    "write": ["EIO", "EINTR", "short"] + _FULL, "truncate": ["EIO", "EINTR", "EROFS"], "allocate": ["EIO", "ENOSPC", "EINTR"],
    "sync": ["EIO", "ENOSPC", "EDQUOT", "EINTR"], "rename": _ANY + _FULL + ["EROFS"], "link": _ANY + _FULL + ["EROFS"], "unlink": _ANY + ["EROFS"],
    "mkdir": _ANY + _FULL + ["EROFS"], "symlink": _ANY + _FULL + ["EROFS"], "chmod": ["EIO", "EROFS"], "utime": ["EIO", "EROFS"],
    "close": ["EIO", "ENOSPC", "EDQUOT", "EINTR"], "seek": ["EIO"], "stat": _ANY, "list": _ANY,
}


class Shim:
    """Controls the shim in one node; the node must be started with `environment`."""
    _NUMBERS = struct.Struct("=9Q")
    _COUNTS = _NUMBERS.size
    _FOLDERS = _COUNTS + 8 * len(KINDS)
    _WHERE = _FOLDERS + 2048

    def __init__(self, path):
        self.environment = {"LD_PRELOAD": SHIM, "PEER_FAULTS": path}
        with open(path, "w+b") as f:
            f.truncate(self._WHERE + 1024)
            self.map = mmap.mmap(f.fileno(), self._WHERE + 1024)

    def arm(self, folders, kinds=(), at=0, action=FAIL, error=0, times=1, fewest=0):
        """Counts from here on; the operation number `at` among those of `kinds`, and times - 1 behind it, are hit. Of memory only what asks for
        `fewest` bytes or more counts."""
        self.disarm()
        text = "".join(os.path.realpath(f) + "\n" for f in folders).encode()
        self.map[self._FOLDERS:self._FOLDERS + len(text) + 1] = text + b"\0"
        self.map[self._COUNTS:self._FOLDERS] = bytes(self._FOLDERS - self._COUNTS)
        self.map[self._WHERE:self._WHERE + 1024] = bytes(1024)
        mask = sum(1 << KINDS.index(k) for k in kinds)
        self.map[0:self._COUNTS] = self._NUMBERS.pack(0, mask, at, times, action, error, fewest, 0, 0)
        self.map[0:8] = struct.pack("=Q", 1)

    def disarm(self):
        self.map[0:8] = bytes(8)

    @property
    def calls(self):
        return struct.unpack_from("=Q", self.map, 56)[0]

    @property
    def fired(self):
        return struct.unpack_from("=Q", self.map, 64)[0]

    @property
    def where(self):
        return self.map[self._WHERE:self._WHERE + 1024].split(b"\0")[0].decode(errors="backslashreplace")

    def by_kind(self):
        """How often each kind was called since arm()."""
        return dict(zip(KINDS, struct.unpack_from(f"={len(KINDS)}Q", self.map, self._COUNTS)))


def number_of(error):
    return getattr(errno, error)


def rich_tree(peer):
    """A small offer with a bit of everything; the paths of its roots."""
    big = peer.file("holes.bin", 0)
    with open(big, "r+b") as f:
        for at in (0, 3 << 20):
            f.seek(at)
            f.write(os.urandom(1 << 20) if at else bytes(range(256)) * 4096)
        f.truncate(5 << 20)
    peer.file("plain.txt", 70_000, seed=3)
    peer.file("empty", 0)
    top = os.path.join(peer.files, "tree")
    for i in range(240):
        peer.file(f"tree/many/{i % 3}/{i:03}", 1 + i * 37 % 900, seed=i)
    peer.file("tree/deep/er/and/deeper/file", 300_000, seed=4)
    peer.file("tree/nothing in it", 0)
    peer.file("tree/" + "n" * 255, 10, seed=5)
    peer.file("tree/shut/inside", 1000, seed=6)
    os.makedirs(os.path.join(top, "bare/folder"))
    os.symlink("deep/er", os.path.join(top, "link"))
    os.chmod(os.path.join(top, "many/0/000"), 0o755)
    os.chmod(os.path.join(top, "shut"), 0o555)
    for where, folders, files in os.walk(top, topdown=False):
        for name in folders + files:
            os.utime(os.path.join(where, name), ns=(1, 1_600_000_000_123_456_789), follow_symlinks=False)
    return [big, os.path.join(peer.files, "plain.txt"), os.path.join(peer.files, "empty"), top]


def arrived(sources, folder, renamed=(), **how):
    """What differs between the roots given and those in `folder`; `renamed` maps a root to the name it got."""
    found = []
    for source in sources:
        name = os.path.basename(source)
        found += differences(os.fsencode(source), os.fsencode(os.path.join(folder, dict(renamed).get(name, name))), label=os.fsencode(name), **how)
    return found


def resident(pid):
    """Bytes of memory a process holds, and its open descriptors."""
    with open(f"/proc/{pid}/status") as f:
        kilobytes = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    return kilobytes * 1024, len(os.listdir(f"/proc/{pid}/fd"))


class Chance:
    """The random numbers of a test, which say where they came from; PEER_SEED gives the same again."""

    def __init__(self, name):
        self.seed = int(os.environ.get("PEER_SEED") or random.SystemRandom().randrange(1 << 32))
        self.numbers = random.Random(f"{name} {self.seed}")
        print(f"{name}: PEER_SEED={self.seed}", flush=True)

    def spread(self, count, wanted):
        """`wanted` different numbers of 1..count, one from each of as many equal parts."""
        if wanted >= count:
            return list(range(1, count + 1))
        return sorted({1 + int((i + self.numbers.random()) * count / wanted) for i in range(wanted)})


class Bystanders:
    """What lies around the folder that receives, which no fault may touch (P5)."""

    def __init__(self, peer):
        self.folder = os.path.join(peer.folder, "around")
        os.makedirs(os.path.join(self.folder, "precious/deep"))
        for name in ("precious/a", "precious/deep/b", ".peer-not-ours"):
            with open(os.path.join(self.folder, name), "w") as f:
                f.write("not to be touched")
        self.before = snapshot(self.folder)

    def changed(self, but):
        """Paths that are not what they were, besides those below the folder `but`."""
        now = snapshot(self.folder)
        below = os.fsencode(but)
        ours = {p for p in now if p == below or p.startswith(below + b"/")}
        return sorted(p for p in (now.keys() | self.before.keys()) - ours if now.get(p) != self.before.get(p))


def half_delivered(sources, folder, renamed=()):
    """What stands under a final name and is not its source, byte by byte, while a transfer is under way (P1)."""
    found = []
    for source in sources:
        name = os.path.basename(source)
        here = os.path.join(folder, dict(renamed).get(name, name))
        if os.path.lexists(here):
            found += [d for d in differences(os.fsencode(source), os.fsencode(here), mtimes=False, label=os.fsencode(name))
                      if not d.startswith("mode ")]
    return found
