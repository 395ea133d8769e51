"""The cryptography of pairing (PROTOCOL.md, section 21) once more, from the specification and Python's standard library alone: SPAKE2 of
RFC 9382 over P-256, and one side of a try at pairing. For tests: it takes no constant time and hides nothing.

An honest side is a Pairing; what a dishonest one needs is here in pieces."""
import hashlib
import hmac
import secrets

P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff
ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b
BASE = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
        0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)
INFINITY = None


def on_curve(point):
    x, y = point
    return 0 <= x < P and 0 <= y < P and (y * y - (x * x * x - 3 * x + B)) % P == 0


def add(a, b):
    if a is INFINITY or b is INFINITY:
        return b if a is INFINITY else a
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return INFINITY
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(factor, point):
    out = INFINITY
    for bit in bin(factor % ORDER)[2:]:
        out = add(out, out)
        if bit == "1":
            out = add(out, point)
    return out


def negated(point):
    return point and (point[0], -point[1] % P)


def encoded(point):
    return b"\4" + point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def decoded(raw):
    """ValueError for all but an uncompressed point of the curve."""
    point = int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")
    if len(raw) != 65 or raw[0] != 4 or not on_curve(point):
        raise ValueError("no point of the curve")
    return point


def decompressed(text):
    raw = bytes.fromhex(text)
    x = int.from_bytes(raw[1:], "big")
    y = pow(x * x * x - 3 * x + B, (P + 1) // 4, P)
    return x, y if y % 2 == raw[0] - 2 else P - y


M = decompressed("02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f")
N = decompressed("03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49")


def share_of(role, w, secret):
    """pA (role "A") or pB, as a point."""
    return add(times(secret, BASE), times(w, M if role == "A" else N))


def common(role, w, secret, theirs):
    """K as a point, or INFINITY."""
    return times(secret, add(theirs, negated(times(w, N if role == "A" else M))))


def hkdf(key, info):
    """Without a salt; 32 bytes."""
    return hmac.digest(hmac.digest(bytes(32), key, "sha256"), info + b"\1", "sha256")


def keys(id_a, id_b, share_a, share_b, k, w, associated):
    """All that follows from the transcript: a dict of bytes."""
    parts = id_a, id_b, share_a, share_b, k, w.to_bytes(32, "big")
    transcript = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    digest = hashlib.sha256(transcript).digest()
    confirm = hkdf(digest[16:], b"ConfirmationKeys" + associated)
    return {"transcript": transcript, "hash": digest, "confirm_a": confirm[:16], "confirm_b": confirm[16:],
            "mac_a": hmac.digest(confirm[:16], transcript, "sha256"), "mac_b": hmac.digest(confirm[16:], transcript, "sha256")}


def stretched(words, joiner, inviter):
    """w of a code's words and both peer IDs (bytes)."""
    wide = hashlib.scrypt(words.encode(), salt=b"peer-pair-v1" + joiner + inviter, n=2**15, r=8, p=1, maxmem=64 << 20, dklen=40)
    return int.from_bytes(wide, "big") % ORDER


class Pairing:
    """One side of one try: role "A" joins, role "B" invites."""

    def __init__(self, role, words, joiner, inviter, exporter, secret=None):
        self.role, self.joiner, self.inviter, self.exporter = role, joiner, inviter, exporter
        self.w = stretched(words, joiner, inviter)
        self.secret = secret or 1 + secrets.randbelow(ORDER - 1)
        self.share = encoded(share_of(role, self.w, self.secret))
        self.keys = None

    def take(self, theirs):
        """Their share, as bytes. ValueError if no honest side says it."""
        k = common(self.role, self.w, self.secret, decoded(theirs))
        if theirs == self.share or k is INFINITY:
            raise ValueError("no honest share")
        share_a, share_b = (self.share, theirs) if self.role == "A" else (theirs, self.share)
        self.keys = keys(b"peer-A" + self.joiner, b"peer-B" + self.inviter, share_a, share_b, encoded(k), self.w, self.exporter)

    @property
    def confirmation(self):
        return self.keys["mac_a" if self.role == "A" else "mac_b"]

    def convinced_by(self, mac):
        return hmac.compare_digest(mac, self.keys["mac_b" if self.role == "A" else "mac_a"])


def expand_label(secret, label, context, length, name):
    """HKDF-Expand-Label of RFC 8446, section 7.1, up to one block."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(context)]) + context
    return hmac.digest(secret, info + b"\1", name)[:length]


def exported(exporter_secret, label, length):
    """What TLS 1.3 exports under a label without a context (RFC 8446, section 7.5), from the EXPORTER_SECRET of a key log: Python's ssl
    writes one (SSLContext.keylog_filename) but exports nothing."""
    name = {32: "sha256", 48: "sha384"}[len(exporter_secret)]
    empty = hashlib.new(name).digest()
    return expand_label(expand_label(exporter_secret, label.encode(), empty, len(exporter_secret), name), b"exporter", empty, length, name)
