"""The database and the ledger of a data folder, damaged, cut, deleted, or put back to an older copy.

usage: faults_ledger.py PATH-OF-KEYWARD
"""

from keyward import *

WORDS = {INTEGRITY: ("store_corrupt", "ledger_corrupt", "wrong_root_key", "commitment_mismatch",
                     "seal_broken", "bad_signature"),
         MISSING: ("ledger_missing", "data_missing"),
         USAGE: ("bad_format", "bad_config")}


def flipped(content, at, mask):
    return content[:at] + bytes([content[at] ^ mask]) + content[at + 1:]


class Damaged(Case):
    """One home; each test works on a copy."""

    @classmethod
    def setUpClass(cls):
        cls.base = tempfile.mkdtemp(prefix="kw-faults-")
        cls.whole = f"{cls.base}/home"
        for command in (["init"], ["tenant", "create", "acme", "--region", "eu"],
                        ["key", "rotate", "acme/eu"], ["tenant", "create", "globex", "--region", "us"]):
            run(*command, "--data", cls.whole).check_returncode()
        server = Server(cls.whole).wait_ready()
        client = server.client()
        cls.keys = [new_key(client, context={"row": str(n)}) for n in range(300)]
        assert server.stop() == 0

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base, ignore_errors=True)

    def copy(self):
        data = self.path("home")
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self.whole, data)
        return data

    def one_line(self, done, note):
        """Refused with one line and a code that belongs here; never a crash."""
        text = done.stderr.decode()
        self.assertIn(done.returncode, WORDS, f"{note}: {text}")
        self.assertRegex(text, rf"\Akeyward: [^\n]+ \(({'|'.join(WORDS[done.returncode])})\)\n\Z", note)
        return text

    def test_database_zero_length(self):
        data = self.copy()
        self.write("home/keyward.db", b"")
        text = self.refused(INTEGRITY, "store_corrupt", "status", "--data", data, says="backup")
        self.refused_server(INTEGRITY, "store_corrupt", data)
        self.assertEqual(self.read("home/keyward.db"), b"", text)
        self.assertEqual(self.read("home/root.key"), self.read_whole("root.key"))

    def test_database_cut(self):
        data = self.copy()
        whole = self.read("home/keyward.db")
        for length in (1, 15, 16, 50, 99, 100, 511, 4095, 4096, 4097, len(whole) // 2,
                       len(whole) - 4096, len(whole) - 1):
            data = self.copy()
            self.write("home/keyward.db", whole[:length])
            self.one_line(run("status", "--data", data), f"cut to {length}")

    def test_database_gone(self):
        data = self.copy()
        os.remove(f"{data}/keyward.db")
        text = self.one_line(run("status", "--data", data), "no database")
        self.assertIn("keyward.db", text)
        self.assertNotIn("make one with 'keyward init", text)  # there is an authority, of which a part is gone

    def test_database_bits(self):
        """A flipped bit is noticed, or changes nothing that counts: every key still is the one it was."""
        whole = self.read_whole("keyward.db")
        refused = 0
        places = [chance.randrange(len(whole)) for _ in range(600 if SLOW else 120)]
        for at in places:
            data = self.copy()
            self.write("home/keyward.db", flipped(whole, at, 1 << chance.randrange(8)))
            done = run("key", "list", "acme", "--data", data)
            if done.returncode != 0:
                self.one_line(done, f"byte {at}")
                refused += 1
                continue
            done = run("key", "rotate", "acme/eu", "--data", data)
            if done.returncode != 0:
                self.one_line(done, f"byte {at}, at rotation")
        print(f" {refused} of {len(places)} flips refused at opening", end=" ")

    def read_whole(self, name):
        with open(f"{self.whole}/{name}", "rb") as file:
            return file.read()

    def test_write_ahead_log_deleted(self):
        """What was acknowledged before kill -9 is in keyward.db-wal. Without that file the ledger
        knows of more than the database does; the authority must not go on as if nothing were."""
        data = self.copy()
        server = self.server(data)
        client = server.client()
        self.assertEqual(client.post("/v1/tenants", {"id": "late", "regions": ["eu"]}).status, 201)
        _, wrapped = new_key(client, tenant="late")
        server.process.kill()
        server.process.wait()
        self.assertTrue(os.path.exists(f"{data}/keyward.db-wal"))
        kept = self.read("home/keyward.db-wal")
        os.remove(f"{data}/keyward.db-wal")
        for _ in range(2):  # asking twice does not make it forget
            self.refused(MISSING, "data_missing", "tenant", "list", "--data", data,
                         says=("keyward.db-wal", "put it back", f"{data}/lock"))
        self.refused_server(MISSING, "data_missing", data, says="keyward.db-wal")
        self.write("home/keyward.db-wal", kept)
        self.assertIn("late", self.ok("tenant", "list", "--data", data))
        client = self.server(data).client()
        self.assertEqual(client.unwrap(wrapped).status, 200)

    def test_closed_in_order_needs_no_write_ahead_log(self):
        data = self.copy()
        server = self.server(data)
        self.assertEqual(server.stop(), 0)
        for name in ("keyward.db-wal", "keyward.db-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.remove(f"{data}/{name}")
        self.ok("tenant", "list", "--data", data)

    def test_ledger_deleted(self):
        data = self.copy()
        shutil.rmtree(f"{data}/ledger")
        self.refused(MISSING, "ledger_missing", "status", "--data", data, says="copy")
        self.refused_server(MISSING, "ledger_missing", data)
        shutil.copytree(f"{self.whole}/ledger", f"{data}/ledger")
        self.ok("status", "--data", data)

    def test_ledger_deleted_under_a_server(self):
        data = self.copy()
        server = self.server(data)
        client = server.client()
        os.rename(f"{data}/ledger", self.path("aside"))
        until = time.monotonic() + WAIT
        answer = client.generate()
        while answer.status == 200 and time.monotonic() < until:
            answer = client.generate()
        self.assertEqual((answer.status, answer.error), (503, "ledger_unavailable"), answer.body)
        self.assertTrue(answer.json["error"]["retryable"])
        self.assertEqual(client.get("/readyz").status, 503)
        self.assertEqual(client.get("/healthz").status, 200)
        os.rename(self.path("aside"), f"{data}/ledger")
        while client.generate().status != 200:
            self.assertLess(time.monotonic(), until, "no recovery")
            time.sleep(0.05)
        self.assertEqual(server.stop(), 0)
        self.verify(data)

    def test_ledger_rolled_back(self):
        data = self.copy()
        shutil.copytree(f"{data}/ledger", self.path("older"))
        server = self.server(data)
        client = server.client()
        for _ in range(5):
            new_key(client)
        self.assertEqual(server.stop(), 0)
        shutil.move(f"{data}/ledger", self.path("newer"))
        shutil.copytree(self.path("older"), f"{data}/ledger")
        self.refused(MISSING, "ledger_missing", "status", "--data", data, says="entries")
        self.refused_server(MISSING, "ledger_missing", data)
        shutil.rmtree(f"{data}/ledger")
        shutil.move(self.path("newer"), f"{data}/ledger")
        self.ok("status", "--data", data)

    def test_ledger_of_another_authority(self):
        data, other = self.copy(), self.home("other")
        shutil.rmtree(f"{data}/ledger")
        shutil.copytree(f"{other}/ledger", f"{data}/ledger")
        self.one_line(run("status", "--data", data), "foreign ledger")

    def test_checkpoint_garbled(self):
        whole = self.read_whole("ledger/checkpoint")
        cases = [b"", b"\n", whole[:-1], whole[:40], whole * 2, b"\xff" * 200]
        cases += [flipped(whole, at, 1) for at in range(0, len(whole), 3)]
        for number, content in enumerate(cases):
            data = self.copy()
            self.write("home/ledger/checkpoint", content)
            self.one_line(run("status", "--data", data), f"checkpoint {number}")
            done = run("ledger", "verify", f"{data}/ledger", "--key", f"{data}/ledger/vkey")
            self.assertIn(done.returncode, (INTEGRITY, USAGE, MISSING), content)
            self.assertEqual(self.read("home/ledger/checkpoint"), content)

    def test_tiles_garbled(self):
        """Every tile is under the checkpoint: verify finds one flipped bit in any, and a cut."""
        found = []
        for folder, _, files in os.walk(f"{self.whole}/ledger/tile"):
            found += [os.path.relpath(os.path.join(folder, f), self.whole) for f in files]
        for name in found:
            whole = self.read_whole(name)
            for content in (flipped(whole, chance.randrange(len(whole)), 1 << chance.randrange(8)),
                            whole[:-1], b""):
                data = self.copy()
                self.write(f"home/{name}", content)
                done = run("ledger", "verify", f"{data}/ledger", "--key", f"{data}/ledger/vkey")
                stale = f"{name.split('.p')[0]}"
                if name != stale and os.path.exists(f"{self.whole}/{stale}"):
                    continue  # a partial tile beside its full one is not read
                partial = [n for n in found if n.startswith(f"{stale}.p/")]
                if len(partial) > 1 and int(name.rsplit("/", 1)[1]) != max(
                        int(n.rsplit("/", 1)[1]) for n in partial):
                    continue  # nor is an older partial tile
                self.assertIn(done.returncode, (INTEGRITY, MISSING), f"{name}: {done.stdout}")

    def killed(self):
        """A copy whose last entries are in the write-ahead file alone."""
        data = self.copy()
        server = self.server(data, "ledger.publish_interval=1h")
        client = server.client()
        last = [client.generate().json["receipt"]["index"] for _ in range(5)][-1]
        server.process.kill()
        server.process.wait()
        return data, last

    def test_write_ahead_file_garbled(self):
        data, last = self.killed()
        kept = self.path("kept")
        shutil.copytree(data, kept)
        names = sorted(os.listdir(f"{kept}/ledger/wal"))
        wal = max((n for n in names if n.endswith(".wal")),
                  key=lambda n: os.path.getmtime(f"{kept}/ledger/wal/{n}"))
        with open(f"{kept}/ledger/wal/{wal}", "rb") as file:
            content = file.read()
        used = len(content.rstrip(b"\0"))
        silent = []
        for at in sorted(chance.randrange(used) for _ in range(200 if SLOW else 40)):
            shutil.rmtree(data)
            shutil.copytree(kept, data)
            self.write(f"home/ledger/wal/{wal}", flipped(content, at, 1 << chance.randrange(8)))
            done = run("status", "--data", data)
            if done.returncode != 0:
                self.one_line(done, f"wal byte {at}")
            elif self.verify(data) <= last:
                silent.append(at)
        # Only the very last write cannot be told from one that a crash cut short.
        print(f" {len(silent)} flips in the last frame were taken for a torn write", end=" ")
        if silent:
            self.assertGreater(min(silent), used - 4096)


if __name__ == "__main__":
    main()
