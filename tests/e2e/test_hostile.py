"""A peer that does not keep to the protocol. After every case the peer is up, a friend's transfer works, and nothing outside the downloads
folder has been touched."""
import contextlib
import hashlib
import json
import os
import secrets
import socket
import ssl
import struct
import time
import unittest

from peers import INSTRUMENTED, PATIENCE, Case, peer_client, snapshot


def manifest_of(*lines):
    return b"".join(line if isinstance(line, bytes) else json.dumps(line, sort_keys=True, separators=(",", ":")).encode() + b"\n" for line in lines)


def file(path, size=5, **more):
    return {"kind": "file", "path": path, "size": size, "allocated": size, "mode": 0o644, "mtime": 10**18, **more}


def folder(path, **more):
    return {"kind": "folder", "path": path, "mode": 0o755, "mtime": 10**18, **more}


class Hostile(Case):
    def setUp(self):
        super().setUp()
        self.alice, self.bob = self.pair()
        self.canary = self.bob.file("canary", 100)
        self.before = self.outside()

    def outside(self):
        own = os.fsencode(self.bob.home), os.fsencode(self.bob.downloads)
        return {p: v for p, v in snapshot(self.bob.folder).items() if not p.startswith(own)}

    def tearDown(self):
        try:
            if self.bob.node:
                self.assertIsNone(self.bob.node.poll(), "the peer has ended:\n" + "".join(self.bob.log)[-4000:])
                path = self.alice.file("friend.bin", 300_000)
                given = self.alice.command("offer", "bob", path)
                self.bob.run("accept", str(self.bob.await_pending(title="friend.bin")))
                self.assertEqual(given.finish().code, 0)
                self.assert_same(path, os.path.join(self.bob.downloads, "friend.bin"))
                self.assertEqual(self.outside(), self.before)
        finally:
            super().tearDown()

    # ---- the connection

    def closed_without_hello(self, data, tls=False):
        s = socket.create_connection(("127.0.0.1", self.bob.port), 15)
        self.addCleanup(s.close)
        s.settimeout(15)
        s.sendall(data)
        got = b""
        with self.subTest(data=data[:20]):
            try:
                while part := s.recv(4096):
                    got += part
            except ConnectionError:
                pass
            self.assertNotIn(b"hello", got)

    def test_garbage_on_the_port(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(2000), b"\0" * 100, b"\x80\x2e\x01\x00\x02", b"SSH-2.0-x\r\n"):
            self.closed_without_hello(data)

    def test_silence_is_closed(self):
        s = socket.create_connection(("127.0.0.1", self.bob.port))
        self.addCleanup(s.close)
        s.settimeout(20)
        try:
            self.assertEqual(s.recv(1), b"")
        except ConnectionError:
            pass

    def handshake(self, certificate=True, alpn=("peer/1",), version=ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = min(version, ssl.TLSVersion.TLSv1_2)
        context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if certificate:
            context.load_cert_chain(peer_client.make_identity(os.path.join(self.folder, "mallory")))
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", self.bob.port), 15))
        self.addCleanup(s.close)
        s.sendall(b"\0\0\0\x0f" + b'{"type":"ping"}')
        return s.recv(10)

    def test_handshakes_that_are_refused(self):
        for name, kw in (("no certificate", {"certificate": False}), ("no ALPN", {"alpn": ()}), ("another ALPN", {"alpn": ("http/1.1", "h2")}),
                         ("TLS 1.2", {"version": ssl.TLSVersion.TLSv1_2})):
            with self.subTest(name):
                try:
                    self.assertEqual(self.handshake(**kw), b"")
                except (ssl.SSLError, ConnectionError):
                    pass

    # ---- messages

    def mallory(self, **kw):
        return self.session(self.bob, "mallory", **kw)

    def ends_with_error(self, s, *codes):
        """What is heard is a fatal error of one of these codes, or nothing; then the connection is closed."""
        while True:
            try:
                length, = struct.unpack(">I", s.raw(4))
                m = json.loads(s.raw(length))
            except (peer_client.Ended, OSError):
                return
            if m["type"] == "error":
                self.assertIn(m["code"], codes)

    def test_length_prefixes(self):
        for prefix in (0, 0xFFFFFFFF, (256 << 10) + 1, 0x80000000):
            with self.subTest(prefix=prefix):
                s = self.mallory()
                s.tls.sendall(struct.pack(">I", prefix) + b"x" * 100)
                self.ends_with_error(s, "message_too_large")

    def test_first_message_is_not_hello(self):
        for body in (b'{"type":"ping"}', b'{"type":"want","id":"' + b"0" * 32 + b'","offset":0,"length":1}'):
            s = self.mallory(hello=False)
            s.tls.sendall(struct.pack(">I", len(body)) + body)
            self.ends_with_error(s, "bad_state", "bad_message")

    def test_bad_json(self):
        for body in (b"", b"[]", b"{", b"null", b'\xef\xbb\xbf{"type":"ping"}', b'{"type":"ping"} x', b'{"type":"ping","type":"pong"}', b'{"type":"\xff"}',
                     b'{"type":"\\ud800"}', b"[" * 60_000, b'{"a":' * 12_000, b'{"type":7}', b'{"type":null}', b"{}"):
            with self.subTest(body=body[:30]):
                s = self.mallory()
                s.tls.sendall(struct.pack(">I", len(body)) + body)
                self.ends_with_error(s, "bad_json", "bad_message", "message_too_large", "unknown_type")

    def test_unknown_things_are_survived(self):
        s = self.mallory()
        s.say("dance", partner="you")
        m = s.hear("error")
        self.assertEqual((m["code"], m["fatal"]), ("unknown_type", False))
        s.say("ping", unknown={"deep": [1, 2, {"x": None}]})
        length, = struct.unpack(">I", s.raw(4))
        self.assertEqual(json.loads(s.raw(length))["type"], "pong")

    def test_numbers_that_are_none(self):
        good = {"id": secrets.token_hex(16), "files": 0, "folders": 0, "links": 0, "bytes": 0, "expires": 60, "manifest": {"bytes": 10, "sha256": "0" * 64}}
        for field in ("files", "bytes", "expires"):
            for value in ("-1", "1.5", "1e3", "1e400", "18446744073709551616", "9223372036854775808", '"12"', "true", "null", "[]", "{}"):
                with self.subTest(field=field, value=value):
                    s = self.mallory()
                    body = json.dumps({"type": "offer", **good}).replace(f'"{field}": {good[field]}', f'"{field}": {value}', 1).encode()
                    s.tls.sendall(struct.pack(">I", len(body)) + body)
                    try:
                        m = s.hear("error")
                        self.assertIn(m["code"], ("bad_message", "bad_json"))
                    except peer_client.Ended as e:
                        self.assertIn("bad_", str(e))
        self.assertEqual(self.bob.offers(), [])

    def test_messages_in_the_wrong_state(self):
        some = secrets.token_hex(16)
        for message in ({"type": "want", "id": some, "offset": 0, "length": 1}, {"type": "accept", "id": some, "round": 1, "manifest": "0" * 64, "files": 0, "bytes": 0},
                        {"type": "done", "id": some, "round": 1, "files": 0, "bytes": 0, "complete": True}, {"type": "check", "id": some, "offset": 0, "length": 1, "digest": "sha256:" + "0" * 64}):
            with self.subTest(type=message["type"]):
                s = self.mallory()
                s.say(message.pop("type"), **message)
                self.assertEqual(s.hear("error", "closed").get("code"), "unknown_offer")
        for kind, more, raw in (("hello", {"version": {"major": 1, "minor": 0}, "instance": some, "dial": 9}, b""), ("data", {"id": some, "offset": 0, "length": 1, "digest": "sha256:" + hashlib.sha256(b"x").hexdigest()}, b"x"),
                                ("attach", {"id": some, "instance": some, "dial": 1}, b"")):
            with self.subTest(type=kind):
                s = self.mallory()
                s.say(kind, raw, **more)
                self.ends_with_error(s, "bad_state", "unknown_offer")

    def test_another_major_version(self):
        s = self.mallory(hello=False)
        s.say("hello", version={"major": 2, "minor": 0}, instance=secrets.token_hex(16), dial=1)
        self.ends_with_error(s, "bad_version")

    # ---- offers

    def offer(self, s, listing, entries=None, **more):
        """Offers this manifest and serves it; returns what ends it: a reject, an error, or the accept."""
        number = secrets.token_hex(16)
        lines = entries if entries is not None else [json.loads(x) for x in listing.split(b"\n")[:-1]]
        count = {k: sum(e["kind"] == k for e in lines) for k in ("file", "folder", "link")}
        fields = {"files": count["file"], "folders": count["folder"], "links": count["link"], "bytes": sum(e.get("size", 0) for e in lines), "expires": 600,
                  "title": "bad", "manifest": {"bytes": len(listing), "sha256": hashlib.sha256(listing).hexdigest()}, **more}
        s.say("offer", id=number, **fields)
        while (m := s.hear("want", "accept", "reject", "error", "cancel"))["type"] == "want":
            peer_client.serve_want(s, m, listing)
        return m

    def refused(self, name, listing, **more):
        with self.subTest(name):
            s = self.mallory()
            try:
                m = self.offer(s, listing, **more)
            except (peer_client.Ended, OSError):
                return
            finally:
                s.tls.close()
            self.assertIn(m["type"], ("reject", "error"), m)
            self.assertEqual([o for o in self.bob.offers() if o["state"] == "pending"], [], name)

    def test_bad_manifests(self):
        import base64
        nul = base64.b64encode(b"a\xff\0b").decode()
        for path in ("../x", "..", ".", "", "/abs", "//x", "a//b", "a/", "a/../x", "a/./b", "x\0y", "y" * 256, "/".join(["z" * 200] * 21)):
            self.refused(repr(path[:20]), manifest_of(folder("a"), file(path)))
        self.refused("NUL in base64", manifest_of({**file("x"), "path64": nul}), entries=[file("x")])
        self.refused("not in order", manifest_of(file("b"), file("a")))
        self.refused("twice", manifest_of(file("a"), file("a")))
        self.refused("file and folder of one name", manifest_of(file("a"), file("a/b")))
        self.refused("no parent", manifest_of(file("a/b")))
        self.refused("order of bytes, not of parts", manifest_of(folder("a"), file("a!"), file("a/b")))
        self.refused("sum is another", manifest_of(file("a", 5)), bytes=6)
        self.refused("count is another", manifest_of(file("a", 5)), files=2)
        self.refused("cut line", manifest_of(file("a"))[:-1], entries=[file("a")])
        self.refused("not JSON", b"not json\n", entries=[file("a")])
        self.refused("mode too large", manifest_of(file("a", mode=0o10755)))
        self.refused("negative size", manifest_of(file("a", size=-1)), entries=[file("a")])
        self.refused("sum overflows", manifest_of(file("a", size=2**63 - 1), file("b", size=2**63 - 1)), bytes=2**63 - 1)
        self.refused("digest is another", manifest_of(file("a")), manifest={"bytes": len(manifest_of(file("a"))), "sha256": "0" * 64})
        self.refused("line too long", manifest_of({**file("a"), "x": "y" * 70_000}))
        self.refused("a link without target", manifest_of({"kind": "link", "path": "a", "mode": 511, "mtime": 0}))
        self.refused("an unknown kind", manifest_of({**file("a"), "kind": "device"}), entries=[file("a")])

    def test_a_manifest_too_large_for_a_stranger(self):
        many = manifest_of(*[file(f"{i:05}", 0) for i in range(5001)])
        self.refused("5,001 entries", many)
        self.refused("4 GiB of manifest", manifest_of(file("a")), manifest={"bytes": 4 << 30, "sha256": "0" * 64})

    def accepted(self, manifest, title):
        """An offer of ours that bob accepts; returns the session, the id and bob's running accept."""
        s = self.mallory()
        number = secrets.token_hex(16)
        lines = [json.loads(x) for x in manifest.split(b"\n")[:-1]]
        self.offer = {"id": number, "title": title, "files": sum(e["kind"] == "file" for e in lines), "expires": 600,
                      "folders": sum(e["kind"] == "folder" for e in lines), "links": sum(e["kind"] == "link" for e in lines),
                      "bytes": sum(e.get("size", 0) for e in lines),
                      "manifest": {"bytes": len(manifest), "sha256": hashlib.sha256(manifest).hexdigest()}}
        s.say("offer", **self.offer)
        peer_client.serve_want(s, s.hear("want"), manifest)
        taking = self.bob.command("accept", str(self.bob.await_pending(title=title)))
        self.assertEqual(s.hear("accept")["manifest"], hashlib.sha256(manifest).hexdigest())
        return s, number, taking

    def stop(self, taking, title):
        """Ends bob's side of a transfer that a hostile giver spoiled."""
        for o in self.bob.offers():
            if o["title"] == title:
                self.bob.run("cancel", str(o["number"]), code=None)
        return taking.finish()

    def nothing_delivered(self, name):
        self.assertNotIn(name, os.listdir(self.bob.downloads))

    def test_wrong_digest(self):
        s, number, taking = self.accepted(manifest_of(file("wrong.bin", 1000)), "wrong")
        w = s.hear("want")
        s.say("data", b"x" * w["length"], id=number, offset=w["offset"], length=w["length"], digest="sha256:" + "0" * 64)
        self.ends_with_error(s, "bad_digest")
        self.nothing_delivered("wrong.bin")
        self.assertNotEqual(self.stop(taking, "wrong").code, 0)
        self.nothing_delivered("wrong.bin")

    def test_wrong_digests_again_and_again(self):
        s, number, taking = self.accepted(manifest_of(file("ever.bin", 1000)), "ever wrong")
        for _ in range(3):
            w = s.hear("want")
            s.say("data", b"x" * w["length"], id=number, offset=w["offset"], length=w["length"], digest="sha256:" + "0" * 64)
            self.ends_with_error(s, "bad_digest")
            s = self.mallory()
            s.say("offer", **self.offer)
        self.assertEqual(taking.finish().code, 6)
        self.nothing_delivered("ever.bin")
        self.assert_no_leftovers(self.bob.downloads)

    def test_a_giver_that_says_done(self):
        s, number, taking = self.accepted(manifest_of(file("done.bin", 1000)), "said done")
        s.hear("want")
        s.say("closed", id=number, answers="done", outcome="done")
        taken = taking.finish()
        self.assertEqual(taken.code, 1, repr(taken))
        self.nothing_delivered("done.bin")
        self.assert_no_leftovers(self.bob.downloads)

    def test_bad_lists_of_strangers_leave_nothing(self):
        lines = manifest_of(*[file(f"{i:05}") for i in range(3000)], file("00000"))
        for i in range(3):
            s = self.session(self.bob, f"mallory{i}")
            s.say("offer", id=secrets.token_hex(16), title="x", files=3001, folders=0, links=0, bytes=0, expires=600,
                  manifest={"bytes": len(lines), "sha256": hashlib.sha256(lines).hexdigest()})
            while (m := s.hear("want", "reject"))["type"] == "want":
                peer_client.serve_want(s, m, lines)
            self.assertEqual(m["reason"], "bad_manifest")
            s.tls.close()
        self.assertEqual(self.bob.run("history", "--json").rows(), [])
        self.bob.stop()
        self.assertEqual(os.listdir(os.path.join(self.bob.home, "offers")), [])

    def test_strangers_that_ask_and_do_not_read(self):
        before = self.memory(self.bob)
        flood = struct.pack(">I", 75) + b'{"type":"%s"}' % (b"x" * 64)
        for i in range(6):
            s = self.session(self.bob, f"mallory{i}")
            s.tls.settimeout(1)
            with contextlib.suppress(OSError):
                for _ in range(400):
                    s.tls.sendall(flood * 500)
        if not INSTRUMENTED:
            self.assertLess(self.memory(self.bob) - before, 24 << 20)

    def test_a_flood_of_answers_without_bytes(self):
        size = 8 << 20
        s, number, taking = self.accepted(manifest_of(file("holes.bin", size, allocated=0)), "holes")
        w = s.hear("want")
        before = self.memory(self.bob)
        head = [peer_client.canonical({"type": "data", "id": number, "offset": w["offset"] + i, "length": 1, "zeros": True,
                                  "until": w["offset"] + i + 1}) for i in range(min(w["length"], 300_000))]
        s.tls.settimeout(1)  # bob reads no faster than he stores
        end = time.monotonic() + 4
        try:
            for i in range(0, len(head), 1000):
                if time.monotonic() > end:
                    break
                s.tls.sendall(b"".join(struct.pack(">I", len(m)) + m for m in head[i:i + 1000]))
        except OSError:
            pass
        if not INSTRUMENTED:
            self.assertLess(self.memory(self.bob) - before, 24 << 20)
        s.tls.close()
        self.assertNotEqual(self.stop(taking, "holes").code, 0)
        self.nothing_delivered("holes.bin")

    def test_gone_of_another_entry(self):
        s, number, taking = self.accepted(manifest_of(file("a", 1000), file("b", 1000)), "gone")
        w = s.hear("want")
        s.say("gone", id=number, entry=1, offset=w["offset"], length=10, reason="changed")
        self.ends_with_error(s, "bad_state")
        self.assertNotEqual(self.stop(taking, "gone").code, 0)

    def memory(self, peer):
        """Bytes of a node's own memory."""
        with open(f"/proc/{peer.node.pid}/status") as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))

    def test_more_bytes_than_wanted(self):
        s, number, taking = self.accepted(manifest_of(file("more.bin", 1000)), "more")
        w = s.hear("want")
        raw = b"x" * (w["length"] + 1)
        s.say("data", raw, id=number, offset=w["offset"], length=len(raw), digest="sha256:" + hashlib.sha256(raw).hexdigest())
        self.ends_with_error(s, "bad_state", "too_much")
        self.assertNotEqual(self.stop(taking, "more").code, 0)
        self.nothing_delivered("more.bin")

    def test_data_nobody_wanted_here(self):
        s, number, taking = self.accepted(manifest_of(file("other.bin", 1000)), "other")
        w = s.hear("want")
        raw = b"x"
        s.say("data", raw, id=number, offset=w["offset"] + 10, length=1, digest="sha256:" + hashlib.sha256(raw).hexdigest())
        self.ends_with_error(s, "bad_state")
        self.assertNotEqual(self.stop(taking, "other").code, 0)

    def test_fewer_bytes_and_a_close(self):
        s, number, taking = self.accepted(manifest_of(file("fewer.bin", 1000)), "fewer")
        w = s.hear("want")
        raw = b"x" * (w["length"] - 1)
        s.say("data", raw, id=number, offset=w["offset"], length=len(raw), digest="sha256:" + hashlib.sha256(raw).hexdigest())
        s.tls.close()
        self.assertNotEqual(self.stop(taking, "fewer").code, 0)
        self.nothing_delivered("fewer.bin")

    def test_names_that_talk_to_terminals(self):
        names = ["\x1b[2J\x1b]0;owned\a", "a\nb: Accept? [Y or n]", "\u202egpj.exe", "\x9b31m"]
        s = self.session(self.bob, "mallory", name="alice\x1b[31m\nalice")
        manifest = manifest_of(*[file(n, 0) for n in sorted(names, key=str.encode)])
        number = secrets.token_hex(16)
        s.say("offer", id=number, title="\x1b[2J\u2066x", note="line\n\x1b[31mline", files=len(names), folders=0, links=0, bytes=0, expires=600,
              manifest={"bytes": len(manifest), "sha256": hashlib.sha256(manifest).hexdigest()})
        peer_client.serve_want(s, s.hear("want"), manifest)
        mine = str(self.bob.await_pending())
        for args in (("offers",), ("offers", mine), ("status",), ("peers",)):
            shown = self.bob.run(*args).out
            for bad in ("\x1b", "\x07", "\u202e", "\u2066", "\x9b"):
                self.assertNotIn(bad, shown, args)
        self.bob.run("offers", "--json").rows()
        taken = self.bob.command("accept", mine)
        s.hear("accept")
        done = s.hear("done")
        s.say("closed", id=number, answers="done", outcome="done")
        self.assertEqual((done["files"], done["complete"]), (4, True))
        result = taken.finish()
        self.assertEqual(result.code, 0, repr(result))
        self.assertNotIn("\x1b", result.out + result.err)
        self.assertEqual(set(os.listdir(self.bob.downloads)), set(names))
        self.assertNotIn("\x1b", "".join(self.bob.log))

    def test_json_holds_nothing_a_terminal_obeys(self):
        self.alice.run("offer", "bob", self.alice.file("a\u009b31m\u202egnp\u2028x\x7f", 1), "--no-wait")
        number = self.bob.await_pending()
        rows = self.bob.run("offers", str(number), "--json")
        for character in "\x1b\u009b\u202e\u2028\x7f":
            self.assertNotIn(character, rows.out)
        self.assertIn("a\u009b31m\u202egnp\u2028x\x7f", [r.get("path") for r in rows.rows()])

    def test_alice_by_name_is_not_alice(self):
        s = self.session(self.bob, "mallory", name="alice")
        self.addCleanup(s.tls.close)
        number, manifest = secrets.token_hex(16), manifest_of(file("x", 0))
        s.say("offer", id=number, title="x", files=1, folders=0, links=0, bytes=0, expires=600,
              manifest={"bytes": len(manifest), "sha256": hashlib.sha256(manifest).hexdigest()})
        peer_client.serve_want(s, s.hear("want"), manifest)
        self.bob.await_pending()
        row, = self.bob.offers()
        self.assertTrue(row["from_stranger"])
        self.assertEqual(row["peer"]["name"], "")

    def test_a_flood_of_offers(self):
        s = self.mallory()
        manifest = manifest_of(file("x", 0))
        refused = 0
        for i in range(300):
            s.say("offer", id=secrets.token_hex(16), title="x", files=1, folders=0, links=0, bytes=0, expires=600,
                  manifest={"bytes": len(manifest), "sha256": hashlib.sha256(manifest).hexdigest()})
        try:
            while refused < 290:
                m = s.hear("want", "reject", "error")
                if m["type"] == "want":
                    peer_client.serve_want(s, m, manifest)
                else:
                    refused += 1
        except (peer_client.Ended, OSError):
            pass  # cut off, or no longer heard
        self.assertLessEqual(len(self.bob.offers()), 2)

    def test_many_wants(self):
        path = self.bob.file("want.bin", 1 << 20)
        self.before = self.outside()
        s = self.mallory()
        self.bob.run("add", "mallory", "--id", self.client_id("mallory"))
        giving = self.bob.command("offer", "mallory", path, "--no-wait")
        o = s.hear("offer")
        giving.finish()
        s.say("accept", id=o["id"], round=1, manifest=o["manifest"]["sha256"], files=1, bytes=1 << 20, lanes=0)
        for _ in range(3000):
            try:
                s.say("want", id=o["id"], offset=0, length=1 << 20)
            except OSError:
                break
        self.ends_with_error_after_data(s, "too_much")

    def ends_with_error_after_data(self, s, code):
        while True:
            try:
                length, = struct.unpack(">I", s.raw(4))
                m = json.loads(s.raw(length))
                if m["type"] == "data":
                    s.raw(m["length"])
            except (peer_client.Ended, OSError):
                return
            if m["type"] == "error":
                self.assertEqual(m["code"], code)
                return


if __name__ == "__main__":
    unittest.main(verbosity=2)
