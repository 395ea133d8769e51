"""Who is who: contacts, strangers, wrong certificates, blocked peers."""
import os
import stat
import unittest

from peers import Case, ID


class Identity(Case):
    def test_another_certificate_at_a_known_address(self):
        alice, bob = self.pair()
        bobs_id = bob.id()
        bob.stop()
        mallory = self.peer("mallory", False)
        mallory.port = bob.port
        mallory.start()
        secret = alice.file("secret-name.txt", 10)
        given = alice.run("offer", "bob", secret, "--yes", "--timeout", "20", code=None)
        self.assertEqual(given.code, 5, repr(given))
        self.assertIn(bobs_id, given.err)
        self.assertIn(mallory.id(), given.err)
        self.assertEqual(mallory.offers(), [])
        self.assertNotIn("secret-name", "".join(mallory.log))
        lines = given.err.splitlines()
        self.assertIn(f"  expected {bobs_id}", lines)
        self.assertIn(f"  met      {mallory.id()}", lines)

    def test_add_with_a_wrong_id(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        refused = alice.run("add", "bob", bob.address, "--id", carol.id(), code=5)
        self.assertIn(bob.id(), refused.err)
        self.assertNotIn("bob", [r.get("name") for r in alice.run("peers", "--json").rows()])
        self.assertNotIn("forget", refused.err)  # there is nobody to forget
        self.assertIn("--id", refused.err)

    def test_add_again_is_about_the_same_peer(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        alice.run("add", "bob", bob.address, "--yes")
        alice.run("add", "bob", bob.address, "--yes")
        self.assertIn("peer forget bob", alice.run("add", "bob", carol.address, "--yes", code=5).err)
        alice.run("add", "bob", "--id", bob.id())
        row, = alice.run("peers", "--json").rows()
        self.assertEqual((row["id"], row["verified"]), (bob.id(), True))

    def test_words_about_peers_and_addresses(self):
        alice = self.peer("alice")
        for args, code, parts in ((("add", "bob", "127.0.0.1:9"), 4, ("127.0.0.1:9 refused",)), (("add", "bob", alice.address), 2, (f"{alice.address} is this peer itself",)),
                                  (("offer", alice.address, alice.file("y", 1)), 2, (f"{alice.address} is this peer itself",)),
                                  (("add", "bob", "no-such-host.invalid"), 4, ("no-such-host.invalid", "name")),
                                  (("add", "bob", "--id", alice.id()[:-1] + ("A" if alice.id()[-1] != "A" else "B")), 2, ("group",)),
                                  (("offer", alice.id()[:-1] + ("A" if alice.id()[-1] != "A" else "B"), alice.file("x", 1)), 2, ("group",))):
            with self.subTest(args=args):
                said = alice.run(*args, code=code).err
                for part in parts:
                    self.assertIn(part, said)
                self.assertNotIn("Invalid argument", said)
                self.assertNotIn("authoritative", said)

    def test_add_asks_and_yes_answers(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        self.assertEqual(alice.run("add", "bob", bob.address, "--no-input", code=None).code, 5)
        met = alice.run("add", "bob", bob.address, "--yes")
        self.assertIn(bob.id(), met.out + met.err)
        row, = [r for r in alice.run("peers", "--json").rows() if r["name"] == "bob"]
        self.assertEqual((row["verified"], row["trusted"], row["id"]), (False, False, bob.id()))
        self.assertNotEqual(alice.run("trust", "bob", code=None).code, 0)  # unverified needs to be said
        alice.run("trust", "bob", "--unverified")
        row, = [r for r in alice.run("peers", "--json").rows() if r["name"] == "bob"]
        self.assertTrue(row["trusted"])

    def test_trusted_is_taken_without_asking(self):
        alice, bob = self.pair()
        bob.run("trust", "alice")
        path = alice.file("x", 1000)
        with open(os.path.join(bob.downloads, "x"), "w") as f:
            f.write("mine")
        alice.run("offer", "bob", path)
        self.assert_same(path, os.path.join(bob.downloads, "x (1)"))
        bob.run("untrust", "alice")
        alice.run("offer", "bob", path, "--again", "--no-wait")
        bob.await_pending()

    def test_a_stranger_knocks(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        giving = alice.command("offer", "--yes", bob.address, alice.file("x", 1000))
        number = bob.await_pending()
        row, = bob.offers()
        self.assertTrue(row["from_stranger"])
        self.assertFalse(row["peer"]["contact"])
        shown = bob.run("offers").out
        self.assertIn("stranger", shown)
        self.assertIn(alice.id()[:15], shown)
        bob.run("accept", str(number))
        self.assertEqual(giving.finish().code, 0)
        # Accepted once is not a contact, and gets nothing else.
        self.assertEqual([r for r in bob.run("peers", "--json").rows() if r.get("contact")], [])
        bob.run("share", bob.files, "--as", "stuff")
        self.assertEqual(alice.run("list", bob.address, "stuff", "--yes", code=None).code, 10)

    def test_strangers_are_bounded(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        for i in range(2):
            alice.run("offer", "--yes", bob.address, alice.file(f"x{i}", 10), "--no-wait")
        for title in ("x0", "x1"):
            bob.await_pending(title=title)
        for w in bob.watches:
            w.close()
        bob.watches = []
        third = alice.run("offer", "--yes", bob.address, alice.file("x3", 10), "--timeout", "10", code=None)
        self.assertNotEqual(third.code, 0)
        self.assertEqual(len(bob.offers()), 2)

    def test_a_stranger_that_withdraws_leaves_no_trace(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        number = alice.run("offer", "--yes", bob.address, alice.file("x", 10), "--no-wait").out.strip()
        theirs = bob.await_pending()
        alice.run("cancel", number)
        bob.await_end("cancelled", number=theirs)
        self.assertEqual(bob.run("history", "--json").rows(), [])
        # What was answered does.
        alice.run("offer", "--yes", bob.address, alice.file("y", 10), "--no-wait")
        bob.run("reject", str(bob.await_pending(title="y")))
        self.assertEqual([o["state"] for o in bob.run("history", "--json").rows()], ["rejected"])

    def test_the_door_for_strangers_closed(self):
        alice, bob = self.peer("alice"), self.peer("bob", False)
        bob.run("config", "offers_from", "contacts")
        bob.start()
        refused = alice.run("offer", "--yes", bob.address, alice.file("x", 10), "--timeout", "10", code=None)
        self.assertEqual(refused.code, 3, repr(refused))
        self.assertEqual(bob.offers(), [])

    def test_blocked(self):
        alice, bob = self.pair()
        bob.run("block", "alice")
        self.assertNotEqual(alice.run("offer", "bob", alice.file("x", 10), "--timeout", "5", code=None).code, 0)
        self.assertEqual(bob.offers(), [])
        bob.run("unblock", "alice")
        bob.await_pending(title="x")  # it has waited for that
        self.give(alice, bob, alice.file("y", 10), title="y")

    def test_a_stranger_by_its_short_id(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        alice.run("offer", "--yes", bob.address, alice.file("x", 10), "--no-wait")
        bob.await_pending()
        short = alice.id()[:15]
        self.assertIn(alice.id(), bob.run("id", short).out)
        bob.run("block", short)
        self.assertEqual(bob.offers(), [])
        bob.run("unblock", short.lower())
        self.assertEqual(bob.run("id", "AAAAAAA-BBBBBBB", code=None).code, 2)

    def test_contacts(self):
        alice, bob = self.pair()
        alice.run("rename", "bob", "robert")
        self.assertEqual([r["name"] for r in alice.run("peers", "--json").rows()], ["robert"])
        self.assertEqual(ID.search(alice.run("id", "robert").out).group(), bob.id())
        for bad in ("two words", "a/b", "a:b", "123", "-x", "anyone", "contacts", "x" * 65, "e\x1bsc"):
            with self.subTest(name=bad):
                self.assertEqual(alice.run("rename", "robert", "--", bad, code=None).code, 2)
        alice.run("forget", "robert")
        self.assertEqual(alice.run("id", "robert", code=None).code, 10)

    def test_files_of_the_state_are_private(self):
        alice = self.peer("alice")
        alice.id()
        for where, folders, files in os.walk(alice.home):
            for name in files + folders:
                mode = os.lstat(os.path.join(where, name)).st_mode
                self.assertEqual(stat.S_IMODE(mode) & 0o077, 0, f"{name} {mode:o}")
        key = os.path.join(alice.home, "identity.pem")
        alice.stop()
        os.chmod(key, 0o644)
        self.assertNotEqual(alice.run("id", code=None).code, 0)
        os.chmod(key, 0o600)

    def test_own_state_is_never_offered(self):
        alice, bob = self.pair()
        given = alice.run("offer", "bob", alice.folder, "--no-wait")
        number = bob.await_pending()
        whole = bob.run("offers", str(number)).out
        self.assertNotIn("identity.pem", whole, repr(given))
        self.assertNotEqual(alice.run("offer", "bob", os.path.join(alice.home, "identity.pem"), "--no-wait", code=None).code, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
