"""A client of a node's local socket (peer/node/LOCAL.md): what a command asks, without starting a program for it."""
import json
import os
import socket
import struct
import time

from peers import COMMAND_SECONDS


class NodeGone(Exception):
    """The node closed its local socket, or there is none."""


class Refused(Exception):
    """The node's last word on a request was `failed`."""

    def __init__(self, answer):
        super().__init__(f"exit {answer['exit']}: {answer['failed']}")
        self.text, self.exit = answer["failed"], answer["exit"]


class Local:
    def __init__(self, home):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(COMMAND_SECONDS)
        self.last = 0
        self.heard = {}  # of each open request, in order
        self.buffer = b""
        try:
            self.socket.connect(os.path.join(home, "node.sock"))
        except OSError as e:
            raise NodeGone(str(e)) from e
        self.ask("attach", command="test", lasting=False)

    def begin(self, do, **fields):
        """Says a request and returns its number."""
        self.last += 1
        body = json.dumps({"request": self.last, "do": do, **fields}).encode()
        self.heard[self.last] = []
        try:
            self.socket.sendall(struct.pack(">I", len(body)) + body)
        except OSError as e:
            raise NodeGone(str(e)) from e
        return self.last

    def ask(self, do, **fields):
        """The result of a request; what it tells before that is passed over."""
        request = self.begin(do, **fields)
        while True:
            m = self.next(request)
            if "result" in m:
                return m["result"]

    def next(self, request):
        """The next message about `request`."""
        end = time.monotonic() + COMMAND_SECONDS
        while not self.heard[request]:
            m = self.receive(end)
            if m["request"] in self.heard:
                self.heard[m["request"]].append(m)
        m = self.heard[request].pop(0)
        if "failed" in m:
            del self.heard[request]
            raise Refused(m)
        if "result" in m:
            del self.heard[request]
        return m

    def receive(self, end):
        while True:
            if len(self.buffer) >= 4:
                size = 4 + struct.unpack(">I", self.buffer[:4])[0]
                if len(self.buffer) >= size:
                    body, self.buffer = self.buffer[4:size], self.buffer[size:]
                    return json.loads(body)
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                part = self.socket.recv(1 << 16)
            except TimeoutError:
                raise AssertionError("the node did not answer in time") from None
            except OSError as e:
                raise NodeGone(str(e)) from e
            if not part:
                raise NodeGone("it closed its local socket")
            self.buffer += part

    def offers(self):
        return self.ask("offers")["offers"]

    def offer(self, number):
        """The offer of that number, open or ended."""
        for row in self.offers():
            if row["number"] == number:
                return row
        before = 0
        while page := self.history(before):
            for row in page:
                if row["number"] == number:
                    return row
            before = page[-1]["number"]
        return None

    def history(self, before=0, limit=64):
        """Offers that have ended, the latest first, after the one with the number `before`."""
        rows, request = [], self.begin("history", before=before, limit=limit)
        while "result" not in (m := self.next(request)):
            rows += m["offers"]
        return rows

    def close(self):
        self.socket.close()


