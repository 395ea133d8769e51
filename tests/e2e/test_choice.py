"""What the taker decides: which files, where, and what happens to names that are taken."""
import os
import unittest

from peers import Case, snapshot


class Choice(Case):
    def tree(self, peer):
        for name, size in (("photos/a.jpg", 4000), ("photos/b.jpg", 5000), ("photos/sub/c.jpg", 6000), ("photos/notes.txt", 700), ("photos/raw/d.raw", 90000)):
            peer.file(name, size, seed=size)
        return os.path.join(peer.files, "photos")

    def test_rename_is_the_default(self):
        alice, bob = self.pair()
        tree = self.tree(alice)
        os.mkdir(os.path.join(bob.downloads, "photos"))
        with open(os.path.join(bob.downloads, "photos/mine"), "w") as f:
            f.write("mine")
        before = snapshot(os.path.join(bob.downloads, "photos"))
        self.give(alice, bob, tree)
        self.assert_same(tree, os.path.join(bob.downloads, "photos (1)"))
        self.assertEqual(snapshot(os.path.join(bob.downloads, "photos")), before)
        file = alice.file("x.txt", 10)
        for name in ("x.txt", "x (1).txt", "x (2).txt"):
            self.give(alice, bob, file, offer=("--again",))
            self.assert_same(file, os.path.join(bob.downloads, name))

    def clash(self, rule):
        """bob has the same a.jpg, another b.jpg, and a file of his own; returns (tree, his folder)."""
        alice, bob = self.pair()
        tree, mine = self.tree(alice), os.path.join(bob.downloads, "photos")
        os.mkdir(mine)
        with open(os.path.join(tree, "a.jpg"), "rb") as f, open(os.path.join(mine, "a.jpg"), "wb") as g:
            g.write(f.read())
        st = os.stat(os.path.join(tree, "a.jpg"))
        os.utime(os.path.join(mine, "a.jpg"), ns=(0, st.st_mtime_ns))
        for name in ("b.jpg", "own.txt"):
            with open(os.path.join(mine, name), "wb") as f:
                f.write(b"bob's")
        inodes = {n: os.stat(os.path.join(mine, n)).st_ino for n in ("a.jpg", "b.jpg", "own.txt")}
        given, taken = self.give(alice, bob, tree, accept=("--on-clash", rule))
        now = {n: os.stat(os.path.join(mine, n)).st_ino for n in inodes}
        self.assertEqual(inodes["own.txt"], now["own.txt"])
        self.assertEqual(os.listdir(bob.downloads), ["photos"])
        self.assert_same(os.path.join(tree, "sub"), os.path.join(mine, "sub"))
        self.assert_same(os.path.join(tree, "notes.txt"), os.path.join(mine, "notes.txt"))
        with open(os.path.join(mine, "own.txt"), "rb") as f:
            self.assertEqual(f.read(), b"bob's")
        return tree, mine, {n for n in inodes if inodes[n] != now[n]}

    def test_skip(self):
        _, mine, replaced = self.clash("skip")
        self.assertEqual(replaced, set())
        with open(os.path.join(mine, "b.jpg"), "rb") as f:
            self.assertEqual(f.read(), b"bob's")

    def test_update(self):
        tree, mine, replaced = self.clash("update")
        self.assertEqual(replaced, {"b.jpg"})
        self.assert_same(os.path.join(tree, "b.jpg"), os.path.join(mine, "b.jpg"))

    def test_overwrite(self):
        tree, mine, replaced = self.clash("overwrite")
        self.assertIn("b.jpg", replaced)
        self.assert_same(os.path.join(tree, "b.jpg"), os.path.join(mine, "b.jpg"))

    def test_overwrite_never_follows_links(self):
        alice, bob = self.pair()
        alice.file("d/x", 100)
        outside = bob.file("precious", content=b"precious")
        os.mkdir(os.path.join(bob.downloads, "d"))
        os.symlink(outside, os.path.join(bob.downloads, "d/x"))
        self.give(alice, bob, os.path.join(alice.files, "d"), accept=("--on-clash", "overwrite"), accept_code=None, code=None)
        with open(outside, "rb") as f:
            self.assertEqual(f.read(), b"precious")

    def test_a_linked_folder_in_the_way_is_not_entered(self):
        alice, bob = self.pair()
        alice.file("d/x", 100)
        outside = os.path.join(bob.folder, "outside")
        os.mkdir(outside)
        os.symlink(outside, os.path.join(bob.downloads, "d"))
        self.give(alice, bob, os.path.join(alice.files, "d"), accept=("--on-clash", "overwrite"), accept_code=None, code=None)
        self.assertEqual(os.listdir(outside), [])

    def test_only_and_the_rest_later(self):
        alice, bob = self.pair()
        tree = self.tree(alice)
        number = alice.run("offer", "bob", tree, "--no-wait").out.strip()
        mine = bob.await_pending()
        taken = bob.run("accept", str(mine), "--only", "*.jpg")
        got = os.path.join(bob.downloads, "photos")
        self.assertEqual(sorted(os.listdir(got)), ["a.jpg", "b.jpg", "sub"], repr(taken))
        alice.run("wait", number)
        self.assertEqual([o["state"] for o in bob.offers()], ["partial"])
        # The rest joins the folder that the first part made.
        rest = bob.run("accept", str(mine))
        self.assertRegex(rest.err, r"received 2 files, 91 kB in .* \(")
        os.utime(tree, ns=(0, os.lstat(got).st_mtime_ns))
        self.assert_same(tree, got)
        self.assertEqual(os.listdir(bob.downloads), ["photos"])
        self.assertEqual(bob.offers(), [])

    def test_except_of_the_taker_and_only_of_the_giver(self):
        alice, bob = self.pair()
        tree = self.tree(alice)
        self.give(alice, bob, tree, offer=("--only", "*.jpg", "--only", "*.txt"), accept=("--except", "photos/sub"))
        self.assertEqual(sorted(os.listdir(os.path.join(bob.downloads, "photos"))), ["a.jpg", "b.jpg", "notes.txt"])

    def test_what_is_replaced_is_said_before(self):
        alice, bob = self.pair()
        alice.run("offer", "bob", alice.file("x", 10), "--no-wait")
        bob.file("../downloads/x", 20)
        number = str(bob.await_pending())
        for rule in ("update", "overwrite"):
            said = bob.run("accept", number, "--on-clash", rule, "-n").out
            self.assertIn("replaced", said)
            self.assertNotIn("leaves them as they are", said)
        self.assertIn("leaves them as they are", bob.run("accept", number, "-n").out)

    def test_cancelling_a_rest_removes_nothing(self):
        alice, bob = self.pair()
        number = alice.run("offer", "bob", self.tree(alice), "--no-wait").out.strip()
        mine = str(bob.await_pending())
        bob.run("accept", mine, "--only", "*.jpg")
        self.assertNotIn("removed", bob.run("cancel", mine).err)
        self.assertEqual(sorted(os.listdir(os.path.join(bob.downloads, "photos"))), ["a.jpg", "b.jpg", "sub"])
        self.assertIn("cancelled by bob", alice.run("wait", number, code=3).err)
        for peer in (alice, bob):
            self.assertRegex(peer.run("history").out, "cancelled.*, part of it taken")

    def test_what_chooses_nothing_is_an_error(self):
        alice, bob = self.pair()
        alice.run("offer", "bob", alice.file("x", 10), "--no-wait")
        number = str(bob.await_pending())
        self.assertIn("matches", bob.run("accept", number, "--only", "zzz*", code=2).err)
        self.assertEqual([o["state"] for o in bob.offers()], ["pending"])

    def test_to_and_as(self):
        alice, bob = self.pair()
        tree, to = self.tree(alice), os.path.join(bob.folder, "elsewhere")
        self.give(alice, bob, tree, accept=("--to", to, "--as", "trip"))
        self.assert_same(tree, os.path.join(to, "trip"))
        self.assertEqual(os.listdir(bob.downloads), [])

    def test_dry_runs_change_nothing(self):
        alice, bob = self.pair()
        tree = self.tree(alice)
        alice.run("offer", "bob", tree, "--dry-run")
        self.assertEqual(alice.offers(), [])
        alice.run("offer", "bob", tree, "--no-wait")
        number = bob.await_pending()
        bob.run("accept", str(number), "-n")
        self.assertEqual([o["state"] for o in bob.offers()], ["pending"])
        self.assertEqual(os.listdir(bob.downloads), [])

    def test_forbidden_destinations(self):
        alice, bob = self.pair()
        alice.run("offer", "bob", self.tree(alice), "--no-wait")
        number = bob.await_pending()
        for bad in ("/", bob.folder):  # bob.folder is his $HOME
            refused = bob.run("accept", str(number), "--to", bad, code=None)
            self.assertNotEqual(refused.code, 0, repr(refused))
        self.assertEqual([o["state"] for o in bob.offers()], ["pending"])

    def test_the_offer_is_shown_whole_before_the_decision(self):
        alice, bob = self.pair()
        tree = self.tree(alice)
        alice.file("photos/.hidden", 5)
        os.chmod(alice.file("photos/run.sh", 5), 0o755)
        alice.run("offer", "bob", tree, "--note", "from the \x1b[31mtrip", "--no-wait")
        number = str(bob.await_pending())
        brief = bob.run("offers").out
        for part in ("alice", "photos", f"peer accept {number}", f"peer reject {number}", "from the"):
            self.assertIn(part, brief)
        self.assertNotIn("\x1b", brief)
        whole = bob.run("offers", number).out
        for part in ("photos/a.jpg", "photos/raw/d.raw", "photos/.hidden", "photos/run.sh"):
            self.assertIn(part, whole)


if __name__ == "__main__":
    unittest.main(verbosity=2)
