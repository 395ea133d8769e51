"""The Python twin of pairing agrees with RFC 9382 and with PROTOCOL.md, so that what the tests do with it means something."""
import base64
import os
import unittest

import spake2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def vectors(name):
    """The lines `name value` of a file, split where the first name comes again."""
    found = []
    with open(os.path.join(ROOT, "tests", "data", "spake2", name), encoding="utf-8") as file:
        for line in file:
            key, _, value = line.strip().partition(" ")
            if not key or key == "#":
                continue
            if not found or key in found[-1]:
                found.append({})
            found[-1][key] = value
    return found


class Spake2(unittest.TestCase):
    def test_vectors_of_the_rfc(self):
        self.assertEqual(len(vectors("rfc9382_p256.txt")), 4)
        for v in vectors("rfc9382_p256.txt"):
            with self.subTest(w=v["w"]):
                w, x, y = (int(v[name], 16) for name in "wxy")
                a, b = spake2.share_of("A", w, x), spake2.share_of("B", w, y)
                k = spake2.common("A", w, x, b)
                self.assertEqual(spake2.common("B", w, y, a), k)
                shares = spake2.encoded(a), spake2.encoded(b)
                got = spake2.keys(v["id_a"].encode(), v["id_b"].encode(), *shares, spake2.encoded(k), w, b"")
                got |= {"share_a": shares[0], "share_b": shares[1], "k": spake2.encoded(k)}
                for name in ("share_a", "share_b", "k", "hash", "confirm_a", "confirm_b", "mac_a", "mac_b"):
                    self.assertEqual(got[name].hex(), v[name], name)

    def test_example_of_the_specification(self):
        v, = vectors("pairing.txt")
        raw = {name: bytes.fromhex(value) for name, value in v.items() if name != "words"}
        a, b = (spake2.Pairing(role, v["words"], raw["joiner"], raw["inviter"], raw["exporter"], int(v[secret], 16)) for role, secret in ("Ax", "By"))
        a.take(b.share)
        b.take(a.share)
        self.assertEqual(a.keys, b.keys)
        self.assertTrue(a.convinced_by(b.confirmation) and b.convinced_by(a.confirmation))
        self.assertEqual(len(a.keys["transcript"]), 351)
        got = {"w": a.w.to_bytes(32, "big"), "share_a": a.share, "share_b": b.share, **a.keys}
        for name in ("w", "share_a", "share_b", "hash", "confirm_a", "confirm_b", "mac_a", "mac_b"):
            self.assertEqual(got[name], raw[name], name)
        with open(os.path.join(ROOT, "protocol", "PROTOCOL.md"), encoding="utf-8") as file:
            text = file.read()
        for name, value in v.items():
            self.assertIn(f"`{value}`", text, name)
        for name in ("share_a", "share_b", "mac_a", "mac_b"):
            self.assertIn(base64.b64encode(raw[name]).decode(), text, name)

    def test_what_is_no_point_is_refused(self):
        good = spake2.encoded(spake2.times(7, spake2.BASE))
        self.assertEqual(spake2.decoded(good), spake2.times(7, spake2.BASE))
        for bad in (b"", b"\0", bytes(65), good[:-1], good + b"x", b"\2" + good[1:], good[:-1] + bytes([good[-1] ^ 1])):
            with self.assertRaises(ValueError):
                spake2.decoded(bad)


if __name__ == "__main__":
    unittest.main()
