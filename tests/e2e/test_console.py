"""What a person at a terminal sees and answers: the console of `peer start`, questions, the progress line."""
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import time
import unittest

from peers import COMMAND_SECONDS, ID, PEER, Case
from proxy import Proxy


class Terminal:
    """A command on a terminal of its own, which is its controlling one."""

    def __init__(self, peer, *args, rows=40, columns=150):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen([PEER, *map(os.fspath, args)], env=peer.env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text, self.seen = "", 0

    def read(self, seconds):
        """Reads what comes within `seconds`; False at the end."""
        if select.select([self.master], [], [], max(0, seconds))[0]:
            try:
                part = os.read(self.master, 65536)
            except OSError:  # the other end was closed
                part = b""
            if not part:
                return False
            self.text += part.decode(errors="backslashreplace").replace("\r\n", "\n")
        return True

    def expect(self, pattern, seconds=COMMAND_SECONDS):
        """Waits for text that matches, after what was expected before; returns the match."""
        end = time.monotonic() + seconds
        while True:
            found = re.compile(pattern).search(self.text, self.seen)
            if found:
                self.seen = found.end()
                return found
            if time.monotonic() > end or not self.read(end - time.monotonic()):
                raise AssertionError(f"never seen: {pattern}\n--- the terminal:\n{self.text}")

    def type(self, line):
        os.write(self.master, line.encode() + b"\n")

    def interrupt(self):
        os.write(self.master, b"\x03")

    def finish(self, code=0):
        """Waits for the end of the command and returns all that it showed."""
        end = time.monotonic() + COMMAND_SECONDS
        while time.monotonic() < end and self.read(end - time.monotonic()):
            pass
        found = self.process.wait(max(1, end - time.monotonic()))
        if code is not None and found != code:
            raise AssertionError(f"expected exit {code}, not {found}:\n{self.text}")
        return self.text

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
        os.close(self.master)


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
        alice, bob = self.peer("alice", host="127.0.0.2"), self.peer("bob", False)
        to = os.path.join(bob.folder, "in coming")
        words = ("receive", "--from", "anyone", "--yes", "--count", "1", "--port", str(bob.port), "--listen", bob.host, "--to", to)
        receiving = self.terminal(bob, *words)
        receiving.expect("waiting for offers")
        proxy = Proxy(bob.port)
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
