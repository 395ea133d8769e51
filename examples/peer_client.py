#!/usr/bin/env python3
"""A small client of the peer protocol (protocol/PROTOCOL.md): it dials a peer and offers, takes, lists or gets files over the
session alone. Python's standard library and the `openssl` command; what it received survives a cut: run it again.

    peer_client.py ADDRESS offer PATH...       offer these files and folders, serve them until the other side is done
    peer_client.py ADDRESS receive             accept the next offer (or go on with one)
    peer_client.py ADDRESS list [PATH]         what is shared with us
    peer_client.py ADDRESS get PATH...         ask for shared files and folders
"""
import argparse, base64, bisect, hashlib, json, os, secrets, socket, ssl, stat, struct, subprocess, sys, tempfile
from pathlib import Path

BLOCK, WANT, OPEN_WANTS, SILENCE = 256 << 10, 1 << 20, 16, 45


class Ended(Exception):
    """The talk is over: text for people, exit code for the shell."""
    def __init__(self, text, code=1):
        super().__init__(text)
        self.code = code


def dump(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def text_or_64(name, raw):
    """A field for a path: a string if its bytes are UTF-8, else base64 in a field of its own."""
    try:
        return {name: raw.decode()}
    except UnicodeDecodeError:
        return {name + "64": base64.b64encode(raw).decode()}


def raw_of(fields, name):
    if name + "64" in fields:
        return base64.b64decode(fields[name + "64"], validate=True)
    return fields.get(name, "").encode()


def peer_id_text(digest):
    alphabet, plain, checked = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", base64.b32encode(digest).decode().rstrip("="), ""
    for i in range(0, 52, 13):
        total = 0
        for k, c in enumerate(plain[i:i + 13]):
            product = alphabet.index(c) * (1 + k % 2)
            total += product // 32 + product % 32
        checked += plain[i:i + 13] + alphabet[-total % 32]
    return "-".join(checked[i:i + 7] for i in range(0, 56, 7))


def make_identity(home):
    """The key and certificate in one PEM file, made by the first run."""
    pem = Path(home) / "identity.pem"
    if not pem.exists():
        Path(home).mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as d:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "36500",
                            "-subj", "/CN=peer", "-keyout", d + "/key", "-out", d + "/cert"], check=True, capture_output=True)
            (Path(d) / "both").touch(mode=0o600)
            (Path(d) / "both").write_text((Path(d) / "key").read_text() + (Path(d) / "cert").read_text())
            os.rename(d + "/both", pem)
    return pem


class Session:
    """One connection: messages out, messages in. `hello` answers nothing and says nothing when False."""
    instance = secrets.token_hex(16)
    dials = 0

    def __init__(self, address, home, expect=None, hello=True, name="", features=("zeros",)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the ID is compared below
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["peer/1"])
        context.load_cert_chain(make_identity(home))
        host, _, port = address.rpartition(":")
        plain = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = context.wrap_socket(plain)
        self.peer_id = hashlib.sha256(self.tls.getpeercert(binary_form=True)).digest()
        if expect and expect.upper() != peer_id_text(self.peer_id):
            raise Ended(f"{address} is {peer_id_text(self.peer_id)}, not {expect}: nothing was sent", 5)
        if self.tls.selected_alpn_protocol() != "peer/1":
            raise Ended(f"{address} does not speak peer/1")
        if hello:
            Session.dials += 1
            self.say("hello", version={"major": 1, "minor": 0}, instance=self.instance, dial=Session.dials, name=name, agent="peer_client.py 1",
                     features=list(features), limits={"message_bytes": 262144})
            self.theirs = self.hear("hello")
            self.zeros = "zeros" in features and "zeros" in self.theirs.get("features", [])
            self.tls.settimeout(SILENCE)

    def say(self, kind, raw=b"", **fields):
        body = dump({"type": kind, **fields})
        self.tls.sendall(struct.pack(">I", len(body)) + body + raw)

    def raw(self, length):
        parts = []
        while length:
            part = self.tls.recv(min(length, 1 << 20))
            if not part:
                raise Ended("the other side closed the connection", 4)
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def hear(self, *kinds):
        """The next message that is not housekeeping; with `kinds`, what comes before one of them is answered as by someone who is busy."""
        while True:
            length, = struct.unpack(">I", self.raw(4))
            if not 1 <= length <= 262144:
                raise Ended(f"a message of {length} bytes")
            m = json.loads(self.raw(length))
            if m["type"] == "ping":
                self.say("pong")
            elif m["type"] == "error" and m["fatal"]:
                raise Ended(f"the other side: {m['code']}: {m.get('text', '')}")
            elif m["type"] in ("list", "get"):
                self.say("error", code="not_shared", fatal=False, request=m["request"], about=m["type"])
            elif m["type"] in ("want", "accept", "done", "check") and getattr(self, "giving", None) != m["id"]:
                self.say("error", code="unknown_offer", fatal=False, id=m["id"], about=m["type"])
            elif m["type"] != "pong" and (not kinds or m["type"] in kinds):
                return m


# ---------------------------------------------------------------- giving

def walk(paths):
    """(entry without its path, path bytes, file on this disk) of everything below `paths`, in the manifest's order."""
    found = []

    def add(path, name):
        st = os.lstat(path)
        entry = {"mode": st.st_mode & 0o777, "mtime": st.st_mtime_ns}
        if stat.S_ISREG(st.st_mode):
            found.append((entry | {"kind": "file", "size": st.st_size, "allocated": min(st.st_size, st.st_blocks * 512)}, name, path))
        elif stat.S_ISLNK(st.st_mode):
            found.append((entry | {"kind": "link", "mode": 0o777} | text_or_64("target", os.readlink(path)), name, path))
        elif stat.S_ISDIR(st.st_mode):
            found.append((entry | {"kind": "folder"}, name, path))
            for child in os.listdir(path):
                add(path + b"/" + child, name + b"/" + child)
        else:
            print(f"left out: {os.fsdecode(path)}: neither file, folder nor link", file=sys.stderr)

    for path in paths:
        real = os.path.realpath(os.fsencode(path))
        add(real, os.path.basename(os.path.abspath(os.fsencode(path))))
    return sorted(found, key=lambda f: f[1].split(b"/"))


def serve_want(session, want, manifest, files, starts):
    """Answers one want with blocks; a file that changed since it was listed is `gone`."""
    at, end = want["offset"], want["offset"] + want["length"]
    while at < end:
        if want.get("of") == "manifest":
            block = manifest[at:min(end, at + BLOCK)]
        else:
            i = bisect.bisect_right(starts, at) - 1
            number, entry, path = files[i]
            stop = min(end, at + BLOCK, starts[i] + entry["size"])
            try:
                with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as f:
                    f.seek(at - starts[i])
                    block, st = f.read(stop - at), os.fstat(f.fileno())
                lost = "changed" if (st.st_size, st.st_mtime_ns) != (entry["size"], entry["mtime"]) else None
            except OSError as e:
                lost = "vanished" if isinstance(e, FileNotFoundError) else "unreadable"
            if lost:
                stop = min(end, starts[i] + entry["size"])
                session.say("gone", id=want["id"], entry=number, offset=at, length=stop - at, reason=lost)
                at = stop
                continue
        named = {"of": "manifest"} if want.get("of") else {}
        session.say("data", block, id=want["id"], offset=at, length=len(block), digest="sha256:" + hashlib.sha256(block).hexdigest(), **named)
        at += len(block)


def offer(session, home, paths, note=""):
    found = walk(paths)
    manifest = b"".join(dump(e | text_or_64("path", name)) + b"\n" for e, name, _ in found)
    digest = hashlib.sha256(manifest).hexdigest()
    files, starts, total = [], [], 0
    for number, (e, _, path) in enumerate(found):
        if e["kind"] == "file" and e["size"]:
            files.append((number, e, path))
            starts.append(total)
            total += e["size"]
    # The same entries for the same peer are the same offer: its id is kept until the offer has ended.
    kept = Path(home) / "offers" / f"{session.peer_id.hex()}-{digest}"
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    if not kept.exists():
        kept.write_text(secrets.token_hex(16))
    session.giving = number = kept.read_text()
    count = {k: sum(e["kind"] == k for e, _, _ in found) for k in ("file", "folder", "link")}
    session.say("offer", id=number, title=", ".join(os.path.basename(os.path.abspath(p)) for p in paths)[:200], note=note, files=count["file"],
                folders=count["folder"], links=count["link"], bytes=total, manifest={"bytes": len(manifest), "sha256": digest}, expires=86400)
    accepted = False
    while True:
        m = session.hear()
        if m.get("id") != number:
            continue
        if m["type"] == "want":
            if m.get("of") == "manifest" or accepted:
                serve_want(session, m, manifest, files, starts)
            else:
                session.say("error", code="bad_state", fatal=False, id=number, about="want")
        elif m["type"] == "accept":
            accepted = m["manifest"] == digest
            if not accepted:
                session.say("error", code="bad_offer", fatal=False, id=number, about="accept")
        elif m["type"] in ("done", "reject", "cancel"):
            outcome = {"done": "done" if m.get("complete") else "open", "reject": "rejected", "cancel": "cancelled"}[m["type"]]
            session.say("closed", id=number, answers=m["type"], outcome=outcome)
            if outcome != "open":
                kept.unlink()
            if m["type"] != "done":
                raise Ended(f"{outcome}: {m.get('text') or m.get('reason', '')}", 3)
            print(f"delivered: {m['files']} files, {m['bytes']} bytes, {m.get('failed', 0)} failed there")
            return 8 if m.get("failed") else 0
        elif m["type"] == "closed":
            kept.unlink()
            raise Ended(f"the offer has ended: {m['outcome']}", 3)
        elif m["type"] == "error":
            print(f"the other side: {m['code']}: {m.get('text', '')}", file=sys.stderr)
            if m["code"] == "unknown_offer":
                kept.unlink()
                raise Ended("the other side does not know this offer")


# ---------------------------------------------------------------- taking

def judge(manifest, o):
    """The entries of a legal manifest, each with its path in bytes; Ended if anything is wrong with it."""
    entries, folders, last, total = [], set(), None, 0
    for line in manifest.split(b"\n")[:-1]:
        e = json.loads(line)
        path = raw_of(e, "path")
        parts = path.split(b"/")
        if len(path) > 4095 or any(p in (b"", b".", b"..") or len(p) > 255 or b"\0" in p for p in parts):
            raise Ended(f"the manifest holds an illegal path: {path[:80]!r}", 6)
        if last is not None and parts <= last or len(parts) > 1 and b"/".join(parts[:-1]) not in folders:
            raise Ended(f"the manifest is out of order at {path[:80]!r}", 6)
        if e["kind"] == "folder":
            folders.add(path)
        total += e.get("size", 0)
        last = parts
        entries.append((e, path))
    counts = [sum(e["kind"] == k for e, _ in entries) for k in ("file", "folder", "link")]
    if counts + [total] != [o["files"], o["folders"], o["links"], o["bytes"]] or not manifest.endswith(b"\n"):
        raise Ended("the manifest does not hold what the offer said", 6)
    return entries


def fetch(session, number, ranges, take, of=None):
    """Wants the ranges [begin, end), a few at a time, and hands each answer to take(message, raw bytes or None)."""
    lacking = [(begin, end, False) for begin, end in reversed(ranges)]  # the flag: in a hole that was named, so of any length
    waiting, named = [], {"of": of} if of else {}
    while lacking or waiting:
        while lacking and len(waiting) < OPEN_WANTS:
            begin, end, free = lacking.pop()
            if not free and end - begin > WANT:
                lacking.append((begin + WANT, end, False))
                end = begin + WANT
            session.say("want", id=number, offset=begin, length=end - begin, **named)
            waiting.append([begin, end])
        m = session.hear("data", "gone", "error", "cancel", "closed")
        if m["type"] in ("error", "cancel", "closed"):
            if m.get("id") != number:
                continue
            if m["type"] == "cancel":
                session.say("closed", id=number, answers="cancel", outcome="cancelled")
            raise Ended(f"the other side: {m['type']} {m.get('code') or m.get('reason') or m.get('outcome')}: {m.get('text', '')}", 3)
        at, length = m["offset"], m["length"]
        if not waiting or m["id"] != number or m.get("of") != of or at != waiting[0][0] or not 1 <= length <= waiting[0][1] - at:
            raise Ended("the other side sent what was not wanted", 6)
        raw = None
        if m["type"] == "data" and not m.get("zeros"):
            raw = session.raw(length)
            if m["digest"] != "sha256:" + hashlib.sha256(raw).hexdigest():
                session.say("error", code="bad_digest", fatal=True, id=number, about="data")
                raise Ended("a block does not have the digest named for it", 6)
        take(m, raw)
        waiting[0][0] = at + length
        if waiting[0][0] == waiting[0][1]:
            waiting.pop(0)
        if m.get("zeros") and lacking and m["until"] > lacking[-1][0] >= at + length:  # the rest of the hole in one want
            begin, end, _ = lacking.pop()
            lacking += [(m["until"], end, False)] * (m["until"] < end) + [(begin, min(end, m["until"]), True)]


def receive(session, o, folder):
    """Takes the whole offer into `folder`. What a run before this one has received is not wanted again."""
    number, manifest = o["id"], bytearray()
    staging = os.path.join(os.fsencode(folder), b".peer-client-" + number.encode())
    have, said = staging + b".have", staging + b".done"  # "begin end" a line, noted after the bytes were written; a `done` without its `closed`
    if os.path.exists(said):
        return say_done(session, said, json.loads(open(said).read()))
    fetch(session, number, [(0, o["manifest"]["bytes"])], lambda m, raw: manifest.extend(raw), "manifest")
    try:
        if hashlib.sha256(manifest).hexdigest() != o["manifest"]["sha256"]:
            raise Ended("the manifest does not have the digest that the offer named", 6)
        entries = judge(bytes(manifest), o)
    except (Ended, ValueError, KeyError, TypeError, RecursionError) as e:
        session.say("reject", id=number, reason="bad_manifest", text=str(e)[:200])
        raise Ended(str(e), 6)
    session.say("accept", id=number, round=1, manifest=o["manifest"]["sha256"], files=o["files"], bytes=o["bytes"])
    os.makedirs(staging, mode=0o700, exist_ok=True)
    files, starts, end, gone = [], [], 0, set()
    for i, (e, path) in enumerate(entries):
        if e["kind"] == "folder":
            os.makedirs(os.path.join(staging, path), mode=0o700, exist_ok=True)
        elif e["kind"] == "file":
            os.close(os.open(os.path.join(staging, path), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            if e["size"]:
                files.append((e["size"], os.path.join(staging, path)))
                starts.append(end)
                end += e["size"]
    lacking, at = [], 0
    noted = [tuple(map(int, line.split())) for line in open(have).read().split("\n")[:-1]] if os.path.exists(have) else []
    for begin, stop in sorted(noted) + [(end, end)]:
        lacking += [(at, begin)] * (begin > at)
        at = max(at, stop)
    with open(have, "a") as note:
        def store(m, raw):
            if m["type"] == "gone":
                gone.add(m["entry"])
                return
            done = 0
            while raw and done < len(raw):  # one block may hold many files
                i = bisect.bisect_right(starts, m["offset"] + done) - 1
                inside = m["offset"] + done - starts[i]
                with open(files[i][1], "r+b") as f:
                    f.seek(inside)
                    done += f.write(raw[done:done + files[i][0] - inside])
            print(m["offset"], m["offset"] + m["length"], file=note, flush=True)
        fetch(session, number, lacking, store)
    finish(staging, entries, gone, os.fsencode(folder))
    delivered = [e["size"] for i, (e, _) in enumerate(entries) if e["kind"] == "file" and i not in gone]
    done = {"id": number, "round": 1, "files": len(delivered), "bytes": sum(delivered), "complete": True}
    with open(said, "wb") as f:
        f.write(dump(done))
    os.unlink(have)
    return say_done(session, said, done) or 8 * bool(gone)


def say_done(session, said, done):
    session.say("done", **done)
    while session.hear("closed", "error").get("id") != done["id"]:
        pass
    os.unlink(said)
    print(f"received {done['files']} files, {done['bytes']} bytes")
    return 0


def finish(staging, entries, gone, folder):
    """Sizes, links, modes and times; then each root gets a free name. Links come last: nothing is written through one."""
    umask = os.umask(0)
    os.umask(umask)
    for i, (e, path) in reversed(list(enumerate(entries))):  # folders after what is in them
        here = os.path.join(staging, path)
        if i in gone:
            os.unlink(here)
            continue
        if e["kind"] == "file":
            os.truncate(here, e["size"])  # a hole at its end
        elif e["kind"] == "link":
            os.symlink(raw_of(e, "target"), here)
        if e["kind"] != "link":
            os.chmod(here, e["mode"] & 0o777 & ~umask)
        os.utime(here, ns=(e["mtime"], e["mtime"]), follow_symlinks=False)
    for i, (e, path) in enumerate(entries):
        if b"/" not in path and i not in gone:
            name, n = path, 0
            while os.path.lexists(os.path.join(folder, name)):
                n += 1
                name = path + b" (%d)" % n
            os.rename(os.path.join(staging, path), os.path.join(folder, name))
    os.rmdir(staging)


# ---------------------------------------------------------------- shares

def show_list(session, path):
    cursor = ""
    while True:
        request = secrets.token_hex(16)
        session.say("list", request=request, cursor=cursor, **text_or_64("path", os.fsencode(path)))
        m = session.hear("listing", "error")
        if m["type"] == "error":
            raise Ended(f"{path!r}: {m['code']} {m.get('text', '')}", 10)
        for e in m["entries"]:
            print(e["kind"], e["size"], repr(raw_of(e, "name").decode(errors="backslashreplace"))[1:-1], sep="\t")
        cursor = m.get("cursor", "")
        if not cursor:
            return 0


def get(session, paths, folder):
    request, raw = secrets.token_hex(16), [os.fsencode(p) for p in paths]
    fields = [text_or_64("p", p) for p in raw]
    session.say("get", request=request, paths=[f["p"] for f in fields if "p" in f], paths64=[f["p64"] for f in fields if "p64" in f])
    while True:
        m = session.hear("offer", "error")
        if m["type"] == "error" and m.get("request") == request:
            raise Ended(f"{', '.join(paths)}: {m['code']} {m.get('text', '')}", 10)
        if m["type"] == "offer" and m.get("get") == request:
            return receive(session, m, folder)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--home", default=os.path.expanduser("~/.peer-client"), help="where the identity is kept")
    a.add_argument("--id", help="the peer ID that must be met at ADDRESS")
    a.add_argument("--to", default=".", help="folder that receives")
    a.add_argument("--name", default="", help="what we call ourselves")
    a.add_argument("--note", default="", help="what we say about an offer")
    a.add_argument("address", help="HOST:PORT")
    a.add_argument("command", choices=["offer", "receive", "list", "get"])
    a.add_argument("paths", nargs="*")
    args = a.parse_args()
    try:
        session = Session(args.address, args.home, args.id, name=args.name)
        print(f"connected to {peer_id_text(session.peer_id)}", file=sys.stderr)
        if args.command == "offer":
            return offer(session, args.home, args.paths, args.note)
        if args.command == "receive":
            return receive(session, session.hear("offer"), args.to)
        if args.command == "list":
            return show_list(session, args.paths[0] if args.paths else "")
        return get(session, args.paths, args.to)
    except Ended as e:
        print(f"peer_client: {e}", file=sys.stderr)
        return e.code
    except OSError as e:
        print(f"peer_client: {args.address}: {e}", file=sys.stderr)
        return 4


if __name__ == "__main__":
    sys.exit(main())
