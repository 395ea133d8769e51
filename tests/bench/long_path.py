#!/usr/bin/env python3
"""A TCP relay that behaves like a long path: every byte arrives DELAY seconds later, and all connections together pass at most RATE bytes a
second in each direction. Opening a connection takes the round trip that it takes on such a path. Python's standard library only.

    long_path.py --listen PORT --to HOST:PORT [--delay 0.05] [--rate 125M] [--count FILE] [--count-every 0.1]

With --count a line `TIME FORWARD BACK` (monotonic seconds, bytes passed so far towards --to and back) is added to FILE every so many seconds.
Without --delay and --rate it only relays and counts. It ends on SIGTERM or SIGINT."""
import argparse
import collections
import contextlib
import errno
import os
import select
import signal
import socket
import struct
import sys
import time

CHUNK = 128 << 10
STANDING = 0.004  # seconds that the link may be booked ahead: the queue before it stays short, and the loop may wake a little late
SOCKET_BUFFER = 1 << 20  # what waits, waits at its sender
RESET = object()
GONE = (BlockingIOError, InterruptedError)


class Link:
    """One direction of the path, shared by all connections: when it is free again, and what has passed."""

    def __init__(self, rate):
        self.rate, self.free_at, self.passed = rate, 0.0, 0

    def book(self, now, size):
        """The moment at which `size` bytes that are given now have left."""
        self.free_at = max(self.free_at, now) + (size / self.rate if self.rate else 0)
        return self.free_at


class End:
    """One socket of a connection and what epoll said of it."""

    def __init__(self, sock, connection):
        self.sock, self.connection = sock, connection
        self.readable = self.writable = False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Pipe:
    """One direction of one connection: bytes on their way, each piece with the moment of its arrival."""

    def __init__(self, source, sink, link, opens_at):
        self.source, self.sink, self.link, self.opens_at = source, sink, link, opens_at
        self.queue, self.held, self.ended = collections.deque(), 0, False


class Connection:
    def __init__(self, client, opens_at):
        self.client, self.server, self.pipes, self.connect_at, self.opens_at = End(client, self), None, [], 0.0, opens_at


class Relay:
    def __init__(self, port, target, delay=0.0, rate=0, count=None, every=0.1, host="127.0.0.1"):
        self.target, self.delay = target, delay
        self.forward, self.back = Link(rate), Link(rate)
        # Twice the bytes that fill the path there and back: only a receiver that does not read lets a connection hold so much.
        self.most = max(4 << 20, int(4 * delay * (rate or 1 << 30)))
        self.connections, self.ends, self.opening = [], {}, []
        self.epoll = select.epoll()
        self.listener = socket.create_server((host, port), backlog=512)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        self.listener.setblocking(False)
        self.epoll.register(self.listener, select.EPOLLIN)
        self.count, self.count_at, self.every = count and open(count, "a", buffering=1), 0.0, every
        self.running = True

    def watch(self, end):
        self.ends[end.sock.fileno()] = end
        self.epoll.register(end.sock, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    def accept(self, now):
        with contextlib.suppress(*GONE):
            while True:
                client, _ = self.listener.accept()
                connection = Connection(client, now + 2 * self.delay)
                connection.connect_at = now + self.delay
                self.connections.append(connection)
                self.opening.append(connection)
                self.watch(connection.client)

    def connect(self, connection):
        """The first half of the round trip is over: calls the other side. Bytes flow after the second half."""
        server = socket.socket(socket.AF_INET6 if ":" in self.target[0] else socket.AF_INET)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        connection.server = End(server, connection)
        code = server.connect_ex(self.target)
        if code not in (0, errno.EINPROGRESS):
            self.drop(connection)
            return
        self.watch(connection.server)
        connection.pipes = [Pipe(connection.client, connection.server, self.forward, connection.opens_at),
                            Pipe(connection.server, connection.client, self.back, 0.0)]

    def drop(self, connection):
        """Ends both sides at once, as a reset does."""
        if connection not in self.connections:
            return
        self.connections.remove(connection)
        for end in (connection.client, connection.server):
            if end:
                self.ends.pop(end.sock.fileno(), None)
                with contextlib.suppress(OSError):
                    end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.sock.close()

    def close(self, connection):
        """Both directions came to their end and everything was handed over."""
        self.connections.remove(connection)
        for end in (connection.client, connection.server):
            self.ends.pop(end.sock.fileno(), None)
            end.sock.close()

    def read(self, pipe, now):
        """Takes one piece from the sender if the link has room for it. Says whether to come back at once."""
        if not pipe.source.readable or pipe.ended or pipe.held >= self.most or now < pipe.opens_at or pipe.link.free_at > now + STANDING:
            return False
        try:
            data = pipe.source.sock.recv(CHUNK)
        except GONE:
            pipe.source.readable = False
            return False
        except OSError:
            data = RESET
        if not data or data is RESET:
            pipe.ended = True
            pipe.queue.append((max(now, pipe.link.free_at) + self.delay, data))
            return False
        pipe.held += len(data)
        pipe.queue.append((pipe.link.book(now, len(data)) + self.delay, memoryview(data)))
        return True

    def write(self, pipe, now):
        """Hands over what has arrived. Says whether the connection is still there."""
        while pipe.queue and pipe.queue[0][0] <= now and pipe.sink.writable:
            due, data = pipe.queue[0]
            try:
                if data is RESET:
                    raise ConnectionResetError
                if not data:
                    pipe.queue.popleft()
                    pipe.sink.sock.shutdown(socket.SHUT_WR)
                    continue
                sent = pipe.sink.sock.send(data)
            except GONE:
                pipe.sink.writable = False
                break
            except OSError:
                self.drop(pipe.sink.connection)
                return False
            pipe.held -= sent
            pipe.link.passed += sent
            if sent == len(data):
                pipe.queue.popleft()
            else:
                pipe.queue[0] = (due, data[sent:])
        return True

    def turn(self, now):
        """Moves what can be moved. Returns the moment at which there is more to do (infinity: when a socket says so)."""
        for connection in [c for c in self.opening if c.connect_at <= now]:
            self.opening.remove(connection)
            self.connect(connection)
        wake = min((c.connect_at for c in self.opening), default=float("inf"))
        self.connections.append(self.connections.pop(0)) if self.connections else None  # another one is the first each time
        for connection in list(self.connections):
            for pipe in connection.pipes:
                again = self.read(pipe, now)
                if not self.write(pipe, now):
                    break
                if again:
                    wake = min(wake, max(now, pipe.link.free_at - STANDING))
                elif pipe.source.readable and not pipe.ended and pipe.held < self.most:
                    wake = min(wake, max(pipe.opens_at, pipe.link.free_at - STANDING))
                if pipe.queue and pipe.sink.writable:
                    wake = min(wake, pipe.queue[0][0])
            else:
                if connection.pipes and all(p.ended and not p.queue for p in connection.pipes):
                    self.close(connection)
        return wake

    def run(self):
        wake = 0.0
        while self.running:
            now = time.monotonic()
            if self.count:
                if now >= self.count_at:
                    self.count.write(f"{now:.3f} {self.forward.passed} {self.back.passed}\n")
                    self.count_at = now + self.every
                wake = min(wake, self.count_at)
            # Waits are whole milliseconds; a piece that is due within the next one is not worth two wakes.
            for fd, event in self.epoll.poll(min(1.0, max(0.0, wake - now)), 256):
                if fd == self.listener.fileno():
                    self.accept(time.monotonic())
                elif end := self.ends.get(fd):
                    end.readable |= bool(event & ~select.EPOLLOUT)
                    end.writable |= bool(event & ~select.EPOLLIN)
            wake = self.turn(time.monotonic())

    def stop(self, *_):
        self.running = False


def size(text):
    """Bytes of 125M, 2G, 64k (powers of 1000) or a plain number."""
    unit = {"k": 10**3, "m": 10**6, "g": 10**9}.get(text[-1:].lower())
    return int(float(text[:-1]) * unit) if unit else int(text)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--listen", type=int, required=True, metavar="PORT", help="on 127.0.0.1; 0: any free one, which is printed")
    a.add_argument("--to", required=True, metavar="HOST:PORT")
    a.add_argument("--delay", type=float, default=0.0, help="seconds each way")
    a.add_argument("--rate", type=size, default=0, help="bytes a second in each direction, all connections together (125M is 1 Gbit/s); 0: no limit")
    a.add_argument("--count", metavar="FILE")
    a.add_argument("--count-every", type=float, default=0.1, metavar="SECONDS")
    args = a.parse_args()
    host, _, port = args.to.rpartition(":")
    relay = Relay(args.listen, (host.strip("[]"), int(port)), args.delay, args.rate, args.count, args.count_every)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, relay.stop)
    print(f"listening on 127.0.0.1:{relay.listener.getsockname()[1]}", flush=True)
    relay.run()
    if relay.count:
        relay.count.write(f"{time.monotonic():.3f} {relay.forward.passed} {relay.back.passed}\n")
    print(f"passed {relay.forward.passed} bytes forward, {relay.back.passed} back", file=sys.stderr)
    os._exit(0)


if __name__ == "__main__":
    main()
