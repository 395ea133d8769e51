"""What `peer doctor` says of this machine, and of the way to another peer."""
import contextlib
import errno
import os
import socket
import tempfile
import unittest

from fault_case import FaultCase
from faults import DELAY, FOR_EVER
from network import Lan, NetworkCase, until, why_not
from peers import Case, Peer, free_port


def row(result, check, **fields):
    """The one row of a check whose fields are `fields`."""
    rows = [r for r in result.rows() if r["check"] == check and all(r.get(k) == v for k, v in fields.items())]
    if len(rows) != 1:
        raise AssertionError(f"{len(rows)} rows {check} {fields}: {result!r}")
    return rows[0]


class ThisMachine(Case):
    def test_everything_is_fine(self):
        alice = self.peer("alice")
        result = alice.run("doctor", "--json")
        for r in result.rows():
            self.assertEqual((r["v"], r["type"]), (1, "check"))
            self.assertIn(r["state"], ("ok", "note"), repr(result))
            self.assertTrue(r["text"])
            self.assertIsInstance(r["remedy"], str)
        self.assertEqual({r["check"] for r in result.rows()}, {"settings", "port", "port_range", "interfaces", "multicast", "firewall", "downloads",
                                                              "disk", "cipher", "limits", "versions"})
        port = row(result, "port")
        self.assertEqual((port["port"], port["listening"], port["addresses"]), (alice.port, True, [{"address": alice.address, "answers": True}]))
        self.assertGreater(row(result, "cipher")["bytes_per_second"], 0)
        self.assertGreater(row(result, "disk")["write_bytes_per_second"], 0)
        self.assertLessEqual(row(result, "disk")["written_bytes"], 64 << 20)
        self.assertEqual(row(result, "downloads")["folder"], alice.downloads)
        self.assertGreater(row(result, "downloads")["free_bytes"], 0)
        self.assertIn("3.", row(result, "versions")["openssl"])
        self.assertEqual(os.listdir(alice.downloads), [])
        shown = alice.run("doctor").out
        self.assertRegex(shown, r"(?m)^ok +cipher +one core encrypts ")
        self.assertNotIn("PROBLEM", shown)

    def test_without_a_running_node(self):
        alice = self.peer("alice", False)
        alice.run("config", "port", str(alice.port))
        alice.run("config", "listen", "127.0.0.1")
        port = row(alice.run("doctor", "--json"), "port")
        self.assertEqual((port["port"], port["listening"]), (alice.port, True))

    def test_a_taken_port(self):
        alice = self.peer("alice", False)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            alice.run("config", "port", str(other.getsockname()[1]))
            alice.run("config", "listen", "127.0.0.1")
            result = alice.run("doctor", "--json", code=1)
            port = row(result, "port", state="problem")
            self.assertEqual((port["pid"], port["listening"]), (os.getpid(), False))
            self.assertIn(port["program"], port["text"])
            self.assertIn("peer config port", port["remedy"])

    def test_a_downloads_folder_that_takes_nothing(self):
        alice = self.peer("alice", False)
        in_the_way = alice.file("no-folder", 10)
        for folder, text in ((in_the_way, "is no folder"), (os.path.join(in_the_way, "below"), "it cannot be made")):
            with self.subTest(folder=folder):
                alice.run("config", "downloads", folder)
                result = alice.run("doctor", "--json", code=1)
                self.assertIn(text, row(result, "downloads", state="problem")["text"])
                self.assertNotIn("disk", [r["check"] for r in result.rows()])
        alice.run("config", "downloads", alice.folder + "/not/there/yet")
        result = alice.run("doctor", "--json")
        self.assertFalse(row(result, "downloads")["there"])
        self.assertFalse(os.path.exists(os.path.join(alice.folder, "not")))

    @unittest.skipIf(os.geteuid(), "another user needs root")
    def test_a_downloads_folder_of_somebody_else(self):
        alice = self.peer("alice", False)
        os.chmod(self.folder, 0o755)
        for where, folders, files in os.walk(alice.folder):
            for name in [where] + [os.path.join(where, f) for f in files]:
                os.chown(name, 65534, 65534)
        alice.user = 65534
        os.chown(alice.downloads, 0, 0)
        os.chmod(alice.downloads, 0o755)
        with open(os.path.join(alice.home, "config.toml"), "w") as f:
            f.write(f'discovery = "off"\ndownloads = "{alice.downloads}"\nport = {free_port()}\nlisten = ["127.0.0.1"]\n')
        result = alice.run("doctor", "--json", code=1)
        self.assertIn("Permission denied", row(result, "downloads", state="problem")["text"])
        self.assertFalse(row(result, "firewall")["readable"])

    def test_settings_that_mean_nothing(self):
        alice = self.peer("alice", False)
        alice.run("config", "port", str(free_port()))
        with open(os.path.join(alice.home, "config.toml"), "a") as f:
            f.write('colour = "blue"\n')
        result = alice.run("doctor", "--json")
        self.assertEqual(len(row(result, "settings", state="note")["warnings"]), 1)
        self.assertIn("colour", alice.run("doctor").out)


class AnotherPeer(Case):
    def test_the_right_one(self):
        alice, bob = self.pair()
        result = alice.run("doctor", "bob", "--json")
        address = row(result, "address", address=bob.address)
        self.assertEqual((address["answer"], address["known"], address["state"]), ("right", "given", "ok"))
        route = row(result, "route")
        self.assertEqual((route["local"], route["interface"], route["dialled"]), ("127.0.0.1", "lo", True))
        self.assertEqual(row(result, "round_trip")["answered"], 5)
        self.assertGreater(row(result, "round_trip")["median_us"], 0)
        other = row(result, "other_side")
        self.assertTrue(other["agent"].startswith("peer/"))
        self.assertEqual((other["calls_itself"], other["port"]), ("bob", bob.port))
        self.assertEqual([r for r in result.rows() if r["check"] == "transfer"], [])
        # The same by its ID, and by its address.
        for word in (bob.id(), bob.id()[:15], bob.address):
            self.assertEqual(row(alice.run("doctor", word, "--json"), "address")["answer"], "right")

    def test_nobody_there(self):
        alice, bob = self.pair()
        bob.stop()
        result = alice.run("doctor", "bob", "--json", code=4)
        address = row(result, "address", address=bob.address)
        self.assertEqual((address["answer"], address["state"]), ("refused", "problem"))
        self.assertIn("peer start", address["remedy"])

    def test_another_identity(self):
        alice, bob = self.pair()
        bobs_id = bob.id()
        bob.stop()
        mallory = self.peer("mallory", False)
        mallory.port = bob.port
        mallory.start()
        result = alice.run("doctor", "bob", "--json", code=5)
        address = row(result, "address")
        self.assertEqual((address["answer"], address["expected"], address["met"]), ("other_identity", bobs_id, mallory.id()))
        shown = alice.run("doctor", "bob", code=5).out
        self.assertRegex(shown, rf"(?m)^ +expected {bobs_id}$")
        self.assertRegex(shown, rf"(?m)^ +met      {mallory.id()}$")

    def test_blocked(self):
        alice, bob = self.pair()
        bob.run("block", "alice")
        result = alice.run("doctor", "bob", "--json", code=4)
        self.assertEqual(row(result, "address")["answer"], "right")
        self.assertIn("may have blocked", row(result, "route", state="problem")["text"])
        self.assertIn("peer unblock alice", row(bob.run("doctor", "alice", "--json", code=1), "blocked")["remedy"])

    def test_another_service(self):
        alice, bob = self.pair()
        bob.stop()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((bob.host, bob.port))
            other.listen()
            doctor = alice.command("doctor", "bob", "--json")
            with contextlib.suppress(OSError):
                while doctor.process.poll() is None:
                    other.settimeout(0.2)
                    try:
                        connection = other.accept()[0]
                    except TimeoutError:
                        continue
                    connection.sendall(b"SSH-2.0-other\r\n")
                    connection.close()
            result = doctor.finish()
        self.assertEqual(result.code, 4, repr(result))
        self.assertEqual(row(result, "address")["answer"], "no_peer", repr(result))

    def test_nobody_known(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        self.assertIn("no contact is called", alice.run("doctor", "bob", code=10).err)
        alice.run("doctor", alice.id(), code=2)
        alice.run("add", "carol", "--id", bob.id())
        nowhere = row(alice.run("doctor", "carol", "--json", code=4), "address")
        self.assertEqual(nowhere["state"], "problem")
        self.assertIn("peer add carol ADDRESS", nowhere["remedy"])
        # An address that is nobody's makes no contact.
        result = alice.run("doctor", bob.address, "--json", code=0)
        self.assertEqual(row(result, "address")["met"], bob.id())
        self.assertIn("that is this peer itself: peer doctor", alice.run("doctor", alice.address, code=2).err)
        alice.run("doctor", "", code=2)
        self.assertEqual(alice.run("doctor", "127.0.0.1:9", "--json", code=4).rows()[0]["answer"], "refused")
        self.assertEqual([r["addresses"] for r in alice.run("peers", "--json").rows() if r["name"] == "carol"], [[]])

    def test_what_others_say_is_shown_safely(self):
        alice = self.peer("alice")
        self.session(alice, name="mallory\x1b[2J")  # and leaves every question unanswered
        until(lambda: "mallory" in alice.run("status").out, 5, "the session is there")
        shown = alice.run("doctor", self.client_id(), code=1)
        self.assertNotIn("\x1b", shown.out)
        self.assertIn("calls itself ‘mallory\\e[2J’", shown.out)
        self.assertRegex(shown.out, "(?m)^PROBLEM +round trip +no answer")

    def speed(self, peer, other):
        return row(peer.run("doctor", other.name, "--json"), "transfer")

    def test_what_limited_a_transfer(self):
        for size in (1_500_000, 8_000_000):  # over the session; over lanes
            for side in ("giver", "taker"):
                with self.subTest(size=size, side=side):
                    self.setUp()
                    alice, bob = self.pair()
                    rate = size  # so it takes a second
                    limit = ("--limit", str(rate))
                    self.give(alice, bob, alice.file("x", size), offer=limit if side == "giver" else (), accept=limit if side == "taker" else ())
                    here, there = (alice, bob) if side == "giver" else (bob, alice)
                    mine, theirs = self.speed(here, there), self.speed(there, here)
                    self.assertEqual((mine["limited_by"], mine["limit"]), ("limit", rate), mine)
                    self.assertEqual(theirs["limited_by"], "other", theirs)
                    for told in (mine, theirs):
                        self.assertEqual(told["bytes"], size)
                        self.assertGreater(told["bytes_per_second"], rate / 4)
                        self.assertLess(told["bytes_per_second"], rate * 2, (mine, theirs))
                    self.assertIn(f"the limit of {rate / 1e6:.3g} MB/s set here", here.run("doctor", there.name).out)
                    history = [r for r in here.run("history", "--json").rows()]
                    self.assertEqual(history[0]["speed"]["limited_by"], "limit")
                    # Kept with the history, over a restart.
                    here.stop()
                    here.start()
                    self.assertEqual(self.speed(here, there)["limited_by"], "limit")
                    here.run("history", "--clear")
                    self.assertNotIn("transfer", [r["check"] for r in here.run("doctor", there.name, "--json").rows()])
                    self.tearDown()


class SlowDisk(FaultCase):
    def tree(self):
        return [self.giver.file("big.bin", 8 << 20)]

    def transfer(self, slow, folder, kind):
        """What both sides say of a transfer while each such operation of `slow` lasts 50 ms."""
        self.shims[slow].arm([folder], [kind], 1, DELAY, 50, FOR_EVER)
        self.give(self.giver, self.taker, *self.roots, offer=("--again",))
        self.shims[slow].disarm()
        return [next(r for r in here.run("doctor", there.name, "--json").rows() if r["check"] == "transfer")["limited_by"]
                for here, there in ((self.giver, self.taker), (self.taker, self.giver))]

    def test_the_takers_disk(self):
        self.assertEqual(self.transfer(self.taker, self.taker.downloads, "write"), ["other", "disk"])

    def test_the_givers_disk(self):
        self.assertEqual(self.transfer(self.giver, self.giver.files, "read"), ["disk", "other"])

    def test_a_disk_that_fails(self):
        self.shims[self.taker].arm([self.taker.downloads], ["create", "open"], 1, times=FOR_EVER, error=errno.EIO)
        self.assertIn("Input/output error", row(self.taker.run("doctor", "--json", code=1), "disk", state="problem")["text"])


@unittest.skipIf(why_not(), "no networks of one's own here")
class Networks(NetworkCase):
    def test_a_firewall_on_the_way(self):
        net, alice, bob = self.network("alice", "bob")
        alice.add(bob)
        result = alice.run("doctor", "bob", "--json")
        self.assertEqual((row(result, "route")["interface"], row(result, "route")["local"]), ("eth0", alice.host))
        bob.stop()
        net.cut("bob")
        result = alice.run("doctor", "bob", "--json", code=4)
        self.assertEqual(row(result, "address", address=bob.address)["answer"], "no_answer")
        said = alice.run("offer", "bob", alice.file("x", 10), "--no-wait").err
        self.assertIn("peer doctor bob tells more", said)

    def test_a_slow_network_is_what_limits(self):
        net, alice, bob = self.network("alice", "bob")
        self.meet(alice, bob)
        net.rate("bob", 16)
        self.give(alice, bob, alice.file("x", 12 << 20))
        for here, there in ((alice, bob), (bob, alice)):
            told = row(here.run("doctor", there.name, "--json"), "transfer")
            self.assertEqual(told["limited_by"], "network", told)
            self.assertLess(told["bytes_per_second"], 3_000_000)

    def local(self, *options):
        """A peer on a local network of its own, with discovery."""
        net = Lan()
        self.addCleanup(net.close)
        host = net.plug("alice")
        p = Peer(tempfile.mkdtemp(dir=self.folder), "alice", net.address("alice"))
        os.remove(os.path.join(p.home, "config.toml"))
        p.machine, p.inside, p.listen = host, host.inside, []
        self.peers.append(p)
        return p.start(*options)

    def test_a_firewall_of_this_machine(self):
        alice = self.local()
        result = alice.run("doctor", "--json")
        self.assertEqual([(r["interface"], r["family"], r["heard"]) for r in row(result, "multicast", state="ok")["links"]],
                         [("eth0", "IPv4", True), ("eth0", "IPv6", True)])
        self.assertEqual(row(result, "firewall")["state"], "ok")
        eth0, = [i for i in row(result, "interfaces")["interfaces"] if i["name"] == "eth0"]
        self.assertTrue(eth0["discovery"])
        self.assertIn(alice.host, eth0["addresses"])

        alice.machine.nft("table inet filter { chain input { type filter hook input priority 0; policy accept;\nudp dport 56744 drop\n}\n}")
        result = alice.run("doctor", "--json", code=1)
        self.assertEqual([r["heard"] for r in row(result, "multicast", state="problem")["links"]], [False, False])
        firewall = row(result, "firewall", state="problem")
        self.assertIn("UDP 56744", firewall["text"])
        self.assertIn("inet filter input", firewall["text"])
        # What it says to do helps.
        alice.machine.run("sh", "-c", firewall["remedy"].replace("sudo ", ""))
        result = alice.run("doctor", "--json")
        self.assertEqual((row(result, "multicast")["state"], row(result, "firewall")["state"]), ("ok", "ok"))

    def test_what_is_not_said_is_not_tried(self):
        alice = self.local("--hidden")
        self.assertIn("hidden", row(alice.run("doctor", "--json"), "multicast", state="note")["text"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
