"""Peers of one local network: they hear of each other without an address being typed. Each test has namespaces of its own."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

from network import LanCase, Questions, until, why_not
from peers import PATIENCE, Peer
from terminal import Terminal

# Prints what is said to the group on eth0, a line each, for some seconds.
HEAR = """
import socket, struct, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0))
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
while (left := end - time.monotonic()) > 0:
    s.settimeout(left)
    try: packet = s.recv(65536)
    except TimeoutError: break
    if struct.pack(">H", 56744) in packet[34:60] and b'{"' in packet: print(packet[packet.index(b'{"'):].decode(errors="replace"), flush=True)
"""


def setUpModule():
    if reason := why_not():
        raise unittest.SkipTest(reason)


class Nearby(LanCase):
    def heard(self, peer):
        """What this node has heard: the rows of `peers` by what each calls itself."""
        rows = Questions(peer).ask("peers")["peers"]
        return {row["calls_itself"] or row["name"]: row for row in rows if row.get("nearby")}

    def until_heard(self, peer, *names, seconds=2):
        return until(lambda: (h := self.heard(peer)) and set(names) <= set(h) and h, seconds, lambda: f"{peer.name} hears {names}; it hears {self.heard(peer)}")

    def hear(self, peer, seconds):
        process = subprocess.Popen([*peer.machine.inside, sys.executable, "-c", HEAR, str(seconds)], stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        return process

    def three(self, families):
        net, alice, bob, carol = self.lan("alice", "bob", "carol", families=families)
        began = time.monotonic()
        for p in (alice, bob, carol):
            rows = self.until_heard(p, *({"alice", "bob", "carol"} - {p.name}))
            self.assertNotIn(p.name, rows)
        self.assertLess(time.monotonic() - began, 2 * PATIENCE)
        self.assertEqual(rows["alice"]["id"], alice.id())
        return net, alice, bob, carol, rows

    def test_three_find_each_other(self):
        net, alice, bob, carol, rows = self.three((4, 6))
        self.assertIn(alice.address, rows["alice"]["nearby"])
        said = carol.run("peers").out
        self.assertRegex(said, r"(?m)^‘alice’  \w{7}-\w{7}  stranger  nearby  .*" + alice.address)
        self.assertIn("the local network hears of ‘carol’", carol.run("status").out)

    def test_three_find_each_other_over_ipv4_alone(self):
        rows = self.three((4,))[-1]
        self.assertTrue(all("[" not in where for where in rows["alice"]["nearby"]))

    def test_three_find_each_other_over_ipv6_alone(self):
        net, alice, bob, carol, rows = self.three((6,))
        self.assertTrue(all(where.startswith("[fe80::") and "%eth0]" in where for where in rows["alice"]["nearby"]), rows)
        carol.run("add", "alice", "--id", alice.id())
        alice.run("add", "carol", "--id", carol.id())
        path = carol.file("x", 5000)
        carol.run("offer", "alice", path, "--no-wait")  # to where she was heard, and nothing else is known
        alice.run("accept", str(alice.await_pending()))
        self.assert_same(path, os.path.join(alice.downloads, "x"))

    def test_two_interfaces(self):
        net, alice, bob = self.lan("alice", "bob", switches=2)
        net.plug("alice", 2)
        net.plug("carol", 2)
        carol = Peer(tempfile.mkdtemp(dir=self.folder), "carol", net.address("carol", 2))
        os.remove(os.path.join(carol.home, "config.toml"))
        carol.machine, carol.inside, carol.listen = net.hosts["carol"], net.hosts["carol"].inside, []
        self.peers.append(carol)
        carol.start()
        rows = self.until_heard(alice, "bob", "carol", seconds=4)
        self.assertIn(f"{net.address('carol', 2)}:{carol.port}", rows["carol"]["nearby"])
        self.assertIn(f"{net.address('alice', 2)}:{alice.port}", self.until_heard(carol, "alice")["alice"]["nearby"])
        self.assertNotIn("carol", self.heard(bob))

    def test_goodbye(self):
        net, alice, bob = self.lan("alice", "bob")
        self.until_heard(bob, "alice")
        alice.stop()
        until(lambda: "alice" not in self.heard(bob), 2, "alice is not heard any more")

    def test_a_command_without_a_node_hears_them_too(self):
        net, alice, bob = self.lan("alice", "bob", start=False)
        alice.start()
        self.assertIn("‘alice’", bob.run("peers").out)
        self.assertEqual([r["calls_itself"] for r in bob.run("peers", "--json").rows()], ["alice"])
        until(lambda: not self.heard(alice), 2, "who does not stay is nobody to be offered to")

    def test_watch(self):
        net, alice, bob = self.lan("alice", "bob", start=False)
        alice.start()
        watching = alice.command("peers", "--watch", "--json")
        bob.start()
        for line in watching.process.stdout:
            row = json.loads(line)
            if [p["calls_itself"] for p in row["peers"]] == ["bob"]:
                break
        watching.process.terminate()
        watching.finish()

    def test_found_again_at_another_address(self):
        net, alice, bob = self.lan("alice", "bob", families=(4,))
        alice.run("add", "bob", "--id", bob.id())
        bob.run("add", "alice", "--id", alice.id())
        path = alice.file("big", 300 << 20)
        number = alice.run("offer", "bob", path, "--no-wait").out.strip()
        taken = bob.await_pending()
        bob.run("accept", str(taken), "--no-wait", "--limit", "50M")
        questions = Questions(bob)
        until(lambda: questions.offer(taken).get("bytes_done", 0) > 20 << 20, 30, "it is on its way")
        bob.machine.ip(f"addr del {bob.host}/24 dev eth0", "addr add 10.91.0.77/24 dev eth0")
        alice.machine.ip(f"addr del {alice.host}/24 dev eth0", "addr add 10.91.0.78/24 dev eth0")  # neither is where it was
        bob.run("wait", str(taken))
        alice.run("wait", number)
        self.assert_same(path, os.path.join(bob.downloads, "big"))

    def test_multicast_blocked(self):
        net, alice, bob = self.lan("alice", "bob", start=False)
        net.switch.nft("table bridge lab { chain forward { type filter hook forward priority 0; udp dport 56744 drop; }\n}")
        alice.start()
        bob.start()
        alice.add(bob)
        bob.run("add", "alice", "--id", alice.id())
        self.assertEqual(self.heard(bob), {})
        path = alice.file("x", 5000)
        alice.run("offer", "bob", path, "--no-wait")
        bob.run("accept", str(bob.await_pending()))
        self.assert_same(path, os.path.join(bob.downloads, "x"))

    def test_hidden_and_off_send_nothing(self):
        net, alice, bob = self.lan("alice", "bob", start=False)
        bob.run("config", "discovery", "off")
        hearing = self.hear(alice, 4)
        alice.start("--hidden")
        bob.start()
        for p in (alice, bob):
            p.run("peers")
        said = hearing.communicate()[0]
        self.assertEqual(said, "")
        self.assertNotIn("the local network hears", alice.run("status").out)

    def test_what_is_said_names_nothing_else(self):
        net, alice, bob = self.lan("alice", "bob", start=False)
        hearing = self.hear(bob, 3)
        alice.start()
        said = [json.loads(line) for line in hearing.communicate()[0].splitlines()]
        here = [m for m in said if m["type"] == "here"]
        self.assertGreaterEqual(len(here), 3)
        for m in here:
            self.assertEqual(m, {"type": "here", "version": 1, "id": alice.id(), "name": "alice", "port": alice.port})
        self.assertTrue(all(set(m) == {"type", "version", "pad"} for m in said if m["type"] == "ask"))

    def test_somebody_elses_name_and_somebody_elses_id(self):
        net, alice, bob, mallory = self.lan("alice", "bob", "mallory", families=(4,), start=False)
        alice.start()
        bob.start()
        self.until_heard(alice, "bob")
        alice.run("add", "bob", "--id", bob.id())
        bob.run("add", "alice", "--id", alice.id())
        mallory.name = "bob"
        mallory.start("--hidden")
        here = {"type": "here", "version": 1, "port": mallory.port, "name": "bob"}
        # bob's ID, and bob's name under another ID: neither moves the contact.
        self.talk(mallory, [json.dumps({**here, "id": bob.id()}), json.dumps({**here, "id": mallory.id()})])
        rows = until(lambda: [r for r in Questions(alice).ask("peers")["peers"] if r["id"] == mallory.id()], 2, "mallory is heard")
        self.assertFalse(rows[0]["contact"])
        bob.stop()
        bob.start()
        path = alice.file("secret", 5000)
        alice.run("offer", "bob", path, "--no-wait")
        bob.run("accept", str(bob.await_pending()))
        self.assert_same(path, os.path.join(bob.downloads, "secret"))
        self.assertEqual(mallory.offers(), [])

    def test_a_flood_of_forged_announcements(self):
        net, alice, bob, mallory = self.lan("alice", "bob", "mallory", families=(4,), start=False)
        alice.start()
        bob.start()
        alice.run("add", "bob", "--id", bob.id())
        self.until_heard(alice, "bob")
        line = json.dumps({"type": "here", "version": 1, "id": "ID", "port": 1, "name": "x"})

        def cpu():
            with open(f"/proc/{alice.node.pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        before, began = cpu(), time.monotonic()
        sent = self.talk(mallory, [line], seconds=3)
        used, took = cpu() - before, time.monotonic() - began
        self.assertGreater(sent, 30000)
        self.assertLess(used / took, 0.2 * PATIENCE, f"{sent} datagrams")
        rows = Questions(alice).ask("peers")["peers"]
        self.assertLessEqual(len(rows), 257)
        self.assertTrue(next(r for r in rows if r["name"] == "bob").get("nearby"))

    def test_a_name_is_a_contacts_and_nothing_else(self):
        net, alice, bob, carol = self.lan("alice", "bob", "carol", families=(4,), start=False)
        alice.start()
        bob.start()
        self.until_heard(alice, "bob")
        path = alice.file("x", 5000)
        for yes in ((), ("--yes",)):  # never a name heard from the network, unless a person says so
            refused = alice.run("offer", "bob", path, "--no-wait", *yes, code=10)
            self.assertRegex(refused.err, f"bob.? is not your contact. Nearby: ‘bob’ {bob.id()[:15]} at {bob.address}")
        asking = Terminal(alice, "offer", "bob", path, "--no-wait")
        self.addCleanup(asking.close)
        asking.expect("Is it meant, and may it be a contact")
        asking.type("y")
        asking.finish(0)
        bob.run("accept", str(bob.await_pending()))
        self.assertEqual([(r["name"], r["verified"], r["id"]) for r in alice.run("peers", "--json").rows() if r["contact"]], [("bob", False, bob.id())])
        # By its ID, as lists show it, a stranger may be offered something without becoming a contact.
        bob.run("offer", alice.id()[:15], bob.file("y", 100), "--no-wait")
        alice.run("accept", str(alice.await_pending()))
        carol.name = "BOB"
        carol.start()
        alice.run("forget", "bob")
        until(lambda: len([r for r in Questions(alice).ask("peers")["peers"] if r.get("nearby")]) == 2, 3, "both are heard")
        refused = alice.run("offer", "bob", path, "--no-wait", code=10)
        for p in (bob, carol):
            self.assertIn(p.id()[:15], refused.err)

    def test_what_is_no_beacon_is_dropped(self):
        net, alice, bob = self.lan("alice", "bob", families=(4,), start=False)
        alice.start()
        whole = {"type": "here", "version": 1, "id": bob.id(), "port": 5, "name": "x"}
        self.talk(bob, ["", "{", "[" * 1000, "{" * 1100, json.dumps({**whole, "version": 99}), json.dumps({**whole, "name": "y" * 900}), json.dumps({**whole, "port": 70000}),
                        json.dumps({**whole, "id": "AAAA"}), json.dumps({"type": "leaving", "version": 1, "id": alice.id()})])
        self.assertEqual(self.heard(alice), {})
        self.talk(bob, [json.dumps({**whole, "name": "\x1b[2Jbob"})])
        self.until_heard(alice, "\x1b[2Jbob")
        self.assertNotIn("\x1b", alice.run("peers").out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
