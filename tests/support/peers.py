"""Two or more real peers on this machine, each with its own state folder, port and downloads folder, for the end-to-end tests.

The binary comes from the environment variable PEER_BIN. Nothing sleeps for a guessed time: commands are waited for, nodes tell when
they are ready, and what happens inside one is awaited through its local socket (peer/node/LOCAL.md). Everything is bounded in time, and only
processes that were started here are ended, by their pid."""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "examples"))
from proxy import Proxy  # noqa: E402
import peer_client  # noqa: E402  (the client of examples/ is the base of the hostile one)

PEER = os.environ.get("PEER_BIN", "peer")
# How much slower than an optimised build the binary may be (sanitizers).
PATIENCE = float(os.environ.get("PEER_TEST_PATIENCE", "1"))  # how many times slower than an idle machine of today all may be
INSTRUMENTED = bool(os.environ.get("PEER_TEST_INSTRUMENTED"))  # by a sanitizer, which keeps what is freed
COMMAND_SECONDS = 90 * PATIENCE
ID = re.compile(r"[A-Z2-7]{7}(?:-[A-Z2-7]{7}){7}")

os.umask(0o022)


def free_port():
    """A TCP port nobody listens on, below the range the kernel picks outgoing ports from."""
    while True:
        port = random.randrange(15000, 30000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


class Result:
    """What a finished command left."""

    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, err

    def rows(self):
        """The NDJSON rows of a command that ran with --json."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return f"{' '.join(map(str, self.args))}\nexit {self.code}\n--- stdout\n{self.out[-4000:]}\n--- stderr\n{self.err[-4000:]}"


class Running:
    """A command in progress."""

    def __init__(self, args, env, stdin=None, cwd=None, user=None):
        self.args = args
        self.process = subprocess.Popen(args, env=env, cwd=cwd, user=user, group=user, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.stdin = stdin

    def finish(self, timeout=None):
        try:
            out, err = self.process.communicate(self.stdin, timeout or COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError("did not end in time: " + repr(Result(self.args, None, out.decode(errors="replace"), err.decode(errors="replace"))))
        result = Result(self.args, self.process.returncode, out.decode(errors="backslashreplace"), err.decode(errors="backslashreplace"))
        if "Sanitizer" in result.err or "runtime error:" in result.err:
            raise AssertionError(repr(result))
        return result

    def signal(self, number):
        os.kill(self.process.pid, number)


class Watch:
    """A client of a node's local socket that hears of every offer; see LOCAL.md."""

    def __init__(self, home, who="anyone"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(COMMAND_SECONDS)
        self.socket.connect(os.path.join(home, "node.sock"))
        self.offers = {}
        self.say(request=1, do="attach", command="watch", lasting=False)
        while "result" not in self.hear():
            pass
        if who:
            self.say(request=2, do="watch", **{"from": who}, console=True)

    def say(self, **message):
        body = json.dumps(message).encode()
        self.socket.sendall(struct.pack(">I", len(body)) + body)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                raise AssertionError("the node closed its local socket")
            data += part
        return data

    def hear(self):
        m = json.loads(self.exactly(struct.unpack(">I", self.exactly(4))[0]))
        if "failed" in m:
            raise AssertionError(f"the node: {m['failed']}")
        return m

    def until(self, wanted, timeout=None):
        """The first offer for which wanted(OFFER) holds, among those heard of so far and those to come."""
        end = time.monotonic() + (timeout or COMMAND_SECONDS)
        for row in list(self.offers.values()):
            if wanted(row):
                return row
        while time.monotonic() < end:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                m = self.hear()
            except TimeoutError:
                break
            row = m.get("offer", m)
            if m.get("event") in ("offer", "progress") and "number" in row:
                self.offers[row["number"]] = row
                if wanted(row):
                    return row
        raise AssertionError(f"what was waited for did not happen; known: {json.dumps(list(self.offers.values()))[:3000]}")

    def close(self):
        self.socket.close()


class Peer:
    """One peer: its state folder, its port, where its files land, and perhaps its running node."""

    def __init__(self, folder, name, host="127.0.0.1"):
        self.name, self.folder, self.host = name, os.path.join(folder, name), host
        self.home = os.path.join(self.folder, "state")
        self.downloads = os.path.join(self.folder, "downloads")
        self.files = os.path.join(self.folder, "files")
        for d in (self.home, self.downloads, self.files):
            os.makedirs(d, mode=0o700, exist_ok=True)
        self.port = free_port()
        self.user = None  # of the processes; a number
        self.inside = []  # words before the program's name: what puts it into another network
        self.listen = ["--listen", host]
        self.node = None
        self.log = []
        # Peers of other tests, and this machine's network, are none of a test's business.
        with open(os.path.join(self.home, "config.toml"), "x") as f:
            f.write('discovery = "off"\n')
        # Nothing of the user who runs the tests: HOME, XDG folders and PEER_* are the test's.
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "PEER_"))}
        self.env.update(HOME=self.folder, PEER_HOME=self.home, LC_ALL="C.UTF-8", TZ="UTC")
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        self.node_env = {}  # for the node alone, not for commands
        self.watches = []

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def command(self, *args, stdin=None, cwd=None):
        """Starts `peer ARGS` and returns without waiting."""
        return Running([*self.inside, PEER, *map(os.fspath, args)], self.env, stdin, cwd, self.user)

    def run(self, *args, code=0, stdin=None, cwd=None, timeout=None):
        """Runs `peer ARGS` to its end, which must be the exit code `code` (None: any)."""
        result = self.command(*args, stdin=stdin, cwd=cwd).finish(timeout)
        if code is not None and result.code != code:
            raise AssertionError(f"expected exit {code}: {result!r}")
        return result

    def id(self):
        return ID.search(self.run("id").out).group()

    def start(self, *options, port=None):
        """Runs `peer start` and returns when the node says that it is reachable."""
        args = [*self.inside, PEER, "start", "--port", str(port or self.port), *self.listen, "--downloads", self.downloads, "--name", self.name, *options]
        self.node = subprocess.Popen(args, env={**self.env, **self.node_env}, user=self.user, group=self.user, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        ready = threading.Event()
        self.log = []

        def read(pipe, log):
            for line in pipe:
                log.append(line.decode(errors="backslashreplace"))
                if f":{port or self.port}" in log[-1]:
                    ready.set()
            ready.set()
        self.reader = threading.Thread(target=read, args=(self.node.stdout, self.log), daemon=True)
        self.reader.start()
        if not ready.wait(30 * PATIENCE) or self.node.poll() is not None:
            raise AssertionError(f"{self.name}: peer start did not become ready:\n{''.join(self.log)}")
        return self

    def kill(self):
        """Ends the node as a crash would."""
        self.close_watches()
        self.node.kill()
        self.node.wait(30)
        self.node = None

    def stop(self):
        """Ends the node in order and looks at what it left."""
        self.close_watches()
        if self.node is None:
            return
        node, self.node = self.node, None
        with contextlib.suppress(ProcessLookupError):
            node.send_signal(signal.SIGTERM)
        try:
            code = node.wait(20 * PATIENCE)
        except subprocess.TimeoutExpired:
            node.kill()
            node.wait(30)
            code = "killed: it did not end on SIGTERM"
        self.reader.join(10)
        node.stdout.close()
        log = "".join(self.log) + self.log_file()
        if code not in (0, 130, 143) or "Sanitizer" in log or "runtime error:" in log:
            raise AssertionError(f"{self.name}: the node ended with {code}:\n{log[-8000:]}")

    def log_file(self):
        with contextlib.suppress(OSError), open(os.path.join(self.home, "peer.log"), errors="backslashreplace") as f:
            return f.read()
        return ""

    def stop_stray(self):
        """Ends a node that a command left behind."""
        if os.path.exists(os.path.join(self.home, "node.sock")):
            with contextlib.suppress(AssertionError, OSError):
                self.command("stop").finish(20 * PATIENCE)
        log = self.log_file()
        if "Sanitizer" in log or "runtime error:" in log:
            raise AssertionError(f"{self.name}: the node's log:\n{log[-8000:]}")

    def close_watches(self):
        for w in self.watches:
            w.close()
        self.watches = []

    def watch(self, who="anyone"):
        self.watches.append(Watch(self.home, who))
        return self.watches[-1]

    def offers(self):
        return [r for r in self.run("offers", "--json").rows() if r["type"] == "offer"]

    def await_pending(self, timeout=None, **fields):
        """The number of the first pending offer to this peer whose fields are `fields`."""
        watch = self.watch()
        return watch.until(lambda o: o["direction"] == "in" and o["state"] == "pending" and all(o[k] == v for k, v in fields.items()), timeout)["number"]

    def await_end(self, state, **fields):
        """Until the open offer whose fields are `fields` has ended as `state`, unless it has ended already."""
        watch = self.watch()  # first: what ends meanwhile is heard there
        if any(all(o[k] == v for k, v in fields.items()) for o in self.offers()):
            watch.until(lambda o: o["state"] == state and all(o[k] == v for k, v in fields.items()))

    def add(self, other, address=None):
        """Makes `other`, whose node runs, a verified contact under its name."""
        self.run("add", other.name, address or other.address, "--id", other.id(), "--yes")

    def file(self, name, size=0, content=None, seed=1):
        """A file below self.files; pseudo-random content of `size` bytes, or `content`."""
        path = os.path.join(self.files, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            if content is not None:
                f.write(content)
            else:
                numbers, left = random.Random(seed), size
                while left:
                    part = numbers.randbytes(min(left, 1 << 20))
                    f.write(part)
                    left -= len(part)
        return path


class Case(unittest.TestCase):
    """A test with its own temporary folder and peers; whatever it starts has ended when it is over."""
    longMessage = True
    client_program = "examples/peer_client.py"

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="peer-e2e-", dir=os.environ.get("PEER_TEST_DIR"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.peers = []

    def tearDown(self):
        errors = []
        for p in self.peers:
            try:
                p.stop()
                p.stop_stray()
            except AssertionError as e:
                errors.append(str(e))
        if errors:
            self.fail("\n".join(errors))

    def peer(self, name, start=True, *options, host="127.0.0.1"):
        p = Peer(self.folder, name, host)
        self.peers.append(p)
        if start:
            p.start(*options)
        return p

    def pair(self):
        """alice and bob, running, verified contacts of each other; alice knows bob's address."""
        alice, bob = self.peer("alice"), self.peer("bob")
        alice.add(bob)
        bob.run("add", "alice", "--id", alice.id())
        return alice, bob

    def pair_through_proxy(self):
        """The same, but alice knows bob by a proxy's address, and neither can dial the other elsewhere: their connections seem to come from an
        address where they do not listen. So every connection passes the proxy."""
        alice, bob = self.peer("alice", host="127.0.0.2"), self.peer("bob", host="127.0.0.3")
        proxy = Proxy(bob.port, bob.host)
        self.addCleanup(proxy.close)
        alice.add(bob, proxy.address)
        bob.run("add", "alice", "--id", alice.id())
        return alice, bob, proxy

    def give(self, giver, taker, *paths, offer=(), accept=(), code=0, accept_code=0, **fields):
        """An offer by `giver`, accepted by `taker`; waits for both ends and returns their results."""
        giving = giver.command("offer", taker.name, *paths, *offer)
        try:
            number = taker.await_pending(**fields)
            taking = taker.run("accept", str(number), *accept, code=accept_code)
        except AssertionError as e:
            giving.process.kill()
            raise AssertionError(f"{e}\n--- the offer:\n{giving.finish()!r}")
        given = giving.finish()
        if code is not None:
            self.assertEqual(given.code, code, repr(given) + "\n" + repr(taking))
        return given, taking

    def client(self, *args, home="client", code=0, timeout=None):
        """Runs the Python client with its identity in a folder of this test."""
        result = self.client_running(*args, home=home).finish(timeout)
        if code is not None:
            self.assertEqual(result.code, code, repr(result))
        return result

    def client_running(self, *args, home="client"):
        return Running([sys.executable, os.path.join(ROOT, self.client_program), "--home", os.path.join(self.folder, home), *map(os.fspath, args)],
                       dict(os.environ, HOME=self.folder))

    def client_connected(self, *args, home="client"):
        """The same, once it has the other side's `hello`."""
        running = self.client_running(*args, home=home)
        line = running.process.stderr.readline()
        self.assertIn(b"connected", line)
        return running

    def client_id(self, home="client"):
        """The peer ID of the Python client with this home."""
        return peer_client.our_id(peer_client.make_identity(os.path.join(self.folder, home)))

    def session(self, peer, home="client", hello=True, name=""):
        """A session of the Python client with `peer`; without `hello` a connection on which nothing has been said."""
        s = peer_client.Session(peer.address, os.path.join(self.folder, home))
        self.addCleanup(s.tls.close)
        if hello:
            s.hello(name)
        s.tls.settimeout(12 * PATIENCE)  # less than the 15 s after which the other side pings
        return s

    def assert_same(self, a, b, **kw):
        self.assertEqual(differences(os.fsencode(a), os.fsencode(b), **kw), [])

    def assert_no_leftovers(self, folder):
        self.assertEqual([n for n in os.listdir(folder) if n.startswith(".")], [], "hidden leftovers in the folder that received")


# ---------------------------------------------------------------- trees

def describe(path):
    st = os.lstat(path)
    kind = st.st_mode & 0o170000
    return kind, st


def same_bytes(a, b, size):
    """Whether two files of `size` bytes hold the same; holes of both are skipped."""
    with open(a, "rb") as x, open(b, "rb") as y:
        at = 0
        while at < size:
            starts = []
            for f in (x, y):
                try:
                    starts.append(os.lseek(f.fileno(), at, os.SEEK_DATA))
                except OSError:  # nothing but a hole up to the end
                    starts.append(size)
            at = min(starts)
            n = min(1 << 22, size - at)
            if os.pread(x.fileno(), n, at) != os.pread(y.fileno(), n, at):
                return False
            at += n
    return True


def differences(a, b, mtimes=True, holes=True, label=b"", limit=20):
    """What differs between two trees, byte by byte, mode by mode, mtime by mtime, link by link; at most `limit` lines or some more."""
    found, todo, umask = [], [(a, b, label)], 0o022
    while todo and len(found) < limit:
        x, y, name = todo.pop()
        if not os.path.lexists(y):
            found.append(f"missing: {name!r}")
            continue
        (kind, st), (kind_y, st_y) = describe(x), describe(y)
        if kind != kind_y:
            found.append(f"another kind: {name!r}")
            continue
        if kind == 0o120000:
            if os.readlink(x) != os.readlink(y):
                found.append(f"another target: {name!r}: {os.readlink(y)!r}")
        elif st_y.st_mode & 0o7777 != st.st_mode & 0o777 & ~umask:
            found.append(f"mode {st_y.st_mode & 0o7777:o} for {st.st_mode & 0o7777:o}: {name!r}")
        if mtimes and st.st_mtime_ns != st_y.st_mtime_ns:
            found.append(f"mtime {st_y.st_mtime_ns} for {st.st_mtime_ns}: {name!r}")
        if kind == 0o100000:
            if st.st_size != st_y.st_size:
                found.append(f"size {st_y.st_size} for {st.st_size}: {name!r}")
            elif not same_bytes(x, y, st.st_size):
                found.append(f"other bytes: {name!r}")
            elif holes and st.st_blocks * 512 < st.st_size and st_y.st_blocks > st.st_blocks + 4096:
                found.append(f"holes filled: {name!r}: {st_y.st_blocks} blocks for {st.st_blocks}")
        elif kind == 0o040000:
            names_x, names_y = set(os.listdir(x)), set(os.listdir(y))
            found += [f"too much: {name + b'/' + n!r}" for n in names_y - names_x]
            todo += [(x + b"/" + n, y + b"/" + n, name + b"/" + n) for n in names_x]
    return found


def snapshot(folder):
    """Every path below `folder` with what tells a change: to prove that nothing outside was touched."""
    seen = {}
    for where, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            st = os.lstat(os.path.join(where, name))
            seen[os.path.join(where, name)] = (st.st_mode, st.st_size if not os.path.isdir(os.path.join(where, name)) else 0, st.st_mtime_ns)
    return seen
