"""What a person at a terminal sees and answers: the console of `peer start`, questions, the progress line."""
import os
import shlex
import signal
import unittest

from peers import ID, Case
from proxy import Proxy
from terminal import Terminal


class Console(Case):
    def terminal(self, peer, *args, **kw):
        t = Terminal(peer, *args, **kw)
        self.addCleanup(t.close)
        return t

    def console(self, peer, *options, **kw):
        """`peer start` on a terminal."""
        t = self.terminal(peer, "start", "--port", str(peer.port), "--listen", peer.host, "--downloads", peer.downloads, "--name", peer.name, *options, **kw)
        t.expect(f":{peer.port}")
        return t

    def contact(self, peer, name):
        row, = [r for r in peer.run("peers", "--json").rows() if r["name"] == name]
        return row

    def test_add_is_verified_by_comparing(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        for answer, verified in (("u", False), ("y", True)):
            adding = self.terminal(alice, "add", "bob", bob.address)
            self.assertEqual(ID.search(adding.expect(ID.pattern).group()).group(), bob.id())
            adding.expect("peer id")
            adding.expect("> $")
            adding.type("maybe")
            adding.expect("> $")
            adding.type(answer)
            shown = adding.finish()
            self.assertIn("a contact now, verified" if verified else "a contact now, not verified", shown)
            self.assertEqual(self.contact(alice, "bob")["verified"], verified)
        alice.run("forget", "bob")
        adding = self.terminal(alice, "add", "bob", bob.address)
        adding.expect("> $")
        adding.type("n")
        adding.finish(5)
        self.assertEqual(alice.run("peers", "--json").rows(), [])

    def test_a_stranger_is_made_a_contact_with_its_offer(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob", False), self.peer("carol")
        bob.run("add", "carol", "--id", carol.id())
        console = self.console(bob)
        path = alice.file("x", 5000)
        alice.run("offer", bob.address, path, "--no-wait", "--yes")
        console.expect("stranger")
        console.expect("> $")
        console.type("p")
        console.expect(r"name of the contact \(Enter: alice\) > $")
        console.type("carol")  # another's
        console.expect("a contact is called ‘carol’ already")
        console.expect(r"name of the contact \(Enter: alice\) > $")
        console.type("al ice")
        console.expect("no spaces")
        console.expect("> $")
        console.type("")
        console.expect("alice becomes a contact, not verified; to verify: peer invite")
        console.expect("offer 1 from alice ‘x’: received 1 file")
        contact = self.contact(bob, "alice")
        self.assertEqual((contact["id"], contact["verified"]), (alice.id(), False))
        self.assert_same(path, os.path.join(bob.downloads, "x"))
        console.interrupt()
        console.finish(None)

    def test_an_offer_to_an_address_says_who_becomes_a_contact(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        offering = self.terminal(alice, "offer", bob.address, alice.file("x", 10), "--no-wait")
        offering.expect("> $")
        offering.type("u")
        offering.expect("is a contact now: bob, not verified")
        offering.finish()
        self.assertFalse(self.contact(alice, "bob")["verified"])
        alice.run("forget", "bob")
        said = alice.run("offer", bob.address, alice.file("y", 10), "--no-wait", "--yes")
        self.assertIn("is a contact now: bob, not verified", said.err)

    def test_a_stopped_node_ends_its_followers_with_the_truth(self):
        alice, bob = self.pair()
        offering = alice.command("offer", "bob", alice.file("x", 10))
        bob.await_pending()
        alice.run("stop")
        said = offering.finish()
        self.assertEqual(said.code, 1, repr(said))
        self.assertNotIn("failed", said.err)
        self.assertIn("kept and goes on", said.err)
        self.assertIn("peer wait 1", said.err)

    def test_cancel_says_what_it_removes(self):
        alice, bob, proxy = self.pair_through_proxy()
        for i in range(16):
            alice.file(f"d/{i:02}", 4 << 20, seed=i)
        alice.run("offer", "bob", os.path.join(alice.files, "d"), "--no-wait")
        number = str(bob.await_pending())
        proxy.hold(40 << 20)
        bob.run("accept", number, "--no-wait")
        proxy.wait_held()
        asked = self.terminal(bob, "cancel", number)
        asked.expect(r"MB of 67 MB have arrived, \d complete files? among it")
        asked.expect("y, k or n > ")
        asked.type("")
        asked.expect("y, k or n > ")
        asked.type("n")
        self.assertIn("goes on", asked.finish(1))
        self.assertEqual(bob.offers()[0]["state"], "active")
        asked = self.terminal(bob, "cancel", number)
        asked.expect("y, k or n > ")
        asked.type("k")
        self.assertIn("kept: ", asked.finish(0))
        self.assertNotEqual(os.listdir(os.path.join(bob.downloads, "d")), [])
        self.assert_no_leftovers(bob.downloads)

    def test_a_node_stopped_in_mid_transfer(self):
        alice, bob, proxy = self.pair_through_proxy()
        offering = alice.command("offer", "bob", alice.file("big", 64 << 20))
        number = bob.await_pending()
        proxy.hold(3 << 20)
        taking = bob.command("accept", str(number))
        proxy.wait_held()
        for peer, following in ((bob, taking), (alice, offering)):
            peer.run("stop")
            said = following.finish()
            self.assertEqual(said.code, 1, repr(said))
            self.assertIn("kept and goes on", said.err)
            self.assertNotIn("room", said.err)

    def test_who_is_away_is_named(self):
        alice, bob, proxy = self.pair_through_proxy()
        console = self.terminal(alice, "offer", "bob", alice.file("big", 64 << 20))
        number = bob.await_pending()
        proxy.hold(3 << 20)
        bob.run("accept", str(number), "--no-wait")
        proxy.wait_held()
        with bob.node.stdout:
            bob.kill()
            bob.reader.join(10)
        proxy.release()
        console.expect("offer 1 to bob ‘big’: bob is away; goes on when bob is back")
        self.assertIn("bob is away", alice.run("offers").out)
        self.assertIn("bob is away", alice.run("status").out)
        bob.start()
        console.expect("bob is back")
        console.expect("delivered to bob")
        console.finish()

    def test_the_console_takes_some(self):
        alice, bob = self.peer("alice"), self.peer("bob", False)
        console = self.console(bob)
        bob.node = console.process
        alice.add(bob)
        bob.run("add", "alice", "--id", alice.id())
        for i in range(3):
            alice.file(f"d/f{i}", 10)
        offering = alice.command("offer", "bob", os.path.join(alice.files, "d"))
        console.expect("offer 1 from alice")
        console.expect("l later > $")
        console.type("cleard")
        console.expect("‘cleard’ is none of the answers")
        at = console.seen
        console.expect("l later > $")
        self.assertNotIn("offer 1 from alice", console.text[at:])  # the question stands above, whole
        console.type("s")
        console.expect(r"3  10 bytes  d/f2\n")
        console.expect("Enter goes back > $")
        console.type("1,400")
        console.expect("400: the numbers go from 0 to 3")
        console.expect("Enter goes back > $")
        console.type("1-2, 3")
        console.expect("verified: ‘.*/d’")
        self.assertEqual(offering.finish().code, 0)
        bob.node = None
        console.interrupt()
        console.expect("stopped; open offers and transfers go on at the next start")
        console.finish(130)

    def test_what_is_answered_elsewhere_leaves_the_console(self):
        alice, bob = self.peer("alice"), self.peer("bob", False)
        console = self.console(bob)
        alice.add(bob)
        bob.run("add", "alice", "--id", alice.id())
        alice.run("offer", "bob", alice.file("x", 10), "--no-wait")
        console.expect("l later > $")
        bob.run("accept", "1")
        console.expect("no answer is needed any more, it is accepted")
        alice.run("offer", "bob", alice.file("y", 10), "--no-wait")
        console.expect("l later > $")
        console.type("b")
        console.expect("alice is blocked; peer unblock")
        bob.run("unblock", "alice")
        bob.run("trust", "alice")
        at = console.seen
        alice.run("offer", "bob", alice.file("z", 10))
        console.expect("‘.*/z’")
        self.assertNotIn("later >", console.text[at:])
        bob.run("stop")
        console.finish(0)

    def test_receive_says_what_goes_on_and_counts_it(self):
        alice, bob = self.peer("alice", host="127.0.0.2"), self.peer("bob", False, host="127.0.0.3")
        to = os.path.join(bob.folder, "in coming")
        words = ("receive", "--from", "anyone", "--yes", "--count", "1", "--port", str(bob.port), "--listen", bob.host, "--to", to)
        receiving = self.terminal(bob, *words)
        receiving.expect("waiting for offers")
        proxy = Proxy(bob.port, bob.host)
        self.addCleanup(proxy.close)
        alice.add(bob, proxy.address)
        proxy.hold(3 << 20)
        offering = alice.command("offer", "bob", alice.file("big", 64 << 20))
        receiving.expect("accepted")
        proxy.wait_held()
        receiving.interrupt()
        again = receiving.expect("to go on: peer (receive .*)\n").group(1)
        receiving.finish(130)
        self.assertEqual(shlex.split(again), list(words))
        proxy.release()
        bob.run(*words)
        self.assertEqual(offering.finish().code, 0)
        self.assert_same(os.path.join(alice.files, "big"), os.path.join(to, "big"))

    def test_receive_counts_what_the_node_takes_by_itself(self):
        alice, bob = self.pair()
        bob.run("trust", "alice")
        receiving = self.terminal(bob, "receive", "--yes", "--count", "1", "--port", str(bob.port), "--listen", bob.host)
        receiving.expect("waiting for offers")
        alice.run("offer", "bob", alice.file("x", 10))
        receiving.finish()

    def test_receive_waits_for_the_next(self):
        alice, bob = self.peer("alice"), self.peer("bob", False)
        receiving = self.terminal(bob, "receive", "--from", "anyone", "--yes", "--port", str(bob.port), "--listen", bob.host, "--to", bob.downloads)
        receiving.expect("waiting for offers")
        alice.run("offer", bob.address, alice.file("x", 10), "--yes")
        receiving.expect("waiting for the next offer")
        receiving.interrupt()
        receiving.finish(130)


if __name__ == "__main__":
    unittest.main(verbosity=2)
