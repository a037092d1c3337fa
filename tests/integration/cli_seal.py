"""keyward seal, open, inspect: files and pipes of any size, every kind of damage, every bad place."""

import filecmp
import json
import os
import pty
import signal
import stat
import subprocess
import threading
import time

from cli_data import ACME, DataCase
from keyward import (DENIED, INTEGRITY, PROGRAM, UNAVAILABLE, USAGE, WAIT, chance, clean_environment, main,
                     run)

CHUNK = 16384
START = 78 + 24 + 32  # where a stream's first chunk begins
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1,
         (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20)


class SealCase(DataCase):
    def seal(self, content, *more, name="sealed"):
        source, target = self.write("plain", content), self.path(name)
        self.ok("seal", *ACME, *self.at, "-i", source, "-o", target, *more)
        return target

    def opened(self, path, *more):
        done = run("open", *self.at, "-i", path, *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def no_leftovers(self, *known):
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(("home", *known)))


class RoundTrips(SealCase):
    def test_sizes(self):
        for size in SIZES:
            content = chance.randbytes(size)
            sealed = self.seal(content)
            kind = 2 if size <= 64 << 10 else 5
            self.assertEqual(self.read(sealed)[0], kind, size)
            self.assertEqual(self.opened(sealed), content, size)
            self.ok("open", *self.at, "-i", sealed, "-o", self.path("back"))
            self.assertEqual(self.read(self.path("back")), content, size)
        self.no_leftovers("plain", "sealed", "back")

    def test_formats_and_text(self):
        for size in (0, 1, 2, 3, 47, CHUNK, 49150, 200_000):
            content = chance.randbytes(size)
            for more in (("--format", "stream"), ("--format", "envelope"), ("--text",),
                         ("--text", "--format", "stream")):
                sealed = self.seal(content, *more, "--context", "row=7", "--class", "pii")
                self.assertEqual(self.opened(sealed, "--context", "row=7"), content, (size, more))
                if "--text" in more:
                    text = self.read(sealed)
                    self.assertRegex(text, rb"\Akw1\.[A-Za-z0-9_-]+\n\Z")
                    self.write("sealed", text.rstrip(b"\n"))
                    self.assertEqual(self.opened(sealed, "--context", "row=7"), content)

    def test_pipes(self):
        for size in (0, 5, 300_000):
            content = chance.randbytes(size)
            sealed = run("seal", *ACME, *self.at, input=content)
            self.assertEqual(sealed.returncode, 0, sealed.stderr)
            self.assertEqual(sealed.stderr, b"")
            opened = run("open", *self.at, input=sealed.stdout)
            self.assertEqual((opened.returncode, opened.stdout, opened.stderr), (0, content, b""))

    def test_slow_pieces(self):
        """A pipe that gives a few bytes at a time is the same as a file."""
        content = chance.randbytes(100_000)
        with subprocess.Popen([PROGRAM, "seal", *ACME, *self.at, "--text"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, env=clean_environment()) as process:
            def feed():
                for at in range(0, len(content), 7919):
                    process.stdin.write(content[at:at + 7919])
                    process.stdin.flush()
                process.stdin.close()
            feeder = threading.Thread(target=feed)
            feeder.start()
            text = process.stdout.read()
            feeder.join()
            self.assertEqual(process.wait(WAIT), 0)
        self.assertEqual(run("open", *self.at, input=text).stdout, content)

    def test_every_data_key_is_fresh(self):
        one, two = self.read(self.seal(b"same")), self.read(self.seal(b"same"))
        self.assertNotEqual(one[18:78], two[18:78])
        self.assertNotEqual(one[78:], two[78:])

    def test_summary_json(self):
        source, target = self.write("plain", b"x" * 100), self.path("sealed")
        told = json.loads(self.ok("seal", *ACME, *self.at, "-i", source, "-o", target, "--json"))
        self.assertEqual((told["format"], told["plain_size"], told["sealed_size"], told["class"]),
                         ("envelope", 100, 194, "default"))
        said = json.loads(self.ok("inspect", target, "--json"))
        self.assertEqual(said["heads"][0]["key_reference"], told["key_reference"])
        self.assertEqual((said["heads"][0]["class"], said["plain_size"]), ("default", 100))
        told = json.loads(self.ok("open", *self.at, "-i", target, "-o", source, "--json"))
        self.assertEqual(told["plain_size"], 100)


class Damage(SealCase):
    def refuse(self, content, status=INTEGRITY, *more):
        """Refused, and no output file appears."""
        path = self.write("damaged", content)
        done = run("open", *self.at, "-i", path, "-o", self.path("never"), *more)
        self.assertEqual(done.returncode, status, (len(content), done.stderr))
        self.assertEqual(done.stdout, b"")
        self.assertFalse(os.path.exists(self.path("never")))

    def test_every_bit_of_an_envelope(self):
        sealed = bytearray(self.read(self.seal(b"four")))
        for bit in range(8 * len(sealed)):
            sealed[bit // 8] ^= 1 << bit % 8
            path = self.write("damaged", bytes(sealed))
            done = run("open", *self.at, "-i", path, *ACME)
            self.assertGreater(done.returncode, 1, bit)
            self.assertLess(done.returncode, 8, (bit, done.stderr))
            self.assertEqual(done.stdout, b"", bit)
            sealed[bit // 8] ^= 1 << bit % 8
        self.assertEqual(self.opened(self.write("damaged", bytes(sealed))), b"four")

    def test_envelope_cut_and_extended(self):
        sealed = self.read(self.seal(b"content"))
        for length in (0, 1, 77, 78, 93, 94, len(sealed) - 1):
            self.refuse(sealed[:length])
        self.refuse(sealed + b"\0")
        self.refuse(sealed + sealed)

    def test_stream_cut_and_extended(self):
        sealed = self.read(self.seal(chance.randbytes(5 * CHUNK)))
        end = START + 5 * (CHUNK + 16)
        self.assertEqual(len(sealed), end + 16)
        for length in (1, 77, 78, 100, START - 1, START, START + 15, START + CHUNK + 16, end - 1, end,
                       end + 15, len(sealed) - 1):
            self.refuse(sealed[:length])
        for more in (b"\0", b"\0" * 16, sealed[end:], sealed[START:]):
            self.refuse(sealed + more)

    def test_stream_chunks_moved(self):
        sealed = self.read(self.seal(chance.randbytes(5 * CHUNK + 99)))
        chunk = [sealed[START + i * (CHUNK + 16):START + (i + 1) * (CHUNK + 16)] for i in range(6)]
        for order in ((1, 0, 2, 3, 4, 5), (0, 1, 3, 2, 4, 5), (0, 1, 2, 3, 5), (0, 0, 2, 3, 4, 5),
                      (1, 2, 3, 4, 5), (5,), (0, 1, 2, 3, 4, 5, 5)):
            self.refuse(sealed[:START] + b"".join(chunk[i] for i in order))
        other = self.read(self.seal(chance.randbytes(5 * CHUNK + 99), name="other"))
        self.refuse(sealed[:START] + other[START:])
        self.refuse(other[:78] + sealed[78:])

    def test_stream_bits(self):
        sealed = bytearray(self.read(self.seal(chance.randbytes(70_000))))
        places = [*range(8, START), *(chance.randrange(START, len(sealed)) for _ in range(40)),
                  len(sealed) - 1]
        for at in places:
            bit = 1 << chance.randrange(8)
            sealed[at] ^= bit
            path = self.write("damaged", bytes(sealed))
            done = run("open", *self.at, "-i", path, "-o", self.path("never"), *ACME)
            self.assertIn(done.returncode, (2, 4, 5, 7), (at, bit, done.stderr))
            self.assertFalse(os.path.exists(self.path("never")), at)
            sealed[at] ^= bit

    def test_text_is_strict(self):
        text = self.read(self.seal(b"content!", "--text")).rstrip()
        for damaged in (text[:-1], text + b"A", text[:20] + b"\n" + text[20:], text[:20] + b"+" + text[21:],
                        text + b"=", text[:20] + text[21:]):
            done = run("open", *self.at, input=damaged)
            self.assertIn(done.returncode, (USAGE, INTEGRITY, DENIED, 5), damaged)
            self.assertEqual(done.stdout, b"")
        long = self.read(self.seal(chance.randbytes(200_000), "--text"))
        for at in (70_000, 131_000, len(long) - 3):
            self.assertEqual(run("open", *self.at, "-o", self.path("never"),
                                 input=long[:at] + b"\n" + long[at:]).returncode, USAGE)
        self.assertFalse(os.path.exists(self.path("never")))

    def test_cut_stream_in_a_pipe_says_so(self):
        sealed = self.read(self.seal(chance.randbytes(3 << 20)))
        done = run("open", *self.at, input=sealed[:-100_000])
        self.assertEqual(done.returncode, INTEGRITY)
        self.assertIn(b"what came out before must not be used", done.stderr)
        self.assertLess(len(done.stdout), 3 << 20)

    def test_bound_to_all(self):
        for content in (b"small", chance.randbytes(100_000)):
            sealed = self.seal(content, "--class", "pii", "--context", "table=users", "--context", "row=1")
            right = ("--context", "row=1", "--context", "table=users")
            self.assertEqual(self.opened(sealed, *right, *ACME, "--class", "pii"), content)
            for status, code, more in (
                    (INTEGRITY, "seal_broken", ()),
                    (INTEGRITY, "seal_broken", ("--context", "row=1")),
                    (INTEGRITY, "seal_broken", (*right, "--context", "more=1")),
                    (INTEGRITY, "seal_broken", ("--context", "row=2", "--context", "table=users")),
                    (DENIED, "not_this_tenant", (*right, "--tenant", "globex")),
                    (DENIED, "not_this_tenant", (*right, "--region", "us")),
                    (DENIED, "wrong_class", (*right, "--class", "financial"))):
                self.refused(status, code, "open", *self.at, "-i", sealed, *more)

    def test_moved_to_another_tenant(self):
        """The head's key reference exchanged for the other tenant's."""
        for size in (10, 100_000):
            mine = self.read(self.seal(chance.randbytes(size)))
            theirs = self.path("theirs")
            self.ok("seal", "--tenant", "globex", "--region", "eu", *self.at, "-i", self.path("plain"),
                    "-o", theirs)
            theirs = self.read(theirs)
            self.refuse(mine[:2] + theirs[2:10] + mine[10:])  # only the reference
            self.refuse(theirs[:78] + mine[78:])              # the whole head

    def test_not_ours(self):
        for content in (b"plain text", b"{\"a\":1}", b"\x01" * 78, b"\x04" * 40, b"\xff" * 5000):
            self.refuse(content, USAGE)
        self.refuse(b"")
        self.refused(USAGE, "bad_format", "open", *self.at, "-i", self.write("r", '{"a":1}'),
                     says="keyward fields open")


class Places(SealCase):
    def test_full_disk(self):
        for size in (10, 3 << 20):
            source = self.write("plain", chance.randbytes(size))
            self.refused(UNAVAILABLE, "disk_full", "seal", *ACME, *self.at, "-i", source, "-o",
                         "/dev/full")
            sealed = self.seal(chance.randbytes(size))
            self.refused(UNAVAILABLE, "disk_full", "open", *self.at, "-i", sealed, "-o", "/dev/full")
            with open("/dev/full", "wb") as full:
                done = subprocess.run([PROGRAM, "open", *self.at, "-i", sealed], stdout=full,
                                      stderr=subprocess.PIPE, env=clean_environment(), timeout=WAIT)
            self.assertEqual(done.returncode, UNAVAILABLE)
            self.assertIn(b"disk_full", done.stderr)

    def test_unreadable_input(self):
        out = self.path("out")
        self.refused(5, "not_found", "seal", *ACME, *self.at, "-i", self.path("absent"), "-o", out)
        self.refused(USAGE, "usage", "seal", *ACME, *self.at, "-i", self.folder, "-o", out,
                     says="is a folder")
        self.refused(UNAVAILABLE, "io_error", "seal", *ACME, *self.at, "-i", "/proc/self/mem", "-o", out)
        self.refused(5, "not_found", "seal", *ACME, *self.at, "-i", self.write("plain", b"x"), "-o",
                     self.path("no", "such", "folder"))
        self.no_leftovers("plain")

    def test_same_file(self):
        source = self.write("plain", b"content")
        link, soft = self.path("hard"), self.path("soft")
        os.link(source, link)
        os.symlink(source, soft)
        for target in (source, link, soft, self.path(".", "plain")):
            self.refused(USAGE, "usage", "seal", *ACME, *self.at, "-i", source, "-o", target,
                         says="same file")
        with open(source, "r+b") as both:
            done = subprocess.run([PROGRAM, "seal", *ACME, *self.at], stdin=both, stdout=both,
                                  stderr=subprocess.PIPE, env=clean_environment(), timeout=WAIT)
        self.assertEqual(done.returncode, USAGE)
        self.assertEqual(self.read(source), b"content")

    def test_output_is_replaced_only_when_done(self):
        sealed = self.seal(chance.randbytes(300_000))
        target = self.write("target", b"older", 0o640)
        cut = self.write("cut", self.read(sealed)[:-1])
        self.refused(INTEGRITY, "seal_broken", "open", *self.at, "-i", cut, "-o", target)
        self.assertEqual(self.read(target), b"older")
        soft = self.path("soft")
        os.symlink("target", soft)
        self.ok("open", *self.at, "-i", sealed, "-o", soft)
        self.assertTrue(os.path.islink(soft))
        self.assertEqual(self.read(target), self.read(self.path("plain")))
        self.assertEqual(stat.S_IMODE(os.stat(target).st_mode), 0o640)
        self.no_leftovers("plain", "sealed", "target", "cut", "soft")

    def test_new_file_follows_umask(self):
        self.ok("seal", *ACME, *self.at, "-i", self.write("plain", b"x"), "-o", self.path("new"),
                preexec_fn=lambda: os.umask(0o027))
        self.assertEqual(stat.S_IMODE(os.stat(self.path("new")).st_mode), 0o640)

    def test_closed_descriptors(self):
        sealed = self.seal(b"content")
        for closed in ((1,), (0, 1), (1, 2), (0, 1, 2)):
            def close_them(which=closed):
                for fd in which:
                    os.close(fd)
            done = subprocess.run([PROGRAM, "open", *self.at, "-i", sealed], stderr=subprocess.PIPE,
                                  env=clean_environment(), timeout=WAIT, preexec_fn=close_them)
            self.assertNotEqual(done.returncode, 0, closed)
            self.assertNotIn(b"content", done.stderr)
        done = run("seal", *ACME, *self.at, "-o", self.path("never"), stdin=None,
                   preexec_fn=lambda: os.close(0))
        self.assertEqual(done.returncode, UNAVAILABLE, done.stderr)
        self.assertEqual(self.opened(sealed), b"content")
        self.verify(self.data, 1)

    def test_reader_goes_away(self):
        sealed = self.seal(chance.randbytes(5 << 20))
        with subprocess.Popen([PROGRAM, "open", *self.at, "-i", sealed], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=clean_environment()) as process:
            process.stdout.read(10)
            process.stdout.close()
            said = process.stderr.read()
            self.assertEqual(process.wait(WAIT), UNAVAILABLE, said)
        self.assertIn(b"io_error", said)

    def test_signals_leave_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with subprocess.Popen([PROGRAM, "seal", *ACME, *self.at, "-o", self.path("out")],
                                  stdin=subprocess.PIPE, env=clean_environment()) as process:
                process.stdin.write(chance.randbytes(3 << 20))
                process.stdin.flush()
                until = time.monotonic() + WAIT
                while not any(name.startswith("out.") for name in os.listdir(self.folder)):
                    self.assertLess(time.monotonic(), until)
                    time.sleep(0.01)
                process.send_signal(number)
                self.assertEqual(process.wait(WAIT), -number)
                process.stdin.close()
            self.no_leftovers()

    def on_terminal(self, *args):
        """(status, what the terminal showed), run with a terminal as standard output and error."""
        ours, theirs = pty.openpty()
        with subprocess.Popen([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                              env=clean_environment()) as process:
            os.close(theirs)
            shown = b""
            try:
                while piece := os.read(ours, 65536):
                    shown += piece
            except OSError:
                pass  # the terminal's other side is closed
            os.close(ours)
            return process.wait(WAIT), shown

    def test_terminal(self):
        source = self.write("plain", b"readable\n")
        status, shown = self.on_terminal("seal", *ACME, *self.at, "-i", source)
        self.assertEqual(status, USAGE)
        self.assertIn(b"--text", shown)
        status, shown = self.on_terminal("seal", *ACME, *self.at, "-i", source, "--text")
        self.assertEqual(status, 0)
        self.assertIn(b"kw1.", shown)
        for content in (b"readable\n", b"without end"):  # which nothing may wipe from the screen
            status, shown = self.on_terminal("open", *self.at, "-i", self.seal(content))
            self.assertEqual((status, shown), (0, content.replace(b"\n", b"\r\n")))
        for content in (b"esc \x1b[2J", chance.randbytes(300_000)):
            status, shown = self.on_terminal("open", *self.at, "-i", self.seal(content))
            self.assertEqual(status, USAGE)
            self.assertNotIn(b"\x1b[2J", shown)
            self.assertIn(b"-o FILE", shown)

    def test_usage(self):
        source = self.write("plain", b"x")
        for args in (("--region", "eu"), ("--tenant", "acme"), (*ACME, "--format", "zip"),
                     (*ACME, "--context", "novalue")):
            done = run("seal", *self.at, "-i", source, "-o", self.path("never"), *args)
            self.assertEqual(done.returncode, USAGE, args)
        self.refused(USAGE, "bad_name", "seal", "--tenant", "Acme", "--region", "eu", *self.at, "-i", source)
        self.refused(USAGE, "unknown_class", "seal", *ACME, *self.at, "-i", source, "--class", "nope")
        self.refused(5, "tenant_not_found", "seal", "--tenant", "nobody", "--region", "eu", *self.at, "-i",
                     source)
        self.refused(USAGE, "too_large", "seal", *ACME, *self.at, "--format", "envelope", "-i",
                     self.write("large", b"\0" * ((16 << 20) + 1)))
        self.no_leftovers("plain", "large")

    def test_suspended(self):
        sealed = self.seal(b"x")
        self.ok("tenant", "suspend", "acme", *self.at)
        self.refused(DENIED, "tenant_suspended", "open", *self.at, "-i", sealed)
        self.refused(DENIED, "tenant_suspended", "seal", *ACME, *self.at, "-i", sealed)
        self.ok("tenant", "resume", "acme", *self.at)
        self.assertEqual(self.opened(sealed), b"x")


class Large(SealCase):
    SIZE = 256 << 20

    def test_constant_memory(self):
        small, large = self.write("small", b"\0" * (2 << 20)), self.path("large")
        with open(large, "wb") as file:
            block = chance.randbytes(1 << 20)
            for i in range(self.SIZE >> 20):
                file.write(i.to_bytes(8, "big") + block[8:])
        sealed, back = self.path("sealed"), self.path("back")
        for text in ((), ("--text",)):
            peaks = {}
            for source in (small, large):
                peaks["seal", source] = self.peak("seal", *ACME, *self.at, "-i", source, "-o", sealed, *text)
                peaks["open", source] = self.peak("open", *self.at, "-i", sealed, "-o", back)
                self.assertTrue(filecmp.cmp(source, back, shallow=False))
            for act in ("seal", "open"):
                self.assertLess(peaks[act, large], peaks[act, small] + (8 << 20), peaks)


class Inspect(SealCase):
    def test_needs_nothing(self):
        sealed = self.seal(chance.randbytes(100_000), "--class", "health")
        os.rename(self.data, self.path("gone"))
        said = self.ok("inspect", "-i", sealed)
        for words in ("a stream", "100000", "health", "version 1", "AES-256-GCM"):
            self.assertIn(words, said)
        self.assertEqual(run("inspect", input=self.read(sealed)).returncode, 0)

    def test_other_classes_by_tag(self):
        text = bytearray(self.read(self.seal(b"x")))
        text[14:18] = b"\xde\xad\xbe\xef"
        self.assertIn("tag deadbeef", self.ok("inspect", self.write("tagged", bytes(text))))

    def test_refusals(self):
        self.refused(USAGE, "bad_format", "inspect", self.write("plain", b"plain text"))
        self.refused(USAGE, "bad_format", "inspect", self.write("plain", b""))
        self.refused(INTEGRITY, "not_sealed", "inspect", self.write("plain", b'{"a":1}'))
        self.refused(INTEGRITY, "truncated", "inspect",
                     self.write("plain", self.read(self.seal(b"x"))[:80]))


if __name__ == "__main__":
    main()
