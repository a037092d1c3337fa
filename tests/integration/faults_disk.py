"""No room, no descriptors, no memory to lock: clear and retryable refusals while it lasts, and
nothing lost when it is over.

usage: faults_disk.py PATH-OF-KEYWARD
"""

from keyward import *

libc = ctypes.CDLL(None, use_errno=True)
FULL = ("disk_full", "ledger_unavailable", "store_unavailable", "io_error", "unavailable")


class Disk(Case):
    """A small file system of the test's own; only root may mount one."""

    def mount(self, size):
        place = self.path("disk")
        os.makedirs(place, exist_ok=True)
        if libc.mount(b"tmpfs", place.encode(), b"tmpfs", 0, f"size={size}".encode()) != 0:
            self.skipTest("mounting is not allowed here")
        self.addCleanup(libc.umount2, place.encode(), 2)
        return place

    def resize(self, size):
        MS_REMOUNT = 32
        self.assertEqual(libc.mount(b"tmpfs", self.path("disk").encode(), b"tmpfs", MS_REMOUNT,
                                    f"size={size}".encode()), 0)

    def fill(self, leave=0):
        """Takes all the room there is; the returned function gives it back."""
        path = self.path("disk", "ballast")
        with open(path, "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
        if leave:
            os.truncate(path, max(0, os.path.getsize(path) - leave))
        return lambda: os.remove(path)

    def full_line(self, done, note):
        text = done.stderr.decode()
        self.assertEqual(done.returncode, UNAVAILABLE, f"{note}: {text}")
        self.assertRegex(text, rf"\Akeyward: [^\n]+ \(({'|'.join(FULL)})\)\n\Z", note)
        return text

    def test_init(self):
        """At every size up to the one that suffices: one line, and a second try when there is room."""
        self.mount("64k")
        failures = 0
        for kib in range(4, 400, 8 if SLOW else 16):
            self.resize(f"{kib}k")
            data = self.path("disk", "home")
            done = run("init", "--data", data)
            if done.returncode == 0:
                break
            failures += 1
            self.assertRegex(self.full_line(done, kib), "[Nn]o space|full|room")
            left = os.listdir(data) if os.path.isdir(data) else []
            self.assertLessEqual(set(left), {"lock", "unfinished"}, kib)
        self.assertGreater(failures, 2)
        self.resize("8m")
        self.ok("tenant", "create", "acme", "--region", "eu", "--data", data)
        self.verify(data, 1)

    def test_commands(self):
        """tenant create, rotate and suspend against a disk with less and less room."""
        self.mount("16m")
        data = self.home("disk/home")
        tenants, refused = {"acme"}, 0
        for turn in range(12):
            free = self.fill(leave=turn * 32768)
            name = f"t{turn}"
            done = run("tenant", "create", name, "--region", "eu", "--data", data)
            if done.returncode == 0:
                tenants.add(name)
            else:
                refused += 1
                text = self.full_line(done, f"leaving {turn * 32} KiB")
                if "done and recorded" in text:  # only the checkpoint is not out yet
                    tenants.add(name)
            free()
            listed = {l.split()[0] for l in self.ok("tenant", "list", "--data", data).splitlines()}
            self.assertEqual(listed - tenants, set(), f"a refused tenant is there: {done.stderr}")
            self.assertEqual(tenants - listed, set(), "an acknowledged tenant is not there")
        self.assertGreater(refused, 2)
        self.verify(data, len(tenants))
        for name in tenants:
            self.ok("key", "rotate", f"{name}/eu", "--data", data)

    def test_server(self):
        """Data keys, changes and publication while the disk fills, is full, and has room again."""
        self.mount("48m")
        data = self.home("disk/home")
        server = self.server(data)
        client = server.client()
        acknowledged = [self.taken(client) for _ in range(20)]
        free = self.fill()
        refusals = set()
        until = time.monotonic() + WAIT
        while len(refusals) == 0 or client.get("/readyz").status == 200:
            answer = client.generate()
            if answer.status == 200:
                acknowledged.append(self.kept(answer))
            else:
                self.retryable(answer)
                refusals.add(answer.error)
            self.assertLess(time.monotonic(), until, "the disk never filled")
        for call in (lambda: client.post("/v1/tenants", {"id": "late", "regions": ["eu"]}),
                     lambda: client.post("/v1/tenants/acme/keys/eu/rotate"),
                     lambda: client.unwrap(acknowledged[0][1])):
            answer = call()
            if answer.status == 200 and "items" in answer.json:
                continue  # what is in the log's reserve may still be used
            self.retryable(answer)
        self.assertEqual(client.get("/healthz").status, 200)
        self.assertEqual(client.get("/v1/tenants/acme").json["state"], "active")
        free()
        while (answer := client.generate()).status != 200:
            self.assertLess(time.monotonic(), until, f"no recovery: {answer.body}")
            time.sleep(0.05)
        acknowledged.append(self.kept(answer))
        while client.get("/readyz").status != 200:
            self.assertLess(time.monotonic(), until, "not ready again")
            time.sleep(0.05)
        self.assertEqual(client.post("/v1/tenants", {"id": "late", "regions": ["eu"]}).status, 201)
        self.assertEqual(server.stop(), 0)
        self.opens(data, acknowledged)
        print(f" refused with {sorted(refusals)}; {len(acknowledged)} acknowledged", end=" ")

    def test_killed_when_full(self):
        self.mount("48m")
        data = self.home("disk/home")
        server = self.server(data)
        client = server.client()
        acknowledged = [self.taken(client) for _ in range(5)]
        free = self.fill()
        until = time.monotonic() + WAIT
        while (answer := client.generate()).status == 200:
            acknowledged.append(self.kept(answer))
            self.assertLess(time.monotonic(), until)
        server.process.kill()
        server.process.wait()
        done = run("status", "--data", data)
        if done.returncode != 0:
            self.full_line(done, "opening on a full disk")
        free()
        self.opens(data, acknowledged)

    def taken(self, client):
        answer = client.generate()
        self.assertEqual(answer.status, 200, answer.body)
        return self.kept(answer)

    def kept(self, answer):
        item = answer.json["items"][0]
        return item["plaintext"], item["wrapped"], answer.json["receipt"]["index"]

    def retryable(self, answer):
        self.assertIn(answer.status, (503, 507), answer.body)
        self.assertTrue(answer.json["error"]["retryable"], answer.body)
        self.assertIn(answer.error, FULL)

    def opens(self, data, acknowledged):
        server = self.server(data)
        client = server.client()
        for plaintext, wrapped, _ in acknowledged:
            answer = client.unwrap(wrapped)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(answer.json["items"][0]["plaintext"], plaintext)
        self.assertEqual(server.stop(), 0)
        self.verify(data, max(a[2] for a in acknowledged) + 1)


class FileSize(Case):
    """RLIMIT_FSIZE, for who is not root: a write beyond it fails with EFBIG."""

    def test_init(self):
        for size in (0, 1, 100, 4096, 20000):
            data = self.path(f"home{size}")
            done = run("init", "--data", data, preexec_fn=limited(resource.RLIMIT_FSIZE, size))
            text = done.stderr.decode()
            self.assertEqual(done.returncode, UNAVAILABLE, text)
            self.assertRegex(text, r"\Akeyward: [^\n]+ \([a-z_]+\)\n\Z")
            self.ok("init", "--data", data)

    def test_tenant(self):
        """SIGXFSZ would end a program that does not ignore it, in the middle of a write."""
        data = self.home()
        for size in (0, 100, 8192, 30000):
            done = run("tenant", "create", "late", "--region", "eu", "--data", data,
                       preexec_fn=limited(resource.RLIMIT_FSIZE, size))
            self.assertEqual(done.returncode, UNAVAILABLE, f"{size}: {done.stderr}")
            self.assertRegex(done.stderr.decode(), r"\Akeyward: [^\n]+ \([a-z_]+\)\n\Z")
            if b"done and recorded" in done.stderr:
                break
        self.ok("status", "--data", data)
        self.verify(data)


class Limits(Case):
    def test_descriptors(self):
        """A server that runs out of descriptors refuses or delays connections, serves those that it
        has, and takes new ones when there are descriptors again."""
        data = self.home()
        server = self.server(data, "server.idle_timeout=120s",
                             preexec_fn=limited(resource.RLIMIT_NOFILE, 64, 64))
        client = server.client()
        _, wrapped = new_key(client)
        crowd = []
        for _ in range(150):
            one = socket.socket()
            one.settimeout(2)
            with contextlib.suppress(OSError):
                one.connect(("127.0.0.1", server.port))
            crowd.append(one)
        time.sleep(0.5)
        for _ in range(20):
            self.assertEqual(client.unwrap(wrapped).status, 200)
        answer = client.post("/v1/tenants", {"id": "late", "regions": ["eu"]})
        self.assertIn(answer.status, (201, 503, 507), answer.body)
        before = self.cpu(server)
        time.sleep(1)
        self.assertLess(self.cpu(server) - before, 0.5, "the server spins")
        for one in crowd:
            one.close()
        until = time.monotonic() + WAIT
        while True:
            try:
                answer = server.client().unwrap(wrapped)
                if answer.status == 200:
                    break
                self.assertTrue(answer.json["error"]["retryable"], answer.body)
            except (OSError, http.client.HTTPException):
                pass
            self.assertLess(time.monotonic(), until, "no recovery")
            time.sleep(0.1)
        self.assertEqual(server.stop(), 0)
        self.verify(data)

    @staticmethod
    def cpu(server):
        with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_descriptors_at_the_start(self):
        data = self.home()
        for count in (3, 4, 5, 8, 12, 16):
            done = run("status", "--data", data,
                       preexec_fn=limited(resource.RLIMIT_NOFILE, count, count))
            text = done.stderr.decode()
            if done.returncode != 0 and "error while loading shared libraries" not in text:
                self.assertRegex(text, r"\Akeyward: [^\n]+ \([a-z_]+\)\n\Z", count)
                self.assertIn(done.returncode, (UNAVAILABLE, INTERNAL), text)
        self.ok("status", "--data", data)

    def memlock(self, limit):
        """In the child: another user without the right to lock more than limit."""
        def prepare():
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
        return prepare

    @unittest.skipIf(SANITIZED, "AddressSanitizer makes mlock do nothing")
    def test_no_memory_to_lock(self):
        os.chmod(self.folder, 0o777)
        data = self.path("home")
        self.refused(INTERNAL, "no_secure_memory", "init", "--data", data,
                     says=("lock", "ulimit -l"), preexec_fn=self.memlock(0))
        self.ok("init", "--data", data, preexec_fn=self.memlock(8 << 20))
        line = self.refused_server(INTERNAL, "no_secure_memory", data,
                                   preexec_fn=self.memlock(0))
        self.assertIn("ulimit -l", line)
        self.ok("tenant", "create", "acme", "--region", "eu", "--data", data,
                preexec_fn=self.memlock(8 << 20))

    def test_server_with_little_memory_to_lock(self):
        """Runs into the limit while it serves: a refusal, not a crash."""
        os.chmod(self.folder, 0o777)
        data = self.path("home")
        self.ok("init", "--data", data, preexec_fn=self.memlock(8 << 20))
        server = Server(data, preexec_fn=self.memlock(320 << 10))
        self.addCleanup(server.kill)
        try:
            server.wait_ready()
        except AssertionError:
            self.assertIn("no_secure_memory", server.text())
            return
        client = server.client()
        seen = set()
        client.post("/v1/tenants", {"id": "acme", "regions": ["eu"]})
        for count in (1, 10, 100, 1000):
            answer = client.generate(count=count)
            seen.add(answer.error)
            self.assertIn(answer.error, (None, "no_secure_memory", "no_memory"), answer.body)
        self.assertEqual(client.get("/healthz").status, 200)
        print(f" {seen}", end=" ")


if __name__ == "__main__":
    main()
