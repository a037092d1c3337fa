"""keyward rewrap files: what is changed, what is left, and that no crash loses anything."""

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import time
from hashlib import sha256

from cli_data import ACME, DataCase
from keyward import (CONFLICT, INTEGRITY, PROGRAM, USAGE, WAIT, chance, clean_environment, main, run)

LARGE = 3 << 20  # changed in place
JOURNAL = ".keyward-rewrap"


class RewrapCase(DataCase):
    def setUp(self):
        super().setUp()
        self.tree = self.path("tree")
        os.makedirs(os.path.join(self.tree, "deep", "er"))
        self.plain = {}

    def in_tree(self, *parts):
        return os.path.join(self.tree, *parts)

    def put(self, name, content, *more, tenant="acme"):
        """Seals content into the tree."""
        source, target = self.write("plain", content), self.in_tree(name)
        self.ok("seal", "--tenant", tenant, "--region", "eu", *self.at, "-i", source, "-o", target, *more)
        self.plain[name] = content
        return target

    def put_records(self, name, content):
        source = self.write("plain", content)
        self.ok("fields", "seal", *ACME, *self.at, "-f", "$.secret:pii,$.b", "-i", source, "-o",
                self.in_tree(name))
        self.plain[name] = content

    def rotate(self, tenant="acme"):
        self.ok("key", "rotate", f"{tenant}/eu", *self.at)

    def rewrap(self, *more):
        return json.loads(self.ok("rewrap", "files", self.tree, *self.at, "--json", *more))

    def versions(self, name):
        return {h["version"] for h in json.loads(self.ok("inspect", self.in_tree(name), "--json"))["heads"]}

    def opens(self, name):
        path = self.in_tree(name)
        command = ("fields", "open") if name.endswith(".jsonl") else ("open",)
        done = run(*command, *self.at, "-i", path)
        self.assertEqual(done.returncode, 0, (name, done.stderr))
        self.assertEqual(done.stdout, self.plain[name], name)

    def all_open(self):
        for name in self.plain:
            self.opens(name)

    def fill(self):
        self.put("envelope", b"small")
        self.put("deep/stream", chance.randbytes(200_000))
        self.put("deep/large", chance.randbytes(LARGE))
        self.put("deep/er/text", b"text form", "--text")
        self.put("deep/er/large-text", chance.randbytes(LARGE), "--text")
        self.put("other-tenant", b"theirs", tenant="globex")
        self.put_records("records.jsonl", b'{"id":1,"secret":"a","b":2}\r\n\n{"id":2}\n{"secret":"c"}')
        self.put_records("one.jsonl", b'{\n  "secret": [1,\n 2]\n}\n')


class Rewrap(RewrapCase):
    def test_everything_moves(self):
        self.fill()
        for name, content in (("plain.txt", b"text"), ("empty", b""), ("json.json", b'{"a":1}'),
                              ("broken.json", b'{"a":'), ("like-ours", b"\x02\x01" + b"\0" * 10),
                              ("kw", b"kw")):
            with open(self.in_tree(name), "wb") as file:
                file.write(content)
        os.symlink("/etc/passwd", self.in_tree("link"))
        before = {name: self.read(self.in_tree(name)) for name in self.plain}
        self.rotate()
        told = self.rewrap()
        self.assertEqual((told["files"], told["sealed_files"], told["not_sealed_files"], told["rewrapped_files"],
                          told["failed_files"]), (14, 8, 6, 7, 0))
        self.assertEqual(told["rewrapped_data_keys"], 5 + 3 + 1)
        for name in self.plain:
            self.assertEqual(self.versions(name), {1} if name == "other-tenant" else {2}, name)
            after = self.read(self.in_tree(name))
            self.assertEqual(len(after), len(before[name]), name)
            changed = sum(a != b for a, b in zip(before[name], after))
            self.assertLess(changed, 330, name)  # the heads and nothing else
        self.all_open()
        counts = {(r["version"], r["class"]): (r["before"], r["after"]) for r in told["census"]
                  if (r["before"], r["after"]) != (1, 1)}
        self.assertEqual(counts, {(1, "default"): (6, 0), (2, "default"): (0, 6), (1, "pii"): (3, 0),
                                  (2, "pii"): (0, 3)})
        again = self.rewrap("--resume")
        self.assertEqual((again["rewrapped_files"], again["rewrapped_data_keys"], again["failed_files"]), (0, 0, 0))
        self.assertEqual(sorted(os.listdir(self.in_tree("deep"))), ["er", "large", "stream"])

    def test_dry_run_needs_no_authority(self):
        self.fill()
        self.rotate()
        before = {name: self.read(self.in_tree(name)) for name in self.plain}
        told = json.loads(self.ok("rewrap", "files", self.tree, "--dry-run", "--json"))
        self.assertEqual((told["dry_run"], told["sealed_files"], told["data_keys"]), (True, 8, 10))
        self.assertEqual(before, {name: self.read(self.in_tree(name)) for name in self.plain})
        self.assertIn("nothing has been changed", self.ok("rewrap", "files", self.tree, "--dry-run"))

    def test_context(self):
        self.put("bound", b"x", "--context", "row=1")
        self.put("other", b"y", "--context", "row=2")
        self.rotate()
        done = run("rewrap", "files", self.tree, *self.at, "--context", "row=1")
        self.assertEqual(done.returncode, INTEGRITY, done.stderr)
        self.assertIn(b"1 of 2 files could not", done.stderr)
        self.assertIn(b"tree/other is left as it is", done.stderr)
        self.assertEqual((self.versions("bound"), self.versions("other")), ({2}, {1}))
        done = run("open", *self.at, "-i", self.in_tree("bound"), "--context", "row=1")
        self.assertEqual(done.stdout, b"x")

    def test_owner_and_mode_and_links_stay(self):
        small, large = self.put("small", b"x"), self.put("large", chance.randbytes(LARGE))
        linked = self.put("linked", b"two names")
        os.link(linked, self.in_tree("second"))
        for path in (small, large, linked):
            os.chmod(path, 0o640)
            if os.geteuid() == 0:
                os.chown(path, 1234, 2345)
        inode = os.stat(large).st_ino
        self.rotate()
        self.assertEqual(self.rewrap()["failed_files"], 0)
        for path in (small, large, linked):
            found = os.stat(path)
            self.assertEqual(stat.S_IMODE(found.st_mode), 0o640)
            if os.geteuid() == 0:
                self.assertEqual((found.st_uid, found.st_gid), (1234, 2345))
        self.assertEqual(os.stat(large).st_ino, inode)
        self.assertTrue(os.path.samefile(linked, self.in_tree("second")))
        self.all_open()

    def test_damaged_ones_are_named_and_left(self):
        self.put("good", b"x")
        sealed = bytearray(self.read(self.put("bad", b"y")))
        sealed[40] ^= 1
        text = self.read(self.put("bad-text", b"z", "--text"))
        for name, content in (("bad", bytes(sealed)), ("bad-text", text[:30] + b"*" + text[31:])):
            with open(self.in_tree(name), "wb") as file:
                file.write(content)
        lines = b'{"id":1}\nnot JSON\n'
        self.put_records("bad.jsonl", b'{"secret":1}\n')
        with open(self.in_tree("bad.jsonl"), "ab") as file:
            file.write(lines)
        self.put_records("bad-head.jsonl", b'{"secret":1}\n')
        broken = self.read(self.in_tree("bad-head.jsonl")).replace(b'"_keyward":"kw1.', b'"_keyward":"kw1.*')
        with open(self.in_tree("bad-head.jsonl"), "wb") as file:
            file.write(broken)
        self.rotate()
        before = {name: self.read(self.in_tree(name)) for name in self.plain}
        done = run("rewrap", "files", self.tree, *self.at)
        self.assertIn(done.returncode, (INTEGRITY, USAGE))
        self.assertIn(b"4 of 5 files could not", done.stderr)
        self.assertIn(b"line 3: ", done.stderr)
        for name in ("bad", "bad-text", "bad.jsonl", "bad-head.jsonl"):
            self.assertEqual(self.read(self.in_tree(name)), before[name], name)
        self.assertEqual(self.versions("good"), {2})
        self.assertEqual(sorted(os.listdir(self.tree)), ["bad", "bad-head.jsonl", "bad-text", "bad.jsonl", "deep", "good"])

    def test_many_and_rate(self):
        for i in range(12):
            self.put(f"f{i}", b"%d" % i)
        self.rotate()
        began = time.monotonic()
        self.assertEqual(self.rewrap("--rate", "20")["rewrapped_files"], 12)
        self.assertGreater(time.monotonic() - began, 11 / 20)
        self.all_open()
        self.assertEqual(run("rewrap", "files", *self.at).returncode, USAGE)
        self.assertEqual(run("rewrap", "files", self.path("absent"), *self.at).returncode, 5)

    def test_more_than_a_round(self):
        sealed = self.read(self.put("f", b"same"))
        for i in range(1100):
            with open(self.in_tree("deep", f"c{i}"), "wb") as file:
                file.write(sealed)
        self.rotate()
        told = self.rewrap()
        self.assertEqual((told["rewrapped_files"], told["failed_files"]), (1101, 0))
        self.assertEqual(run("open", *self.at, "-i", self.in_tree("deep", "c1099")).stdout, b"same")
        self.verify(self.data, 1101)


class Crashes(RewrapCase):
    """kill -9 at every step, and at random moments: every file opens after the next run."""

    def check(self):
        """What a crash left is made good by the next run, and nothing else lies around."""
        told = self.rewrap()
        self.assertEqual(told["failed_files"], 0)
        self.all_open()
        for folder, _, names in os.walk(self.tree):
            self.assertFalse([n for n in names if "keyward" in n], folder)
        for name in self.plain:
            if name != "other-tenant":
                self.assertEqual(self.versions(name), {self.version}, name)

    def test_killed_at_every_step(self):
        if subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode != 0:
            self.skipTest("strace cannot be used here")
        self.fill()
        self.version = 1
        steps = [(call, n) for call in ("pwrite64", "unlink", "rename", "openat") for n in (1, 2, 3, 4, 5)]
        steps += [(call, n) for call in ("fsync", "fdatasync") for n in range(1, 14, 2)]
        reached = 0
        for call, n in steps:
            self.rotate()
            self.version += 1
            # Only calls that name the tree, or go to its files: those of the authority are not ours.
            done = subprocess.run(
                ["strace", "-f", "-qq", "-o", "/dev/null", "-P", self.tree, *self.places(), "-e",
                 f"trace={call}", "-e", f"inject={call}:signal=KILL:when={n}", PROGRAM, "rewrap", "files",
                 self.tree, *self.at], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=clean_environment(), check=False, timeout=WAIT)
            reached += done.returncode != 0
            self.check()
        self.assertGreater(reached, len(steps) // 3)

    def places(self):
        """Every name in the tree that a run may touch, for strace -P."""
        found = []
        for folder, _, names in os.walk(self.tree):
            found += ["-P", folder]
            for name in names:
                for end in ("", JOURNAL, ".keyward-new"):
                    found += ["-P", os.path.join(folder, name + end)]
        return found

    def test_killed_at_random(self):
        self.fill()
        for i in range(60):
            shutil.copy(self.in_tree("envelope"), self.in_tree("deep", f"e{i}"))
        self.version = 1
        for _ in range(12):
            self.rotate()
            self.version += 1
            with subprocess.Popen([PROGRAM, "rewrap", "files", self.tree, *self.at],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=clean_environment()) as process:
                time.sleep(chance.uniform(0.0, 0.12))
                process.send_signal(signal.SIGKILL)
            self.check()

    def journal(self, path, offset, before, after):
        body = (b"keyward-rewrap 1\n" + offset.to_bytes(8, "big") + len(before).to_bytes(4, "big") + before
                + after)
        with open(path + JOURNAL, "wb") as file:
            file.write(body + sha256(body).digest())

    def test_torn_write(self):
        """Any mixture of old and new bytes is finished, and until then 'open' says how."""
        path = self.put("large", chance.randbytes(LARGE))
        self.version = 1
        old = self.read(path)
        self.rotate()
        self.assertEqual(self.rewrap()["rewrapped_files"], 1)
        new = self.read(path)
        for cut in (0, 1, 39, 77, 78):
            for head in (new[:cut] + old[cut:78], old[:cut] + new[cut:78]):
                with open(path, "r+b") as file:
                    file.write(head)
                self.journal(path, 0, old[:78], new[:78])
                if 18 < cut < 78:
                    self.refused(INTEGRITY, "seal_broken", "open", *self.at, "-i", path,
                                 says="keyward rewrap files")
                told = self.rewrap()
                self.assertEqual((told["recovered_files"], told["failed_files"]), (1, 0))
                self.assertEqual(self.read(path), new)

    def test_journal_of_another_file(self):
        """A file that was replaced meanwhile is not written into."""
        path = self.put("large", chance.randbytes(LARGE))
        content = self.read(path)
        self.journal(path, 0, b"\1" * 78, b"\2" * 78)
        done = run("rewrap", "files", self.tree, *self.at)
        self.assertEqual(done.returncode, CONFLICT)
        self.assertIn(b"has been changed since", done.stderr)
        self.assertEqual(self.read(path), content)
        self.assertTrue(os.path.exists(path + JOURNAL))
        with open(path + JOURNAL, "r+b") as file:  # cut off itself: it never counted
            file.truncate(60)
        self.assertEqual(self.rewrap()["failed_files"], 0)
        self.assertFalse(os.path.exists(path + JOURNAL))

    def test_two_at_a_time(self):
        path = self.put("held", b"x")
        self.rotate()
        with open(path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            done = run("rewrap", "files", self.tree, *self.at)
            self.assertEqual(done.returncode, CONFLICT)
            self.assertIn(b"another program", done.stderr)
        self.assertEqual(self.rewrap()["rewrapped_files"], 1)


if __name__ == "__main__":
    main()
