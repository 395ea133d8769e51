"""The main job: an offer, a yes, and every kind of file arrives as it was."""
import os
import time
import unittest

from peers import Case


class Transfer(Case):
    def test_one_file_each_way(self):
        alice, bob = self.pair()
        a, b = alice.file("notes.md", 5000), bob.file("answer.txt", 70000, seed=2)
        given, taken = self.give(alice, bob, a)
        self.assertIn("delivered", given.out + given.err)
        self.assertIn("verified", taken.out + taken.err)
        self.assert_same(a, os.path.join(bob.downloads, "notes.md"))
        # bob has no address of alice: what he offers goes over the session that alice opened.
        self.give(bob, alice, b)
        self.assert_same(b, os.path.join(alice.downloads, "answer.txt"))
        self.assert_no_leftovers(bob.downloads)
        self.assert_no_leftovers(alice.downloads)

    def test_a_tree_with_everything(self):
        alice, bob = self.pair()
        tree = os.path.join(alice.files, "tree")
        for d in ("empty", "deep/er/and/deeper", "closed"):
            os.makedirs(os.path.join(tree, d))
        alice.file("tree/zero")
        alice.file("tree/one", content=b"x")
        for n in (2**18 - 1, 2**18, 2**18 + 1, 2**20 - 1, 2**20, 2**20 + 1, 3 * 2**20):
            alice.file(f"tree/deep/er/{n}", n, seed=n)
        run = alice.file("tree/run.sh", content=b"#!/bin/sh\n")
        os.chmod(run, 0o755)
        os.chmod(alice.file("tree/private", 10), 0o600)
        os.chmod(alice.file("tree/setuid", 10), 0o4755)
        os.chmod(os.path.join(tree, "closed"), 0o700)
        os.symlink("deep/er", os.path.join(tree, "link-to-folder"))
        os.symlink("one", os.path.join(tree, "link-to-file"))
        os.symlink("nothing-here", os.path.join(tree, "dangling"))
        os.utime(run, ns=(0, 1234567890123456789))
        os.utime(os.path.join(tree, "one"), ns=(0, -5_000_000_001))
        os.utime(os.path.join(tree, "empty"), ns=(0, 999_999_999))
        os.mkfifo(os.path.join(tree, "pipe"))
        os.symlink("/etc/passwd", os.path.join(tree, "leads-out"))
        given, _ = self.give(alice, bob, tree)
        # What cannot go along is said by name.
        for name in ("pipe", "leads-out"):
            self.assertIn(name, given.out + given.err)
            os.unlink(os.path.join(tree, name))
        os.chmod(os.path.join(tree, "setuid"), 0o755)
        os.utime(tree, ns=(0, os.lstat(os.path.join(bob.downloads, "tree")).st_mtime_ns))
        self.assert_same(tree, os.path.join(bob.downloads, "tree"))
        self.assert_no_leftovers(bob.downloads)

    def test_the_umask_of_whoever_receives_counts(self):
        alice, bob = self.peer("alice"), self.peer("bob", False)
        before = os.umask(0o077)
        self.addCleanup(os.umask, before)
        bob.start()
        os.umask(before)
        alice.add(bob)
        bob.run("add", "alice", "--id", alice.id())
        os.chmod(alice.file("d/script", 10), 0o755)
        self.give(alice, bob, os.path.join(alice.files, "d"))
        self.assertEqual(os.stat(os.path.join(bob.downloads, "d")).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(os.path.join(bob.downloads, "d/script")).st_mode & 0o777, 0o700)

    def test_odd_names_arrive_as_they_are(self):
        alice, bob = self.pair()
        tree = os.fsencode(os.path.join(alice.files, "names"))
        os.mkdir(tree)
        names = [b"~", b"~root", b"-rf", b"a b", b" lead", b"trail ", b"dot.", b"..x", b"...", b"back\\slash", b"C:\\x", b"x:ads", b"new\nline",
                 b"tab\t", b"esc\x1b[2J", b"bell\a", b"\xff\xfe\x80", b"caf\xc3\xa9", b"cafe\xcc\x81", b"A", b"a", b"a!", b"a-", b"%2e%2e%2f", b"$(id)",
                 b"'quote\"", b"*?[x]", b"CON", b"NUL.txt", b"\xe2\x80\xaegpj.exe", b"\xf0\x9f\x8e\x81", b"x" * 255, b"\xc3\xa9" * 127, b"{}", b"\x7f", b"\xc2\x9b"]
        for i, n in enumerate(names):
            with open(tree + b"/" + n, "wb") as f:
                f.write(b"%d" % i)
        os.makedirs(tree + b"/a.d/b")
        open(tree + b"/a.d/b/\xe9\xe8", "wb").close()
        os.symlink(b"\xff\xfe\x80", tree + b"/link\xff")
        given, taken = self.give(alice, bob, os.fsdecode(tree))
        self.assert_same(tree, os.path.join(os.fsencode(bob.downloads), b"names"))
        listed = bob.run("history", "--json")
        self.assertTrue(listed.rows())
        for text in (given.out + given.err, taken.out + taken.err):
            self.assertNotIn("\x1b[2J", text)

    def test_deep_and_long_paths(self):
        alice, bob = self.pair()
        tree = os.path.join(alice.files, "deep")
        os.mkdir(tree)
        fd = os.open(tree, os.O_RDONLY)
        path = "deep"
        for i in range(300):
            os.mkdir("part%03d-xyz" % i, dir_fd=fd)
            inner = os.open("part%03d-xyz" % i, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = inner
            path += "/part%03d-xyz" % i
        with open(os.open("leaf", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as f:
            f.write(b"at the bottom")
        os.close(fd)
        self.assertGreater(len(path), 3000)
        self.give(alice, bob, tree)
        folder = os.open(bob.downloads, os.O_RDONLY)
        for part in path.split("/"):
            inner = os.open(part, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
        with open(os.open("leaf", os.O_RDONLY, dir_fd=folder), "rb") as f:
            self.assertEqual(f.read(), b"at the bottom")
        os.close(folder)

    def test_sparse_five_gib(self):
        alice, bob = self.pair()
        path = os.path.join(alice.files, "disk.img")
        with open(path, "wb") as f:
            f.truncate(5 << 30)
            for at in (0, 1 << 20, (3 << 30) + 12345, (5 << 30) - 4096):
                f.seek(at)
                f.write(os.urandom(4096))
        began = time.monotonic()
        self.give(alice, bob, path)
        self.assertLess(time.monotonic() - began, 60)
        self.assert_same(path, os.path.join(bob.downloads, "disk.img"))

    def test_fifty_thousand_small_files(self):
        alice, bob = self.pair()
        tree = os.path.join(alice.files, "many")
        for d in range(100):
            os.makedirs(os.path.join(tree, f"d{d:02}"))
            for n in range(500):
                with open(os.path.join(tree, f"d{d:02}", f"f{n}"), "wb") as f:
                    f.write(b"%d/%d " % (d, n) * (n % 40))
        self.give(alice, bob, tree)
        self.assert_same(tree, os.path.join(bob.downloads, "many"))

    def test_large_file_over_lanes(self):
        alice, bob = self.pair()
        path = alice.file("large.bin", 200 << 20)
        self.give(alice, bob, path)
        self.assert_same(path, os.path.join(bob.downloads, "large.bin"))

    def test_several_roots_a_slash_and_a_name(self):
        alice, bob = self.pair()
        alice.file("photos/a.jpg", 1000)
        alice.file("notes.md", 10)
        self.give(alice, bob, os.path.join(alice.files, "photos") + "/", os.path.join(alice.files, "notes.md"))
        self.assertEqual(sorted(os.listdir(bob.downloads)), ["notes.md", "photos"])
        self.give(alice, bob, os.path.join(alice.files, "notes.md"), offer=("--as", "other.md"))
        self.assert_same(os.path.join(alice.files, "notes.md"), os.path.join(bob.downloads, "other.md"))

    def test_stdin(self):
        alice, bob = self.pair()
        content = os.urandom(300_000)
        giving = alice.command("offer", "bob", "-", "--as", "pipe.bin", stdin=content)
        giving.process.stdin.write(content)
        giving.process.stdin.close()
        giving.process.stdin, giving.stdin = None, None
        bob.run("accept", str(bob.await_pending()))
        self.assertEqual(giving.finish().code, 0)
        with open(os.path.join(bob.downloads, "pipe.bin"), "rb") as f:
            self.assertEqual(f.read(), content)
        # The copy that was spooled goes with the offer.
        alice.stop()
        self.assertEqual(os.listdir(os.path.join(alice.home, "spool")), [])

    @unittest.skipIf(os.geteuid() != 0, "root makes itself another user here")
    def test_what_cannot_be_read_is_no_success(self):
        alice, bob = self.pair()
        for name in ("d/readable", "d/secret"):
            alice.file(name, 100)
        folder = os.path.join(alice.files, "d")
        alice.stop()
        os.chmod(os.path.join(folder, "secret"), 0)
        for path, folders, names in os.walk(alice.folder):
            for name in folders + names:
                os.chown(os.path.join(path, name), 12345, 12345, follow_symlinks=False)
        os.chown(alice.folder, 12345, 12345)
        os.chmod(self.folder, 0o755)
        alice.user = 12345
        alice.start()
        given, _ = self.give(alice, bob, folder, code=None)
        self.assertEqual(given.code, 8, repr(given))
        self.assertIn("secret", given.err)
        self.assertEqual(os.listdir(os.path.join(bob.downloads, "d")), ["readable"])
        self.assertEqual(alice.run("wait", "1", code=None).code, 8)
        alone = alice.run("offer", "bob", os.path.join(folder, "secret"), code=None)
        self.assertIn("secret", alone.err)
        self.assertIn("cannot be read", alone.err)
        alice.stop()

    def test_receive_without_a_node(self):
        """The same code without `peer start`: a receiver that ends after one transfer, a giver that names its address."""
        alice, bob = self.peer("alice", False), self.peer("bob", False)
        path = alice.file("hello.txt", 1024)
        receiving = bob.command("receive", "--yes", "--from", "anyone", "--count", "1", "--listen", "127.0.0.1", "--port", str(bob.port),
                                "--downloads", bob.downloads)
        for line in receiving.process.stderr:  # its first line says where it listens
            if b":%d" % bob.port in line:
                break
        alice.run("offer", "--yes", bob.address, path)
        self.assertEqual(receiving.finish().code, 0)
        self.assert_same(path, os.path.join(bob.downloads, "hello.txt"))

    def test_the_source_is_not_written_and_may_be_read_only(self):
        alice, bob = self.pair()
        alice.file("ro/a", 100)
        os.chmod(os.path.join(alice.files, "ro/a"), 0o400)
        os.chmod(os.path.join(alice.files, "ro"), 0o500)
        try:
            self.give(alice, bob, os.path.join(alice.files, "ro"))
            self.assert_same(os.path.join(alice.files, "ro"), os.path.join(bob.downloads, "ro"))
        finally:
            os.chmod(os.path.join(alice.files, "ro"), 0o700)
            os.chmod(os.path.join(bob.downloads, "ro"), 0o700)


if __name__ == "__main__":
    unittest.main(verbosity=2)
