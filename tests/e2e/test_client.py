"""The Python client of examples/, written from the specification, with the binary: giver and taker, lists and gets."""
import os
import unittest

from peers import Case
from proxy import Proxy


class Client(Case):
    def tree(self, peer):
        peer.file("tree/a/one", 1)
        peer.file("tree/a/zero")
        peer.file("tree/big", 9 << 20)
        for i in range(300):
            peer.file(f"tree/small/{i}", i * 7, seed=i)
        tree = os.path.join(peer.files, "tree")
        os.mkdir(os.path.join(tree, "empty"))
        os.symlink("a/one", os.path.join(tree, "link"))
        with open(os.fsencode(tree) + b"/\xff\xfe", "wb") as f:
            f.write(b"not UTF-8")
        with open(os.path.join(tree, "sparse"), "wb") as f:
            f.truncate(200 << 20)
            f.seek(100 << 20)
            f.write(b"in the middle")
        os.chmod(os.path.join(tree, "a"), 0o750)
        return tree

    def test_client_gives(self):
        bob = self.peer("bob")
        tree = self.tree(bob)
        giving = self.client_running("--id", bob.id(), "--name", "snake", bob.address, "offer", tree)
        number = bob.await_pending()
        self.assertIn("snake", bob.run("offers").out)
        bob.run("accept", str(number))
        given = giving.finish()
        self.assertEqual(given.code, 0, repr(given))
        self.assert_same(tree, os.path.join(bob.downloads, "tree"), holes=False)

    def test_client_takes(self):
        alice = self.peer("alice")
        tree = self.tree(alice)
        got = os.path.join(self.folder, "got")
        os.mkdir(got)
        alice.run("add", "snake", "--id", self.client_id())
        taking = self.client_connected("--to", got, alice.address, "receive")
        # The client has no address; the offer goes over the session that it holds open.
        alice.run("offer", "snake", tree)
        taken = taking.finish()
        self.assertEqual(taken.code, 0, repr(taken))
        self.assert_same(tree, os.path.join(got, "tree"))
        self.assert_no_leftovers(got)

    def test_client_goes_on_after_a_cut(self):
        alice = self.peer("alice")
        proxy = Proxy(alice.port)
        self.addCleanup(proxy.close)
        path = alice.file("big", 48 << 20)
        alice.run("add", "snake", "--id", self.client_id())
        got = os.path.join(self.folder, "got")
        os.mkdir(got)
        first = self.client_connected("--to", got, proxy.address, "receive")
        proxy.hold(24 << 20, back=True)
        alice.run("offer", "snake", path, "--no-wait")
        proxy.wait_held()
        proxy.cut()
        self.assertNotEqual(first.finish().code, 0)
        sent = proxy.counts[True]
        waiting = alice.command("wait", str(alice.offers()[0]["number"]))
        self.client("--to", got, proxy.address, "receive")
        self.assert_same(path, os.path.join(got, "big"))
        self.assertLess(proxy.counts[True] - sent, 44 << 20)  # what had arrived was not wanted again
        self.assertEqual(waiting.finish().code, 0)

    def test_client_lists_and_gets(self):
        alice = self.peer("alice")
        tree = self.tree(alice)
        alice.run("add", "snake", "--id", self.client_id())
        alice.run("share", tree, "--as", "stuff")
        self.assertIn("stuff", self.client(alice.address, "list").out)
        self.assertIn("small", self.client(alice.address, "list", "stuff").out)
        got = os.path.join(self.folder, "got")
        os.mkdir(got)
        self.client("--to", got, alice.address, "get", "stuff/small", "stuff/big")
        self.assert_same(os.path.join(tree, "small"), os.path.join(got, "small"))
        self.assert_same(os.path.join(tree, "big"), os.path.join(got, "big"))
        self.client("--to", got, alice.address, "get", "stuff/nothing", code=10)

    def test_client_gets_on_after_a_cut(self):
        alice = self.peer("alice")
        proxy = Proxy(alice.port)
        self.addCleanup(proxy.close)
        path = alice.file("big", 48 << 20)
        alice.run("add", "snake", "--id", self.client_id())
        alice.run("share", path, "--as", "big")
        got = os.path.join(self.folder, "got")
        os.mkdir(got)
        proxy.hold(24 << 20, back=True)
        first = self.client_running("--to", got, proxy.address, "get", "big")
        proxy.wait_held()
        proxy.cut()
        self.assertNotEqual(first.finish().code, 0)
        sent = proxy.counts[True]
        self.client("--to", got, proxy.address, "get", "big")
        self.assert_same(path, os.path.join(got, "big"))
        self.assertLess(proxy.counts[True] - sent, 44 << 20)  # what stood in the wire comes again
        self.assert_no_leftovers(got)

    def test_client_gives_on_after_a_cut(self):
        bob = self.peer("bob")
        proxy = Proxy(bob.port)
        self.addCleanup(proxy.close)
        path = bob.file("big", 48 << 20)
        first = self.client_running(proxy.address, "offer", path)
        number = bob.await_pending()
        proxy.hold(24 << 20)
        taking = bob.command("accept", str(number))
        proxy.wait_held()
        proxy.cut()
        self.assertNotEqual(first.finish().code, 0)
        self.client(proxy.address, "offer", path)  # the same offer: nobody is asked again
        self.assertEqual(taking.finish().code, 0)
        self.assert_same(path, os.path.join(bob.downloads, "big"))

    def test_client_is_rejected(self):
        bob = self.peer("bob")
        giving = self.client_running(bob.address, "offer", bob.file("x", 10))
        bob.run("reject", str(bob.await_pending()), "--reason", "not today")
        given = giving.finish()
        self.assertEqual(given.code, 3)
        self.assertIn("not today", given.err)

    def test_client_expects_an_id(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        self.client("--id", alice.id(), bob.address, "offer", bob.file("x", 10), code=5)
        self.assertEqual(bob.offers(), [])


class Old(Client):
    """A program that was made for an earlier version of the protocol, and is kept as it was."""
    client_program = "tests/data/old_peers/client_2026_11.py"


class Resumed(Case):
    """A giver that is another program, and a taker that is killed in the middle."""

    def interrupted(self, change=lambda path: None):
        bob = self.peer("bob")
        bob.run("add", "client", "--id", self.client_id())
        path = bob.file("big", 24 << 20)
        giving = self.client_running(bob.address, "offer", path)
        number = bob.await_pending()
        bob.run("accept", str(number), "--limit", "8M", "--no-wait")
        bob.watch().until(lambda o: o["bytes_done"] > 6 << 20)
        bob.kill()
        self.assertNotEqual(giving.finish().code, 0)
        change(path)
        bob.start()
        again = self.client_running(bob.address, "offer", path)
        bob.run("accept", str(number), "--limit", "none", "--no-wait")
        bob.run("wait", str(number))
        self.assertEqual(again.finish().code, 0)
        self.assert_same(path, os.path.join(bob.downloads, "big"))
        self.assert_no_leftovers(bob.downloads)

    def test_goes_on(self):
        self.interrupted()

    def test_bytes_of_two_versions_are_never_mixed(self):
        def change(path):
            """Other bytes, and nothing that stat(2) would tell."""
            before = os.stat(path)
            with open(path, "r+b") as f:
                f.write(os.urandom(1 << 20))
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.interrupted(change)


if __name__ == "__main__":
    unittest.main(verbosity=2)
