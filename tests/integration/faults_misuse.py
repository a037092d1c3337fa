"""Every command used wrongly on purpose: a clear line, the right exit status, never a crash.

usage: faults_misuse.py PATH-OF-KEYWARD
"""

from keyward import *

STATUSES = range(2, 11)
SANITIZER = (b"AddressSanitizer", b"runtime error:", b"LeakSanitizer", b"Assertion")


def commands():
    """The names of all commands, by the program's own overview."""
    found = []
    for line in run("help").stdout.decode().splitlines():
        match = re.match(r"  ([a-z]+(?: [a-z-]+)?)  ", line)
        if match:
            found.append(match.group(1).split())
    return found


class Misuse(Case):
    @classmethod
    def setUpClass(cls):
        cls.commands = [c for c in commands() if c not in (["demo"], ["serve"])]
        assert len(cls.commands) > 25, cls.commands
        # Nothing listens there: a command that goes to a server ends with connect_failed.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            cls.nowhere = {"KEYWARD_ADDR": f"https://127.0.0.1:{probe.getsockname()[1]}"}

    def sane(self, done, note, statuses=STATUSES):
        text = done.stderr
        for word in SANITIZER:
            self.assertNotIn(word, text, note)
        self.assertIn(done.returncode, statuses, f"{note}: {text[:300]}")
        if done.returncode != 0:
            lines = [l for l in text.decode(errors="surrogateescape").splitlines()
                     if l.startswith("keyward: ")]
            if lines[:1] and " is left as it is: " in lines[0]:
                lines.pop(0)  # a command on several files says so of each that failed
            self.assertEqual(len(lines), 1, f"{note}: {text[:600]}")
            self.assertRegex(lines[0], r" \([a-z_]+\)\Z", note)
            self.assertLess(len(lines[0]), 600, note)
        printable = text.decode()  # UTF-8, whatever the arguments were
        self.assertEqual([c for c in printable if ord(c) < 32 and c not in "\n\t"], [], note)

    def try_all(self, *extra, statuses=STATUSES, share=1.0, **how):
        """Every command; or a share of them by chance, except in the slow variant."""
        for command in self.commands:
            if not SLOW and chance.random() > share:
                continue
            done = run(*command, *extra, env=self.nowhere, input=b"", **how)
            self.sane(done, [*command, *extra], statuses)

    def test_without_arguments(self):
        self.try_all(statuses=(0, *STATUSES), cwd=self.folder)
        self.sane(run("frobnicate"), "no command", (USAGE,))
        self.sane(run("key"), "half a command", (USAGE,))
        self.sane(run("key", "frobnicate"), "half a command", (USAGE,))
        self.assertEqual(run().returncode, USAGE)

    def test_help(self):
        for command in self.commands:
            done = run(*command, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, b""), command)
            self.assertIn(" ".join(command).encode(), done.stdout)

    def test_unknown_options(self):
        for extra in (["--frobnicate"], ["--frobnicate=1"], ["-Z"], ["--data"], ["--data=x", "--data"],
                      ["--"] + ["x"] * 100, ["x"] * 100, ["--json=1"], ["--=x"], ["---"], ["-"]):
            self.try_all(*extra, cwd=self.folder, share=0.5)

    def test_odd_arguments(self):
        for word in (b"\xff\xfe", b"\xed\xa0\x80", b"a\nb\x1b[31m", b"", b"%n%s%x", b"../../x", b"*",
                     "ĳ\u202eé".encode(), b"a" * 100000, b"A/" * 3000, b"acme/eu/x", b"acme/"):
            self.try_all(word, cwd=self.folder, statuses=(0, *STATUSES), share=0.3)
            self.try_all("--data", word, "x", cwd=self.folder, statuses=(0, *STATUSES), share=0.3)

    def test_values(self):
        data = self.home()
        cases = [["tenant", "create", "UPPER"], ["tenant", "create", "a" * 64], ["tenant", "create", "-x"],
                 ["tenant", "create", "a b", "--region", "eu"], ["tenant", "create", "x", "--region", "mars"],
                 ["tenant", "create", "x", "--region", "eu", "--tier", "gold"], ["tenant", "show", "nobody"],
                 ["tenant", "create", "x"], ["tenant", "suspend", "nobody"], ["key", "show", "acme"],
                 ["key", "show", "acme/us"], ["key", "rotate", "nobody/eu"],
                 ["key", "schedule-destroy", "acme/eu", "--window-days", "1"],
                 ["key", "schedule-destroy", "acme/eu", "--window-days", "99999999999999999999"],
                 ["key", "schedule-destroy", "acme/eu", "--window-days", "x"],
                 ["token", "create", "n", "--roles", "king"], ["token", "create", "n", "--hours", "-1"],
                 ["token", "revoke", "nothing"], ["cert", "issue", "x", "--role", "king"],
                 ["cert", "issue", "x", "--days", "0"], ["cert", "issue", "x/../y", "--role", "service"],
                 ["ledger", "prove", "-1"], ["ledger", "prove", "999999"], ["ledger", "prove", "x"]]
        for case in cases:
            done = run(*case, "--data", data, cwd=self.folder)
            if case[:2] == ["cert", "issue"] and done.returncode == 0:
                continue
            self.sane(done, case)
            self.assertEqual(done.stdout, b"", case)
        self.ok("status", "--data", data)
        self.verify(data)

    def test_folders_for_files(self):
        data = self.home()
        for option in ("-i", "--passphrase-file", "--cacert", "--cert", "--token-file", "--config", "--key"):
            self.try_all(option, self.folder, "x", statuses=(0, *STATUSES), cwd=self.folder, share=0.5)
        for command in (["ledger", "verify", self.write("file", "x")], ["ledger", "verify", self.folder],
                        ["ledger", "verify", f"{data}/ledger", "--key", self.folder],
                        ["ledger", "verify", f"{data}/ledger", "--key", "nonsense"],
                        ["ledger", "verify", "ftp://x"], ["config", "check", "--config", "/dev/null/x"]):
            self.sane(run(*command), command)

    def test_output_that_cannot_be_written(self):
        data = self.home()
        for command in (["tenant", "list"], ["status"], ["key", "show", "acme/eu"], ["cert", "list"],
                        ["tenant", "list", "--json"], ["help"], ["--version"], ["tenant", "list", "--help"]):
            at = ["--data", data] if command[0] not in ("help", "--version") and "--help" not in command else []
            with open("/dev/full", "wb") as full:
                done = subprocess.run([PROGRAM, *command, *at], stdout=full, stderr=subprocess.PIPE,
                                      env=clean_environment(), timeout=WAIT)
            self.assertEqual(done.returncode, UNAVAILABLE, f"{command} to /dev/full: {done.stderr}")
            self.assertRegex(done.stderr.decode(), r"\A[^\n]+(io_error|disk_full)[^\n]+\n\Z")
            done = subprocess.run([PROGRAM, *command, *at], stderr=subprocess.PIPE, timeout=WAIT,
                                  env=clean_environment(), preexec_fn=lambda: os.close(1))
            self.assertEqual(done.returncode, UNAVAILABLE, f"{command} without output: {done.stderr}")
            for closed in ((2,), (0, 1, 2)):
                def close():
                    for number in closed:
                        os.close(number)
                done = subprocess.run([PROGRAM, *command, *at], env=clean_environment(), timeout=WAIT,
                                      preexec_fn=close, stdout=subprocess.PIPE if closed == (2,) else None)
                self.assertIn(done.returncode, (0, UNAVAILABLE), f"{command} without {closed}")
        self.ok("status", "--data", data)  # no file was written over
        self.verify(data)

    def test_closed_pipe(self):
        """A reader that goes away ends a command quietly enough: no crash, no signal."""
        data = self.home()
        process = subprocess.Popen([PROGRAM, "ledger", "export", f"{data}/ledger"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=clean_environment())
        process.stdout.close()
        text = process.stderr.read()
        process.stderr.close()
        self.assertIn(process.wait(WAIT), (0, UNAVAILABLE), text)

    def test_environment(self):
        for env in ({"KEYWARD_ADDR": ""}, {"KEYWARD_ADDR": "x"}, {"KEYWARD_ADDR": "http://127.0.0.1:1"},
                    {"KEYWARD_ADDR": "https://" + "a" * 5000}, {"KEYWARD_TOKEN": "\n"},
                    {"KEYWARD_TOKEN": "x\r\nEvil: 1"}, {"KEYWARD_CACERT": "/nonexistent"},
                    {"KEYWARD_CERT": "/nonexistent"}, {"KEYWARD_KEY": self.folder},
                    {"KEYWARD_PASSPHRASE_FILE": "/nonexistent"}):
            self.sane(run("status", env={**self.nowhere, **env}), env)

    def test_configuration(self):
        for text in ("[server]\naddress = nonsense\n", "frobnicate = 1\n", "\0\0\0", "[" * 10000,
                     "[server]\nworkers = -1\n", "[server]\nworkers = 99999999999999999999\n",
                     "[ledger]\nappend_deadline = 5 parsecs\n", "x" * 100000 + "\n", "=\n", "[]\n=\n",
                     "[log]\nlevel = loud\n", "[destruction]\nwindow_days = 1\n", b"\xff\xfe[server]\n"):
            path = self.write("config", text)
            self.sane(run("config", "check", "--config", path), text[:50])
            self.sane(run("serve", "--config", path, "--data", self.folder), text[:50])
        for assignment in ("x", "=", "server.address", "server.address=1.2.3.4:99999", "server.nothing=1",
                           "class.*.ttl=1s", "class..ttl=1s", "regions=", "data=", "server.workers=1e3"):
            self.sane(run("config", "check", "--set", assignment), assignment, (0, USAGE))

    def test_input(self):
        """Data commands on what is no input of theirs."""
        data = self.home()
        at = ["--tenant", "acme", "--region", "eu", "--data", data]
        for command in (["open", *at], ["inspect"], ["fields", "open", *at, "--fields", "$.a"],
                        ["fields", "seal", *at, "--fields", "$.a"]):
            for content in (b"", b"\0", b"x" * 200000, os.urandom(5000), b"kw1.", b"kw1.AAAA", b"[" * 70000,
                            b'{"a":' * 5000, b'{"a":1}\n{"a"', b"\xff\n"):
                done = run(*command, input=content)
                self.sane(done, (command[:2], content[:20]), (0, *STATUSES))
                if command[0] == "open":
                    self.assertNotEqual(done.returncode, 0)
                    self.assertEqual(done.stdout, b"")
        for fields in ("", "$", "$.", "$..a", "$.a,", "$[", "$[*", "$.a[99999999999999999999]", "a" * 5000,
                       "$." + "a." * 300 + "a", "$.a,$.a", "$.\xff"):
            self.sane(run("fields", "seal", *at, "--fields", fields, input=b'{"a":1}\n'), fields,
                      (0, *STATUSES))
        for context in ("", "=", "a", "=v", "a=b\n", "a" * 5000 + "=b", "a=" + "b" * 70000, "\xff=\xfe"):
            self.sane(run("seal", *at, "--context", context, input=b"x"), context[:40], (0, *STATUSES))
        self.sane(run("seal", *at, *(w for n in range(300) for w in ("--context", f"k{n}=v")), input=b"x"),
                  "300 contexts")
        self.ok("status", "--data", data)
        self.verify(data)


if __name__ == "__main__":
    main()
