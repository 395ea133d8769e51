"""Shared folders: listed and fetched by chosen contacts, and by nobody else."""
import os
import unittest

from peers import Case


class Shares(Case):
    def shared(self, *options):
        alice, bob = self.pair()
        for name, size in (("pub/a.txt", 100), ("pub/sub/b.txt", 200), ("pub/sub/c/d.bin", 300_000)):
            alice.file(name, size, seed=size)
        os.symlink("/etc/passwd", os.path.join(alice.files, "pub/out"))
        alice.run("share", os.path.join(alice.files, "pub"), *options)
        return alice, bob

    def test_list_and_get(self):
        alice, bob = self.shared("--as", "things")
        self.assertIn("things", bob.run("list", "alice").out)
        names = bob.run("list", "alice", "things").out
        self.assertIn("a.txt", names)
        self.assertIn("sub", names)
        here = os.path.join(bob.folder, "here")
        os.mkdir(here)
        bob.run("get", "alice", "things/sub", "things/a.txt", cwd=here)
        self.assertEqual(sorted(os.listdir(here)), ["a.txt", "sub"])
        self.assert_same(os.path.join(alice.files, "pub/sub"), os.path.join(here, "sub"))
        self.assertEqual(alice.offers() + bob.offers(), [])

    def test_shares_under_other_names(self):
        alice, bob = self.shared("--as", "things")
        alice.run("share", alice.file("private-name.txt", 50), "--as", "letter")
        listed = {r["name"]: r["kind"] for r in bob.run("list", "alice", "--json").rows() if r["type"] == "entry"}
        self.assertEqual(listed, {"letter": "file", "things": "folder"})
        self.assertNotIn("private-name", bob.run("list", "alice", "letter").out)
        here = os.path.join(bob.folder, "here")
        os.mkdir(here)
        bob.run("get", "alice", "things", "letter", cwd=here)
        self.assertEqual(sorted(os.listdir(here)), ["letter", "things"])
        self.assert_same(os.path.join(alice.files, "private-name.txt"), os.path.join(here, "letter"))
        twice = bob.run("get", "alice", "things/sub", "things/sub/", cwd=here, code=2)
        self.assertIn("sub", twice.err)

    def test_a_dry_run_fetches_nothing(self):
        alice, bob = self.shared()
        here = os.path.join(bob.folder, "here")
        os.mkdir(here)
        looked = bob.run("get", "alice", "pub", "-n", cwd=here)
        self.assertIn("3 files", looked.out + looked.err)
        self.assertEqual(os.listdir(here), [])
        self.assertEqual(alice.offers() + bob.offers(), [])

    def test_what_was_not_chosen_is_not_left_on_offer(self):
        alice, bob = self.shared()
        bob.run("get", "alice", "pub", "--only", "a.txt", "--to", os.path.join(bob.folder, "here"))
        self.assertEqual(os.listdir(os.path.join(bob.folder, "here/pub")), ["a.txt"])
        self.assertEqual(alice.offers() + bob.offers(), [])

    def test_a_get_that_fails_leaves_nothing_on_offer(self):
        alice, bob = self.shared()
        bob.run("get", "alice", "pub", "--only", "zzz*", "--to", bob.folder, code=2)
        self.assertEqual(alice.offers() + bob.offers(), [])

    def test_with_somebody_else(self):
        alice, bob = self.pair()
        carol = self.peer("carol")
        carol.add(alice)
        alice.run("add", "carol", "--id", carol.id())
        alice.file("pub/a.txt", 100)
        alice.run("share", os.path.join(alice.files, "pub"), "--with", "carol")
        self.assertIn("pub", carol.run("list", "alice").out)
        self.assertNotIn("pub", bob.run("list", "alice").out)
        self.assertEqual(bob.run("get", "alice", "pub/a.txt", code=None).code, 10)
        self.assertEqual(bob.run("list", "alice", "pub", code=None).code, 10)

    def test_nothing_outside(self):
        alice, bob = self.shared()
        alice.file("secret", 10)
        for path in ("pub/../secret", "../secret", "pub/out", "/etc/passwd", "pub/.."):
            with self.subTest(path=path):
                here = os.path.join(bob.folder, "here")
                os.makedirs(here, exist_ok=True)
                got = bob.run("get", "alice", path, cwd=here, code=None, timeout=30)
                self.assertNotIn("secret", os.listdir(here))
                self.assertFalse([n for n in os.listdir(here) if os.path.isfile(os.path.join(here, n))], repr(got))

    def test_unshare(self):
        alice, bob = self.shared()
        self.assertIn("pub", alice.run("shares").out)
        alice.run("unshare", "pub")
        self.assertEqual(bob.run("list", "alice", "pub", code=None).code, 10)

    def test_a_long_listing(self):
        alice, bob = self.pair()
        folder = os.path.join(alice.files, "pub")
        os.mkdir(folder)
        for i in range(1300):
            open(os.path.join(folder, f"name-{i}-" + "x" * 200), "w").close()
        alice.run("share", folder)
        listed = bob.run("list", "alice", "pub").out
        self.assertEqual(sum("name-" in line for line in listed.splitlines()), 1300)


if __name__ == "__main__":
    unittest.main(verbosity=2)
