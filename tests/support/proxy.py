"""A TCP proxy on loopback that can stall, cut and count, so that a test can stop a transfer at a byte instead of at a moment."""
import contextlib
import socket
import threading


class Proxy:
    """Forwards every connection to `port` of `host`. `hold(n)`: after n more bytes towards the listener side (or, with `back`, towards the dialler) all
    forwarding stalls and `held` is set, until release() or cut()."""

    def __init__(self, port, host="127.0.0.1"):
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Condition()
        self.limit = {False: None, True: None}
        self.stalled = False
        self.held = threading.Event()
        self.connections = []  # in the order in which they came: a session before its lanes
        self.frozen = None
        self.refusing = False
        self.counts = {False: 0, True: 0}
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def hold(self, after, back=False):
        with self.lock:
            self.limit[back] = after
            self.held.clear()

    def wait_held(self, timeout=60):
        if not self.held.wait(timeout):
            raise AssertionError(f"the proxy never saw so many bytes: {self.counts}")

    def release(self):
        with self.lock:
            self.limit, self.stalled, self.frozen = {False: None, True: None}, False, None
            self.lock.notify_all()

    def freeze(self, number):
        """That connection, counted from 0, carries nothing more until release(); the others go on."""
        with self.lock:
            self.limit, self.stalled, self.frozen = {False: None, True: None}, False, self.connections[number]
            self.lock.notify_all()

    def cut_one(self, number):
        """Resets that connection and lets the others be."""
        for s in self.connections[number]:
            with contextlib.suppress(OSError):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.shutdown(socket.SHUT_RDWR)

    def cut(self, refuse=False):
        """Resets every connection; with `refuse`, new ones too until release()."""
        with self.lock:
            self.refusing = refuse
            connections, self.connections = self.connections, []
        for pair in connections:
            for s in pair:
                with contextlib.suppress(OSError):
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    s.shutdown(socket.SHUT_RDWR)
                s.close()
        self.release()

    def close(self):
        self.listener.close()
        self.cut(refuse=True)

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(self.target, 5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections.append((near, far))
            for back in (False, True):
                threading.Thread(target=self.pump, args=((near, far), back), daemon=True).start()

    def pump(self, pair, back):
        source, sink = reversed(pair) if back else pair
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                with self.lock:
                    self.counts[back] += len(data)
                    if self.limit[back] is not None:
                        self.limit[back] -= len(data)
                        if self.limit[back] <= 0:
                            self.stalled = True
                            self.held.set()
                    while self.stalled or self.frozen == pair:
                        self.lock.wait()
                sink.sendall(data)
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
