"""Commands on a terminal, as a person has them."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from peers import COMMAND_SECONDS, PEER


class Terminal:
    """A command on a terminal of its own, which is its controlling one."""

    def __init__(self, peer, *args, rows=40, columns=150):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen([*peer.inside, PEER, *map(os.fspath, args)], env=peer.env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
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

    def end_input(self):
        """Ctrl-D on an empty line."""
        os.write(self.master, b"\x04")

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

