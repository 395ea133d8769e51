"""Networks of their own for the end-to-end tests: one namespace for each machine, and a router between them. Needs root, iproute2 and nftables.

A namespace lives as long as the processes in it, of which the first ends with the test: nothing stays behind, whatever happens."""
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from peers import PATIENCE, ROOT, Case, Peer, Watch

CLONE_NEWNET = 0x40000000  # <linux/sched.h>

# What `conntrack -F` does: asks the kernel (IPCTNL_MSG_CT_DELETE, of everything) and waits for its answer.
FORGET_CONNECTIONS = """
import socket, struct
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:
    s.send(struct.pack("=IHHIIBBH", 20, 0x102, 5, 1, 0, 0, 0, 0))
    assert struct.unpack_from("=i", s.recv(4096), 16) == (0,)
"""

# Says datagrams to the group of eth0 in the namespace it runs in: `count` times each line of its input, "ID" standing for a new one.
TALK = """
import socket, sys, os, json, time
sys.path.insert(0, sys.argv[3])
import peer_client
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
lines = [line.rstrip("\\n") for line in sys.stdin]
ids = [peer_client.peer_id_text(os.urandom(32)) for _ in range(2000)] if any('"ID"' in l for l in lines) else [""]
end = time.monotonic() + float(sys.argv[2])
sent = 0
while time.monotonic() < end or sent < len(lines):
    s.sendto(lines[sent % len(lines)].replace('"ID"', '"' + ids[sent % len(ids)] + '"').encode(), ("224.0.0.221", 56744))
    sent += 1
    if end - time.monotonic() <= 0 and sent >= len(lines): break
print(sent)
"""

PROBE = """
ip link add name one type veth peer name two
tc qdisc add dev one root tbf rate 1mbit burst 256k latency 50ms
nft 'table inet lab { chain out { type nat hook postrouting priority 100; iifname one masquerade; } ; }'
ss -K -t state established
"""


def why_not():
    """What is lacking here for networks of one's own; None if nothing is."""
    if os.geteuid():
        return "network namespaces need root"
    missing = [tool for tool in ("ip", "nft", "tc", "ss", "unshare", "nsenter") if not shutil.which(tool)]
    if missing:
        return "not installed: " + ", ".join(missing)
    tried = subprocess.run(["unshare", "--net", "sh", "-ec", PROBE], capture_output=True, text=True)
    return f"networks cannot be made here: {tried.stderr.strip()}" if tried.returncode else None


def until(condition, seconds, what):
    """What condition() says, as soon as that is true. Looks twenty times a second."""
    end = time.monotonic() + seconds * PATIENCE
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.05)
    return found


class Questions(Watch):
    """Asks a node over its local socket, without a process for each question."""

    def __init__(self, peer):
        super().__init__(peer.home, None)
        peer.watches.append(self)  # to be closed with the others
        self.asked = 1

    def ask(self, verb, **words):
        self.asked += 1
        self.say(request=self.asked, do=verb, **words)
        while (said := self.hear()).get("request") != self.asked or "result" not in said:
            pass
        return said["result"]

    def session(self):
        """Where the other side is and since when; None while there is no session."""
        sessions = self.ask("status")["sessions"]
        return (sessions[0]["route"], sessions[0]["since"]) if sessions else None

    def offer(self, number):
        """What the node knows of an offer that is open; nothing when it has ended."""
        return next((o for o in self.ask("offers")["offers"] if o["number"] == number), {})


class Host:
    """One machine, as far as its network goes. Interfaces: `lo`, and `eth0`, `eth1`... as they are plugged in."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.process.stdout.readline()  # from here on it is in a namespace of its own
        self.inside = ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", "--"]
        self.ip("link set lo up")
        self.ports = 0  # of a machine on a Lan

    def run(self, *words, stdin=None):
        done = subprocess.run([*self.inside, *words], input=stdin, capture_output=True, text=True)
        if done.returncode:
            raise AssertionError(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def ip(self, *commands):
        for words in commands:
            out = self.run("ip", *words.split())
        return out

    def set(self, name, value):
        """One of the kernel's settings for this network."""
        self.run("tee", "/proc/sys/" + name, stdin=str(value))

    def nft(self, rules):
        self.run("nft", "-f", "-", stdin=rules)

    def inside_of(self, make):
        """What make() returns, a socket perhaps, which stays in this machine's network: a namespace is a thread's."""
        def enter():
            with open(self.inside[1].partition("=")[2]) as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return make()
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(enter).result()

    def received(self, device="eth0"):
        """Bytes that have come in, with the packets' headers."""
        return json.loads(self.ip(f"-s -j link show {device}"))[0]["stats64"]["rx"]["bytes"]

    def connections(self):
        """How many TCP connections there are."""
        return len(self.run("ss", "-H", "-t", "-n", "state", "established").splitlines())

    def reset_connections(self):
        """Ends every established connection with a reset to both sides."""
        self.run("ss", "-K", "-t", "state", "established")

    def forget_connections(self):
        """What a router that translates addresses does when it is switched off and on."""
        self.run(sys.executable, "-c", FORGET_CONNECTIONS)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


class Network:
    """Machines, each on a wire of its own to one router. Number N (from 1) is 10.N.0.2 and fd00:N::2, the router 10.N.0.1 and fd00:N::1 there; at
    the router the interface is called as the machine. A machine in `hidden` is behind address translation: nobody can begin to talk to it."""

    def __init__(self):
        self.router, self.hosts, self.wires = Host(), {}, 0

    def build(self, names, hidden=()):
        self.router.set("net/ipv4/ip_forward", 1)
        self.router.set("net/ipv6/conf/all/forwarding", 1)
        self.router.nft("""
            table inet lab {
                chain forward { type filter hook forward priority 0; }
                chain closed { type filter hook forward priority 1; }
                chain out { type nat hook postrouting priority 100; }
            }""")
        for name in names:
            self.hosts[name] = Host()
            self.plug(name, "eth0", name)
            self.hosts[name].ip(*(f"route add default via {self.address(1, self.wires, family)}" for family in (4, 6)))
        for name in hidden:
            self.router.nft(f"""
                add rule inet lab closed oifname {name} ct state new drop
                add rule inet lab out iifname {name} masquerade""")

    def address(self, part, number, family=4):
        return f"10.{number}.0.{part}" if family == 4 else f"fd00:{number}::{part}"

    def plug(self, name, device, called):
        """One more wire between a machine and the router, which calls its end `called`."""
        self.wires += 1
        host, n = self.hosts[name], self.wires
        subprocess.run(["ip", "link", "add", device, "netns", str(host.process.pid), "type", "veth",
                        "peer", "name", called, "netns", str(self.router.process.pid)], check=True)
        for end, interface, part in ((host, device, 2), (self.router, called, 1)):
            end.ip(f"link set {interface} up", f"addr add {self.address(part, n)}/24 dev {interface}",
                   f"addr add {self.address(part, n, 6)}/64 dev {interface} nodad")

    def rate(self, name, megabits):
        """How much the router passes on to that machine a second."""
        self.router.run("tc", "qdisc", "replace", "dev", name, "root", "tbf", "rate", f"{megabits}mbit", "burst", "256k", "latency", "50ms")

    def cut(self, *names, match=""):
        """From now on nothing passes towards these machines (of what matches), and nobody is told."""
        for name in names:
            self.router.nft(f"add rule inet lab forward oifname {name} {match} drop")

    def heal(self):
        self.router.nft("flush chain inet lab forward")

    def close(self):
        for host in (*self.hosts.values(), self.router):
            host.close()


class Lan:
    """Machines on one switch, or on several: number N (from 1) of switch S (from 1) is 10.9S.0.N and fd00:9S::N there."""

    def __init__(self, switches=1):
        self.switch, self.hosts = Host(), {}
        for s in range(1, switches + 1):
            self.switch.ip(f"link add br{s} type bridge mcast_snooping 0", f"link set br{s} up")

    def plug(self, name, switch=1, families=(4, 6)):
        """One more wire from a machine, new perhaps, to a switch; its device is called eth0, eth1..."""
        host = self.hosts.setdefault(name, Host())
        device, port = f"eth{host.ports}", f"{name}{switch}"
        host.ports += 1
        subprocess.run(["ip", "link", "add", device, "netns", str(host.process.pid), "type", "veth",
                        "peer", "name", port, "netns", str(self.switch.process.pid)], check=True)
        self.switch.ip(f"link set {port} master br{switch}", f"link set {port} up")
        if 6 not in families:
            host.set(f"net/ipv6/conf/{device}/disable_ipv6", 1)
        else:
            host.set(f"net/ipv6/conf/{device}/accept_dad", 0)
        host.ip(f"link set {device} up")
        for family in families:
            host.ip(f"addr add {self.address(name, switch, family)}/{24 if family == 4 else 64} dev {device}")
        return host

    def address(self, name, switch=1, family=4):
        number = list(self.hosts).index(name) + 1
        return f"10.9{switch}.0.{number}" if family == 4 else f"fd00:9{switch}::{number}"

    def close(self):
        for host in (*self.hosts.values(), self.switch):
            host.close()


class Transfer:
    """A file on its way from one peer to the other; `size` bytes over a wire of so many megabits a second, fewer where all is slow."""

    def __init__(self, case, net, giver, taker, size, megabits=128):
        self.case, self.giver, self.taker, self.size = case, giver, taker, size
        self.path = giver.file("big.bin", size)
        net.rate(taker.name, max(int(megabits / PATIENCE), 32))
        self.given = int(giver.run("offer", taker.name, self.path, "--no-wait").out)
        self.taken = taker.await_pending(title="big.bin")
        self.received = taker.machine.received()
        taker.run("accept", str(self.taken), "--no-wait")
        self.ask(giver), self.ask(taker)
        self.reach(size // 3)

    def ask(self, peer):
        """Asks this peer's node from now on; again when it has been started again."""
        if peer is self.giver:
            self.at_giver = Questions(peer)
        else:
            self.at_taker = Questions(peer)

    def here(self):
        """Bytes that have arrived."""
        return self.at_taker.offer(self.taken).get("bytes_done", self.size)

    def reach(self, bytes_done, seconds=30):
        until(lambda: self.here() >= bytes_done, seconds, lambda: f"{bytes_done} bytes; {self.here()} are here")

    def goes_on(self, seconds):
        """Something arrives within so many seconds."""
        before = self.here()
        self.case.assertLess(before, self.size, "it had ended before anything happened to it")
        until(lambda: self.here() > before, seconds, f"more than {before} bytes")

    def away(self):
        """What both sides say of the other: whether it is away."""
        return [bool(questions.offer(number).get("away")) for questions, number in ((self.at_giver, self.given), (self.at_taker, self.taken))]

    def arrives(self, seconds=30, again=16 << 20, devices=("eth0",)):
        """The rest arrives within so many seconds, whole, with at most `again` bytes sent twice, and one connection stays on each side."""
        until(lambda: not self.at_taker.offer(self.taken), seconds, lambda: f"the end of {self.at_taker.offer(self.taken)}")
        self.taker.run("wait", str(self.taken))
        self.giver.run("wait", str(self.given))
        self.case.assert_same(self.path, os.path.join(self.taker.downloads, "big.bin"))
        self.case.assert_no_leftovers(self.taker.downloads)
        received = sum(map(self.taker.machine.received, devices)) - self.received
        self.case.assertLess(received, self.size * 1.03 + again, "bytes of it were sent again")
        for peer in (self.giver, self.taker):
            until(lambda: peer.machine.connections() == 1, seconds, lambda: f"one connection at {peer.name}: {peer.machine.run('ss', '-t', '-n')}")


class NetworkCase(Case):
    def network(self, *names, hidden=(), start=True):
        """Such a network, with a running node on each machine."""
        net = Network()
        self.addCleanup(net.close)
        net.build(names, hidden)
        folder, peers = tempfile.mkdtemp(dir=self.folder), []
        for n, name in enumerate(names, 1):
            p = Peer(folder, name, net.address(2, n))
            p.machine, p.inside, p.listen = net.hosts[name], net.hosts[name].inside, []
            peers.append(p)
            self.peers.append(p)
            if start:
                p.start()
        return net, *peers

    def meet(self, dialler, other):
        """Contacts of each other; the other one knows an ID only."""
        other.run("add", dialler.name, "--id", dialler.id())
        dialler.add(other)

    def half_way(self, dials="alice", gives="alice", hidden=(), size=48 << 20, megabits=64):
        """The network, its two peers, of which one dials, and a transfer that is a third done."""
        net, alice, bob = self.network("alice", "bob", hidden=hidden)
        self.meet(*((alice, bob) if dials == "alice" else (bob, alice)))
        return net, alice, bob, Transfer(self, net, *((alice, bob) if gives == "alice" else (bob, alice)), size, megabits)

    def moves(self, net, peer, number, address):
        """Another address for a machine: what happens to a laptop in another room."""
        peer.machine.ip(f"addr del {net.address(2, number)}/24 dev eth0", f"addr add {address}/24 dev eth0",
                        f"route add default via {net.address(1, number)}")
        peer.host = address


class LanCase(Case):
    def lan(self, *names, switches=1, families=(4, 6), start=True):
        net = Lan(switches)
        self.addCleanup(net.close)
        folder, peers = tempfile.mkdtemp(dir=self.folder), []
        for name in names:
            host = net.plug(name, families=families)
            p = Peer(folder, name, net.address(name, family=families[0]))
            os.remove(os.path.join(p.home, "config.toml"))  # discovery is on
            p.machine, p.inside, p.listen = host, host.inside, []
            peers.append(p)
            self.peers.append(p)
        for p in peers if start else []:
            p.start()
        return net, *peers

    def talk(self, peer, lines, seconds=0.0):
        """Says these datagrams from another machine, or again and again for some seconds; returns how many."""
        words = [*peer.machine.inside, sys.executable, "-c", TALK, peer.host, str(seconds), os.path.join(ROOT, "examples")]
        return int(subprocess.run(words, input="\n".join(lines), capture_output=True, text=True, check=True).stdout)
