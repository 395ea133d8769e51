"""The programs that are measured. Each is started for one run and stopped after it; send() is what is timed.

With `via` (a function from the port of the server to the port of a relay before it) every connection goes through that relay."""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

from lab import HOST, alive, family, free_port, note, wait_port

CIPHER = "aes128-gcm@openssh.com"
PEER_ID = re.compile(r"[A-Z2-7]{7}(?:-[A-Z2-7]{7}){7}")


class Node:
    """A running peer with a state folder of its own."""

    def __init__(self, lab, name, downloads, host=HOST):
        self.lab, self.name, self.downloads, self.host, self.port = lab, name, downloads, host, free_port()
        self.home = lab.fresh(lab.work / "homes" / name)
        self.pid = None
        self.start()
        self.id = PEER_ID.search(self.ask("id")).group()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def command(self, *words):
        return [self.lab.peer, *words, "--home", self.home]

    def ask(self, *words):
        return subprocess.run([str(c) for c in self.command(*words)], stdin=subprocess.DEVNULL, stderr=self.lab.log, stdout=subprocess.PIPE,
                              text=True, check=True, timeout=600).stdout

    def status(self):
        return json.loads(self.ask("status", "--json"))

    def start(self):
        self.ask("start", "--background", "--listen", self.host, "--port", str(self.port), "--downloads", self.downloads, "--name", self.name)
        self.pid = self.status()["pid"]
        self.lab.nodes.append(self)

    def know(self, other, address=None):
        """Makes the other one a verified contact."""
        self.lab.run(self.command("add", other.name, *([address] if address else []), "--id", other.id, "--yes"))

    def wait_session(self, count=1):
        for _ in range(1000):
            if len(self.status()["sessions"]) >= count:
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} has no session")

    def gone(self):
        for _ in range(1500):
            if not alive(self.pid):
                break
            time.sleep(0.02)
        else:
            note(f"{self.name}: the node did not end within 30 s and was killed")
            os.kill(self.pid, signal.SIGKILL)
        self.pid = None
        self.lab.nodes.remove(self)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.gone()

    def stop(self):
        if self.pid is None:
            return
        with contextlib.suppress(subprocess.SubprocessError):
            self.ask("stop")
        self.gone()


class Contender:
    name = programs = None
    payload = 1  # the direction in which the file passes a relay: 1 from the client to the server, 2 back

    def __init__(self, lab):
        self.lab, self.server = lab, None

    @classmethod
    def missing(cls):
        return [p for p in cls.programs if not shutil.which(p)]

    def start(self, dest, via=None):
        pass

    def roots(self):
        """The processes of either side that are there before send()."""
        return {}

    def settle(self):
        """Between two runs without a new start."""

    def stop(self):
        if self.server:
            self.lab.end(self.server)
            self.server = None


class Peer(Contender):
    """Two running nodes that know each other; the taker takes without asking. The giver listens where the taker does not look for it, so that
    it is always the giver who calls."""
    name, programs = "peer", []

    def start(self, dest, via=None):
        self.taker = Node(self.lab, "taker", dest)
        self.giver = Node(self.lab, "giver", self.lab.work, "127.0.0.2")
        self.giver.know(self.taker, f"{HOST}:{via(self.taker.port)}" if via else self.taker.address)
        self.taker.know(self.giver)
        self.lab.run(self.taker.command("trust", "giver", "--yes"))
        self.giver.wait_session()

    def roots(self):
        return {"giver": [self.giver.pid], "taker": [self.taker.pid]}

    def offer(self, source, *options):
        return self.giver.command("offer", "taker", source, "--no-input", *options)

    def send(self, source, dest):
        self.lab.client("giver", self.offer(source, "--again"))

    def begin(self, source, dest):
        self.client = self.lab.serve(self.offer(source))

    def kill(self, side):
        """As a crash would. The client of a giver that was killed ends with it."""
        node = self.giver if side == "giver" else self.taker
        node.kill()
        if side == "giver":
            self.lab.reap(side, self.client, fails=True)

    def resume(self, side, source, dest):
        (self.giver if side == "giver" else self.taker).start()
        if side == "giver":
            self.begin(source, dest)

    def finish(self):
        self.lab.reap("giver", self.client)

    def stop(self):
        for node in (self.giver, self.taker):
            node.stop()


class ColdPeer(Peer):
    """The giver has no running node: the command starts one and ends it."""
    name = "peer, giver's node not running"
    leaving = None

    def start(self, dest, via=None):
        super().start(dest, via)
        self.giver.stop()

    def send(self, source, dest):
        super().send(source, dest)
        for pid in [int(p) for p in os.listdir("/proc") if p.isdigit()]:  # its node may outlive it by a moment
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    if f.read().split(b"\0")[:4] == [b"peer", b"--node", b"--home", os.fsencode(self.giver.home)]:
                        self.leaving = pid

    def settle(self):
        while self.leaving and alive(self.leaving):
            time.sleep(0.005)
        self.leaving = None


class Ideal(Contender):
    """ideal.cpp, with as many connections as peer uses."""
    name, programs = "ideal (TLS and digests only)", ["g++"]
    lanes = 2

    @classmethod
    def build(cls, lab):
        binary = lab.work / "ideal"
        if not binary.exists():
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ideal.cpp")
            lab.run(["g++", "-O2", "-std=c++20", source, "-o", binary, "-lssl", "-lcrypto", "-lxxhash", "-pthread"])
        return binary

    def start(self, dest, via=None):
        self.binary, self.port = self.build(self.lab), free_port()
        self.dest = dest

    def send(self, source, dest):
        self.lab.client("giver", [self.binary, "give", self.port, self.lanes, source])
        self.lab.reap("taker", self.server)
        self.server = None

    def roots(self):
        self.server = self.lab.serve([self.binary, "take", self.port, self.lanes, self.dest / "large"], stdout=subprocess.PIPE)
        self.server.stdout.readline()
        return {"taker": [self.server.pid]}


class Https(Contender):
    """nginx gives, curl takes."""
    name, programs, payload = "https (nginx, curl)", ["nginx", "curl", "openssl"], 2

    def start(self, dest, via=None):
        self.folder = self.lab.work / "https"
        if not self.folder.exists():
            self.folder.mkdir()
            self.lab.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                          "-subj", "/CN=bench", "-addext", f"subjectAltName=IP:{HOST}", "-keyout", self.folder / "key.pem",
                          "-out", self.folder / "cert.pem"])
        self.listen = free_port()
        self.port = self.listen
        d = self.folder
        places = "".join(f"{kind}_temp_path {d}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (d / "conf").write_text(
            f"{'user root;' if os.geteuid() == 0 else ''} pid {d}/pid; error_log {d}/errors; worker_processes 1; events {{}}\n"
            f"http {{ access_log off; {places}\n"
            f"server {{ listen {HOST}:{self.listen} ssl; ssl_certificate {d}/cert.pem; ssl_certificate_key {d}/key.pem;\n"
            f"ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; root {self.lab.work}/sources; }} }}\n")
        self.serve()
        if via:
            self.port = via(self.listen)

    def serve(self):
        self.server = self.lab.serve(["nginx", "-e", self.folder / "errors", "-c", self.folder / "conf", "-g", "daemon off;"])
        wait_port(self.listen)

    def roots(self):
        return {"giver": [self.server.pid]}

    def curl(self, source, dest):
        return ["curl", "-sSf", "--cacert", self.folder / "cert.pem", "-C", "-", "-o", dest / source.name,
                f"https://{HOST}:{self.port}/{source.name}"]

    def send(self, source, dest):
        self.lab.client("taker", self.curl(source, dest))

    def begin(self, source, dest):
        self.client = self.lab.serve(self.curl(source, dest))

    def kill(self, side):
        if side == "giver":
            for pid in family(self.server.pid):
                os.kill(pid, signal.SIGKILL)
            self.lab.end(self.server, signal.SIGKILL)
        else:
            self.client.kill()
        self.lab.reap("taker", self.client, fails=True)

    def resume(self, side, source, dest):
        if side == "giver":
            self.serve()
        self.begin(source, dest)

    def finish(self):
        self.lab.reap("taker", self.client)


class Ssh(Contender):
    """An sshd with keys of its own."""

    def start(self, dest, via=None):
        folder = self.lab.work / "ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        for key in ("host", "user"):
            if not (folder / key).exists():
                self.lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key])
        (folder / "authorized").write_text((folder / "user.pub").read_text())
        port = free_port()
        (folder / "config").write_text(
            f"Port {port}\nListenAddress {HOST}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin yes\nPidFile none\nSubsystem sftp internal-sftp\n")
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.server = self.lab.serve(["/usr/sbin/sshd", "-D", "-e", "-f", folder / "config"])
        wait_port(port)
        self.port = via(port) if via else port
        self.options = ["-i", folder / "user", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                        "-F", "none", "-c", CIPHER]

    def roots(self):
        return {"taker": [self.server.pid]}

    def stop(self):
        if self.server:
            sessions = family(self.server.pid)[1:]
            super().stop()
            for pid in sessions:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGTERM)


class Scp(Ssh):
    name, programs = "scp", ["scp", "ssh-keygen", "/usr/sbin/sshd"]

    def send(self, source, dest):
        self.lab.client("giver", ["scp", "-q", "-r", "-p", "-P", self.port, *self.options, source, f"{HOST}:{dest}/"])


class Rsync(Ssh):
    name, programs = "rsync over ssh", ["rsync", "ssh", "ssh-keygen", "/usr/sbin/sshd"]

    def rsync(self, source, dest, *options):
        return ["rsync", "-a", *options, "-e", " ".join(map(str, ["ssh", "-p", self.port, *self.options])), source, f"{HOST}:{dest}/"]

    def send(self, source, dest):
        self.lab.client("giver", self.rsync(source, dest, "--whole-file"))

    def begin(self, source, dest):
        self.client = self.lab.serve(self.rsync(source, dest, "--partial", "--append-verify"))

    def kill(self, side):
        victims = [self.client.pid] if side == "giver" else [p for p in family(self.server.pid) if self.is_rsync(p)]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        self.lab.reap("giver", self.client, fails=True)
        while len(family(self.server.pid)) > 1:
            time.sleep(0.005)

    @staticmethod
    def is_rsync(pid):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as f:
            return f.read().strip() == "rsync"
        return False

    def resume(self, side, source, dest):
        self.begin(source, dest)

    def finish(self):
        self.lab.reap("giver", self.client)


class Copy(Contender):
    """No network, no encryption: what the file system costs."""
    name, programs = "cp -r", ["cp"]

    def send(self, source, dest):
        self.lab.client("giver", ["cp", "-r", "--reflink=never", source, dest])
