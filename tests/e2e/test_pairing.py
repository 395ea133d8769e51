"""Two people become verified contacts of each other by a code that one shows and the other types."""
import base64
import contextlib
import json
import os
import signal
import socket
import ssl
import threading
import time
import unittest

from network import LanCase, Questions, until, why_not
from peers import PATIENCE, Case, peer_client
from terminal import Terminal

SHARE = b"\x04" + bytes(64)  # of the right length, and no point of the curve
FAILURE = 2  # seconds after which a failure is told


def other_code(code):
    """One that differs in a word."""
    slot, *words = code.split("-")
    return "-".join([slot, *(("lamp" if w == "guitar" else "guitar") if n == 0 else w for n, w in enumerate(words))])


class Pairing(Case):
    def invite(self, peer, *options):
        """A running `peer invite`, and the row that it shows."""
        running = peer.command("invite", "--json", *options)
        line = running.process.stdout.readline()
        if not line:
            self.fail(repr(running.finish()))
        row = json.loads(line)
        self.assertEqual((row["v"], row["type"]), (1, "invite"))
        self.addCleanup(self.end, running)
        return running, row

    def end(self, running):
        if running.process.poll() is None:
            running.process.kill()
        with contextlib.suppress(Exception):
            running.process.communicate(timeout=10)

    def join(self, peer, code, at, *options, code_=0):
        return peer.run("join", code, "--at", at, "--json", *options, code=code_)

    def contacts(self, peer):
        return {row["name"]: row for row in peer.run("peers", "--json").rows() if row["contact"]}

    def outcome(self, running, code=0):
        result = running.finish()
        self.assertEqual(result.code, code, repr(result))
        return result

    def raw(self, peer, home="mallory"):
        """A connection on which `pair` is to be said."""
        session = self.session(peer, home, hello=False)
        session.tls.settimeout(30 * PATIENCE)
        return session

    def said(self, session):
        """The next message, and when it came."""
        length = int.from_bytes(session.raw(4), "big")
        return json.loads(session.raw(length)), time.monotonic()


class Codes(Pairing):
    def test_both_are_verified_contacts(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        self.assertRegex(row["code"], r"^\d{1,3}(-[a-z]+){3}$")
        self.assertEqual(row["reachable"], [alice.address])
        self.assertFalse(row["announced"])
        joined, = self.join(bob, row["code"], alice.address).rows()
        invited = self.outcome(inviting)
        paired, = invited.rows()
        for row, me, other in ((joined, bob, alice), (paired, alice, bob)):
            self.assertEqual((row["type"], row["peer"]["id"], row["peer"]["name"]), ("paired", other.id(), other.name))
            contact = self.contacts(me)[other.name]
            self.assertTrue(contact["verified"])
            self.assertFalse(contact["trusted"])
        self.assertTrue(joined["sure"])
        self.assertIn(f"bob is your contact now, verified: {bob.id()}", invited.err)
        for giver, taker in ((alice, bob), (bob, alice)):  # no address, no question
            path = giver.file(f"from {giver.name}", 5000)
            self.give(giver, taker, path, title=f"from {giver.name}")
            self.assert_same(path, os.path.join(taker.downloads, f"from {giver.name}"))

    def test_each_can_reach_the_other_where_it_was_met(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)
        bob.stop(), alice.stop()
        alice.start(), bob.start()  # nothing but what was stored
        for giver, taker in ((alice, bob), (bob, alice)):
            path = giver.file(f"from {giver.name}", 5000)
            self.give(giver, taker, path, title=f"from {giver.name}")

    def test_the_code_alone_goes_to_stdout(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting = alice.command("invite")
        code = inviting.process.stdout.readline().decode()
        self.assertRegex(code, r"^\d{1,3}(-[a-z]+){3}\n$")
        bob.run("join", "--at", alice.address, stdin=code.encode())  # not in argv
        result = self.outcome(inviting)
        self.assertEqual(result.out, "")
        self.assertIn(f"peer join --at {alice.address}", result.err)

    def test_a_wrong_code_ends_the_invite_and_nothing_is_stored(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        wrong = self.join(bob, other_code(row["code"]), alice.address, code_=5)
        self.assertIn(alice.address, wrong.err)
        self.assertIn("the code did not match", wrong.err)
        self.assertIn("Nothing was stored", wrong.err)
        failed = self.outcome(inviting, 5)
        self.assertIn("127.0.0.1:", failed.err)
        self.assertIn(bob.id()[:15], failed.err)
        self.assertIn("new code: peer invite", failed.err)
        late = self.join(bob, row["code"], alice.address, code_=5)  # the right one, too late
        self.assertEqual(late.err, wrong.err)
        self.assertEqual((self.contacts(alice), self.contacts(bob)), ({}, {}))
        inviting, row = self.invite(alice)
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)

    def test_a_word_that_is_none_spoils_nothing(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        slot, one, two, three = row["code"].split("-")
        said = self.join(bob, f"{slot}-{one}-{two}x-{three}", alice.address, code_=2).err
        self.assertIn(f"{two}x", said)
        self.assertIn(two, said.replace(f"{two}x", ""))
        for bad in ("", "7", "guitar-otter-lamp", f"{slot}-{one}", "1000-" + "-".join((one, two, three))):
            self.join(bob, bad, alice.address, code_=2)
        self.join(bob, f" {slot} {one.upper()}  {two} {three} ", alice.address)
        self.outcome(inviting)

    def test_an_invite_that_nobody_takes(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice, "--for", "1s")
        self.assertIn("nobody joined within 1 s", self.outcome(inviting, 9).err)
        self.join(bob, row["code"], alice.address, code_=5)
        for bad in ("0s", "25h", "x"):
            alice.run("invite", "--for", bad, code=2)

    def test_ctrl_c_ends_the_invite(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        inviting.signal(signal.SIGINT)
        self.assertIn("the invite is over", self.outcome(inviting, 130).err)
        self.join(bob, row["code"], alice.address, code_=5)
        inviting, row = self.invite(alice)
        inviting.process.kill()
        inviting.process.wait()
        self.outcome(self.invite(alice, "--for", "1s")[0], 9)  # the door is free again

    def test_one_invite_at_a_time(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        self.assertIn("open here already", alice.run("invite", code=1).err)
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)

    def test_both_invite(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        at_alice, hers = self.invite(alice)
        at_bob, his = self.invite(bob)
        self.assertIn("is this peer itself", self.join(alice, hers["code"], alice.address, code_=2).err)
        self.join(bob, hers["code"], alice.address)
        self.outcome(at_alice)
        self.join(carol, his["code"], bob.address)  # bob's own stands
        self.outcome(at_bob)
        self.assertEqual(set(self.contacts(bob)), {"alice", "carol"})

    def test_names(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        alice.run("add", "bob", "--id", carol.id())
        for peer, words in ((alice, ("invite",)), (bob, ("join", "7-guitar-otter-lamp", "--at", "127.0.0.1"))):
            self.assertIn("--as", peer.run(*words, "--as", "b:b", code=2).err)
        said = alice.run("invite", "--as", "Bob", code=2).err  # never taken over
        self.assertIn("a contact is called ‘bob’ already", said)  # as it is spelt here
        self.assertIn("if that is the one you pair with, leave --as out: it keeps its name", said)
        inviting, row = self.invite(alice)
        joined, = self.join(bob, row["code"], alice.address, "--as", "Alicia").rows()
        paired, = self.outcome(inviting).rows()
        self.assertEqual((joined["peer"]["name"], paired["peer"]["name"]), ("Alicia", "bob-2"))
        self.assertEqual(self.contacts(alice)["bob"]["id"], carol.id())

    def test_a_name_that_looks_like_anothers_is_told(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        alice.run("add", "bob", "--id", carol.id())
        inviting, row = self.invite(alice, "--as", "b\u043eb")  # a Cyrillic o
        self.join(bob, row["code"], alice.address)
        self.assertIn("looks like your contact bob", self.outcome(inviting).err)

    def test_the_code_comes_through_a_pipe_where_nobody_can_be_asked(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        bob.run("join", "--at", alice.address, "--no-input", stdin=row["code"].encode() + b"\n")
        self.outcome(inviting)
        self.assertTrue(self.contacts(bob)["alice"]["verified"])

    def test_what_it_calls_itself_is_made_a_legal_name(self):
        alice, bob = self.peer("alice"), self.peer("bob", False)
        bob.name = "Bob's laptop: @home."
        bob.start()
        inviting, row = self.invite(alice)
        self.join(bob, row["code"], alice.address)
        paired, = self.outcome(inviting).rows()
        self.assertEqual(paired["peer"]["name"], "Bob's-laptop-home")

    def test_a_contact_is_verified_and_keeps_its_name(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        alice.run("add", "robert", bob.address, "--yes")
        alice.run("trust", "robert", "--unverified")
        self.assertFalse(self.contacts(alice)["robert"]["verified"])
        inviting, row = self.invite(alice)
        self.join(bob, row["code"], alice.address)
        result = self.outcome(inviting)
        self.assertIn("robert was your contact already and is verified now", result.err)
        row, = self.contacts(alice).values()
        self.assertEqual((row["name"], row["verified"], row["trusted"]), ("robert", True, True))
        inviting, row = self.invite(alice, "--as", "rob")
        joined = self.join(bob, row["code"], alice.address, "--as", "al")
        invited = self.outcome(inviting)
        for said, name, wish in ((invited, "robert", "rob"), (joined, "alice", "al")):
            self.assertEqual((said.rows()[-1]["peer"]["name"], said.rows()[-1]["wish"]), (name, wish))
            self.assertIn(f"it keeps that name; to call it ‘{wish}’: peer rename {name} {wish}", said.err)
        self.assertEqual((set(self.contacts(alice)), set(self.contacts(bob))), ({"robert"}, {"alice"}))

    def test_the_node_ends_in_the_middle(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        alice.kill()
        said = self.outcome(inviting, 1).err
        self.assertIn("the invite with it", said)
        alice.start()
        self.join(bob, row["code"], alice.address, code_=5)
        inviting, row = self.invite(alice)
        alice.stop()
        self.outcome(inviting, 1)
        self.assertIn("refused the connection", self.join(bob, row["code"], alice.address, code_=4).err)
        alice.start()
        inviting, row = self.invite(alice)
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)

    def test_without_a_running_node_on_either_side(self):
        alice, bob = self.peer("alice", False), self.peer("bob", False)
        inviting, row = self.invite(alice, "--port", str(alice.port), "--listen", "127.0.0.1")
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)
        self.assertTrue(self.contacts(alice) and self.contacts(bob))

    def test_strangers_may_pair_where_their_offers_are_not_taken_and_blocked_ones_may_not(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        alice.run("config", "offers_from", "contacts")
        alice.run("block", bob.id())
        inviting, row = self.invite(alice)
        self.assertIn("broke", self.join(bob, row["code"], alice.address, code_=1).err)
        alice.run("unblock", bob.id())
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)
        bob.run("block", "alice")
        inviting, row = self.invite(alice)
        self.assertIn("peer unblock alice", self.join(bob, row["code"], alice.address, code_=1).err)
        inviting.signal(signal.SIGINT)
        self.outcome(inviting, 130)

    def test_the_code_is_in_no_command_line_and_no_log(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        silent = socket.create_server(("127.0.0.1", 0))  # takes the connection and says nothing
        self.addCleanup(silent.close)
        inviting, row = self.invite(alice)
        words = row["code"].split("-", 1)[1]
        joining = bob.command("join", row["code"], "--at", f"127.0.0.1:{silent.getsockname()[1]}")
        connection, _ = silent.accept()
        self.addCleanup(connection.close)
        with open(f"/proc/{joining.process.pid}/cmdline", "rb") as f:
            self.assertNotIn(words.encode(), f.read())
        joining.signal(signal.SIGINT)
        joining.finish()
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)
        for p in (alice, bob):
            self.assertNotIn(words, p.log_file() + "".join(p.log))


class Door(Pairing):
    """What somebody may do who comes to the door."""

    def refused(self, peer, *messages, home="mallory"):
        """What is said at last to somebody who says these, and after how many seconds."""
        began, session = time.monotonic(), self.raw(peer, home)
        began = time.monotonic()
        for kind, fields in messages:
            session.say(kind, **fields)
            if kind == "pair" and len(messages) > 1:
                self.assertEqual(self.said(session)[0]["type"], "pair")
        message, when = self.said(session)
        return message, when - began

    def test_every_failure_reads_and_takes_the_same(self):
        alice = self.peer("alice")
        good = point()
        pair = ("pair", {"version": 1, "share": base64.b64encode(good).decode()})
        bad = ("pair", {"version": 1, "share": base64.b64encode(SHARE).decode()})
        other = ("pair", {"version": 2, "share": base64.b64encode(good).decode()})
        confirm = ("confirm", {"mac": base64.b64encode(bytes(32)).decode()})
        heard = [self.refused(alice, pair)]  # nothing is open
        inviting, row = self.invite(alice)
        heard.append(self.refused(alice, other))
        heard.append(self.refused(alice, pair, ("paired", {})))  # not what comes now
        self.assertIsNone(inviting.process.poll())  # nobody has tried the code
        heard.append(self.refused(alice, bad))
        self.outcome(inviting, 5)
        inviting, row = self.invite(alice)
        heard.append(self.refused(alice, pair, confirm))
        self.assertIn(self.client_id("mallory")[:15], self.outcome(inviting, 5).err)
        for message, seconds in heard:
            self.assertEqual((message["type"], message["code"], message["fatal"]), ("error", "pairing_failed", True))
            self.assertEqual(message, heard[0][0])
            self.assertGreater(seconds, FAILURE - 0.05)
            self.assertLess(seconds, FAILURE + 1 * PATIENCE)
        self.assertEqual(self.contacts(alice), {})

    def test_our_own_share_thrown_back(self):
        alice = self.peer("alice")
        inviting, row = self.invite(alice)
        first = self.raw(alice)
        first.say("pair", version=1, share=base64.b64encode(point()).decode())
        share = self.said(first)[0]["share"]
        first.tls.close()
        message, _ = self.refused(alice, ("pair", {"version": 1, "share": share}), ("confirm", {"mac": base64.b64encode(bytes(32)).decode()}))
        self.assertEqual(message["code"], "pairing_failed")
        self.outcome(inviting, 5)

    def test_who_leaves_without_having_tried_spoils_nothing(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        for _ in range(3):
            session = self.raw(alice)
            session.say("pair", version=1, share=base64.b64encode(point()).decode())
            self.said(session)
            session.tls.close()
            line = inviting.process.stderr.readline()
            while b"left without having tried" not in line:
                self.assertTrue(line)
                line = inviting.process.stderr.readline()
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)

    def test_a_crowd(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        began = time.monotonic()
        for _ in range(200):
            session = self.raw(alice)
            session.say("pair", version=7, share=base64.b64encode(point()).decode())
        self.join(bob, row["code"], alice.address)
        self.outcome(inviting)
        self.assertLess(time.monotonic() - began, 60 * PATIENCE)

    def test_a_machine_in_the_middle(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting, row = self.invite(alice)
        middle = Middle(self, alice)
        self.join(bob, row["code"], middle.address, code_=5)
        self.outcome(inviting, 5)
        self.assertEqual((self.contacts(alice), self.contacts(bob)), ({}, {}))
        self.assertEqual(middle.passed[:3], ["pair", "pair", "confirm"])

    def test_pairing_messages_have_no_place_in_a_session(self):
        alice = self.peer("alice")
        for kind, fields in (("pair", {"version": 1, "share": base64.b64encode(point()).decode()}), ("confirm", {"mac": base64.b64encode(bytes(32)).decode()}), ("paired", {})):
            session = self.session(alice)
            session.say(kind, **fields)
            with self.assertRaisesRegex(peer_client.Ended, "bad_state"):
                session.hear("done")


class Middle:
    """Takes a joiner's connection with a certificate of its own and passes every message on to the inviter, and back."""

    def __init__(self, case, inviter):
        self.case, self.inviter, self.passed = case, inviter, []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["peer/1"])
        context.load_cert_chain(peer_client.make_identity(os.path.join(case.folder, "middle")))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.context = context
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        case.addCleanup(self.close)

    def run(self):
        with contextlib.suppress(OSError, peer_client.Ended):
            joiner = self.context.wrap_socket(self.listener.accept()[0], server_side=True)
            self.case.addCleanup(joiner.close)
            inviter = self.case.raw(self.inviter, "middle")
            for source, sink in ((joiner, inviter.tls), (inviter.tls, joiner)) * 3:
                length = self.exactly(source, 4)
                body = self.exactly(source, int.from_bytes(length, "big"))
                self.passed.append(json.loads(body)["type"])
                sink.sendall(length + body)

    @staticmethod
    def exactly(source, n):
        got = b""
        while len(got) < n:
            part = source.recv(n - len(got))
            if not part:
                raise OSError("closed")
            got += part
        return got

    def close(self):
        self.listener.close()
        self.thread.join(30 * PATIENCE)


def point():
    """A point of P-256 as it travels: the curve's generator."""
    return bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                         "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")


class OnATerminal(Pairing):
    def terminal(self, peer, *words):
        t = Terminal(peer, *words)
        self.addCleanup(t.close)
        return t

    def test_two_people(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        bob.run("add", "carol", "--id", carol.id())
        inviting = self.terminal(alice, "invite")
        code = inviting.expect(r"\n    (\d+-[a-z]+-[a-z]+-[a-z]+)\n").group(1)
        inviting.expect("on the other machine: peer join --at " + alice.address)
        inviting.expect(r"waiting for the other side: 9 min 5\d s left")
        joining = self.terminal(bob, "join", "--at", alice.address)
        joining.expect("code > ")
        slot, one, two, three = code.split("-")
        joining.type(f"{slot}-{one}-{two}{three}-{three}")
        joining.expect(f"{two}{three}")
        joining.expect("code > ")
        joining.type("")
        joining.expect("code > ")
        joining.type(f"{slot} {one} {two} {three}")
        joining.expect("the codes match: ‘alice’ at " + alice.address)
        joining.expect(alice.id())
        joining.expect(r"called here\? \(Enter: alice\) > ")
        joining.type("carol")  # another's
        joining.expect("a contact is called ‘carol’ already")
        joining.expect(r"\(Enter: alice\) > ")
        joining.type("al")
        self.assertIn("al is your contact now, verified: " + alice.id(), joining.finish())
        inviting.expect("the codes match: ‘bob’")
        inviting.expect(r"\(Enter: bob\) > ")
        inviting.type("")
        self.assertIn("bob is your contact now, verified: " + bob.id(), inviting.finish())
        self.assertEqual(set(self.contacts(bob)), {"al", "carol"})
        self.assertEqual(set(self.contacts(alice)), {"bob"})

    def test_ctrl_c_at_either_question(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        inviting = self.terminal(alice, "invite")
        code = inviting.expect(r"\d+-[a-z]+-[a-z]+-[a-z]+").group()
        joining = self.terminal(bob, "join", "--at", alice.address)
        joining.expect("code > ")
        joining.interrupt()
        joining.finish(130)
        bob.run("join", code, "--at", alice.address)
        inviting.expect(r"\(Enter: bob\) > ")
        inviting.interrupt()
        self.assertIn("bob is your contact now, verified; another name: peer rename bob NAME", inviting.finish(130))
        self.assertTrue(self.contacts(alice)["bob"]["verified"])
        inviting = self.terminal(alice, "invite")
        inviting.expect("left")
        inviting.interrupt()
        self.assertIn("the invite is over: the code does nothing any more", inviting.finish(130))


    def test_what_breaks_off_at_the_question_leaves_a_contact_and_says_so(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        inviting = self.terminal(alice, "invite")
        code = inviting.expect(r"\d+-[a-z]+-[a-z]+-[a-z]+").group()
        joining = self.terminal(bob, "join", code, "--at", alice.address)
        for asked, name in ((joining, "alice"), (inviting, "bob")):
            asked.expect(rf"\(Enter: {name}\) > ")
        for peer, asked, other in ((bob, joining, alice), (alice, inviting, bob)):
            peer.kill()
            said = asked.finish(1)
            self.assertIn(f"the node ended; {other.name} is your contact now, verified; another name: peer rename {other.name} NAME", said)
            self.assertNotIn("again", said)
        alice.start()
        bob.start()
        for peer, other in ((bob, "alice"), (alice, "bob")):
            self.assertTrue(self.contacts(peer)[other]["verified"])
        for end, exit_code in (("interrupt", 130), ("end_input", 0)):
            peer = self.peer(f"dave-{end}")
            inviting, row = self.invite(carol)
            joining = self.terminal(peer, "join", row["code"], "--at", carol.address)
            joining.expect(r"\(Enter: carol\) > ")
            getattr(joining, end)()
            said = joining.finish(exit_code)
            self.assertIn("carol is your contact now, verified", said)
            self.assertIn("another name: peer rename carol NAME", said)
            self.outcome(inviting)
            self.assertTrue(self.contacts(peer)["carol"]["verified"])

    def test_a_node_that_ends_while_the_code_is_tried(self):
        bob = self.peer("bob")
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["peer/1"])
        context.load_cert_chain(peer_client.make_identity(os.path.join(self.folder, "silent")))
        joining = bob.command("join", "7-guitar-otter-lamp", "--at", f"127.0.0.1:{silent.getsockname()[1]}")
        with context.wrap_socket(silent.accept()[0], server_side=True) as tls:
            tls.settimeout(30 * PATIENCE)
            self.assertTrue(tls.recv(1))  # the share
            bob.kill()
        said = self.outcome(joining, 1).err
        self.assertIn("the code may be used up", said)
        self.assertNotIn("the same command", said)


@unittest.skipIf(why_not(), why_not())
class Nearby(Pairing, LanCase):
    def test_by_its_slot(self):
        net, alice, bob, carol = self.lan("alice", "bob", "carol")
        inviting, row = self.invite(alice)
        self.assertTrue(row["announced"])
        until(lambda: any(r.get("slot") == row["slot"] for r in Questions(carol).ask("peers")["peers"]), 3, "carol hears of the slot")
        joined, = bob.run("join", row["code"], "--json").rows()
        self.assertEqual(joined["peer"]["id"], alice.id())
        self.outcome(inviting)
        until(lambda: not any(r.get("slot") for r in Questions(carol).ask("peers")["peers"]), 3, "the slot is not shown any more")
        for giver, taker in ((alice, bob), (bob, alice)):
            path = giver.file(f"from {giver.name}", 5000)
            self.give(giver, taker, path, title=f"from {giver.name}")
        said = bob.run("join", row["code"], code=10).err
        self.assertIn(f"nobody nearby shows an open invite with slot {row['slot']}", said)
        self.assertIn("--at ADDRESS", said)

    def test_without_a_running_node_on_either_side(self):
        net, alice, bob = self.lan("alice", "bob", start=False)
        inviting, row = self.invite(alice)
        bob.run("join", row["code"])
        self.outcome(inviting)

    def test_several_show_the_same_slot(self):
        net, alice, bob, mallory = self.lan("alice", "bob", "mallory", start=False)
        alice.start(), bob.start()
        inviting, row = self.invite(alice)
        liar = peer_client.peer_id_text(os.urandom(32))
        here = json.dumps({"type": "here", "version": 1, "id": liar, "port": mallory.port, "name": "alice", "slot": row["slot"]})
        stop = threading.Event()

        def lie():
            while not stop.is_set():
                self.talk(mallory, [here])
                stop.wait(0.2)
        lying = threading.Thread(target=lie)
        lying.start()
        self.addCleanup(lying.join)
        self.addCleanup(stop.set)
        heard = Questions(bob)
        until(lambda: sum(r.get("slot") == row["slot"] for r in heard.ask("peers")["peers"]) == 2, 5, lambda: f"bob hears of {alice.id()} and {liar}, but {heard.ask('peers')}")
        said = bob.run("join", row["code"], code=10).err
        for id in (alice.id(), liar):
            self.assertIn(id[:15], said)
        joining = Terminal(bob, "join")
        self.addCleanup(joining.close)
        joining.expect("code > ")
        joining.type(row["code"])
        number = joining.expect(r"(\d)  ‘alice’  " + alice.id()[:15]).group(1)
        joining.expect("its number, or n for none > ")
        joining.type("9")
        joining.expect("its number, or n for none > ")
        joining.type(number)
        joining.expect(r"\(Enter: alice\) > ")
        joining.type("")
        joining.finish()
        self.outcome(inviting)
        self.assertEqual(self.contacts(bob)["alice"]["id"], alice.id())

    def test_another_one_shows_the_slot_at_the_inviters_address(self):
        net, alice, bob, mallory = self.lan("alice", "bob", "mallory")
        inviting, row = self.invite(alice)
        until(lambda: any(r.get("slot") for r in Questions(bob).ask("peers")["peers"]), 3, "bob hears of the slot")
        # An announcement of alice's ID from mallory's address: her certificate is not there.
        here = {"type": "here", "version": 1, "id": alice.id(), "port": mallory.port, "name": "alice", "slot": row["slot"]}
        self.talk(mallory, [json.dumps(here)])
        joined, = bob.run("join", row["code"], "--json").rows()
        self.assertEqual(joined["peer"]["id"], alice.id())
        self.outcome(inviting)

    def test_discovery_off(self):
        net, alice, bob = self.lan("alice", "bob")
        alice.run("config", "discovery", "off")
        inviting, row = self.invite(alice)
        self.assertFalse(row["announced"])
        bob.run("join", row["code"], code=10)
        bob.run("config", "discovery", "off")
        self.assertIn("does not ask the local network", bob.run("join", row["code"], code=10).err)
        at = next(a for a in row["reachable"] if a.startswith(alice.host))
        bob.run("join", row["code"], "--at", at)
        self.outcome(inviting)


if __name__ == "__main__":
    unittest.main(verbosity=2)
