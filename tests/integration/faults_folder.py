"""A data folder that is missing, unfinished, taken, read-only, or damaged: one clear line with the
remedy, the right exit status, and nothing lost.

usage: faults_folder.py PATH-OF-KEYWARD
"""

from keyward import *

IS_ROOT = os.geteuid() == 0
NOBODY = 65534


def flip(path, at, mask=0x01):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ mask]))


class Missing(Case):
    def test_no_folder(self):
        data = self.path("nowhere")
        for command in (["tenant", "list"], ["status"], ["key", "rotate", "acme/eu"]):
            self.refused(MISSING, "data_missing", *command, "--data", data,
                         says=(data, f"keyward init --data {data}"))
        self.refused_server(MISSING, "data_missing", data, says=f"keyward init --data {data}")
        self.assertFalse(os.path.exists(data))

    def test_folder_without_authority(self):
        data = self.path("empty")
        os.mkdir(data)
        self.refused(MISSING, "data_missing", "status", "--data", data, says="holds no authority")
        self.assertEqual(os.listdir(data), [])
        self.ok("init", "--data", data)

    def test_file_for_a_folder(self):
        data = self.write("file", "text")
        self.refused(CONFLICT, "exists", "init", "--data", data, says="not a folder")
        self.refused(MISSING, "data_missing", "status", "--data", data)
        with open(data) as file:
            self.assertEqual(file.read(), "text")

    def test_second_init_changes_nothing(self):
        data = self.home()
        before = {n: self.read(f"home/{n}") for n in ("keyward.db", "root.key")}
        self.refused(CONFLICT, "exists", "init", "--data", data)
        for name, content in before.items():
            self.assertEqual(self.read(f"home/{name}"), content)

    def test_init_in_a_folder_with_other_files(self):
        os.mkdir(self.path("other"))
        self.write("other/letter.txt", "mine")
        self.refused(CONFLICT, "exists", "init", "--data", self.path("other"))
        self.assertEqual(os.listdir(self.path("other")), ["letter.txt"])


class Interrupted(Case):
    """init killed at many moments: afterwards the folder either works or says what to do."""

    def outcome(self, data):
        done = run("tenant", "create", "acme", "--region", "eu", "--data", data)
        if done.returncode == 0:
            self.verify(data, 1)
            return "complete"
        text = done.stderr.decode()
        self.assertEqual(done.returncode, MISSING, text)
        self.assertRegex(text, r"\Akeyward: [^\n]+ \(data_missing\)\n\Z")
        self.assertIn("keyward init", text)
        return "unfinished"

    def test_killed(self):
        start = time.monotonic()
        self.ok("init", "--data", self.path("timed"))
        took = time.monotonic() - start
        seen = set()
        for turn in range(60 if SLOW else 25):
            data = self.path(f"h{turn}")
            process = subprocess.Popen([PROGRAM, "init", "--data", data], stdout=subprocess.DEVNULL,
                                       env=clean_environment())
            time.sleep(took * turn / (60 if SLOW else 25))
            process.kill()
            process.wait()
            seen.add(self.outcome(data))
        self.assertIn("unfinished", seen)

    def test_stopped_by_each_system_call(self):
        """SIGKILL on entering the nth fdatasync, fsync, rename or link of init."""
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True)
        if probe.returncode != 0:
            self.skipTest("strace may not trace here")
        for turn in range(1, 40):
            data = self.path(f"s{turn}")
            done = subprocess.run(
                ["strace", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync,rename,link",
                 "-e", f"inject=fsync,fdatasync,rename,link:signal=KILL:when={turn}", PROGRAM,
                 "init", "--data", data], capture_output=True,
                env=clean_environment(ASAN_OPTIONS="detect_leaks=0"))  # which cannot work under strace
            found = self.outcome(data)
            if done.returncode == 0:
                self.assertEqual(found, "complete")
                return
            if found == "unfinished":
                self.ok("init", "--data", data)  # the remedy of the message
                self.ok("status", "--data", data)
        self.fail("init never came to its end")


class Taken(Case):
    def test_server_holds_the_folder(self):
        data = self.home()
        server = self.server(data)
        for command in (["tenant", "list"], ["key", "rotate", "acme/eu"],
                        ["tenant", "suspend", "acme"]):
            self.refused(CONFLICT, "data_locked", *command, "--data", data,
                         says=(f"process {server.process.pid} ", "KEYWARD_ADDR"))
        self.refused_server(CONFLICT, "data_locked", data)
        address = {"KEYWARD_ADDR": f"https://127.0.0.1:{server.port}",
                   "KEYWARD_CACERT": f"{data}/tls/ca.crt", "KEYWARD_CERT": f"{data}/tls/client.crt",
                   "KEYWARD_KEY": f"{data}/tls/client.key"}
        self.ok("key", "rotate", "acme/eu", env=address)  # the way that the message names
        self.ok("ledger", "verify", f"{data}/ledger")     # reading needs no lock
        self.assertEqual(server.stop(), 0)
        self.assertIn("version 2", self.ok("key", "show", "acme/eu", "--data", data))

    def test_killed_server_leaves_no_lock(self):
        data = self.home()
        server = self.server(data)
        server.process.kill()
        server.process.wait()
        self.ok("tenant", "list", "--data", data)

    def test_busy_port(self):
        data, other = self.home(), self.home("other", tenants=())
        server = self.server(data)
        self.refused_server(CONFLICT, "address_in_use", other,
                            address=f"127.0.0.1:{server.port}", says=str(server.port))
        self.ok("tenant", "list", "--data", other)


class RootKey(Case):
    def test_wrong_passphrase(self):
        right = self.write("right", "correct horse battery\n")
        wrong = self.write("wrong", "correct horse batterz\n")
        data = self.home("home", "--passphrase-file", right, env={"KEYWARD_PASSPHRASE_FILE": right})
        self.refused(INTEGRITY, "wrong_root_key", "status", "--data", data, "--passphrase-file",
                     wrong, says="passphrase")
        self.refused(USAGE, "usage", "status", "--data", data, says="--passphrase-file")
        self.refused_server(INTEGRITY, "wrong_root_key", data,
                            env={"KEYWARD_PASSPHRASE_FILE": wrong})
        self.assertIn("acme", self.ok("tenant", "list", "--data", data, "--passphrase-file", right))

    def test_passphrase_file(self):
        data = self.path("home")
        cases = {
            "missing": (self.path("none"), MISSING, "not_found", "none"),
            "empty": (self.write("empty", ""), USAGE, "bad_config", "empty"),
            "short": (self.write("short", "seven77\n"), USAGE, "bad_config", "8 bytes"),
            "open": (self.write("open", "correct horse\n", 0o644), USAGE, "bad_config", "chmod 600"),
            "folder": (self.folder, USAGE, "[a-z_]+", self.folder),
        }
        for name, (path, status, code, words) in cases.items():
            with self.subTest(name):
                if name == "folder":
                    status = None
                done = run("init", "--data", data, "--passphrase-file", path)
                text = done.stderr.decode()
                self.assertRegex(text, rf"\Akeyward: [^\n]*{re.escape(words)}[^\n]* \({code}\)\n\Z")
                if status is not None:
                    self.assertEqual(done.returncode, status, text)
                self.assertNotEqual(done.returncode, 0)
                self.assertFalse(os.path.exists(data), text)

    def test_loose_permissions(self):
        data = self.home()
        for mode in (0o640, 0o604, 0o660, 0o622):
            os.chmod(f"{data}/root.key", mode)
            self.refused(USAGE, "bad_config", "status", "--data", data,
                         says=f"chmod 600 {data}/root.key")
        os.chmod(f"{data}/root.key", 0o600)
        self.ok("status", "--data", data)

    def test_of_another_authority(self):
        data, other = self.home(), self.home("other")
        shutil.copy(f"{data}/root.key", self.path("kept"))
        shutil.copy(f"{other}/root.key", f"{data}/root.key")
        self.refused(INTEGRITY, "wrong_root_key", "status", "--data", data,
                     says="not the one of this data folder")
        shutil.copy(self.path("kept"), f"{data}/root.key")
        self.ok("key", "rotate", "acme/eu", "--data", data)

    def test_damaged(self):
        data = self.home()
        path = f"{data}/root.key"
        whole = self.read("home/root.key")
        for cut in range(len(whole)):
            self.write("home/root.key", whole[:cut])
            done = run("status", "--data", data)
            if whole[:cut].strip() == whole.strip():
                continue  # only the last line's end is missing
            self.assertIn(done.returncode, (USAGE, INTEGRITY), cut)
            self.assertRegex(done.stderr.decode(), r"\Akeyward: [^\n]*root[^\n]*\n\Z")
        for at in range(len(whole)):
            self.write("home/root.key", whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1:])
            done = run("status", "--data", data)
            self.assertIn(done.returncode, (USAGE, INTEGRITY), at)
            self.assertRegex(done.stderr.decode(), r"\Akeyward: [^\n]*root[^\n]*\n\Z")
        os.remove(path)
        self.refused(MISSING, "data_missing", "status", "--data", data, says=path)
        self.write("home/root.key", whole)
        self.ok("status", "--data", data)


class ReadOnly(Case):
    """As another user, since root may write everywhere."""

    @unittest.skipUnless(IS_ROOT, "needs root to give the folder to someone else")
    def test_other_users_folder(self):
        os.chmod(self.folder, 0o755)
        data = self.home()
        for folder, _, files in os.walk(data):
            os.chmod(folder, 0o755)
            for name in files:
                os.chmod(os.path.join(folder, name), 0o644)
        size = self.verify(data)
        done = run("tenant", "create", "late", "--region", "eu", "--data", data, user=NOBODY,
                   group=NOBODY)
        text = done.stderr.decode()
        self.assertRegex(text, r"\Akeyward: [^\n]+ \([a-z_]+\)\n\Z")
        self.assertIn(done.returncode, (UNAVAILABLE, USAGE), text)
        self.assertIn("ermission denied", text)
        os.chmod(f"{data}/root.key", 0o600)
        self.assertEqual(self.verify(data), size)
        self.ok("status", "--data", data)

    @unittest.skipUnless(IS_ROOT, "needs root to mount")
    def test_read_only_mount(self):
        data = self.home()
        libc = ctypes.CDLL(None, use_errno=True)
        MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
        if libc.mount(data.encode(), data.encode(), None, MS_BIND, None) != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(libc.umount2, data.encode(), 2)
        self.assertEqual(libc.mount(None, data.encode(), None, MS_BIND | MS_REMOUNT | MS_RDONLY,
                                    None), 0)
        self.refused(UNAVAILABLE, "[a-z_]+", "tenant", "create", "late", "--region", "eu", "--data",
                     data, says="ead-only")
        self.refused_server(UNAVAILABLE, "[a-z_]+", data, says="ead-only")
        self.verify(data)
        libc.umount2(data.encode(), 2)
        self.ok("tenant", "create", "late", "--region", "eu", "--data", data)


if __name__ == "__main__":
    main()
