"""What networks do to a transfer: address translation, cuts, resets, other addresses, ways that lead nowhere. Each test has namespaces of its own."""
import os
import shutil
import struct
import subprocess
import time
import unittest

from network import NetworkCase, Questions, Transfer, until, why_not
from peers import PATIENCE, free_port

MIB = 1 << 20
SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support", "clock.cpp")


def setUpModule():
    if reason := why_not():
        raise unittest.SkipTest(reason)


class Translation(NetworkCase):
    """bob is behind a router that nobody can dial through; alice has his ID and no address."""

    def met(self):
        net, alice, bob = self.network("alice", "bob", hidden=["bob"])
        self.meet(bob, alice)
        return net, alice, bob

    def test_offers_go_both_ways(self):
        net, alice, bob = self.met()
        for i in range(800):
            for p in (alice, bob):
                p.file(f"{p.name}s/{i % 9}/{i}", i % 5000, seed=i)
        for giver, taker in ((alice, bob), (bob, alice)):
            self.give(giver, taker, giver.file(giver.name, 24 * MIB), os.path.join(giver.files, giver.name + "s"))
            for name in (giver.name, giver.name + "s"):
                self.assert_same(os.path.join(giver.files, name), os.path.join(taker.downloads, name))

    def test_lanes_are_opened_by_whoever_can_dial(self):
        net, alice, bob, transfer = self.half_way(dials="bob", hidden=["bob"])
        until(lambda: transfer.at_giver.offer(transfer.given).get("lanes") == 2, 5, "two lanes")
        transfer.arrives()

    def test_an_offer_to_somebody_away_goes_out_when_he_comes(self):
        net, alice, bob = self.met()
        bob.stop()
        path = alice.file("later.bin", MIB)
        number = alice.run("offer", "bob", path, "--no-wait").out.strip()
        self.assertTrue(Questions(alice).offer(int(number)).get("away"))
        bob.start()
        bob.run("accept", str(bob.await_pending(title="later.bin")))
        alice.run("wait", number)
        self.assert_same(path, os.path.join(bob.downloads, "later.bin"))

    def test_the_router_translates_to_another_port(self):
        net, alice, bob, transfer = self.half_way(dials="bob", hidden=["bob"])
        net.router.nft("flush chain inet lab out\nadd rule inet lab out iifname bob masquerade fully-random")
        net.router.forget_connections()
        transfer.goes_on(10)
        transfer.arrives()


class Cuts(NetworkCase):
    def test_two_seconds_of_silence_are_not_seen(self):
        net, alice, bob, transfer = self.half_way(size=96 * MIB)
        sessions = transfer.at_giver.session(), transfer.at_taker.session()
        for names in (["alice", "bob"], ["alice"], ["bob"]):
            net.cut(*names)
            time.sleep(2)  # this is how long it lasts
            self.assertEqual(transfer.away(), [False, False])
            net.heal()
            transfer.goes_on(10)
        self.assertEqual((transfer.at_giver.session(), transfer.at_taker.session()), sessions)
        transfer.arrives(again=4 * MIB)

    def test_resets(self):
        net, alice, bob, transfer = self.half_way(size=96 * MIB)
        for peer in (alice, bob, alice):
            peer.machine.reset_connections()
            transfer.goes_on(10)
        transfer.arrives()

    def test_the_interface_goes_down_and_up(self):
        net, alice, bob, transfer = self.half_way()
        for number, peer in enumerate((alice, bob), 1):
            peer.machine.ip("link set eth0 down")
            time.sleep(1)
            peer.machine.ip("link set eth0 up", f"route add default via {net.address(1, number)}")
            transfer.goes_on(15)
        transfer.arrives()


class Reboots(NetworkCase):
    """A node dies while no packet passes, so that the other side keeps what is no more; then it comes back. The newest session counts."""

    def reboots(self, who, gives, moves=False):
        net, alice, bob, transfer = self.half_way(gives=gives)
        peer = alice if who == "alice" else bob
        net.cut("alice", "bob")
        peer.kill()
        if moves:
            self.moves(net, peer, 1, "10.1.0.7")
            peer.port = free_port()
        net.heal()
        peer.start()
        transfer.ask(peer)
        transfer.goes_on(15)
        # Blocks that were asked for before, on connections that are no more, come soon, not after the silence limit.
        transfer.arrives(seconds=20)

    def test_a_giver_who_dials(self):
        self.reboots("alice", "alice")

    def test_a_taker_who_dials(self):
        self.reboots("alice", "bob")

    def test_a_giver_who_is_dialled(self):
        self.reboots("bob", "bob")

    def test_a_taker_who_is_dialled(self):
        self.reboots("bob", "alice")

    def test_a_giver_with_another_address(self):
        self.reboots("alice", "alice", moves=True)

    def test_a_taker_with_another_address(self):
        self.reboots("alice", "bob", moves=True)


class Ways(NetworkCase):
    def test_large_packets_vanish(self):
        """A tunnel on the way takes less than it should and nobody is told. Linux finds out by itself if it may."""
        net, alice, bob = self.network("alice", "bob")
        for name, host in net.hosts.items():
            host.set("net/ipv4/tcp_mtu_probing", 1)
            host.ip("link set eth0 gso_max_segs 1")  # packets as they are on a wire
            net.router.ip(f"link set {name} gso_max_segs 1")
        net.router.nft("add rule inet lab forward meta length > 1280 drop")
        bob.run("add", "alice", "--id", alice.id())
        alice.add(bob)
        self.give(alice, bob, alice.file("f", 24 * MIB))
        self.assert_same(os.path.join(alice.files, "f"), os.path.join(bob.downloads, "f"))


class Clocks(NetworkCase):
    def with_calendars(self):
        """The network with nodes whose calendar clocks this test sets: jump(PEER, DAYS from now)."""
        library = os.path.join(self.folder, "clock.so")
        if subprocess.run(["c++", "-std=c++17", "-O1", "-shared", "-fPIC", "-o", library, SOURCE]).returncode:
            self.fail("the calendar was not built")
        net, alice, bob = self.network("alice", "bob", start=False)

        def jump(peer, days):
            with open(peer.folder + ".calendar", "r+b") as f:
                f.write(struct.pack("=q", days * 86400))
        for peer in (alice, bob):
            with open(peer.folder + ".calendar", "wb") as f:
                f.write(bytes(8))
            peer.env.update(LD_PRELOAD=library, PEER_TEST_CLOCK=peer.folder + ".calendar",
                            ASAN_OPTIONS=peer.env["ASAN_OPTIONS"] + ":verify_asan_link_order=0")
            peer.start()
        self.meet(alice, bob)
        return net, alice, bob, jump

    @unittest.skipUnless(shutil.which("c++"), "calendars that jump need a compiler")
    def test_calendars_jump(self):
        net, alice, bob, jump = self.with_calendars()
        alice.run("offer", "bob", alice.file("small", 1000), "--no-wait")
        small = bob.await_pending(title="small")
        transfer = Transfer(self, net, alice, bob, 96 * MIB)
        for peer, days in ((alice, 1), (bob, -10950), (alice, 10950)):
            jump(peer, days)
            transfer.goes_on(5)
            alice.machine.reset_connections()
            transfer.goes_on(10)
        transfer.arrives()
        # What nobody has answered is still there by both calendars; and nobody is busy with the time.
        before = self.busy(alice), self.busy(bob)
        bob.run("accept", str(small))
        time.sleep(1)
        for a, b in zip(before, (self.busy(alice), self.busy(bob))):
            self.assertLess(b - a, 0.5 * PATIENCE, "CPU seconds")

    def busy(self, peer):
        """CPU seconds that the node has used."""
        with open(f"/proc/{peer.node.pid}/stat") as f:
            return sum(map(int, f.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    unittest.main(verbosity=2)
