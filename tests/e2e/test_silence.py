"""What takes longer than the silence limit to be noticed: all of it at once, each in namespaces of its own."""
import concurrent.futures
import os
import select
import signal
import time
import unittest

from network import NetworkCase, Questions, until, why_not
from peers import Peer

MIB = 1 << 20
NOTICED = 65  # seconds: a ping after 15 may be the last thing that came through, and 45 of silence follow


def setUpModule():
    if reason := why_not():
        raise unittest.SkipTest(reason)


class Silence(NetworkCase):
    def half_way(self, **more):
        return super().half_way(megabits=32, **more)  # with so much at once it takes a while until anything happens to the transfer

    def test_what_is_noticed_late_goes_on_by_itself(self):
        happenings = [
            self.nothing_passes, self.nothing_passes_to_the_giver, self.nothing_passes_to_the_taker, self.the_interface_is_down_for_long,
            self.the_giver_gets_another_address, self.the_taker_gets_another_address, self.the_interface_in_use_of_two_goes_away,
            self.the_router_forgets, self.large_packets_vanish, self.one_of_two_addresses_leads_nowhere,
            self.the_taker_stops_for_a_while, self.the_taker_stops_for_long, self.the_speed_shown_is_that_of_now,
            self.somebody_else_gets_the_old_address]
        with concurrent.futures.ThreadPoolExecutor(len(happenings)) as pool:
            running = [pool.submit(h) for h in happenings]
            concurrent.futures.wait(running)
        for happening, ended in zip(happenings, running):
            with self.subTest(happening.__name__):
                ended.result()

    def cut(self, *towards):
        net, alice, bob, transfer = self.half_way()
        net.cut(*towards)
        until(lambda: all(transfer.away()), NOTICED, lambda: f"both see that the other is away: {transfer.away()}")
        for peer, number, other in ((alice, transfer.given, "bob"), (bob, transfer.taken, "alice")):
            said = f"{other} is away; goes on when {other} is back"
            self.assertIn(said, peer.run("offers").out)
            self.assertIn(said, peer.run("status").out)
        waiting = bob.command("wait", str(transfer.taken))
        ready, _, _ = select.select([waiting.process.stderr], [], [], 20)
        self.assertTrue(ready, "peer wait says nothing")
        self.assertIn(b"alice is away; goes on when alice is back", waiting.process.stderr.readline())
        net.heal()
        transfer.goes_on(20)
        transfer.arrives()
        self.assertEqual(waiting.finish().code, 0)

    def nothing_passes(self):
        self.cut("alice", "bob")

    def nothing_passes_to_the_giver(self):
        self.cut("alice")

    def nothing_passes_to_the_taker(self):
        self.cut("bob")

    def the_interface_is_down_for_long(self):
        net, alice, bob, transfer = self.half_way()
        alice.machine.ip("link set eth0 down")
        until(lambda: all(transfer.away()), NOTICED, "both see that the other is away")
        alice.machine.ip("link set eth0 up", f"route add default via {net.address(1, 1)}")
        transfer.goes_on(30)
        transfer.arrives()

    def the_giver_gets_another_address(self):
        net, alice, bob, transfer = self.half_way()
        self.moves(net, alice, 1, "10.1.0.7")
        transfer.goes_on(NOTICED)
        transfer.arrives(60)

    def the_taker_gets_another_address(self):
        net, alice, bob, transfer = self.half_way()
        self.moves(net, bob, 2, "10.2.0.7")
        transfer.goes_on(NOTICED)
        transfer.arrives(60)

    def somebody_else_gets_the_old_address(self):
        net, alice, bob, transfer = self.half_way()
        self.moves(net, bob, 2, "10.2.0.7")
        net.router.ip(f"addr add {net.address(2, 2)}/32 dev lo")
        carol = Peer(os.path.dirname(bob.folder), "carol", net.address(2, 2))
        self.peers.append(carol)
        carol.inside, carol.port = net.router.inside, bob.port
        carol.start()
        transfer.goes_on(NOTICED)
        transfer.arrives(60)
        self.assertEqual(Questions(carol).session(), None)
        bob.stop()
        self.assertIn(carol.id(), alice.run("list", "bob", code=5).err)

    def the_interface_in_use_of_two_goes_away(self):
        net, alice, bob, transfer = self.half_way()
        net.plug("bob", "eth1", "bob1")
        bob.machine.ip(f"route add default via {net.address(1, 3)} metric 100", "link set eth0 down")
        transfer.goes_on(NOTICED)
        transfer.arrives(60, devices=("eth0", "eth1"))

    def the_router_forgets(self):
        """A router that was switched off and on lets nothing through of connections that it does not know."""
        net, alice, bob, transfer = self.half_way(dials="bob", hidden=["bob"])
        net.router.set("net/netfilter/nf_conntrack_tcp_loose", 0)
        net.router.nft("add rule inet lab closed ct state invalid drop")
        net.router.forget_connections()
        transfer.goes_on(NOTICED)
        transfer.arrives(60)

    def large_packets_vanish(self):
        net, alice, bob, transfer = self.half_way()
        for name, host in net.hosts.items():
            host.ip("link set eth0 gso_max_segs 1")  # packets as they are on a wire
            net.router.ip(f"link set {name} gso_max_segs 1")
        net.cut("alice", "bob", match="meta length > 1280")
        # Whatever meets with one falls silent: lanes, then maybe the session. What is dialled next sends small packets only.
        transfer.arrives(3 * NOTICED)

    def one_of_two_addresses_leads_nowhere(self):
        net, alice, bob = self.network("alice", "bob")
        bob.run("add", "alice", "--id", alice.id())
        for address in (f"[{net.address(2, 2, 6)}]:{bob.port}", bob.address):
            alice.add(bob, address)
        alice.stop()
        net.cut("alice", "bob", match="meta nfproto ipv6")
        alice.start()
        self.assertEqual(until(Questions(alice).session, 20, "a session")[0], bob.address)
        self.give(alice, bob, alice.file("f", MIB))
        alice.stop()
        net.cut("alice", "bob")
        alice.start()
        self.assertIn("bob: no answer from ", alice.run("list", "bob", code=4).err)

    def stop(self, transfer, seconds):
        """What a machine does that is out of memory, or has to wait for its disk."""
        transfer.taker.node.send_signal(signal.SIGSTOP)
        time.sleep(seconds)  # this is how long it lasts
        transfer.taker.node.send_signal(signal.SIGCONT)

    def the_taker_stops_for_a_while(self):
        net, alice, bob, transfer = self.half_way()
        session = transfer.at_giver.session()
        self.stop(transfer, 20)
        self.assertEqual(transfer.at_giver.session(), session)
        transfer.goes_on(10)
        transfer.arrives(again=4 * MIB)
        self.assertEqual(transfer.at_giver.session(), session)

    def the_taker_stops_for_long(self):
        net, alice, bob, transfer = self.half_way()
        self.stop(transfer, 60)
        transfer.goes_on(20)
        transfer.arrives()

    def the_speed_shown_is_that_of_now(self):
        """While nothing moved there was no speed; afterwards it is not spread over that time, nor is what is left."""
        net, alice, bob, transfer = self.half_way()
        net.cut("alice", "bob")
        time.sleep(15)  # this is how long it lasts
        net.heal()
        transfer.goes_on(20)
        began, before, shown = time.monotonic(), transfer.here(), []
        while transfer.here() < before + 8 * MIB:
            rates = [q.offer(n).get("rate", 0) for q, n in ((transfer.at_giver, transfer.given), (transfer.at_taker, transfer.taken))]
            shown += filter(None, rates)
            time.sleep(0.02)
        self.assertGreater(min(shown), MIB / 4, shown)
        self.assertGreater(min(rates), 8 * MIB / (time.monotonic() - began) / 4, shown)
        transfer.arrives()


if __name__ == "__main__":
    unittest.main(verbosity=2)
