"""Pairing with somebody who knows the protocol by heart and does not keep to it: tests/support/spake2.py says everything with the right bytes
but the ones that matter. After every case neither side has a contact that it should not have."""
import base64
import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import ssl
import struct
import threading
import time
import unittest

import spake2
from network import LanCase, Questions, until, why_not
from peers import PATIENCE, peer_client
from test_pairing import FAILURE, Pairing, other_code

LABEL = "EXPORTER-peer-pair-v1"
DOOR_SECONDS = 20  # that one try may take
SEATS, SEATS_EACH = 8, 4  # who may be in the door at once, in all and of one address


def b64(raw):
    return base64.b64encode(raw).decode()


def id_of(pem):
    """The peer ID, as bytes, of whoever has this identity file."""
    with open(pem, encoding="ascii") as file:
        text = file.read()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE"):])).digest()


def words_of(code):
    return code.split("-", 1)[1]


def wrong_words(code):
    return words_of(other_code(code))


class Line:
    """One of our connections, on which everything may be said."""

    def __init__(self, tls, keylog):
        self.tls = tls
        with open(keylog, encoding="ascii") as file:
            secret = next(line.split()[2] for line in file if line.startswith("EXPORTER_SECRET"))
        self.exporter = spake2.exported(bytes.fromhex(secret), LABEL, 32)

    def say(self, kind, **fields):
        body = json.dumps({"type": kind, **fields}).encode()
        self.tls.sendall(struct.pack(">I", len(body)) + body)

    def pair(self, share):
        self.say("pair", version=1, share=b64(share))

    def confirm(self, mac, **fields):
        self.say("confirm", mac=b64(mac), **fields)

    def exactly(self, n):
        got = b""
        while len(got) < n:
            if not (part := self.tls.recv(n - len(got))):
                raise EOFError("closed")
            got += part
        return got

    def hear(self, kind=None):
        m = json.loads(self.exactly(struct.unpack(">I", self.exactly(4))[0]))
        assert kind in (None, m["type"]), m
        return m

    def share(self):
        return base64.b64decode(self.hear("pair")["share"], validate=True)

    def close(self):
        """In order, as an inviter does in the end."""
        with contextlib.suppress(OSError):  # the other side may close without a word
            self.tls.unwrap()

    def ended(self):
        """Whether the other side has closed without another word."""
        try:
            return self.tls.recv(1) == b""
        except ConnectionError:
            return True


class Hostile(Pairing):
    def context(self, side, home):
        """A context for one connection, and the file where its secrets go."""
        context = ssl.SSLContext(side)
        if side == ssl.PROTOCOL_TLS_CLIENT:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["peer/1"])
        context.load_cert_chain(self.identity(home))
        context.keylog_filename = os.path.join(self.folder, f"keys-{secrets.token_hex(8)}")
        return context, context.keylog_filename

    def identity(self, home):
        return peer_client.make_identity(os.path.join(self.folder, home))

    def dial(self, peer, home="mallory", source="127.0.0.1"):
        return self.speak(socket.create_connection((peer.host, peer.port), 10, (source, 0)), home)

    def speak(self, plain, home="mallory"):
        context, keys = self.context(ssl.PROTOCOL_TLS_CLIENT, home)
        tls = context.wrap_socket(plain)
        tls.settimeout(30 * PATIENCE)
        self.addCleanup(tls.close)
        return Line(tls, keys)

    def joiner(self, line, peer, words, home="mallory"):
        """What we say as one who knows `words`, on this connection to `peer`."""
        return spake2.Pairing("A", words, id_of(self.identity(home)), id_of(os.path.join(peer.home, "identity.pem")), line.exporter)

    def inside(self, peer, words, home="mallory", source="127.0.0.1"):
        """A connection on which nothing but our confirmation is missing, and our side of it."""
        line = self.dial(peer, home, source)
        us = self.joiner(line, peer, words, home)
        line.pair(us.share)
        us.take(line.share())
        return line, us

    def refused(self, line):
        """The last thing we hear, which must be the one answer to all that is wrong."""
        error = line.hear("error")
        self.assertTrue(line.ended())
        self.assertEqual((error["code"], error["fatal"]), ("pairing_failed", True))
        return error

    def strangers(self, *peers):
        for peer in peers:
            self.assertEqual(self.contacts(peer), {}, peer.name)

    def still_pairs(self, alice, bob):
        inviting, row = self.invite(alice)
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)

    # ---- an inviter of our own

    def inviter(self, talk, home="mallory", listener=None):
        """Listens for one joiner, with whom talk(Line) is held in a thread. Its address, and a function that waits for the end of the talk."""
        listener = listener or socket.create_server(("127.0.0.1", 0))
        listener.settimeout(60 * PATIENCE)
        failures = []
        self.identity(home)  # two threads would make it at once

        def serve():
            context, keys = self.context(ssl.PROTOCOL_TLS_SERVER, home)
            try:
                plain, _ = listener.accept()
                with context.wrap_socket(plain, server_side=True) as tls:
                    tls.settimeout(30 * PATIENCE)
                    talk(Line(tls, keys))
            except BaseException as e:  # pylint: disable=broad-except
                failures.append(e)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(listener.close)

        def wait():
            thread.join(60 * PATIENCE)
            self.assertFalse(thread.is_alive())
            if failures:
                raise failures[0]
        return f"127.0.0.1:{listener.getsockname()[1]}", wait

    def invited(self, line, joiner, words, home="mallory"):
        """What we say as one who made `words`, on this connection from `joiner`."""
        return spake2.Pairing("B", words, id_of(os.path.join(joiner.home, "identity.pem")), id_of(self.identity(home)), line.exporter)


class OtherLanguage(Hostile):
    """Written from PROTOCOL.md alone, and keeping to it: what the hostile ones do is held against this."""

    def test_it_joins(self):
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        line = self.dial(alice)
        us = self.joiner(line, alice, words_of(row["code"]))
        line.pair(us.share)
        us.take(line.share())
        line.confirm(us.confirmation)
        theirs = line.hear("confirm")
        self.assertTrue(us.convinced_by(base64.b64decode(theirs["mac"])))
        self.assertEqual((theirs["name"], theirs["port"]), ("alice", alice.port))
        line.say("paired", name="python", port=0)
        self.assertEqual(line.tls.recv(1), b"")  # close_notify: kept
        paired, = self.outcome(inviting).rows()
        self.assertEqual((paired["peer"]["id"], paired["peer"]["name"]), (self.client_id("mallory"), "python"))
        self.assertTrue(self.contacts(alice)["python"]["verified"])

    def test_it_invites(self):
        bob = self.peer("bob")

        def talk(line):
            us = self.invited(line, bob, "guitar-otter-lamp")
            us.take(line.share())
            line.pair(us.share)
            self.assertTrue(us.convinced_by(base64.b64decode(line.hear("confirm")["mac"])))
            line.confirm(us.confirmation, name="python", port=4711)
            paired = line.hear("paired")
            self.assertEqual((paired["name"], paired["port"]), ("bob", bob.port))
            line.close()
        address, wait = self.inviter(talk)
        joined, = self.join(bob, "7-guitar-otter-lamp", address).rows()
        wait()
        self.assertEqual((joined["peer"]["id"], joined["sure"]), (self.client_id("mallory"), True))
        self.assertTrue(self.contacts(bob)["python"]["verified"])


class Guessing(Hostile):
    def test_one_wrong_code_and_the_right_one_comes_too_late(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        errors = []
        for words in (wrong_words(row["code"]), words_of(row["code"])):
            line = self.dial(alice)
            us = self.joiner(line, alice, words)
            line.pair(us.share)
            if not errors:
                us.take(line.share())
                line.confirm(us.confirmation)
            errors.append(self.refused(line))
        self.assertEqual(errors[0], errors[1])  # a closed door reads as a wrong code
        self.assertIn(self.client_id("mallory")[:15], self.outcome(inviting, 5).err)
        self.strangers(alice)
        self.still_pairs(alice, bob)

    def test_guesses_at_once_are_one_guess(self):
        """Seven lines with a wrong code and one with the right one: after the first guess the right one is worth nothing."""
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        crowd = [self.inside(alice, words, source=f"127.0.0.{n // SEATS_EACH + 2}")
                 for n, words in enumerate([wrong_words(row["code"])] * (SEATS - 1) + [words_of(row["code"])])]
        crowd[0][0].confirm(crowd[0][1].confirmation)
        for line, _ in crowd:
            self.refused(line)
        late = self.dial(alice)
        late.pair(self.joiner(late, alice, words_of(row["code"])).share)
        self.refused(late)
        self.outcome(inviting, 5)
        self.strangers(alice)
        self.still_pairs(alice, bob)

    def test_a_confirmation_said_before_the_share_is_known(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        line = self.dial(alice)
        us = self.joiner(line, alice, words_of(row["code"]))
        line.pair(us.share)
        line.confirm(bytes(32))
        line.share()
        self.refused(line)
        self.outcome(inviting, 5)
        self.strangers(alice)
        self.still_pairs(alice, bob)

    def test_the_inviter_says_nothing_of_the_code_before_it_was_proven(self):
        """Its MAC, heard without our own, would let us try codes in peace."""
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        for last in (("paired", {}), ("pair", {"version": 1, "share": b64(spake2.encoded(spake2.BASE))}), ("ping", {}), ("hello", {})):
            line = self.dial(alice)
            us = self.joiner(line, alice, words_of(row["code"]))
            line.pair(us.share)
            us.take(line.share())
            line.say(last[0], **last[1])
            self.refused(line)
        self.assertIsNone(inviting.process.poll())  # nobody has tried the code
        self.strangers(alice)

    def test_a_closed_door_takes_as_long_as_a_wrong_code(self):
        alice = self.peer("alice")
        times = []
        for is_open in (False, True):
            inviting, row = self.invite(alice) if is_open else (None, {"code": "7-guitar-otter-lamp"})
            line = self.dial(alice)
            us = self.joiner(line, alice, wrong_words(row["code"]))
            began = time.monotonic()
            line.pair(us.share)
            if is_open:
                us.take(line.share())
                line.confirm(us.confirmation)
            self.refused(line)
            times.append(time.monotonic() - began)
        self.outcome(inviting, 5)
        for seconds in times:
            self.assertGreater(seconds, FAILURE - 0.05)
            self.assertLess(seconds, FAILURE + 1 * PATIENCE)


class Between(Hostile):
    """Somebody between two people who pair."""

    def test_with_certificates_and_shares_of_its_own(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        guess = wrong_words(row["code"])
        said = []

        def talk(line):
            us = self.invited(line, bob, guess)
            us.take(line.share())
            line.pair(us.share)
            mac = base64.b64decode(line.hear("confirm")["mac"])
            said.append(us.convinced_by(mac))
            line.confirm(us.confirmation, name="alice", port=alice.port)  # as if
            said.append(line.hear("error")["code"])
        address, wait = self.inviter(talk)
        stopped = self.join(bob, row["code"], address, code_=5)
        wait()
        self.assertEqual(said, [False, "pairing_failed"])
        self.assertIn("STOP", stopped.err)
        self.assertIn(self.client_id("mallory")[:15], stopped.err)
        towards = self.dial(alice)
        us = self.joiner(towards, alice, guess)
        towards.pair(us.share)
        us.take(towards.share())
        towards.confirm(us.confirmation)
        self.refused(towards)
        self.outcome(inviting, 5)
        self.strangers(alice, bob)

    def test_that_passes_everything_on_and_even_knows_the_code(self):
        """Two TLS connections have two certificates and two exporters: what is proven on one proves nothing on the other."""
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        said = []

        def talk(line):
            towards = self.dial(alice)
            towards.pair(line.share())
            line.pair(towards.share())
            towards.confirm(base64.b64decode(line.hear("confirm")["mac"]))
            said.append(towards.hear("error")["code"])
            # Who knows the code can only be itself, under its own key: bob sees whom he has met.
            line.say("error", code="pairing_failed", fatal=True, text="x\x1b[31m")
        address, wait = self.inviter(talk)
        failed = self.join(bob, row["code"], address, code_=5)
        wait()
        self.assertEqual(said, ["pairing_failed"])
        self.assertNotIn("\x1b", failed.err)
        self.outcome(inviting, 5)
        self.strangers(alice, bob)

    def test_between_two_that_both_invite(self):
        """What one inviter says is thrown at the other: both are in the same role, so nothing fits."""
        alice, bob = self.peer("alice"), self.peer("bob")
        at_alice, hers = self.invite(alice)
        at_bob, his = self.invite(bob)
        one, other = self.dial(alice), self.dial(bob)
        one.pair(self.joiner(one, alice, words_of(hers["code"])).share)
        alices = one.share()
        other.pair(alices)
        bobs = other.share()
        self.assertNotEqual(alices, bobs)
        # Neither says a MAC first, so there is none to pass on but a made one.
        for line in (one, other):
            line.confirm(secrets.token_bytes(32))
            self.refused(line)
        self.outcome(at_alice, 5)
        self.outcome(at_bob, 5)
        self.strangers(alice, bob)


@unittest.skipIf(why_not(), why_not())
class OnTheWire(Hostile, LanCase):
    """A third machine on the network, to which the joiner's machine sends what is for the inviter's."""

    def setUp(self):
        super().setUp()
        net, self.alice, self.bob, self.mallory = self.lan("alice", "bob", "mallory", families=(4,))
        hardware = json.loads(self.mallory.machine.run("ip", "-j", "link", "show", "eth0"))[0]["address"]
        self.bob.machine.ip(f"neigh replace {self.alice.host} lladdr {hardware} dev eth0 nud permanent")
        self.mallory.machine.nft(f"table ip lab {{ chain in {{ type nat hook prerouting priority -100; tcp dport {self.alice.port} redirect; }} ; }}")

    def between(self, talk):
        """What talk(line from bob, line to alice) says to both, with certificates of its own. A function that waits for its end."""
        machine, alice = self.mallory.machine, self.alice
        listener = machine.inside_of(lambda: socket.create_server(("", alice.port)))

        def both(line):
            talk(line, self.speak(machine.inside_of(lambda: socket.create_connection((alice.host, alice.port), 10))))
        return self.inviter(both, listener=listener)[1]

    def test_everything_is_passed_on(self):
        inviting, row = self.invite(self.alice)
        said = []

        def talk(line, towards):
            towards.pair(line.share())
            line.pair(towards.share())
            towards.confirm(base64.b64decode(line.hear("confirm")["mac"]))
            said.append(towards.hear("error")["code"])
            line.say("error", code="pairing_failed", fatal=True, text="")
        wait = self.between(talk)
        self.join(self.bob, row["code"], self.alice.address, code_=5)
        wait()
        self.assertEqual(said, ["pairing_failed"])
        self.outcome(inviting, 5)
        self.strangers(self.alice, self.bob)


    def test_the_inviter_announced_another_identity(self):
        inviting, row = self.invite(self.alice)
        self.between(lambda line, towards: None)
        until(lambda: self.shows_slot(row), 3, "bob hears of the slot")
        failed = self.bob.run("join", row["code"], code=4)
        self.assertIn("another identity answers there. The code was not used", failed.err)
        self.strangers(self.alice, self.bob)

    def shows_slot(self, row):
        return any(r.get("slot") == row["slot"] for r in Questions(self.bob).ask("peers")["peers"])

    def test_with_an_announcement_and_shares_of_its_own(self):
        self.bob.machine.nft(f"table ip lab {{ chain in {{ type filter hook input priority 0; ip saddr {self.alice.host} udp dport 56744 drop; }} ; }}")
        inviting, row = self.invite(self.alice)
        here = {"type": "here", "version": 1, "id": self.client_id("mallory"), "port": self.alice.port, "name": "alice", "slot": row["slot"]}
        self.talk(self.mallory, [json.dumps(here)])
        until(lambda: self.shows_slot(row), 3, "bob hears of the slot")
        guess = wrong_words(row["code"])
        said = []

        def talk(line, towards):
            one = self.invited(line, self.bob, guess)
            one.take(line.share())
            line.pair(one.share)
            other = self.joiner(towards, self.alice, guess)
            towards.pair(other.share)
            other.take(towards.share())
            said.append(one.convinced_by(base64.b64decode(line.hear("confirm")["mac"])))
            line.confirm(one.confirmation, name="alice", port=self.alice.port)  # as if
            towards.confirm(other.confirmation)
            said.append(towards.hear("error")["code"])
            said.append(line.hear("error")["code"])
        wait = self.between(talk)
        stopped = self.bob.run("join", row["code"], code=5)
        wait()
        self.assertEqual(said, [False, "pairing_failed", "pairing_failed"])
        self.assertIn("STOP", stopped.err)
        self.outcome(inviting, 5)
        self.strangers(self.alice, self.bob)


class SaidBefore(Hostile):
    """Words of another time, another connection, or the other side's own."""

    def test_a_mac_of_another_connection(self):
        """The share was answered on one connection; its right confirmation comes over another, with the same certificate."""
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        first = self.dial(alice)
        us = self.joiner(first, alice, words_of(row["code"]))
        first.pair(us.share)
        us.take(first.share())
        first.tls.close()
        while b"left without having tried" not in inviting.process.stderr.readline():
            pass
        second = self.dial(alice)
        second.pair(us.share)
        second.share()
        second.confirm(us.confirmation)
        self.refused(second)
        self.outcome(inviting, 5)
        self.strangers(alice)
        self.still_pairs(alice, bob)

    def test_a_confirmation_as_the_first_word(self):
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        first, second = self.dial(alice), self.dial(alice)
        us = self.joiner(first, alice, words_of(row["code"]))
        first.pair(us.share)
        us.take(first.share())
        second.confirm(us.confirmation)
        with contextlib.suppress(EOFError, ConnectionError):
            self.assertEqual(second.hear("error")["code"], "bad_state")
        self.assertTrue(second.ended())
        first.confirm(us.confirmation)  # where it belongs it counts
        first.hear("confirm")
        first.say("paired", name="python")
        self.assertEqual(first.tls.recv(1), b"")
        self.outcome(inviting)

    def test_under_another_certificate(self):
        """Somebody who took over the connection's place with a key of its own."""
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        line = self.dial(alice, "other")
        us = self.joiner(line, alice, words_of(row["code"]), "mallory")  # computed for the key that is not here
        line.pair(us.share)
        us.take(line.share())
        line.confirm(us.confirmation)
        self.refused(line)
        self.assertIn(self.client_id("other")[:15], self.outcome(inviting, 5).err)  # the one that was met
        self.strangers(alice)

    def test_everything_of_a_pairing_that_was_good(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        recorded = []

        def good(line):
            us = self.invited(line, bob, "guitar-otter-lamp")
            us.take(line.share())
            line.pair(us.share)
            line.hear("confirm")
            line.confirm(us.confirmation, name="python")
            line.hear("paired")
            recorded.extend((us.share, us.confirmation))
            line.close()

        def replay(line):
            line.share()
            line.pair(recorded[0])
            line.hear("confirm")
            line.confirm(recorded[1], name="python")
            self.assertEqual(line.hear("error")["code"], "pairing_failed")
        address, wait = self.inviter(good)
        self.join(bob, "7-guitar-otter-lamp", address)
        wait()
        bob.run("forget", "python")
        address, wait = self.inviter(replay)
        self.join(bob, "7-guitar-otter-lamp", address, code_=5)
        wait()
        self.strangers(bob)
        self.still_pairs(alice, bob)

    def test_a_joiner_hears_itself(self):
        bob = self.peer("bob")

        def share(line):
            line.pair(line.share())
            self.assertEqual(line.hear("error")["code"], "pairing_failed")

        def mac(line):
            us = self.invited(line, bob, "otter-guitar-lamp")
            line.share()
            line.pair(us.share)
            line.confirm(base64.b64decode(line.hear("confirm")["mac"]))
            self.assertEqual(line.hear("error")["code"], "pairing_failed")
        for talk in (share, mac):
            with self.subTest(talk.__name__):
                address, wait = self.inviter(talk)
                self.join(bob, "7-guitar-otter-lamp", address, code_=5)
                wait()
        self.strangers(bob)


class Points(Hostile):
    def bad(self):
        good = spake2.encoded(spake2.times(5, spake2.BASE))
        yield "the byte that OpenSSL reads as infinity", b"\0"
        yield "infinity, padded", bytes(65)
        yield "zeros", b"\4" + bytes(64)
        yield "beyond the field", b"\4" + b"\xff" * 64
        yield "off the curve", good[:-1] + bytes([good[-1] ^ 1])
        yield "compressed", b"\2" + good[1:33]
        yield "hybrid", bytes([6 + good[-1] % 2]) + good[1:]
        yield "short", good[:-1]

    def test_a_share_that_is_no_point(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        answers = []
        for name, share in self.bad():
            with self.subTest(name):
                inviting, _ = self.invite(alice)
                line = self.dial(alice)
                line.pair(share)
                answers.append(self.refused(line))
                self.outcome(inviting, 5)
        self.assertEqual(answers, answers[:1] * len(answers))
        self.strangers(alice)
        self.still_pairs(alice, bob)

    def test_a_joiner_is_told_no_point(self):
        bob = self.peer("bob")
        for name, share in self.bad():
            with self.subTest(name):
                def talk(line, share=share):
                    line.share()
                    line.pair(share)
                    self.assertEqual(line.hear("error")["code"], "pairing_failed")
                address, wait = self.inviter(talk)
                self.join(bob, "7-guitar-otter-lamp", address, code_=5)
                wait()
        self.strangers(bob)

    def test_the_common_point_is_infinity(self):
        """Who knows the code can make K the neutral point, the same for all: it is refused even so."""
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        line = self.dial(alice)
        us = self.joiner(line, alice, words_of(row["code"]))
        line.pair(spake2.encoded(spake2.times(us.w, spake2.M)))
        self.refused(line)
        self.outcome(inviting, 5)
        self.strangers(alice)

    def test_shares_that_are_no_shares(self):
        """What cannot be read is no try."""
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        good = b64(spake2.encoded(spake2.BASE))
        for fields in ({}, {"version": 1}, {"version": 1, "share": ""}, {"version": 1, "share": good + "AAAA"}, {"version": 1, "share": "=" * 88},
                       {"version": 1, "share": 7}, {"version": -1, "share": good}, {"version": "1", "share": good}, {"share": good}):
            with self.subTest(fields=fields):
                line = self.dial(alice)
                line.say("pair", **fields)
                with contextlib.suppress(EOFError, ConnectionError):
                    self.assertEqual(line.hear()["type"], "error")
                self.assertTrue(line.ended())
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)


class Crowded(Hostile):
    """Several in the door at once: whoever says nothing keeps nobody out, and all have one try together."""

    def silent(self, peer, source="127.0.0.1"):
        line = self.dial(peer, source=source)
        line.pair(spake2.encoded(spake2.BASE))
        line.share()
        return line

    def test_silent_visitors_keep_nobody_out(self):
        alice = self.peer("alice")
        for n in (1, SEATS_EACH, 2 * SEATS):
            with self.subTest(silent=n):
                inviting, row = self.invite(alice)
                crowd = [self.silent(alice, f"127.0.0.{i // SEATS_EACH + 1}") for i in range(n)]
                began = time.monotonic()
                bob = self.peer(f"bob-{n}")
                self.join(bob, row["code"], alice.address)
                self.outcome(inviting)
                for line in crowd:  # turned away, or too late
                    self.refused(line)
                self.assertLess(time.monotonic() - began, DOOR_SECONDS - 2)  # sooner than any of them would have gone by itself
                self.assertIn(bob.name, self.contacts(alice))

    def test_the_one_that_waited_longest_goes(self):
        """By address first, then of all."""
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        first = self.inside(alice, words_of(row["code"]), source="127.0.0.2")
        of_one = [self.silent(alice, "127.0.0.3") for _ in range(SEATS_EACH + 1)]
        self.refused(of_one.pop(0))  # though `first` has waited longer
        others = [self.silent(alice, "127.0.0.4") for _ in range(SEATS - SEATS_EACH - 1)]
        others.append(self.silent(alice, "127.0.0.5"))  # now one too many in all
        self.refused(first[0])
        last = self.inside(alice, words_of(row["code"]), source="127.0.0.6")
        self.refused(of_one.pop(0))
        line, us = last
        line.confirm(us.confirmation)
        line.hear("confirm")
        line.say("paired", name="python", port=0)
        self.assertEqual(line.tls.recv(1), b"")
        self.assertIn("left without having tried the code", self.outcome(inviting).err)
        for line in of_one + others:
            self.refused(line)
        self.assertEqual(set(self.contacts(alice)), {"python"})

    def test_two_that_have_the_right_code(self):
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        crowd = [self.inside(alice, words_of(row["code"]), home) for home in ("mallory", "trudy")]
        for line, us in crowd:
            line.confirm(us.confirmation)
        heard = [line.hear() for line, _ in crowd]
        self.assertEqual(sorted(m["type"] for m in heard), ["confirm", "error"])
        for (line, _), m, home in zip(crowd, heard, ("mallory", "trudy")):
            if m["type"] == "confirm":
                line.say("paired", name=home, port=0)
                paired = home
            self.assertTrue(line.ended())
        row, = self.outcome(inviting).rows()
        self.assertEqual(row["peer"]["id"], self.client_id(paired))
        self.assertEqual(set(self.contacts(alice)), {paired})

    def test_a_wrong_one_beside_a_right_one(self):
        """Whichever confirms first decides for both."""
        alice = self.peer("alice")
        for right_first in (False, True):
            with self.subTest(right_first=right_first):
                inviting, row = self.invite(alice)
                good, us = self.inside(alice, words_of(row["code"]), "python")
                bad, guess = self.inside(alice, wrong_words(row["code"]))
                if right_first:
                    good.confirm(us.confirmation)
                    good.hear("confirm")
                    bad.confirm(guess.confirmation)
                    self.refused(bad)
                    good.say("paired", name="python", port=0)
                    self.assertEqual(good.tls.recv(1), b"")
                    self.outcome(inviting)
                    self.assertEqual(set(self.contacts(alice)), {"python"})
                else:
                    bad.confirm(guess.confirmation)
                    self.refused(bad)
                    self.refused(good)
                    self.assertIn(self.client_id("mallory")[:15], self.outcome(inviting, 5).err)
                    self.strangers(alice)

    def test_a_share_that_is_none_ends_it_for_all(self):
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        good, us = self.inside(alice, words_of(row["code"]))
        bad = self.dial(alice)
        bad.pair(bytes(65))
        self.refused(bad)
        self.refused(good)
        self.outcome(inviting, 5)
        self.strangers(alice)

    def test_the_holder_closes_it_before_the_last_word(self):
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        line, us = self.inside(alice, words_of(row["code"]))
        line.confirm(us.confirmation)
        line.hear("confirm")
        inviting.signal(signal.SIGINT)
        self.assertIn("the invite is over", self.outcome(inviting, 130).err)
        with contextlib.suppress(OSError):
            line.say("paired", name="python", port=0)
        self.assertTrue(line.ended())
        self.strangers(alice)

    def test_a_flood_is_not_named_line_by_line(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        crowd = [self.silent(alice, f"127.0.0.{n % 3 + 2}") for n in range(30)]
        self.join(bob, row["code"], alice.address)
        said = self.outcome(inviting).err
        self.assertEqual(said.count("left without having tried"), 10)
        self.assertEqual(said.count("is not named any more"), 1)
        del crowd


class Waiting(Hostile):
    def test_silence_on_either_side_ends(self):
        alice, bob = self.peer("alice"), self.peer("bob")

        def talk(line):
            line.share()
            line.tls.settimeout((DOOR_SECONDS + 15) * PATIENCE)
            with contextlib.suppress(OSError):
                while line.tls.recv(100):
                    pass
        address, wait = self.inviter(talk)
        began = time.monotonic()
        joining = bob.command("join", "7-guitar-otter-lamp", "--at", address)
        inviting, row = self.invite(alice)
        inside = self.dial(alice)
        inside.pair(spake2.encoded(spake2.BASE))
        inside.share()
        inside.tls.settimeout((DOOR_SECONDS + 15) * PATIENCE)
        self.refused(inside)  # when its time is over
        self.assertGreater(time.monotonic() - began, DOOR_SECONDS - 1)
        self.assertIn("Nothing was stored", self.outcome(joining, 1).err)
        wait()
        self.strangers(alice, bob)
        self.join(bob, row["code"], alice.address)  # the door is free, and the code has not been tried
        self.outcome(inviting)

    def test_a_byte_a_second_is_silence(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        line = self.dial(alice)
        line.pair(spake2.encoded(spake2.BASE))
        line.share()
        began = time.monotonic()
        heard = threading.Event()
        line.tls.settimeout(1)
        body = struct.pack(">I", 100) + b'{"type":"confirm","mac":"' + b"A" * 75
        for byte in body:
            try:
                line.tls.sendall(bytes([byte]))
                if line.tls.recv(1):
                    heard.set()
                    break
            except TimeoutError:
                continue
            except OSError:
                heard.set()
                break
        self.assertTrue(heard.is_set())
        self.assertLess(time.monotonic() - began, DOOR_SECONDS + 10 * PATIENCE)
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)

    def test_a_flood_while_the_door_is_open(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        stop, crowd = threading.Event(), []

        def flood():
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    s = socket.create_connection((alice.host, alice.port), 5, ("127.0.0.2", 0))
                    crowd.append(s)
                    s.sendall(secrets.token_bytes(200) if len(crowd) % 2 else b"")
                while len(crowd) > 300:
                    crowd.pop(0).close()
        flooding = threading.Thread(target=flood)
        flooding.start()
        self.addCleanup(lambda: [s.close() for s in crowd])
        self.addCleanup(flooding.join, 30)
        self.addCleanup(stop.set)
        idle = [self.dial(alice, source="127.0.0.3") for _ in range(20)]  # past the handshake, without a word
        began = time.monotonic()
        self.join(bob, row["code"], alice.address)
        self.assertLess(time.monotonic() - began, 15 * PATIENCE)
        self.outcome(inviting)
        self.assertEqual(set(self.contacts(alice)), {"bob"})
        del idle

    def test_a_joiner_that_cannot_know_whether_it_was_heard_says_so(self):
        bob = self.peer("bob")

        def talk(line):
            us = self.invited(line, bob, "guitar-otter-lamp")
            us.take(line.share())
            line.pair(us.share)
            line.hear("confirm")
            line.confirm(us.confirmation, name="python")
            line.hear("paired")
            line.tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed with a reset
        address, wait = self.inviter(talk)
        said = self.join(bob, "7-guitar-otter-lamp", address, code_=8)
        wait()
        self.assertFalse(said.rows()[0]["sure"])
        self.assertIn("the connection broke before python's side could say the same", said.err)
        self.assertTrue(self.contacts(bob)["python"]["verified"])  # it has proven the code

    def test_who_is_gone_before_its_last_word_is_no_contact(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        line = self.dial(alice)
        us = self.joiner(line, alice, words_of(row["code"]))
        line.pair(us.share)
        us.take(line.share())
        line.confirm(us.confirmation)
        line.hear("confirm")
        line.tls.close()
        self.assertIn("Here nothing was stored", self.outcome(inviting, 1).err)
        self.strangers(alice)
        self.join(bob, row["code"], alice.address, code_=5)  # the code is used up
        self.still_pairs(alice, bob)


class Names(Hostile):
    """What a peer that does know the code calls itself."""

    def paired_as(self, alice, name, home):
        inviting, row = self.invite(alice)
        line = self.dial(alice, home)
        us = self.joiner(line, alice, words_of(row["code"]), home)
        line.pair(us.share)
        us.take(line.share())
        line.confirm(us.confirmation)
        line.hear("confirm")
        line.say("paired", name=name, port=1)
        self.assertEqual(line.tls.recv(1), b"")
        return self.outcome(inviting)

    def test_no_name_is_taken_over_and_none_draws_on_the_terminal(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        alice.add(bob)
        for n, name in enumerate(("bob", "BOB", "\x1b[2Jbob\n", "", "/etc/passwd", "anyone", bob.id(), "\u202ebob", "-rf", "é" * 128)):
            with self.subTest(name=name):
                home = f"mallory-{n}"
                result = self.paired_as(alice, name, home)
                paired, = result.rows()
                self.assertNotIn("\x1b", result.out + result.err)
                self.assertEqual(paired["peer"]["id"], self.client_id(home))
                contacts = self.contacts(alice)
                self.assertEqual(contacts["bob"]["id"], bob.id())
                self.assertEqual(len(contacts), n + 2)
                self.assertTrue(all(ord(c) >= 32 and c not in "/:@,\u202e" for c in paired["peer"]["name"]), paired)
        path = alice.file("for bob", 100)
        self.give(alice, bob, path, title="for bob")


if __name__ == "__main__":
    unittest.main(verbosity=2)
