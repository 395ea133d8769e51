"""Contacts: where each can be found, that nobody takes a name over, notes, files of contacts, links and their pictures."""
import ctypes
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from network import Lan, Questions, until, why_not
from peers import PATIENCE, Case, Peer, free_port, peer_client
from terminal import Terminal


def made_up_id():
    return peer_client.peer_id_text(os.urandom(32))


def resolves(name):
    try:
        return bool(socket.getaddrinfo(name, None))
    except OSError:
        return False


class Silent:
    """An address where connections are taken and nothing is ever said."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def close(self):
        self.socket.close()


class ContactsCase(Case):
    def details(self, peer, name):
        row, = peer.run("peers", name, "--json").rows()
        return row

    def known(self, peer, name):
        return {a["address"]: a for a in self.details(peer, name)["known"]}

    def silent(self):
        nowhere = Silent()
        self.addCleanup(nowhere.close)
        return nowhere.address

    def take(self, taker, path, giver):
        """What waits is accepted and arrives."""
        name = os.path.basename(path)
        taker.run("accept", str(taker.await_pending(title=name)))
        self.assert_same(path, os.path.join(taker.downloads, name))

    def contacts(self, peer):
        return {r["name"]: r for r in peer.run("peers", "--json").rows() if r["contact"]}


class Addresses(ContactsCase):
    def test_of_several_addresses_the_right_one_is_found_soon(self):
        alice, bob, mallory = self.peer("alice"), self.peer("bob"), self.peer("mallory")
        nowhere = self.silent()
        began = time.monotonic()
        added = alice.run("add", "bob", f"peer://{bob.id()}@{nowhere},{mallory.address},{bob.address}")
        self.assertLess(time.monotonic() - began, 4 * PATIENCE)
        self.assertIn("bob is a contact now, verified", added.err)
        known = self.known(alice, "bob")
        self.assertEqual({a["learned"] for a in known.values()}, {"given"})
        self.assertEqual([bool(known[a]["last_answered"]) for a in (nowhere, mallory.address, bob.address)], [False, False, True])
        self.assertEqual(known[mallory.address]["answered_by"], mallory.id())
        self.assertIn("now another peer answers there: " + mallory.id()[:15], alice.run("peers", "bob").out)
        alice.stop()
        alice.start()
        path = alice.file("x", 5000)
        alice.run("offer", "bob", path, "--no-wait")
        self.take(bob, path, alice)
        self.assertEqual(next(iter(self.known(alice, "bob"))), bob.address)  # it answered last, so it is tried first
        self.assertEqual(mallory.offers(), [])
        self.assertEqual(len(Questions(alice).ask("status")["sessions"]), 1)

    def test_no_address_shows_the_right_certificate(self):
        alice, bob, mallory = self.peer("alice"), self.peer("bob"), self.peer("mallory")
        refused = alice.run("add", "bob", f"peer://{bob.id()}@{mallory.address}", code=5)
        self.assertIn(f"  expected {bob.id()}", refused.err.splitlines())
        self.assertIn(f"  met      {mallory.id()}", refused.err.splitlines())
        self.assertEqual(self.contacts(alice), {})
        alice.run("add", "bob", f"peer://{bob.id()}@{mallory.address},{bob.address}")
        bobs = bob.id()
        bob.stop()
        alice.stop()
        alice.start()
        refused = alice.run("offer", "bob", alice.file("secret-name", 10), "--no-wait", code=5)
        self.assertIn(bobs, refused.err)
        self.assertIn(mallory.id(), refused.err)
        self.assertIn(f"STOP: {mallory.address}", refused.err)
        self.assertNotIn("secret-name", "".join(mallory.log))
        self.assertIn(bob.address, self.known(alice, "bob"))  # the good address is not forgotten
        bob.start()
        path = alice.file("y", 10)
        alice.run("offer", "bob", path, "--no-wait")
        self.take(bob, path, alice)

    def test_found_where_it_said_that_it_listens(self):
        alice, bob = self.pair()
        bob.run("add", "alice", alice.address, "--id", alice.id())
        bob.stop()
        bob.port = free_port()
        bob.start()  # it keeps a session to alice, and says in it where it listens now
        until(lambda: bob.address in self.known(alice, "bob"), 10, lambda: self.known(alice, "bob"))
        self.assertEqual(self.known(alice, "bob")[bob.address]["learned"], "heard")
        bob.run("config", "sessions", "off")
        for p in (bob, alice):
            p.stop()
        bob.start()  # and does not dial any more
        alice.start()
        path = alice.file("x", 5000)
        alice.run("offer", "bob", path, "--no-wait")
        self.take(bob, path, alice)
        now = self.known(alice, "bob")[bob.address]
        self.assertEqual(now["learned"], "met")
        self.assertGreater(now["last_answered"], 0)

    def test_two_addresses_of_one_peer_make_one_session(self):
        alice, bob = self.peer("alice"), self.peer("bob", False)
        bob.listen = ["--listen", "127.0.0.1", "--listen", "127.0.0.2"]
        bob.start()
        for _ in range(5):
            alice.run("add", "bob", f"peer://{bob.id()}@127.0.0.2:{bob.port},127.0.0.1:{bob.port},localhost:{bob.port}")
            until(lambda: self.details(alice, "bob")["online"], 10, "bob is reached")
            for p in (alice, bob):
                self.assertEqual(len(Questions(p).ask("status")["sessions"]), 1)
            until(lambda: self.established(bob.port) == 1, 5, lambda: self.established(bob.port))
            alice.stop()
            alice.start()
            path = alice.file("x", 10, seed=_)
            alice.run("offer", "bob", path, "--again", "--no-wait")
            bob.run("reject", str(bob.await_pending(title="x")))
            until(lambda: self.established(bob.port) == 1, 5, lambda: self.established(bob.port))

    def established(self, port):
        """Connections that a listener at this port has."""
        with open("/proc/net/tcp") as f:
            fields = [line.split() for line in list(f)[1:]]
        return sum(x[3] == "01" and int(x[1].split(":")[1], 16) == port for x in fields)

    def test_nobody_is_dialled_because_a_file_says_so(self):
        alice = self.peer("alice")
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        where = f"127.0.0.1:{listener.getsockname()[1]}"
        text = json.dumps({"peer_contacts": 1, "contacts": [{"name": "bob", "id": made_up_id(), "addresses": [where]}]})
        alice.run("peers", "--import", "-", stdin=text.encode())
        alice.run("peers", "bob")
        listener.settimeout(1)
        with self.assertRaises(TimeoutError):
            listener.accept()
        giving = alice.command("offer", "bob", alice.file("x", 10), "--no-wait")
        listener.settimeout(20 * PATIENCE)
        listener.accept()[0].close()
        giving.finish()

    @unittest.skipUnless(resolves("localhost"), "this machine has no name for itself")
    def test_a_name_by_dns(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        alice.run("add", "bob", f"localhost:{bob.port}", "--id", bob.id())
        known = self.known(alice, "bob")
        self.assertEqual(known[f"localhost:{bob.port}"]["learned"], "given")
        self.assertEqual(known[bob.address]["learned"], "met")  # for a day without a resolver
        alice.stop()
        alice.start()
        path = alice.file("x", 10)
        alice.run("offer", "bob", path, "--no-wait")
        self.take(bob, path, alice)

    def test_a_link_whose_addresses_do_not_answer(self):
        alice = self.peer("alice")
        bobs = made_up_id()
        added = alice.run("add", "bob", f"peer://{bobs}@127.0.0.1:9,{alice.address}")  # an address may mean this machine here
        self.assertIn("not met yet: ", added.err)
        self.assertEqual((self.contacts(alice)["bob"]["id"], self.contacts(alice)["bob"]["verified"]), (bobs, True))
        for bad in ("peer://", f"peer://{bobs[:-1]}@127.0.0.1:9", f"peer://{bobs}@", f"peer://{bobs}@a b:1", f"peer://{bobs}@1.2.3.4:0", f"peer://{bobs}@" + ",".join(["1.2.3.4:5"] * 17)):
            with self.subTest(link=bad):
                self.assertIn("link", alice.run("add", "carol", bad, code=2).err)
        self.assertIn("without --id", alice.run("add", "carol", f"peer://{bobs}", "--id", bobs, code=2).err)
        self.assertIn("itself", alice.run("add", "carol", f"peer://{alice.id()}", code=2).err)


class Names(ContactsCase):
    def test_nobody_takes_a_name_over(self):
        alice, bob = self.pair()
        stranger, carol = self.peer("stranger", False), self.peer("carol")
        stranger.name = "bob"
        stranger.start()  # says in its `hello` that it is called bob
        alice.add(carol)
        before = self.contacts(alice)["bob"]
        stranger.run("offer", alice.address, stranger.file("x", 10), "--yes", "--no-wait")
        alice.await_pending(title="x")
        offer, = alice.offers()
        self.assertTrue(offer["from_stranger"])
        self.assertEqual((offer["peer"]["name"], offer["peer"]["calls_itself"]), ("", "bob"))
        for args, code in ((("add", "bob", stranger.address, "--yes"), 5), (("add", "bob", stranger.address, "--id", stranger.id()), 2),
                           (("add", "BOB", "--id", stranger.id()), 2), (("add", "bob", f"peer://{stranger.id()}@{stranger.address}"), 2),
                           (("add", "bob"), 2), (("rename", "carol", "bob"), 2), (("rename", "carol", "Bob"), 2), (("add", "robert", "--id", bob.id()), 2)):
            with self.subTest(args=args):
                alice.run(*args, code=code)
        # Made a contact of its own, it gets another name.
        alice.run("offer", stranger.address, alice.file("y", 10), "--yes", "--no-wait")
        now = self.contacts(alice)
        self.assertEqual(set(now), {"bob", "carol", "bob-2"})
        self.assertEqual((now["bob"]["id"], now["bob"]["verified"]), (before["id"], True))
        self.assertEqual((now["bob-2"]["id"], now["bob-2"]["verified"]), (stranger.id(), False))

    def test_names_that_look_like_another(self):
        alice = self.peer("alice")
        alice.run("add", "paul", "--id", made_up_id())
        for name in ("pau1", "Рaul", "pаul", "ｐaul"):
            with self.subTest(name=name):
                said = alice.run("add", name, "--id", made_up_id()).err
                self.assertIn("careful: ", said)
                self.assertIn("looks like your contact paul", said)
        alice.run("add", "anna", "--id", made_up_id())
        self.assertNotIn("careful", alice.run("rename", "anna", "berta").err)
        self.assertIn("looks like your contact paul", alice.run("rename", "berta", "paui").err)

    def test_notes(self):
        alice = self.peer("alice")
        alice.run("add", "bob", "--id", made_up_id())
        alice.run("note", "bob", "the laptop, \x1b[31mnot the desktop")
        self.assertIn("(the laptop, \\e[31mnot the desktop)", alice.run("peers").out)
        self.assertEqual(self.contacts(alice)["bob"]["note"], "the laptop, \x1b[31mnot the desktop")
        alice.stop()
        alice.start()
        self.assertIn("note: the laptop", alice.run("peers", "bob").out)
        self.assertIn("removed of bob: the laptop", alice.run("note", "bob").err)
        self.assertEqual(self.contacts(alice)["bob"]["note"], "")
        self.assertEqual(alice.run("note", "bob", "x" * 1001, code=None).code, 2)
        self.assertEqual(alice.run("note", "nobody", "x", code=None).code, 10)

    def test_what_the_list_says(self):
        alice, bob = self.pair()
        alice.run("add", "carol", "--id", made_up_id())
        alice.run("block", "carol")
        alice.run("trust", "bob")
        path = alice.file("x", 10)
        alice.run("offer", "bob", path, "--no-wait")
        self.take(bob, path, alice)
        lines = alice.run("peers").out.splitlines()
        self.assertRegex(lines[0], rf"^bob  {bob.id()[:15]}  verified, trusted  connected.*  {bob.address}")
        self.assertRegex(lines[1], r"^carol  .*  verified, blocked  not connected, not met yet")
        row = self.details(alice, "bob")
        self.assertEqual((row["online"], row["reachable"], row["route"]), (True, True, bob.address))
        self.assertGreater(row["online_since"], 0)
        self.assertEqual(row["known"][0]["learned"], "given")
        # Where she came from is no place to go to: where she listens is.
        row = self.details(bob, "alice")
        self.assertEqual((row["online"], row["listens_at"]), (True, alice.address))
        self.assertNotEqual(row["route"], alice.address)
        self.assertRegex(bob.run("peers").out, rf"^alice .*  connected.*  {alice.address}\n")
        self.assertIn(f" via {alice.address} (it came from {row['route']})", bob.run("peers", "alice").out)
        bob.stop()
        until(lambda: not self.details(alice, "bob")["online"], 10, "bob is away")
        self.assertRegex(alice.run("peers").out.splitlines()[0], r"not (connected|reachable), seen")
        self.assertEqual(alice.run("peers", "nobody", code=None).code, 10)

    def test_forgotten_during_a_transfer(self):
        alice, bob = self.pair()
        path = alice.file("big", 64 << 20)
        giving = alice.command("offer", "bob", path)
        bob.run("accept", str(bob.await_pending(title="big")), "--no-wait", "--limit", "2M")
        bob.run("forget", "alice")
        self.assertEqual(giving.finish().code, 3)
        self.assertEqual(self.contacts(bob), {})
        self.assertEqual(os.listdir(bob.downloads), [])
        bob.run("share", bob.files, "--as", "stuff")
        self.assertNotEqual(alice.run("list", "bob", "stuff", code=None).code, 0)
        alice.run("offer", "bob", alice.file("y", 10), "--no-wait")
        bob.await_pending(title="y")
        self.assertEqual([o["from_stranger"] for o in bob.offers()], [True])


class Files(ContactsCase):
    def test_export_and_import(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        alice.add(bob)
        alice.run("add", "dave", "--id", made_up_id())
        alice.run("add", "eve", bob.address.replace(str(bob.port), str(carol.port)), "--yes")
        alice.run("add", "frank", "--id", made_up_id())
        alice.run("block", "frank")
        alice.run("trust", "bob")
        alice.run("note", "bob", "‘the’ laptop\n")
        file = os.path.join(self.folder, "contacts.json")
        self.assertIn("3 contacts written; 1 blocked one left out", alice.run("peers", "--export", file).err)
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        self.assertIn("File exists: nothing is written over; name another file", alice.run("peers", "--export", file, code=1).err)
        with open(file) as f:
            text = f.read()
        self.assertEqual(alice.run("peers", "--export").out, text)
        self.assertEqual(alice.run("peers", "--export", "-").out, text)
        written = {c["name"]: c for c in json.loads(text)["contacts"]}
        self.assertEqual(written["bob"], {"name": "bob", "id": bob.id(), "note": "‘the’ laptop\n", "verified": True, "addresses": [bob.address]})

        self.assertIn("3 contacts added, not verified", carol.run("peers", "--import", file, code=0).err.replace("2 contacts", "3 contacts"))
        here = self.contacts(carol)
        self.assertEqual(set(here), {"bob", "dave"})  # eve is carol herself
        self.assertEqual([(c["verified"], c["trusted"]) for c in here.values()], [(False, False)] * 2)
        self.assertEqual(here["bob"]["note"], "‘the’ laptop\n")
        self.assertEqual(self.known(carol, "bob")[bob.address]["learned"], "imported")
        path = carol.file("x", 100)
        carol.run("offer", "bob", path, "--no-wait")
        self.take(bob, path, carol)
        # Again nothing changes; nor by a file that says otherwise.
        carol.run("note", "bob", "mine")
        again = carol.run("peers", "--import", "-", "--verified", stdin=text.encode())
        self.assertIn("0 contacts added, 2 known already (2 of them verified now)", again.err)
        for name in ("bob", "dave"):
            self.assertIn(f"verified now: {name}", again.err)
        self.assertEqual([(c["verified"], c["note"]) for c in (self.contacts(carol)["bob"],)], [(True, "mine")])
        again = carol.run("peers", "--import", "-", "--verified", stdin=text.encode()).err
        self.assertNotIn("verified now", again)
        self.assertIn("2 known already", again)

    def test_who_is_known_becomes_verified_only_under_the_same_name(self):
        alice = self.peer("alice")
        ids = [made_up_id() for _ in range(3)]
        text = json.dumps({"peer_contacts": 1, "contacts": [{"name": name, "id": one} for name, one in zip(("Ann", "ben", "cid"), ids)]})
        alice.run("peers", "--import", "-", stdin=text.encode())
        alice.run("rename", "ben", "benjamin")
        alice.run("rename", "Ann", "ann")
        said = alice.run("peers", "--import", "-", "--verified", stdin=text.replace('"cid",', '"cid", "verified": false,').encode()).err
        self.assertIn("verified now: ann", said)
        self.assertIn("‘ben’ is your contact benjamin and keeps that name, not verified", said)
        self.assertIn("3 known already (1 of them verified now)", said)
        self.assertEqual({n: c["verified"] for n, c in self.contacts(alice).items()}, {"ann": True, "benjamin": False, "cid": False})

    def test_verified_is_said_by_the_user(self):
        alice = self.peer("alice")
        ids = [made_up_id() for _ in range(3)]
        text = json.dumps({"peer_contacts": 1, "contacts": [
            {"name": "a", "id": ids[0]}, {"name": "b", "id": ids[1], "verified": True, "trusted": True}, {"name": "c", "id": ids[2], "verified": False, "new": [1]}]})
        alice.run("peers", "--import", "-", "--verified", stdin=text.encode())
        self.assertEqual([(c["name"], c["verified"], c["trusted"]) for c in self.contacts(alice).values()], [("a", True, False), ("b", True, False), ("c", False, False)])

    def test_an_import_overwrites_nothing(self):
        alice, bob = self.pair()
        alice.run("rename", "bob", "robert")
        alice.run("add", "carol", "--id", made_up_id())
        carols = self.contacts(alice)["carol"]["id"]
        other, new = made_up_id(), made_up_id()
        alice.run("block", other)
        text = json.dumps({"peer_contacts": 1, "contacts": [
            {"name": "mallory", "id": bob.id(), "addresses": ["127.0.0.1:9"]}, {"name": "Carol", "id": made_up_id(), "verified": True},
            {"name": "friend", "id": other}, {"name": "dave", "id": new}, {"name": "car0l", "id": made_up_id()}]})
        said = alice.run("peers", "--import", "-", stdin=text.encode(), code=8).err
        self.assertIn("‘mallory’ is your contact robert and keeps that name", said)
        self.assertIn("‘Carol’ was left out: that is the name of another contact here, " + carols[:15], said)
        self.assertIn("‘friend’ was left out: this peer is blocked here", said)
        self.assertIn("careful: ‘car0l’ looks like your contact carol", said)
        here = self.contacts(alice)
        self.assertEqual({n: here[n]["id"] for n in ("robert", "carol", "dave")}, {"robert": bob.id(), "carol": carols, "dave": new})
        self.assertEqual(len(here), 4)
        self.assertTrue(here["robert"]["verified"])
        # What was added is found where he is, not where the file says.
        path = alice.file("x", 10)
        alice.run("offer", "robert", path, "--no-wait")
        self.take(bob, path, alice)

    def test_a_bad_file_is_named_and_nothing_of_it_is_kept(self):
        alice = self.peer("alice")
        good, a = {"name": "good", "id": made_up_id()}, made_up_id()

        def file(*contacts, **more):
            return json.dumps({"peer_contacts": 1, "contacts": [good, *contacts], **more})
        for text, part in (('{"peer_contacts":1,\n"contacts":[\n{"name":}]}', "line 3"), ("", "nothing"), ("[" * 100000, "levels"), ("[]", "object"), ('{"peer_contacts":1}', "contacts"),
                           ('{"contacts":[]}', "peer_contacts"), (file(peer_contacts=2), "later version"), (file("x"), "contact 2"), (file({"name": "x"}), "contact 2 (‘x’): id is missing"),
                           (file({"id": a}), "contact 2: name is missing"), (file({"name": "x", "id": a[:-1]}), "contact 2 (‘x’): id: "), (file({"name": "two words", "id": a}), "contact 2 (‘two words’): name: "),
                           (file({"name": "GOOD", "id": a}), "contact 2 (‘GOOD’): name: another"), (file({"name": "x", "id": good["id"]}), "contact 2 (‘x’): id: another"),
                           (file({"name": "x", "id": a, "addresses": ["1.2.3.4:0"]}), "contact 2 (‘x’): addresses: "), (file({"name": "x", "id": a, "addresses": "1.2.3.4"}), "addresses is no list"),
                           (file({"name": "x", "id": a, "verified": 1}), "verified is neither"), (file({"name": "x", "id": a, "note": "y" * 2000}), "note is longer"),
                           (file({"name": "x", "id": a, "addresses": ["1.2.3.4:5"] * 81}), "more than 80"), ('{"peer_contacts":1,"peer_contacts":1,"contacts":[]}', "repeated"),
                           ('{"peer_contacts":1,"contacts":[],"x":"' + "y" * (17 << 20) + '"}', "larger than")):
            with self.subTest(text=text[:200]):
                refused = alice.run("peers", "--import", "-", stdin=text.encode(), code=1)
                self.assertIn(part, refused.err)
                self.assertIn("nothing was imported", refused.err)
        # Several faults: a line for each of the first, and how many more there are.
        for bad, part in (({"name": "x"}, "id is missing"), ({"name": "x", "id": "y"}, "id: ")):
            said = alice.run("peers", "--import", "-", stdin=file(*[{**bad, "name": f"x{n}"} for n in range(7)]).encode(), code=1).err
            lines = said.splitlines()
            self.assertEqual(len(lines), 7, said)
            self.assertIn("import ‘-’: nothing was imported:", lines[0])
            for n in range(5):
                self.assertTrue(lines[n + 1].startswith(f"  contact {n + 2} (‘x{n}’): {part}"), said)
            self.assertEqual(lines[6], "  and 2 more")
        self.assertEqual(self.contacts(alice), {})
        self.assertIn("No such file", alice.run("peers", "--import", os.path.join(self.folder, "none"), code=1).err)
        for args in (("--import", "-", "--export"), ("--verified",), ("--import", "-", "bob"), ("--watch", "--export")):
            with self.subTest(args=args):
                self.assertEqual(alice.run("peers", *args, code=None).code, 2)

    def test_thousands_of_contacts(self):
        alice = self.peer("alice")
        ids = [made_up_id() for _ in range(3000)]
        text = json.dumps({"peer_contacts": 1, "contacts": [
            {"name": f"friend{i}", "id": one, "note": "n" * 100, "addresses": [f"10.{i % 200}.0.{j}:56744" for j in range(8)]} for i, one in enumerate(ids)]})
        self.assertIn("3,000 contacts added", alice.run("peers", "--import", "-", stdin=text.encode()).err)
        rows = alice.run("peers", "--json").rows()
        self.assertEqual({r["id"] for r in rows}, set(ids))
        self.assertEqual([r["name"] for r in rows], sorted(r["name"] for r in rows))
        self.assertEqual(len(alice.run("peers").out.splitlines()), 3000)
        alice.stop()
        alice.start("--hidden")
        self.assertEqual(len(json.loads(alice.run("peers", "--export").out)["contacts"]), 3000)
        watching = alice.command("peers", "--watch", "--json")
        row = json.loads(watching.process.stdout.readline())
        self.assertEqual(len(row["peers"]), 3000)
        watching.process.terminate()
        watching.finish()


class Pictures(ContactsCase):
    def picture(self, out):
        """The modules that the lines draw, True where dark, and what follows them."""
        lines = out.splitlines()
        start, end = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
        drawn = [line[len(start):-len(end)] for line in lines if line.startswith(start)]
        self.assertTrue(all(line.endswith(end) for line in lines if line.startswith(start)))
        rows = []
        for line in drawn:
            rows += [[c in "█▀" for c in line], [c in "█▄" for c in line]]
        side = len(drawn[0])
        self.assertFalse(any(any(row) for row in rows[side:]))
        return rows[:side], lines[len(drawn):]

    def test_a_picture_of_id_and_addresses(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        self.assertEqual(alice.run("id").out, alice.id() + "\n")
        said = alice.run("id", "--qr").out
        if "\x1b" not in said:
            self.skipTest("built without libqrencode")
        rows, (link,) = self.picture(said)
        self.assertEqual(link, f"peer://{alice.id()}@{alice.address}")
        self.assertLessEqual(len(rows), 80)
        quiet = [*rows[:4], *rows[-4:], *([row[x] for row in rows] for x in (0, 1, 2, 3, -1, -2, -3, -4))]
        self.assertFalse(any(map(any, quiet)), "four modules of light around it")
        self.assertEqual(self.read(rows, link), link)
        bob.run("add", "alice", link)
        row = self.contacts(bob)["alice"]
        self.assertEqual((row["verified"], row["online"]), (True, True))
        # A contact's can be handed on; --json holds the link alone.
        self.assertEqual(bob.run("id", "alice", "--json").rows()[0]["link"], link)

    def read(self, rows, text):
        """What a reader sees: zbarimg if it is installed, else the code must be libqrencode's own of this text."""
        if shutil.which("zbarimg"):
            path = os.path.join(self.folder, "qr.pgm")
            with open(path, "wb") as f:
                f.write(b"P5 %d %d 255\n" % (len(rows) * 4, len(rows) * 4))
                for row in rows:
                    f.write(b"".join((b"\0" if dark else b"\xff") * 4 for dark in row) * 4)
            return subprocess.run(["zbarimg", "-q", "--raw", path], capture_output=True, text=True, check=True).stdout.strip()

        class Code(ctypes.Structure):
            _fields_ = [("version", ctypes.c_int), ("width", ctypes.c_int), ("data", ctypes.POINTER(ctypes.c_ubyte))]
        library = ctypes.CDLL("libqrencode.so.4")
        library.QRcode_encodeData.restype = ctypes.POINTER(Code)
        code = library.QRcode_encodeData(len(text), text.encode(), 0, 1).contents
        inner = [row[4:-4] for row in rows[4:-4]]
        self.assertEqual(code.width, len(inner))
        self.assertEqual([[bool(code.data[y * code.width + x] & 1) for x in range(code.width)] for y in range(code.width)], inner)
        return text


@unittest.skipIf(why_not(), why_not())
class Nearby(ContactsCase):
    def lan(self, *names):
        net = Lan()
        self.addCleanup(net.close)
        folder, peers = tempfile.mkdtemp(dir=self.folder), []
        for name in names:
            host = net.plug(name, families=(4,))
            p = Peer(folder, name, net.address(name))
            os.remove(os.path.join(p.home, "config.toml"))  # discovery is on
            p.machine, p.inside, p.listen = host, host.inside, []
            peers.append(p)
            self.peers.append(p)
            p.start()
        return net, *peers

    def until_heard(self, peer, *others):
        def heard():
            return {r["id"] for r in Questions(peer).ask("peers")["peers"] if r.get("nearby")} >= {p.id() for p in others}
        until(heard, 5, lambda: f"{peer.name} hears {[p.name for p in others]}")

    def test_add_by_name_alone(self):
        net, alice, bob = self.lan("alice", "bob")
        self.until_heard(alice, bob)
        for yes in ((), ("--yes",)):
            refused = alice.run("add", "bob", *yes, code=10)
            self.assertRegex(refused.err, f"Nearby: ‘bob’ {bob.id()[:15]} at {bob.address}")
        self.assertIn("nobody nearby", alice.run("add", "carol", code=10).err)
        asking = Terminal(alice, "add", "bob")
        self.addCleanup(asking.close)
        asking.expect(f"Nearby: ‘bob’ {bob.id()[:15]} at {bob.address}")
        asking.expect("Is it meant")
        asking.type("y")
        asking.expect(bob.id())
        asking.expect("y, u or n")
        asking.type("y")
        asking.finish(0)
        row = self.contacts(alice)["bob"]
        self.assertEqual((row["id"], row["verified"]), (bob.id(), True))
        self.assertEqual([a["learned"] for a in self.details(alice, "bob")["known"]], ["nearby"])
        refused = Terminal(alice, "add", "bob2")
        self.addCleanup(refused.close)
        self.assertIn("nobody nearby", refused.finish(10))

    def test_a_stranger_under_a_contacts_name(self):
        net, alice, bob, mallory = self.lan("alice", "bob", "mallory")
        alice.run("add", "bob", bob.address, "--id", bob.id())
        mallory.stop()
        mallory.name = "b0b"
        mallory.start()
        self.until_heard(alice, bob, mallory)
        self.assertRegex(alice.run("peers").out, r"(?m)^‘b0b’  .*stranger, not your contact bob")
        # bob's ID announced from mallory's address is tried, noted, and changes nothing.
        where = f"{mallory.host}:{mallory.port}"
        bobs = bob.id()
        beacon = json.dumps({"type": "here", "version": 1, "port": mallory.port, "name": "bob", "id": bobs})
        say = ("import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.setsockopt(0,32,socket.inet_aton(sys.argv[1])); "
               "s.sendto(sys.argv[2].encode(),('224.0.0.221',56744))")
        mallory.machine.run("python3", "-c", say, mallory.host, beacon)
        until(lambda: where in self.details(alice, "bob").get("nearby", []), 5, lambda: self.details(alice, "bob"))
        path = alice.file("x", 10)
        alice.run("offer", "bob", path, "--no-wait")
        self.take(bob, path, alice)
        self.assertNotIn(where, self.known(alice, "bob"))
        self.assertEqual(mallory.offers(), [])
        bob.stop()
        mallory.machine.run("python3", "-c", say, mallory.host, beacon)
        until(lambda: where in self.details(alice, "bob").get("nearby", []), 5, lambda: self.details(alice, "bob"))
        refused = alice.run("offer", "bob", alice.file("secret", 10), "--no-wait", code=5)
        self.assertIn(mallory.id(), refused.err)
        self.assertIn(bob.address, self.known(alice, "bob"))

    def test_an_address_that_swallows_everything(self):
        net, alice, bob = self.lan("alice", "bob")
        net.switch.nft("table bridge lab { chain forward { type filter hook forward priority 0; udp dport 56744 drop; ip daddr 10.91.0.2 drop; }\n}")
        bob.machine.ip("addr add 10.91.0.77/24 dev eth0")
        began = time.monotonic()
        alice.run("add", "bob", f"peer://{bob.id()}@{bob.address},10.91.0.77:{bob.port}")
        self.assertLess(time.monotonic() - began, 4 * PATIENCE)
        known = self.known(alice, "bob")
        self.assertEqual([bool(known[a]["last_answered"]) for a in (bob.address, f"10.91.0.77:{bob.port}")], [False, True])


if __name__ == "__main__":
    unittest.main(verbosity=2)
