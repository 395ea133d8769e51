#!/usr/bin/env python3
"""A small client of the peer protocol (protocol/PROTOCOL.md, whose sections are named here): it dials a peer and offers, takes, lists or
gets files over the session alone. Python's standard library and the `openssl` command. After a cut, run the same command again.

    peer_client.py ADDRESS offer PATH...       offer these files and folders, serve them until the other side is done
    peer_client.py ADDRESS receive             accept the next offer, whatever it is
    peer_client.py ADDRESS list [PATH]         what is shared with us
    peer_client.py ADDRESS get PATH...         ask for shared files and folders
"""
import argparse, base64, bisect, collections, hashlib, itertools, json, os, secrets, socket, ssl, stat, struct, subprocess, sys
from pathlib import Path

MOST = 256 << 10  # bytes of a message, and of a block on a session (section 15)
TYPES = "hello attach offer accept reject want data gone check same differs done cancel closed list listing get error ping pong".split()
BROKEN = LookupError, ValueError, TypeError, AttributeError, RecursionError  # what Python raises about JSON and fields that are wrong

class Ended(Exception):
    """The talk is over: a text for people, an exit code for the shell."""

def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

def sha256(raw):
    return hashlib.sha256(raw).hexdigest()

def to_path(name, raw):
    """A field of the type path (section 5): a string if its bytes are UTF-8, else base64 in a field of its own."""
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        return {name + "64": base64.b64encode(raw).decode()}

def from_path(name, fields):
    return base64.b64decode(fields[name + "64"], validate=True) if name + "64" in fields else fields.get(name, "").encode()

def reason(m):
    """Why the other side said `error`, `reject`, `cancel` or `closed`, quoted for a terminal."""
    return " ".join(repr(m[name]) for name in ("code", "reason", "outcome", "text") if m.get(name))

# ---------------------------------------------------------------- who we are (section 3)

def peer_id_text(digest):
    alphabet, plain, checked = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", base64.b32encode(digest).decode().rstrip("="), ""
    for i in range(0, 52, 13):
        products = [alphabet.index(c) * (1 + k % 2) for k, c in enumerate(plain[i:i + 13])]
        checked += plain[i:i + 13] + alphabet[-sum(p // 32 + p % 32 for p in products) % 32]
    return "-".join(checked[i:i + 7] for i in range(0, 56, 7))

def make_identity(home):
    """The key and the certificate in one file, made by the first run."""
    pem = Path(home, "identity.pem")
    if not pem.exists():
        pem.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "36500",
                        "-subj", "/CN=peer", "-keyout", pem, "-out", pem], check=True, capture_output=True)
    return pem

def kept_id(home, *what):
    """The file that keeps the id of an offer or `get` from run to run. It is removed when that has ended."""
    kept = Path(home, sha256(canonical(what)) + ".id")
    if not kept.exists():
        kept.write_text(secrets.token_hex(16))
    return kept

# ---------------------------------------------------------------- the session (sections 2, 4 and 6)

class Session:
    def __init__(self, address, home, expect=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # no authorities: the ID is compared below
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["peer/1"])
        context.load_cert_chain(make_identity(home))
        host, _, port = address.rpartition(":")
        self.tls = context.wrap_socket(socket.create_connection((host.strip("[]"), int(port)), timeout=10))
        self.tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer_id = hashlib.sha256(self.tls.getpeercert(binary_form=True)).digest()
        if self.tls.selected_alpn_protocol() != "peer/1" or expect and expect.upper() != peer_id_text(self.peer_id):
            raise Ended(f"{address} is {peer_id_text(self.peer_id)}, not {expect}, or speaks something else: nothing was sent", 5)

    def hello(self, name=""):
        self.say("hello", version={"major": 1, "minor": 0}, instance=secrets.token_hex(16), dial=1, name=name, agent="peer_client.py 1",
                 features=["zeros"], limits={"message_bytes": MOST})
        self.limits = self.hear("hello").get("limits", {})
        self.tls.settimeout(45)  # a living side that hears nothing from us says `ping`

    def say(self, kind, raw=b"", **fields):
        body = canonical({"type": kind, **fields})
        self.tls.sendall(struct.pack(">I", len(body)) + body + raw)

    def fail(self, code):
        self.say("error", code=code, fatal=True)
        raise Ended(f"the other side broke the protocol: {code}", 6)

    def raw(self, length):
        got = b""
        while len(got) < length:
            if not (part := self.tls.recv(length - len(got))):
                raise Ended("the other side closed the connection", 4)
            got += part
        return got

    def hear(self, *kinds, about=None):
        """The next message of these types about this offer or request, with a block's bytes as `raw`. Others are answered or ignored."""
        while True:
            length, = struct.unpack(">I", self.raw(4))
            if not 1 <= length <= MOST:
                self.fail("message_too_large")
            m = json.loads(self.raw(length))
            kind, m["raw"] = m["type"], None
            if kind == "data" and not m.get("zeros"):
                if m["length"] > MOST:
                    self.fail("too_much")
                m["raw"] = self.raw(m["length"])
            if kind == "error" and m["fatal"]:
                raise Ended(f"the other side: {reason(m)}", 1)
            if kind in kinds and about in (None, m.get("id"), m.get("request"), m.get("get")):
                return m
            if kind == "ping":
                self.say("pong")
            elif kind in ("list", "get"):  # we share nothing
                self.say("error", code="not_shared", fatal=False, request=m["request"])
            elif kind not in TYPES:
                self.say("error", code="unknown_type", fatal=False)

# ---------------------------------------------------------------- giving (sections 7.3, 8 and 9)

def offsets(entries):
    """Where each entry begins in the stream, and at last the stream's length. Only files occupy anything."""
    return [0, *itertools.accumulate(e.get("size", 0) for e, _ in entries)]

def pieces(starts, m):
    """The range of the stream that a message names, file by file: (number of the entry, begin, end)."""
    at, end = m["offset"], m["offset"] + m["length"]
    while at < end:
        number = bisect.bisect_right(starts, at) - 1
        yield number, at, min(end, starts[number + 1])
        at = starts[number + 1]

def walk(path, name):
    """(entry, path on this disk) of a path and all below it, in the manifest's order; without sockets, devices and the like."""
    st = os.lstat(path)
    e = {"mode": st.st_mode & 0o777, "mtime": st.st_mtime_ns, **to_path("path", name)}
    if stat.S_ISREG(st.st_mode):
        yield e | {"kind": "file", "size": st.st_size, "allocated": st.st_blocks * 512}, path
    elif stat.S_ISLNK(st.st_mode):
        yield e | {"kind": "link", "mode": 0o777, **to_path("target", os.readlink(path))}, path
    elif stat.S_ISDIR(st.st_mode):
        yield e | {"kind": "folder"}, path
        for child in sorted(os.listdir(path)):
            yield from walk(path + b"/" + child, name + b"/" + child)

def read(e, path, at, length):
    """Bytes of a file, or the reason why it is `gone`: of a file that has changed since it was listed no byte leaves."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as f:
            f.seek(at)
            raw, st = f.read(length), os.fstat(f.fileno())
            return raw if (st.st_size, st.st_mtime_ns) == (e["size"], e["mtime"]) else "changed"
    except OSError as error:
        return "vanished" if isinstance(error, FileNotFoundError) else "unreadable"

def serve_want(session, want, manifest, entries=()):
    """Answers one want with blocks, each of one file, and `gone`."""
    number, of = want["id"], {"of": "manifest"} if "of" in want else {}
    starts = [0, len(manifest)] if of else offsets(entries)
    if want["offset"] + want["length"] > starts[-1]:
        return session.say("error", code="bad_state", fatal=False, id=number, about="want")
    for entry, at, end in pieces(starts, want):
        while at < end:
            length = min(end - at, MOST, session.limits.get("block_bytes", MOST))
            raw = manifest[at:at + length] if of else read(*entries[entry], at - starts[entry], length)
            if isinstance(raw, str):
                session.say("gone", id=number, entry=entry, offset=at, length=end - at, reason=raw)
                break
            session.say("data", raw, id=number, offset=at, length=length, digest="sha256:" + sha256(raw), **of)
            at += length

def offer(session, args):
    roots = {os.path.basename(os.path.abspath(p)): os.path.realpath(p) for p in map(os.fsencode, args.paths)}
    entries = [found for name in sorted(roots) for found in walk(roots[name], name)]
    manifest, count = b"".join(canonical(e) + b"\n" for e, _ in entries), collections.Counter(e["kind"] for e, _ in entries)
    kept = kept_id(args.home, "offer", session.peer_id.hex(), sha256(manifest))  # the same entries for the same peer: the same offer
    number = kept.read_text()
    session.say("offer", id=number, title=b", ".join(roots).decode(errors="replace")[:250], bytes=offsets(entries)[-1], files=count["file"],
                folders=count["folder"], links=count["link"], manifest={"bytes": len(manifest), "sha256": sha256(manifest)}, expires=86400)
    while True:
        m = session.hear("want", "check", "done", "reject", "cancel", "closed", "error", about=number)  # `accept` is told by its wants
        kind = m["type"]
        if kind == "want":
            serve_want(session, m, manifest, entries)
        elif kind == "check":
            session.say("differs", id=number, offset=m["offset"], length=m["length"])  # it was not looked at: it will be wanted again
        elif kind == "error" and m["code"] not in ("unknown_offer", "bad_offer", "bad_message", "bad_path"):
            print(f"the other side: {reason(m)}", file=sys.stderr)  # a state that may pass (section 7.5)
        else:
            ends = {"done": "done" if m.get("complete") else "open", "reject": "rejected", "cancel": "cancelled"}
            if kind in ends:
                session.say("closed", id=number, answers=kind, outcome=ends[kind])
            if kind != "done" or m["complete"]:
                kept.unlink()
            if kind != "done":
                raise Ended(f"{kind}: {reason(m)}", 3)
            print(f"delivered: {m['files']} files, {m['bytes']} bytes; {m.get('failed', 0)} failed there")
            return 8 if m.get("failed") else 0

# ---------------------------------------------------------------- taking (sections 7.4, 8.4 and 9)

def fetch(session, number, at, end, **of):
    """Wants [at, end), a few wants at a time, and yields each `data` or `gone`: they come in the order of the wants."""
    most = min(16 << 20, session.limits.get("open_want_bytes", 16 << 20))
    wants = min(16, session.limits.get("open_wants", 16), most)
    wanted, ends, hole_end = at, collections.deque(), 0
    while at < end:
        while wanted < end and len(ends) < wants:
            ends.append(min(end, max(hole_end, wanted + most // wants)))  # the rest of a hole is one want of any length
            session.say("want", id=number, offset=wanted, length=ends[-1] - wanted, **of)
            wanted = ends[-1]
        m = session.hear("data", "gone", "error", "cancel", "closed", about=number)
        if m["type"] == "cancel":
            session.say("closed", id=number, answers="cancel", outcome="expired" if m["reason"] == "expired" else "cancelled")
        if m["type"] not in ("data", "gone"):
            raise Ended(f"{m['type']}: {reason(m)}", 3)
        stop = m["offset"] + m["length"]
        if (m.get("of"), m["offset"]) != (of.get("of"), at) or not at < stop <= ends[0] or of and m["raw"] is None:
            session.fail("bad_state")  # nobody wanted this
        if not of and m["raw"] is not None and m["digest"] != "sha256:" + sha256(m["raw"]):  # a manifest is judged whole
            session.fail("bad_digest")
        yield m
        at, hole_end = stop, m["until"] if m.get("zeros") else hole_end
        if at == ends[0]:
            ends.popleft()

def judge(manifest, o, roots):
    """(entry, path) of each line of a legal manifest (section 8.4); ValueError about any other. `roots`: those that were asked for."""
    entries, folders, last = [], {b""}, []
    *lines, rest = manifest.split(b"\n")
    for e in map(json.loads, lines):
        path, target, kind, size = from_path("path", e), from_path("target", e), e["kind"], e.get("size", 0)
        names = path.split(b"/")
        legal = [last < names, path.rpartition(b"/")[0] in folders,  # ascending part by part, each below a folder that came before
                 len(path) <= 4095, all(0 < len(n) <= 255 and n not in (b".", b"..") and b"\0" not in n for n in names),
                 kind in ("file", "folder") or kind == "link" and 0 < len(target) <= 4095 and b"\0" not in target,
                 all(type(n) is int and -2**63 <= n < 2**63 for n in (size, e["mode"], e["mtime"])), size >= 0,
                 ("size" in e) == (kind == "file"), roots is None or names[0] in roots]
        if not all(legal):
            raise ValueError(f"an illegal entry, or out of order: {path[:80]!r}")
        entries.append((e, path))
        last = names
        if kind == "folder":
            folders.add(path)
    count = collections.Counter(e["kind"] for e, _ in entries)
    sums = [count["file"], count["folder"], count["link"], offsets(entries)[-1], sha256(manifest)]
    if rest or sums != [o["files"], o["folders"], o["links"], o["bytes"], o["manifest"]["sha256"]]:
        raise ValueError("not what the offer said")
    return entries

def take(session, o, folder, roots=None):
    """Takes an offer by way of a hidden folder. `done` is kept until it is answered: the files are delivered once."""
    name = ".peer-client-" + sha256(canonical([session.peer_id.hex(), o["id"], o["manifest"]["sha256"]]))[:32]
    folder, staging, said = os.fsencode(folder), os.fsencode(os.path.join(folder, name)), Path(folder, name + ".done")
    if not said.exists():
        try:
            manifest = b"".join(m["raw"] for m in fetch(session, o["id"], 0, o["manifest"]["bytes"], of="manifest"))
            entries = [(e, os.path.join(staging, path)) for e, path in judge(manifest, o, roots)]
        except BROKEN as e:
            session.say("reject", id=o["id"], reason="bad_manifest", text=str(e)[:250])
            session.hear("closed", "error", about=o["id"])
            raise Ended(f"rejected, a bad manifest: {e}", 6)
        session.say("accept", id=o["id"], round=1, manifest=o["manifest"]["sha256"], files=o["files"], bytes=o["bytes"])
        os.makedirs(staging, mode=0o700, exist_ok=True)
        said.write_text(json.dumps(store(session, o, entries)))
    for root in os.listdir(staging):  # under the first name that is free
        free = (os.path.join(folder, root + (b" (%d)" % n if n else b"")) for n in itertools.count())
        os.rename(os.path.join(staging, root), next(path for path in free if not os.path.lexists(path)))
    done = json.loads(said.read_text())
    session.say("done", id=o["id"], **done)
    session.hear("closed", "error", about=o["id"])  # an `error`: the offer is not known any more
    os.rmdir(staging)
    said.unlink()
    print(f"received {done['files']} files, {done['bytes']} bytes; {done['failed']} failed")
    return 8 if done["failed"] else 0

def store(session, o, entries):
    """Fills the hidden folder; returns the fields of `done`. The stream comes in order: the first short file tells where to go on."""
    for e, path in entries:
        if e["kind"] == "folder":
            os.makedirs(path, exist_ok=True)
        elif e["kind"] == "file":
            open(path, "ab").close()
    starts = offsets(entries)
    short = (start + os.path.getsize(path) for start, (e, path) in zip(starts, entries)
             if e["kind"] == "file" and os.path.getsize(path) < e["size"])
    for m in fetch(session, o["id"], next(short, o["bytes"]), o["bytes"]):
        for number, begin, end in pieces(starts, m):  # a block may hold many files
            path = Path(os.fsdecode(entries[number][1]))
            if m["type"] == "gone":
                path.unlink(missing_ok=True)
            elif m["raw"] is None:
                os.truncate(path, end - starts[number])  # a hole
            else:
                with path.open("r+b") as f:
                    f.seek(begin - starts[number])
                    f.write(m["raw"][begin - m["offset"]:end - m["offset"]])
    gone = {number: e["size"] for number, (e, path) in enumerate(entries) if e["kind"] == "file" and not os.path.exists(path)}
    for number, (e, path) in reversed(list(enumerate(entries))):  # modes and times of a folder after what is in it
        if e["kind"] == "link":
            os.symlink(from_path("target", e), path)  # so late that nothing was written through it
        elif number not in gone:
            os.chmod(path, e["mode"] & 0o777 | (0o200 if e["kind"] == "folder" else 0))  # a folder that is read-only could not be moved
        if number not in gone:
            os.utime(path, ns=(e["mtime"], e["mtime"]), follow_symlinks=False)
    return {"round": 1, "complete": True, "files": o["files"] - len(gone), "bytes": o["bytes"] - sum(gone.values()),
            "failed": len(gone), "failures": [{"entry": number, "text": "gone"} for number in sorted(gone)[:100]]}

# ---------------------------------------------------------------- shares (section 11)

def show_list(session, args):
    path, cursor = os.fsencode("".join(args.paths)), None
    while cursor != b"":
        request = secrets.token_hex(16)
        session.say("list", request=request, **to_path("path", path), **to_path("cursor", cursor or b""))
        m = session.hear("listing", "error", about=request)
        if m["type"] == "error":
            raise Ended(reason(m), 10)
        for e in m["entries"]:
            print(e["kind"], e["size"], repr(from_path("name", e).decode(errors="surrogateescape"))[1:-1], sep="\t")
        cursor = from_path("cursor", m)
    return 0

def get(session, args):
    paths = [to_path("path", os.fsencode(p)) for p in args.paths]
    kept = kept_id(args.home, "get", session.peer_id.hex(), paths)  # the same request after a cut has the same answer
    request, roots = kept.read_text(), {os.path.basename(os.fsencode(p)) for p in args.paths}
    plain, odd = ([p[name] for p in paths if name in p] for name in ("path", "path64"))
    session.say("get", request=request, paths=plain, paths64=odd)
    m = session.hear("offer", "error", about=request)
    code = take(session, m, args.to, roots) if m["type"] == "offer" else 10
    kept.unlink()
    if m["type"] == "error":
        raise Ended(reason(m), 10)
    return code

def main():
    commands = {"offer": offer, "list": show_list, "get": get, "receive": lambda s, a: take(s, s.hear("offer"), a.to)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default=os.path.expanduser("~/.peer-client"), help="where the identity is kept")
    parser.add_argument("--id", help="the peer ID that must be met at ADDRESS")
    parser.add_argument("--to", default=".", help="the folder that receives")
    parser.add_argument("--name", default="", help="what we call ourselves")
    parser.add_argument("address", help="HOST:PORT")
    parser.add_argument("command", choices=commands)
    parser.add_argument("paths", nargs="*")
    args = parser.parse_args()
    try:
        session = Session(args.address, args.home, args.id)
        session.hello(args.name)
        print(f"connected to {peer_id_text(session.peer_id)}", file=sys.stderr)
        code = commands[args.command](session, args)
        session.say("error", code="leaving", fatal=True)
        return code
    except (Ended, OSError, *BROKEN) as e:
        print(f"peer_client: {e.args[0] if isinstance(e, Ended) else repr(e)}", file=sys.stderr)
        return e.args[1] if isinstance(e, Ended) else 4


if __name__ == "__main__":
    sys.exit(main())
