"""What is answered without asking: rules in the settings, and `trust`, which writes them."""
import os
import unittest

from peers import Case
from terminal import Terminal


class Policy(Case):
    def config(self, peer):
        with open(os.path.join(peer.home, "config.toml")) as f:
            return f.read()

    def write(self, peer, rules, before=""):
        """Puts `rules`, texts of [[policy]] tables, into the settings, and has a running node read them."""
        with open(os.path.join(peer.home, "config.toml"), "w") as f:
            f.write('discovery = "off"\n' + before + "".join(f"\n[[policy]]\n{rule}\n" for rule in rules))
        return peer.run("config")

    def history(self, peer):
        """The newest row."""
        return peer.run("history", "--json").rows()[0]

    def asked(self, giver, taker, path, to="bob"):
        """Offers `path` and returns the pending offer's row on the other side."""
        giver.run("offer", to, path, "--no-wait")
        number = taker.await_pending(title=os.path.basename(path))
        return next(o for o in taker.offers() if o["number"] == number)

    def test_trust_into_what_is_no_folder_says_that_it_will_ask(self):
        alice, bob = self.pair()
        said = bob.run("trust", "alice", "--to", bob.file("a file", 10))
        self.assertIn("nothing can be written there now: until it can, you are asked", said.err)
        self.asked(alice, bob, alice.file("x", 10))

    def test_trust_takes_within_its_bounds_and_asks_beyond(self):
        alice, bob = self.pair()
        inbox = os.path.join(bob.folder, "in box")
        said = bob.run("trust", "alice", "--up-to", "100k", "--keep-free", "0%", "--to", inbox)
        self.assertIn(f"What alice offers is taken without asking, up to 100 kB an offer, into {inbox}; a name that is taken gets a number.", said.err)
        path = alice.file("x", 100_000)
        alice.run("offer", "bob", path)
        alice.run("offer", "bob", path, "--again")
        self.assert_same(path, os.path.join(inbox, "x"))
        self.assert_same(path, os.path.join(inbox, "x (1)"))
        self.assertEqual(os.listdir(bob.downloads), [])
        self.assertIn("taken by the rule for alice (up to 100 kB)", bob.run("history").out)
        self.assertEqual(self.history(bob)["decided_by"], {"do": "accept", "rule": "the rule for alice (up to 100 kB)"})
        given = self.history(alice)
        self.assertEqual((given["state"], given.get("decided_by")), ("done", None))
        row = self.asked(alice, bob, alice.file("large", 100_001))
        self.assertEqual(row["decided_by"]["do"], "ask")
        self.assertIn("not taken by the rule for alice (up to 100 kB): it is more than 100 kB", bob.run("offers").out)
        # A person's answer is no rule's, and lands where files land.
        bob.run("accept", str(row["number"]))
        self.assertNotIn("decided_by", self.history(bob))
        self.assertTrue(os.path.exists(os.path.join(bob.downloads, "large")))

    def test_trust_leaves_the_settings_as_they_were_written(self):
        alice, bob = self.pair()
        mine = '# mine\ndiscovery = "off"  # nobody\n\n# who comes unasked\n[[policy]]\nfrom = "strangers"\ndo = "reject"\n'
        with open(os.path.join(bob.home, "config.toml"), "w") as f:
            f.write(mine)
        bob.run("trust", "alice", "--up-to", "1G")
        rule = f'[[policy]]\nfrom = "{alice.id()}"\nname = "alice"\ndo = "accept"\nup_to = "1G"\n'
        self.assertEqual(self.config(bob), mine.replace("# who comes", rule + "\n# who comes"))
        shown = bob.run("config").out
        self.assertIn(f"policy 1: from alice ({alice.id()[:15]}): accept up to 1 GB", shown)
        self.assertIn("policy 2: from strangers: reject", shown)
        rows = [r for r in bob.run("config", "policy", "--json").rows() if r["type"] == "policy"]
        self.assertEqual([(r["number"], r["from"], r["do"], r.get("up_to")) for r in rows], [(1, alice.id(), "accept", 10**9), (2, "strangers", "reject", None)])
        again, = bob.run("trust", "alice", "--on-clash", "skip", "--json").rows()
        self.assertEqual((again["rule"]["do"], again["rule"]["up_to"], again["rule"]["on_clash"], again["trusted"]), ("accept", 10**10, "skip", True))
        self.assertIn("up to 10 GB an offer", again["text"])
        self.assertEqual(self.config(bob).count(alice.id()), 1)
        untrusted = bob.run("untrust", "alice")
        self.assertIn("alice is trusted no longer. What alice offers is asked about.", untrusted.err)
        self.assertEqual(self.config(bob), mine)
        self.assertIn("was not trusted", bob.run("untrust", "alice").err)

    def test_untrust_says_when_another_rule_still_takes(self):
        alice, bob = self.pair()
        self.write(bob, ['from = "contacts"\ndo = "accept"\nup_to = "1M"'])
        bob.run("trust", "alice")
        said = bob.run("untrust", "alice").err
        self.assertIn("taken without asking, up to 1 MB an offer", said)
        self.assertIn("So says the rule for contacts (up to 1 MB)", said)

    def test_bad_values_are_named_and_change_nothing(self):
        alice, bob = self.pair()
        before = self.config(bob)
        for option, value, allowed in (("--up-to", "lots", '"1G"'), ("--up-to", "0", '"1G"'), ("--keep-free", "120%", '"99%"'), ("--on-clash", "replace", '"overwrite"'),
                                       ("--to", "/", "absolute folder")):
            failed = bob.run("trust", "alice", option, value, code=2)
            self.assertIn(option, failed.err)
            self.assertIn(value, failed.err)
            self.assertIn(allowed, failed.err)
        bob.run("trust", "alice", "--up-to", "", code=2)
        self.assertEqual(self.config(bob), before)
        alice.run("offer", "bob", alice.file("x", 10), "--no-wait")
        bob.await_pending()

    def test_a_rule_rejects(self):
        alice, bob = self.pair()
        self.write(bob, ['from = "contacts"\ndo = "reject"\ntext = "not at night"'])
        self.assertIn("not at night", alice.run("offer", "bob", alice.file("x", 10), code=3).err)
        row = self.history(bob)
        self.assertEqual((row["state"], row["decided_by"]), ("rejected", {"do": "reject", "rule": "the rule for contacts"}))
        self.assertIn("rejected: not at night, rejected by the rule for contacts", bob.run("history").out)
        given = self.history(alice)
        self.assertEqual((given["state"], given["text"]), ("rejected", "not at night"))
        # What bob asks for himself comes all the same.
        alice.run("share", alice.files, "--as", "stuff")
        bob.run("get", "alice", "stuff/x", cwd=bob.folder)
        self.assert_same(os.path.join(alice.files, "x"), os.path.join(bob.folder, "x"))

    def test_strangers_have_rules_too(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        self.write(bob, ['from = "strangers"\ndo = "accept"\nup_to = "1k"\nkeep_free = "0%"', 'from = "anyone"\ndo = "reject"'])
        alice.run("offer", "--yes", bob.address, alice.file("small", 1000))
        self.assertIn("the rule for strangers (up to 1 kB)", bob.run("history").out)
        self.write(bob, ['from = "strangers"\ndo = "reject"'])
        alice.run("offer", bob.address, alice.file("other", 10), code=3)
        self.assertEqual(self.history(bob)["decided_by"]["rule"], "the rule for strangers")
        self.assertEqual(os.listdir(bob.downloads), ["small"])

    def test_the_disk_keeps_its_share(self):
        alice, bob = self.pair()
        bob.run("trust", "alice", "--keep-free", "900T")
        row = self.asked(alice, bob, alice.file("x", 10))
        self.assertEqual(row["decided_by"]["why"], "less than 900 TB of the disk would stay free")
        bob.run("trust", "alice", "--keep-free", "1k")
        alice.run("offer", "bob", alice.file("y", 10))
        self.assert_same(os.path.join(alice.files, "y"), os.path.join(bob.downloads, "y"))

    def test_only_a_rule_that_names_a_peer_replaces(self):
        alice, bob = self.pair()
        there, path = os.path.join(bob.downloads, "x"), alice.file("x", 1000)
        with open(there, "w") as f:
            f.write("mine")
        # The setting is for those who ask themselves what they accept.
        self.write(bob, ['from = "verified"\ndo = "accept"\nkeep_free = "0%"'], before='on_clash = "overwrite"\n')
        alice.run("offer", "bob", path)
        self.assert_same(path, there + " (1)")
        self.write(bob, ['from = "verified"\ndo = "accept"\nkeep_free = "0%"\non_clash = "overwrite"'])
        alice.run("offer", "bob", path, "--again", "--no-wait")
        bob.await_pending()
        self.assertIn("1 name of it is taken there", bob.run("offers").out)
        with open(there) as f:
            self.assertEqual(f.read(), "mine")
        bob.run("reject")
        bob.run("trust", "alice", "--keep-free", "0%", "--on-clash", "overwrite")
        alice.run("offer", "bob", path, "--again")
        self.assert_same(path, there)

    def test_a_rule_holds_over_restarts_and_is_read_again(self):
        alice, bob = self.pair()
        bob.run("trust", "alice", "--keep-free", "0%")
        bob.stop()
        bob.start()
        alice.run("offer", "bob", alice.file("x", 10))
        self.assertIn("the rule for alice (up to 10 GB)", bob.run("history").out)
        self.write(bob, ['from = "alice"\ndo = "reject"'])
        alice.run("offer", "bob", alice.file("y", 10), code=3)
        self.assertEqual(self.history(bob)["decided_by"]["rule"], "the rule for alice")
        bob.run("config", "history_days", "30")  # any change has the whole file read
        alice.run("offer", "bob", alice.file("z", 10), code=3)

    def test_nobody_inherits_a_rule_with_a_name(self):
        alice, bob, carol = self.peer("alice"), self.peer("bob"), self.peer("carol")
        alice.add(bob)
        carol.add(bob)
        bob.run("add", "alice", "--id", alice.id())
        # By its ID, which is what trust writes.
        bob.run("trust", "alice", "--keep-free", "0%")
        bob.run("forget", "alice")
        self.assertNotIn("[[policy]]", self.config(bob))
        bob.run("add", "alice", "--id", carol.id())
        self.asked(carol, bob, carol.file("one", 10))
        bob.run("trust", "alice", "--keep-free", "0%")
        bob.run("rename", "alice", "al")
        self.assertIn("from al (", bob.run("config").out)
        bob.run("rename", "al", "alice")
        bob.run("untrust", "alice")
        # By a bare name: whom it meant when it was read first.
        bob.run("rename", "alice", "carol")
        bob.run("add", "alice", "--id", alice.id())
        self.write(bob, ['from = "alice"\ndo = "accept"\nkeep_free = "0%"'])
        bob.run("rename", "alice", "ann")
        bob.run("rename", "carol", "alice")
        bob.stop()
        bob.start()
        self.asked(carol, bob, carol.file("two", 10))
        alice.run("offer", "bob", alice.file("three", 10))
        self.assertIn("taken by the rule for ann", bob.run("history").out)
        # Nobody is meant any more: said, and everything is asked about.
        bob.run("forget", "ann")
        self.assertNotIn("[[policy]]", self.config(bob))
        said = self.write(bob, ['from = "dave"\ndo = "accept"', 'from = "anyone"\ndo = "accept"']).err
        self.assertIn("‘dave’ is no contact", said)
        shown = bob.run("config", "policy").out
        self.assertIn("policy 1: from dave: accept  # names nobody: no contact is called ‘dave’; until that is mended everything is asked about", shown)
        self.assertIn("policy 2: from anyone: accept up to 10 GB", shown)
        self.assertNotIn("names nobody", shown.splitlines()[-1])
        row = self.asked(carol, bob, carol.file("four", 10))
        self.assertIn("‘dave’ is no contact", row["decided_by"]["why"])
        said = self.write(bob, [f'from = "{bob.id()}"\ndo = "accept"']).err
        self.assertIn("is no contact: until it is one, the rule takes nothing", said)
        row, = [r for r in bob.run("config", "--json").rows() if r["type"] == "policy"]
        self.assertIn("names nobody: " + bob.id()[:15], row["trouble"])
        bob.stop()
        self.assertIn("# names nobody: " + bob.id()[:15], bob.run("config", "policy").out)  # no node was running

    def test_receive_counts_what_a_rule_takes(self):
        alice, bob = self.pair()
        bob.run("trust", "alice", "--keep-free", "0%")
        receiving = Terminal(bob, "receive", "--count", "1", "--port", str(bob.port), "--listen", bob.host)
        self.addCleanup(receiving.close)
        receiving.expect("waiting for offers")
        alice.run("offer", "bob", alice.file("x", 10))
        receiving.expect("taken by the rule for alice")
        receiving.finish()

    def test_blocking_ends_trust_for_good(self):
        alice, bob = self.pair()
        bob.run("trust", "alice", "--keep-free", "0%")
        bob.run("block", "alice")
        self.assertNotIn("[[policy]]", self.config(bob))
        bob.run("unblock", "alice")
        self.asked(alice, bob, alice.file("x", 10))

    def test_what_cannot_be_read_asks(self):
        alice, bob = self.pair()
        bob.run("trust", "alice")
        said = self.write(bob, ['from = "verified"\ndo = "accept"\nup_to = "1Q"']).err
        self.assertIn("policy rule 1: up_to = ‘1Q’: it is the size", said)
        self.assertIn("until that is mended it only asks", bob.run("config", "policy").out)
        row = self.asked(alice, bob, alice.file("x", 10))
        self.assertEqual((row["decided_by"]["do"], row["decided_by"]["rule"]), ("ask", "the rule for verified contacts"))
        self.assertIn("up_to = ‘1Q’", row["decided_by"]["why"])
        bob.stop()
        bob.start()
        bob.stop()
        self.assertIn("up_to = ‘1Q’", "".join(bob.log))

    def test_every_fault_of_a_rule_is_named(self):
        bob = self.peer("bob")
        said = self.write(bob, ['from = "contacts"\nup_to = "1Q"\nkeep_free = "x"\ndoo = "accept"', "\n".join(f"x{n} = 1" for n in range(9))]).err
        first, second = (next(line for line in said.splitlines() if f"policy rule {n}" in line) for n in (1, 2))
        for part in ("it has no `do`", "; line 5: up_to = ‘1Q’: it is", "; line 6: keep_free = ‘x’: it is", "; line 7: a rule has no ‘doo’: did you mean ‘do’?"):
            self.assertIn(part, first)
        self.assertTrue(first.endswith("; until that is mended it only asks"), first)
        self.assertIn("it has no `from`", second)
        self.assertTrue(second.endswith("; and 6 more; until that is mended it only asks"), second)

    def test_what_holds_while_the_file_cannot_be_read(self):
        alice, bob = self.pair()
        bob.run("trust", "alice", "--keep-free", "0%")
        with open(os.path.join(bob.home, "config.toml"), "a") as f:
            f.write("[[policy\n")
        on = "until that is mended the running node goes on with the settings and rules it had"
        for args in (("config",), ("config", "policy"), ("trust", "alice")):
            self.assertIn(on, bob.run(*args, code=1).err)
        alice.run("offer", "bob", alice.file("x", 10))
        self.assertIn("taken by the rule for alice", bob.run("history").out)
        bob.stop()
        self.assertIn("until that is mended no node starts here", bob.run("config", code=1).err)
        self.assertIn("config.toml", bob.run("peers", code=1).err)

    def test_where_files_land_in_this_run(self):
        """--downloads of `start` is for that run: whoever hears of the folder hears that too."""
        alice, bob = self.pair()
        said = bob.run("trust", "alice").err
        self.assertIn(f"into {bob.downloads},", said)
        self.assertIn("Files land there until this node ends, for it was started with --downloads", said)
        self.assertNotIn("started with --downloads", bob.run("trust", "alice", "--to", bob.files).err)
        on = f"the running node was started with --downloads: files land in ‘{bob.downloads}’ until it ends"
        self.assertIn(on, bob.run("config").err)
        self.assertIn(on, bob.run("config", "downloads", bob.files).err)
        self.assertNotIn(on, bob.run("config", "history_days", "80").err)

    def test_an_unverified_contact_must_be_named(self):
        alice, bob = self.peer("alice"), self.peer("bob")
        alice.add(bob)
        bob.run("add", "alice", alice.address, "--yes")
        self.write(bob, ['from = "contacts"\ndo = "accept"\nkeep_free = "0%"'])
        row = self.asked(alice, bob, alice.file("x", 10))
        self.assertIn("not verified", row["decided_by"]["why"])
        bob.run("trust", "alice", code=5)
        bob.run("trust", "alice", "--unverified", "--keep-free", "0%")
        alice.run("offer", "bob", alice.file("y", 10))

    def test_the_console_tells_what_a_rule_decided(self):
        alice, bob = self.peer("alice"), self.peer("bob", False)
        console = Terminal(bob, "start", "--port", str(bob.port), "--listen", bob.host, "--downloads", bob.downloads)
        self.addCleanup(console.close)
        console.expect(f":{bob.port}")
        alice.add(bob)
        bob.run("add", "alice", "--id", alice.id())
        bob.run("trust", "alice", "--up-to", "1k", "--keep-free", "0%")
        alice.run("offer", "bob", alice.file("x", 10))
        console.expect("from alice ‘x’: 1 file, 10 bytes: taken by the rule for alice .up to 1 kB.")
        alice.run("offer", "bob", alice.file("y", 2000), "--no-wait")
        console.expect("l later > $")
        bob.run("reject")
        self.write(bob, ['from = "verified"\ndo = "reject"'])
        alice.run("offer", "bob", alice.file("z", 10), code=3)
        console.expect("from alice ‘z’: 1 file, 10 bytes: rejected by the rule for verified contacts")
        bob.run("stop")
        console.finish(0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
