"""Cuts, crashes, changing sources and full disks: what arrived stays, what is lacking is wanted again, nothing is a mixture."""
import contextlib
import glob
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import time
import unittest

from network import until
from peers import Case
from proxy import Proxy

BIG = 96 << 20


class Faults(Case):
    def half_way(self, after, *paths, accept=()):
        """A transfer that stands still when `after` bytes have passed."""
        alice, bob, proxy = self.pair_through_proxy()
        if not paths:
            paths = [alice.file("big.bin", BIG)]
        else:
            paths = [p(alice) for p in paths]
        alice.run("offer", "bob", *paths, "--no-wait")
        number = bob.await_pending()
        proxy.hold(after)
        bob.run("accept", str(number), "--no-wait", *accept)
        proxy.wait_held()
        return alice, bob, proxy, number, paths[0]

    def check_arrived(self, alice, bob, number, path):
        bob.run("wait", str(number))
        self.assert_same(path, os.path.join(bob.downloads, os.path.basename(path)))
        self.assert_no_leftovers(bob.downloads)
        # The giver hears of it too, also when the `done` was lost once.
        alice.await_end("done")
        self.assertEqual(alice.offers(), [])

    def test_connections_cut(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        proxy.cut()
        self.check_arrived(alice, bob, number, path)
        # What had arrived was not sent again, but for the wants that were open.
        self.assertLess(proxy.counts[False], BIG + (64 << 20) + (8 << 20))

    def test_many_cuts(self):
        alice, bob, proxy, number, path = self.half_way(4 << 20)
        for _ in range(3):
            proxy.cut()
            proxy.hold(10 << 20)
            proxy.wait_held()
        proxy.cut()
        self.check_arrived(alice, bob, number, path)

    def test_giver_killed_and_started_again(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        alice.kill()
        proxy.cut()
        alice.start()
        self.check_arrived(alice, bob, number, path)

    def test_a_giver_started_again_says_how_far_it_is(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        alice.kill()
        proxy.cut()
        bob.run("accept", str(number), "--limit", "1M", "--no-wait")
        alice.start()
        here = bob.offers()[0]["bytes_done"]
        self.assertGreater(here, BIG // 3)
        until(lambda: any(row["bytes_done"] >= here for row in alice.offers()), 20, lambda: f"{here} of {alice.offers()}")
        bob.run("accept", str(number), "--limit", "0", "--no-wait")
        self.check_arrived(alice, bob, number, path)

    def test_taker_killed_and_started_again(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        bob.kill()
        self.assertFalse(os.path.exists(os.path.join(bob.downloads, "big.bin")))
        proxy.cut()
        bob.start()
        self.check_arrived(alice, bob, number, path)
        self.assertLess(proxy.counts[False], BIG + (64 << 20) + (8 << 20))

    def test_both_killed(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 3)
        alice.kill()
        bob.kill()
        proxy.cut()
        bob.start()
        alice.start()
        self.check_arrived(alice, bob, number, path)

    def test_small_files_and_a_killed_taker(self):
        def tree(alice):
            for i in range(3000):
                alice.file(f"many/{i % 7}/{i}", 1 + i % 9000, seed=i)
            return os.path.join(alice.files, "many")
        alice, bob, proxy, number, path = self.half_way(2 << 20, tree)
        bob.kill()
        proxy.cut()
        bob.start()
        self.check_arrived(alice, bob, number, path)

    def test_a_cancel_cut_short_by_a_crash_is_completed(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        bob.kill()
        proxy.cut()
        self.assertNotEqual(os.listdir(bob.downloads), [])
        # What is in the database when the program ends between the decision and the removal.
        with contextlib.closing(sqlite3.connect(os.path.join(bob.home, "peer.db"))) as db, db:
            identity, = db.execute("SELECT hex(id) FROM offers WHERE number = ?", (number,)).fetchone()
            said = json.dumps({"type": "cancel", "id": identity.lower(), "reason": "cancelled"}).encode()
            db.execute("UPDATE offers SET state = 'cancelled', ledger_state = 4, say = ? WHERE number = ?", (said, number))
        bob.start()
        alice.await_end("cancelled")
        bob.stop()
        self.assertEqual(os.listdir(bob.downloads), [])
        self.assertEqual(os.listdir(os.path.join(bob.home, "offers")), [])

    def test_what_an_ended_offer_left_is_removed_and_nothing_else(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        bob.kill()
        proxy.cut(refuse=True)
        staged, = os.listdir(bob.downloads)
        records = os.path.join(bob.home, "offers")
        for left in ("scan-0123", "9999", "of somebody else"):
            os.mkdir(os.path.join(records, left))
        os.mkdir(os.path.join(bob.downloads, ".peer-mine"))
        # What is in the database when the program ends between the last word and the removal.
        with contextlib.closing(sqlite3.connect(os.path.join(bob.home, "peer.db"))) as db, db:
            db.execute("UPDATE offers SET state = 'cancelled', ended = 1, say = x'' WHERE number = ?", (number,))
        bob.start()
        bob.stop()
        self.assertEqual(os.listdir(bob.downloads), [".peer-mine"], staged)
        self.assertEqual(os.listdir(records), ["of somebody else"])

    def damage_list(self, bob, name="names"):
        """Of the one offer of a node that does not run."""
        record, = os.listdir(os.path.join(bob.home, "offers"))
        os.truncate(os.path.join(bob.home, "offers", record, name), 3)

    def test_a_damaged_list_is_fetched_again(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        bob.watch().until(lambda o: o["bytes_done"] > BIG // 2 - (8 << 20))  # all that the proxy let pass is written
        bob.kill()
        proxy.cut()
        sent = proxy.counts[False]
        self.damage_list(bob)
        bob.start()
        self.check_arrived(alice, bob, number, path)
        self.assertIn("damaged here: it is fetched again", bob.log_file())
        self.assertLess(proxy.counts[False] - sent, BIG // 2 + (20 << 20))  # what had arrived is kept

    def test_a_damaged_list_of_an_offer_nobody_has_answered(self):
        alice, bob = self.pair()
        path = alice.file("x", 1000)
        alice.run("offer", "bob", path, "--no-wait")
        number = bob.await_pending()
        bob.stop()
        self.damage_list(bob, "catalogue")
        bob.start()
        bob.run("accept", str(number))
        self.assert_same(path, os.path.join(bob.downloads, "x"))

    def test_a_transfer_whose_list_is_damaged_can_be_cancelled(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        bob.kill()
        alice.kill()
        self.damage_list(bob)
        bob.start()
        bob.watch().until(lambda o: (o.get("trouble") or {}).get("code") == "disk")
        self.assertIn("damaged here", bob.run("offers").out)
        bob.run("cancel", str(number))
        self.assertEqual(os.listdir(bob.downloads), [])

    def test_pending_offers_survive_restarts(self):
        alice, bob = self.pair()
        alice.run("offer", "bob", alice.file("x", 1000), "--no-wait")
        number = bob.await_pending()
        bob.stop()
        alice.stop()
        bob.start()
        self.assertEqual([(o["number"], o["state"]) for o in bob.offers()], [(number, "pending")])
        alice.start()
        bob.run("accept", str(number))
        self.assert_same(os.path.join(alice.files, "x"), os.path.join(bob.downloads, "x"))

    def test_without_a_node_the_same_command_goes_on(self):
        alice, bob = self.peer("alice", False, host="127.0.0.2"), self.peer("bob", host="127.0.0.3")
        proxy = Proxy(bob.port, bob.host)
        self.addCleanup(proxy.close)
        path = alice.file("big.bin", BIG)
        alice.run("add", "bob", proxy.address, "--id", bob.id(), "--yes")
        giving = alice.command("offer", "bob", path)
        number = bob.await_pending()
        proxy.hold(BIG // 2)
        bob.run("accept", str(number), "--no-wait")
        proxy.wait_held()
        giving.process.kill()  # its node, its only client gone, ends by itself
        giving.finish()
        proxy.cut()
        again = alice.run("offer", "bob", path)
        self.assertEqual(again.code, 0)
        bob.run("wait", str(number), code=None)
        self.assert_same(path, os.path.join(bob.downloads, "big.bin"))

    def changing(self, change):
        """A tree whose last file changes while the first ones are on their way."""
        def tree(alice):
            for i in range(16):
                alice.file(f"d/{i:02}", 8 << 20, seed=i)
            return os.path.join(alice.files, "d")
        alice, bob, proxy, number, path = self.half_way(4 << 20, tree)
        change(os.path.join(path, "15"))
        waiting = alice.command("wait", str(alice.offers()[0]["number"]))
        proxy.release()
        taken = bob.run("wait", str(number), code=8)
        given = waiting.finish()
        self.assertEqual(given.code, 8, repr(given))
        for result in (given, taken):
            self.assertIn("15", result.out + result.err)
        got = os.path.join(bob.downloads, "d")
        self.assertEqual(sorted(os.listdir(got)), [f"{i:02}" for i in range(15)])
        for i in range(15):
            self.assert_same(os.path.join(path, f"{i:02}"), os.path.join(got, f"{i:02}"))

    def test_source_truncated(self):
        self.changing(lambda path: os.truncate(path, 1 << 20))

    def test_source_rewritten(self):
        def rewrite(path):
            with open(path, "r+b") as f:
                f.seek(5 << 20)
                f.write(b"something else")
        self.changing(rewrite)

    def test_source_deleted(self):
        self.changing(os.unlink)

    def test_source_swapped_for_a_link(self):
        def swap(path):
            os.rename(path, path + ".away")
            os.symlink("/etc/passwd", path)
            os.rename(path + ".away", os.path.join(os.path.dirname(os.path.dirname(path)), "away"))
        self.changing(swap)

    def small_disk(self, bob, megabytes, disk=None, more=""):
        disk = disk or os.path.join(bob.folder, "disk")
        os.makedirs(disk, exist_ok=True)
        if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m{more}", "tmpfs", disk], capture_output=True).returncode:
            self.skipTest("mounting a small tmpfs needs root")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], capture_output=True)
        return disk

    def test_an_offer_that_does_not_fit_is_refused(self):
        alice, bob = self.pair()
        disk = self.small_disk(bob, 16)
        alice.run("offer", "bob", alice.file("big", 32 << 20), "--no-wait")
        number = bob.await_pending()
        refused = bob.run("accept", str(number), "--to", disk, code=7)
        self.assertRegex(refused.err, r"\d+(\.\d+)? MB")
        self.assertEqual(os.listdir(disk), [])
        bob.run("accept", str(number))  # elsewhere there is room
        self.assert_same(os.path.join(alice.files, "big"), os.path.join(bob.downloads, "big"))

    def test_a_folder_that_cannot_be_written_is_refused_with_the_cause(self):
        alice, bob = self.pair()
        disk = self.small_disk(bob, 16)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        alice.run("offer", "bob", alice.file("x", 1000), "--no-wait")
        refused = bob.run("accept", str(bob.await_pending()), "--to", disk, code=1)
        self.assertIn(f"cannot write into ‘{disk}’: Read-only file system: choose another folder", refused.err)

    def test_the_disk_of_the_records_is_full(self):
        """It is told apart from the one that receives, and is gone on with when there is room."""
        alice, bob, proxy = self.pair_through_proxy()
        disk = self.small_disk(bob, 8)
        bob.stop()
        os.chmod(disk, 0o700)
        records = os.path.join(bob.home, "offers")
        os.makedirs(records, exist_ok=True)
        subprocess.run(["mount", "--bind", disk, records], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", records], capture_output=True)
        bob.start()
        path = alice.file("big", BIG)
        alice.run("offer", "bob", path, "--no-wait")
        number = bob.await_pending()
        proxy.hold(4 << 20)
        bob.run("accept", str(number), "--no-wait")
        proxy.wait_held()
        filler = os.path.join(disk, "filler")
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as f:
            while f.write(bytes(4096)):
                pass
        watch = bob.watch()
        proxy.release()
        seen = watch.until(lambda o: o.get("trouble"))
        self.assertEqual(seen["trouble"]["code"], "no_space")
        self.assertIn(f"the disk of ‘{records}/{number}’ (where this program keeps its records) is full", bob.run("offers").out)
        os.unlink(filler)
        watch.until(lambda o: o["state"] == "done")
        self.assert_same(path, os.path.join(bob.downloads, "big"))

    def test_disk_full_in_the_middle(self):
        alice, bob, proxy = self.pair_through_proxy()
        disk = self.small_disk(bob, 48)
        path = alice.file("big", 32 << 20)
        alice.run("offer", "bob", path, "--no-wait")
        number = bob.await_pending()
        proxy.hold(4 << 20)
        bob.run("accept", str(number), "--to", disk, "--no-wait")
        proxy.wait_held()
        with open(os.path.join(disk, "filler"), "wb") as f:
            f.write(bytes(24 << 20))
        watch = alice.watch()
        proxy.release()
        # The giver is told; both offers stay open.
        seen = watch.until(lambda o: (o.get("trouble") or {}).get("code") == "no_space")
        self.assertEqual(seen["direction"], "out")
        self.assertRegex(seen["trouble"]["text"], "^cannot [a-z ]+: No space left on device$")  # no path of bob's
        bob.watch().until(lambda o: o.get("trouble"))
        shown = bob.run("offers").out
        self.assertRegex(shown, f"the disk of ‘{disk}’ is full: paused, .* missing")
        self.assertIn(f"goes on by itself within a minute, or at once by peer accept {number}", shown)
        self.assertFalse(os.path.exists(os.path.join(disk, "big")))
        os.unlink(os.path.join(disk, "filler"))
        bob.run("accept", str(number))
        self.assert_same(path, os.path.join(disk, "big"))
        self.assertEqual(os.listdir(disk), ["big"])

    def test_no_room_to_note_an_offer(self):
        """Nobody has rejected it: it waits for room."""
        alice, bob = self.peer("alice"), self.peer("bob", False)
        self.small_disk(bob, 8, bob.home)
        os.chmod(bob.home, 0o700)
        with open(os.path.join(bob.home, "config.toml"), "w") as f:
            f.write('discovery = "off"\n')
        bob.start()
        alice.add(bob)
        bob.run("add", "alice", "--id", alice.id())
        filler = os.path.join(bob.home, "filler")
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as f:
            while f.write(bytes(1 << 12)):
                pass
        path = alice.file("x", 10)
        alice.run("offer", "bob", path, "--no-wait")
        seen = alice.watch().until(lambda o: (o.get("trouble") or {}).get("code") == "disk")
        self.assertEqual(seen["state"], "pending")
        self.assertIn("bob's disk fails: the offer cannot be noted there", alice.run("offers").out)
        self.assertEqual(bob.offers(), [])
        os.unlink(filler)
        number = bob.await_pending()
        self.assertNotIn("bob's disk", alice.run("offers").out)
        bob.run("accept", str(number))
        self.assert_same(path, os.path.join(bob.downloads, "x"))

    def test_a_decision_that_cannot_be_noted(self):
        """It holds, and is noted as soon as that can be: a crash does not undo it then."""
        alice, bob = self.pair()
        alice.run("offer", "bob", alice.file("x", 10), "--no-wait")
        number = bob.await_pending()
        other = sqlite3.connect(os.path.join(bob.home, "peer.db"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # another program that writes: ours gives up after some seconds
        bob.run("reject", str(number))
        alice.await_end("rejected")
        until(lambda: bob.log_file().count(f"save offer {number}: ") == 2, 30, "neither the answer nor the end could be noted")
        other.execute("ROLLBACK")
        other.close()
        until(lambda: bob.run("history").out, 20, "what was decided is noted")
        bob.kill()
        bob.start()
        self.assertEqual(bob.offers(), [])
        self.assertEqual([r["state"] for r in bob.run("history", "--json").rows()], ["rejected"])

    def without_record(self, peer, proxy, number, lost):
        """Ends the node; it begins anew without this file of the offer's record, or without any."""
        peer.kill()
        proxy.release()
        record = os.path.join(peer.home, "offers", str(number))
        if lost:
            os.unlink(os.path.join(record, lost))
        else:
            shutil.rmtree(record)
        peer.start()

    def record_goes_at_the_taker(self, lost=""):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        self.without_record(bob, proxy, number, lost)
        self.check_arrived(alice, bob, number, path)

    def record_goes_at_the_giver(self, lost=""):
        """It cannot be served any more: both sides are told, and it can be offered again."""
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        mine = alice.offers()[0]["number"]
        waiting = bob.command("wait", str(number))
        self.without_record(alice, proxy, mine, lost)
        self.assertIn("can be offered again", waiting.finish().err)
        until(lambda: not alice.offers(), 10, "the giver's offer has ended")
        self.assertIn("offer the files again", alice.run("history").out)
        self.assertEqual(bob.offers(), [])
        self.assert_no_leftovers(bob.downloads)

    def test_the_taker_loses_its_catalogue(self):
        self.record_goes_at_the_taker("catalogue")

    def test_the_taker_loses_the_names(self):
        self.record_goes_at_the_taker("names")

    def test_the_giver_loses_its_catalogue(self):
        self.record_goes_at_the_giver("catalogue")

    def test_the_giver_loses_the_manifest(self):
        self.record_goes_at_the_giver("manifest")

    def test_the_giver_loses_the_whole_record(self):
        self.record_goes_at_the_giver()

    def test_a_disk_without_inodes(self):
        alice, bob = self.pair()
        disk = self.small_disk(bob, 48, more=",nr_inodes=150")
        for i in range(400):
            alice.file(f"d/{i:03}", 1000, seed=i)
        path = os.path.join(alice.files, "d")
        alice.run("offer", "bob", path, "--no-wait")
        number = bob.await_pending()
        bob.run("accept", str(number), "--to", disk, "--no-wait")
        for peer in (alice, bob):
            seen = peer.watch().until(lambda o: (o.get("trouble") or {}).get("code") == "no_space")
            self.assertEqual(seen["trouble"]["missing"], 0, "bytes are not what is missing")
        self.assertIn("No space left on device", seen["trouble"]["text"])
        self.assertIn("no room for more files, whatever bytes are free (df -i", seen["trouble"]["text"])
        self.assertEqual([n for n in os.listdir(disk) if not n.startswith(".")], [])
        subprocess.run(["mount", "-o", "remount,nr_inodes=1000", disk], check=True)
        bob.run("accept", str(number))
        self.assert_same(path, os.path.join(disk, "d"))
        self.assertEqual(os.listdir(disk), ["d"])

    def test_a_limit_on_the_size_of_files(self):
        alice, bob = self.pair()
        resource.prlimit(bob.node.pid, resource.RLIMIT_FSIZE, (8 << 20, resource.RLIM_INFINITY))
        small, large = alice.file("small", 1 << 20), alice.file("large", 12 << 20)
        given, taken = self.give(alice, bob, small, large, code=8, accept_code=8)
        for result in (given, taken):  # one file fails by name; the node lives
            self.assertIn("large", result.out + result.err)
            self.assertIn("File too large", result.out + result.err)
        self.assertEqual(os.listdir(bob.downloads), ["small"])
        self.assert_same(small, os.path.join(bob.downloads, "small"))

    def test_the_receiving_disk_goes_away(self):
        alice, bob, proxy = self.pair_through_proxy()
        disk = self.small_disk(bob, 64)
        path = alice.file("big", 24 << 20)
        alice.run("offer", "bob", path, "--no-wait")
        number = bob.await_pending()
        proxy.hold(4 << 20)
        bob.run("accept", str(number), "--to", disk, "--no-wait")
        proxy.wait_held()
        subprocess.run(["umount", "-l", disk], check=True)
        watch = bob.watch()
        proxy.release()
        seen = watch.until(lambda o: o.get("trouble"))
        self.assertEqual(seen["trouble"]["code"], "disk")
        self.assertIn(f"‘{disk}’ is on another disk than what has arrived", seen["trouble"]["text"])
        self.assertEqual(os.listdir(disk), [])  # nothing goes where the disk is not
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=True)
        bob.run("accept", str(number))
        self.assert_same(path, os.path.join(disk, "big"))
        self.assertEqual(os.listdir(disk), ["big"])

    def test_a_record_that_names_no_file_system(self):
        """Of an earlier version."""
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        bob.stop()
        note = os.path.join(bob.home, "offers", str(number), "staging")
        with open(note) as f:
            lines = f.read().splitlines(True)
        self.assertEqual(len(lines), 5)
        with open(note, "w") as f:
            f.writelines(lines[:4])
        proxy.cut()
        proxy.hold(4 << 20)
        bob.start()
        self.assertGreater(bob.watch().until(lambda o: o.get("resumed_bytes"))["resumed_bytes"], BIG // 4)
        proxy.release()
        self.check_arrived(alice, bob, number, path)

    def drive_away(self):
        """A transfer of which a part lies on a drive that was unmounted while bob's node did not run; mount --bind of the last brings it back."""
        alice, bob, proxy = self.pair_through_proxy()
        disk, kept = self.small_disk(bob, 64), os.path.join(bob.folder, "kept")
        os.mkdir(kept)
        subprocess.run(["mount", "--bind", disk, kept], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", kept], capture_output=True)
        path = alice.file("big", 32 << 20)
        alice.run("offer", "bob", path, "--no-wait")
        number = bob.await_pending()
        proxy.hold(16 << 20)
        bob.run("accept", str(number), "--to", disk, "--no-wait")
        proxy.wait_held()
        until(lambda: bob.offers()[0]["bytes_done"] > 8 << 20, 20, "half of it is there")
        bob.stop()
        subprocess.run(["umount", disk], check=True)
        proxy.cut()
        proxy.hold(4 << 20)  # so that it is seen where it goes on
        bob.start()
        seen = bob.watch().until(lambda o: o.get("trouble"))
        self.assertEqual(seen["trouble"]["code"], "disk")
        self.assertIn(f"‘{disk}’ is on another disk than what has arrived", seen["trouble"]["text"])
        self.assertIn(f"peer accept {number} begins anew", seen["trouble"]["text"])
        self.assertEqual(os.listdir(disk), [])
        return bob, proxy, number, path, disk, kept

    def test_a_drive_that_is_not_mounted_is_waited_for(self):
        bob, proxy, number, path, disk, kept = self.drive_away()
        self.assertIn("is the drive mounted?", bob.run("offers").out)
        subprocess.run(["mount", "--bind", kept, disk], check=True)
        seen = bob.watch().until(lambda o: not o.get("trouble") and o.get("resumed_bytes"))
        self.assertGreater(seen["resumed_bytes"], 8 << 20)
        proxy.release()
        bob.run("wait", str(number))
        self.assert_same(path, os.path.join(disk, "big"))
        self.assertEqual(os.listdir(disk), ["big"])

    def test_a_folder_is_not_made_where_a_drive_was_mounted(self):
        """Desktops remove the place of a drive that was taken out."""
        bob, proxy, number, path, disk, kept = self.drive_away()
        proxy.release()
        bob.stop()
        os.rmdir(disk)
        bob.start()
        bob.watch().until(lambda o: "another disk" in (o.get("trouble") or {}).get("text", ""))
        self.assertFalse(os.path.exists(disk))
        bob.run("accept", str(number))  # whoever says it means it
        self.assert_same(path, os.path.join(disk, "big"))
        self.assertEqual(os.listdir(disk), ["big"])
        self.assertEqual(len(os.listdir(kept)), 1)  # nobody can remove it from here
        subprocess.run(["mount", "--bind", kept, disk], check=True)
        until(lambda: not os.listdir(kept), 20, "what was left there goes when the drive is back")

    def test_a_transfer_is_cancelled_while_its_drive_is_away(self):
        bob, proxy, number, path, disk, kept = self.drive_away()
        said = bob.run("cancel", str(number), "--keep", code=1)
        self.assertIn(f"offer {number} is not cancelled: what is complete of it cannot be kept now, for it is on a drive that is away from ‘{disk}’", said.err)
        self.assertEqual(bob.offers()[0]["state"], "active")
        said = bob.run("cancel", str(number))
        self.assertIn(f"what had arrived in ‘{disk}’ is on a drive that is away; it is removed when the drive is back there", said.err)
        self.assertEqual(bob.offers(), [])
        self.assertEqual(os.listdir(disk), [])
        bob.stop()  # it is known over a restart
        bob.start()
        self.assertEqual(len(os.listdir(kept)), 1)
        subprocess.run(["mount", "--bind", kept, disk], check=True)
        until(lambda: not os.listdir(kept), 20, "what was left there goes when the drive is back")
        until(lambda: not os.listdir(os.path.join(bob.home, "offers")), 20, "nothing is known of it any more")

    def test_the_folder_that_receives_is_renamed_meanwhile(self):
        """It is noticed while bytes are lacking, and goes on when the name is back."""
        target = os.path.join(self.folder, "bob/target")
        alice, bob, proxy, number, path = self.half_way(BIG // 2, accept=("--to", target))
        heard, watch = alice.watch(), bob.watch()
        os.rename(target, target + ".away")
        seen = watch.until(lambda o: o.get("trouble"))  # though nothing comes
        self.assertIn(f"the folder ‘{target}’ was renamed or replaced", seen["trouble"]["text"])
        self.assertIn(f"the folder ‘{target}’ was renamed or replaced", bob.run("offers").out)
        self.assertNotIn("disk here", bob.run("offers").out)
        proxy.release()
        told = heard.until(lambda o: o.get("trouble"))["trouble"]
        self.assertEqual(told["text"], "the folder that receives was renamed or replaced")
        os.rename(target + ".away", target)
        watch.until(lambda o: not o.get("trouble") and o["bytes_done"] > BIG // 2)
        bob.run("wait", str(number))
        self.assert_same(path, os.path.join(target, "big.bin"))
        self.assert_no_leftovers(target)

    def test_the_folder_that_receives_is_offered_meanwhile(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        with open(os.path.join(bob.downloads, "mine"), "wb") as f:
            f.write(b"bob's own")
        bob.run("offer", "alice", bob.downloads, "--no-wait")
        proxy.release()
        alice.run("accept", str(alice.await_pending()))
        self.assertEqual(os.listdir(os.path.join(alice.downloads, "downloads")), ["mine"])
        self.check_arrived(alice, bob, number, path)

    def test_cancelled_at_any_place(self):
        """By one side, twice, or by both at once: both agree, and nothing stays but what was delivered when the cancel came, which both tell."""
        alice, bob, proxy = self.pair_through_proxy()
        path = alice.file("big.bin", 12 << 20)
        for after in (1, 300_000, 6 << 20, 11 << 20):
            for who in ("giver", "taker", "both", "twice"):
                alice.run("offer", "bob", path, "--again", "--no-wait")
                row, = [o for o in alice.offers() if o["state"] == "pending"]
                number = bob.await_pending()
                proxy.hold(after)
                bob.run("accept", str(number), "--no-wait")
                proxy.wait_held()
                said = [alice.command("cancel", str(row["number"]))] if who in ("giver", "both", "twice") else []
                said += [bob.command("cancel", str(number))] if who in ("taker", "both") else []
                said += [alice.command("cancel", str(row["number"]))] if who == "twice" else []
                codes = [s.finish().code for s in said]  # said while nothing passes
                self.assertIn(0, codes, (after, who))
                proxy.release()
                ended = []
                for p, n in ((alice, row["number"]), (bob, number)):
                    p.run("wait", str(n), code=None)
                    ended += [r for r in p.run("history", "--json").rows() if r["number"] == n]
                self.assertEqual([r["state"] for r in ended], ["cancelled", "cancelled"], (after, who))
                self.assertEqual(alice.offers() + bob.offers(), [])
                here = os.listdir(bob.downloads)
                self.assertEqual([os.path.basename(p) for p in ended[1].get("delivered", [])], here, (after, who))
                for name in here:
                    self.assert_same(path, os.path.join(bob.downloads, name))
                    os.unlink(os.path.join(bob.downloads, name))

    @unittest.skipUnless(os.geteuid() == 0, "mounting a small tmpfs needs root")
    def test_what_was_given_is_not_held_open(self):
        alice, bob = self.pair()
        disk = self.small_disk(alice, 8)
        with open(os.path.join(disk, "pic"), "wb") as f:
            f.write(os.urandom(6 << 20))
        self.give(alice, bob, os.path.join(disk, "pic"))
        end = time.monotonic() + 20
        while subprocess.run(["umount", disk], capture_output=True).returncode and time.monotonic() < end:
            time.sleep(0.05)
        self.assertFalse(os.path.ismount(disk))

    def test_the_receiving_folder_is_made_anew(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2, accept=("--to", os.path.join(self.folder, "bob/target")))
        target = os.path.join(self.folder, "bob/target")
        shutil.rmtree(target)
        os.mkdir(target)
        proxy.release()
        stopped = bob.run("wait", str(number), code=None)
        if stopped.code:
            bob.run("accept", str(number))
        self.assert_same(path, os.path.join(target, "big.bin"))
        self.assert_no_leftovers(target)

    def test_what_is_staged_is_changed_meanwhile(self):
        def tree(alice):
            for i in range(16):
                alice.file(f"d/{i:02}", 8 << 20, seed=i)
            return os.path.join(alice.files, "d")
        alice, bob, proxy, number, path = self.half_way(64 << 20, tree)

        def whole_ones():
            staged = glob.glob(os.path.join(bob.downloads, ".peer-*", "files", "d", "*"))
            return sorted(n for n in staged if os.stat(n).st_mtime_ns == os.stat(os.path.join(path, os.path.basename(n))).st_mtime_ns)
        whole = until(lambda: len(whole_ones()) > 3 and whole_ones(), 20, lambda: f"some files are whole: {whole_ones()}")
        with open(whole[0], "r+b") as f:
            f.seek(1000)
            f.write(b"edited")
        os.remove(whole[1])
        os.truncate(whole[2], 4096)
        proxy.release()
        self.check_arrived(alice, bob, number, path)
        self.assertIn("another program changed what had arrived", bob.log_file())

    def test_the_staging_folder_goes_away(self):
        alice, bob, proxy, number, path = self.half_way(BIG // 2)
        staging = [n for n in os.listdir(bob.downloads) if n.startswith(".")]
        self.assertTrue(staging, "what arrives is staged in the folder that receives, hidden")
        for n in staging:
            shutil.rmtree(os.path.join(bob.downloads, n))
        proxy.release()
        self.check_arrived(alice, bob, number, path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
