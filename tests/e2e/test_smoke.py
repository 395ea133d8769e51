"""A short run through the node's threads, for builds under a slow sanitizer: files large and small, both ways, a cut, a share."""
import os
import unittest

from peers import Case


class Smoke(Case):
    def test_both_ways_with_a_cut(self):
        alice, bob, proxy = self.pair_through_proxy()
        large = alice.file("large", 24 << 20)
        for i in range(200):
            alice.file(f"many/{i % 5}/{i}", i * 11, seed=i)
        alice.run("offer", "bob", large, os.path.join(alice.files, "many"), "--no-wait")
        number = bob.await_pending()
        proxy.hold(8 << 20)
        bob.run("accept", str(number), "--no-wait")
        proxy.wait_held()
        back = bob.file("back", 4 << 20, seed=2)
        bob.run("offer", "alice", back, "--no-wait")
        proxy.cut()
        bob.run("wait", str(number))
        alice.run("accept", str(alice.await_pending()))
        self.assert_same(large, os.path.join(bob.downloads, "large"))
        self.assert_same(os.path.join(alice.files, "many"), os.path.join(bob.downloads, "many"))
        self.assert_same(back, os.path.join(alice.downloads, "back"))
        alice.run("share", os.path.join(alice.files, "many"))
        bob.run("get", "alice", "many/3", cwd=bob.folder)
        self.assert_same(os.path.join(alice.files, "many/3"), os.path.join(bob.folder, "3"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
