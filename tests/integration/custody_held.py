"""Tenant keys that a customer holds: no key that lasts, and each use asks the customer's KMS, as often as the class
allows and no less.

usage: custody_held.py PATH-OF-KEYWARD
"""

from customers import *

RECORDS = 100


class Held(Custody):
    MORE = "[class.bulk]\nheld_batch = 25\n[class.kept]\nheld_keep = 1h\n"
    AT = ("--tenant", "acme", "--region", "eu")

    def setUp(self):
        super().setUp()
        self.cloud = GoogleOf(self.path("google"))
        self.begin(acme=self.cloud, more=self.MORE)
        self.before = new_key(self.admin)  # from when the key was managed
        self.ours = [c[4] for c in self.copies() if c[0] == "acme" and c[2] == "eu"]
        self.assertIn("held;", self.attach(self.cloud, "--hold"))
        self.cloud.log.clear()

    def asked_for(self, wraps, unwraps, what=""):
        """What the customer's own log has seen since."""
        self.assertEqual((self.cloud.calls("wrap"), self.cloud.calls("unwrap")), (wraps, unwraps), what)
        self.cloud.log.clear()

    def records(self, count=RECORDS):
        return "".join(json.dumps({"id": n, "name": f"name {n}"}) + "\n" for n in range(count)).encode()

    def sealed_records(self, cls, count=RECORDS):
        return run("fields", "seal", *self.AT, "--class", cls, "--fields", "$.name", input=self.records(count),
                   env=self.env, check=True).stdout

    def unwrapped(self, keys, client=None):
        """All in one request: the error's code of each, None where it is what it was."""
        answer = (client or self.admin).post("/v1/data-keys/unwrap", {"items": [
            {"wrapped": key[1], "context": {"row": "1"}} for key in keys]})
        self.assertEqual(answer.status, 200, answer.body)
        told = []
        for key, item in zip(keys, answer.json["items"]):
            told.append(item["error"]["code"] if "error" in item else None)
            self.assertIn(item.get("plaintext"), (None, key[0]))
        return told

    # ---- How often the customer is asked.

    def test_a_call_for_each_record(self):
        sealed = [run("seal", *self.AT, "--class", "pii", input=b"x", env=self.env, check=True).stdout for _ in range(5)]
        self.asked_for(5, 0, "seal")
        for envelope in sealed * 2:  # each time anew
            self.assertEqual(run("open", *self.AT, input=envelope, env=self.env, check=True).stdout, b"x")
        self.asked_for(0, 10, "open")
        records = self.sealed_records("pii")
        self.asked_for(RECORDS, 0, "fields seal")
        opened = run("fields", "open", *self.AT, input=records, env=self.env, check=True).stdout
        self.assertEqual(opened, self.records())
        self.asked_for(0, RECORDS, "fields open")
        keys = [(i["plaintext"], i["wrapped"]) for i in self.admin.generate(count=RECORDS).json["items"]]
        self.asked_for(RECORDS, 0, "generate")
        self.assertEqual(set(self.unwrapped(keys)), {None})
        self.asked_for(0, RECORDS, "unwrap")
        self.opens(self.before)
        self.asked_for(0, 1, "what was sealed before")

    def test_a_call_for_each_batch(self):
        keys = [(i["plaintext"], i["wrapped"]) for i in self.admin.post("/v1/data-keys/generate", {
            "tenant": "acme", "region": "eu", "class": "bulk", "context": {"row": "1"}, "count": RECORDS}).json["items"]]
        self.asked_for(RECORDS // 25, 0, "generate")
        self.assertEqual(set(self.unwrapped(keys)), {None})
        self.asked_for(0, RECORDS // 25, "unwrap")
        self.assertEqual(set(self.unwrapped(keys)), {None})
        self.asked_for(0, RECORDS // 25, "and again: nothing was kept")
        records = self.sealed_records("bulk")
        self.assertLess(self.cloud.calls("wrap"), RECORDS // 4)
        self.assertEqual(run("fields", "open", *self.AT, input=records, env=self.env, check=True).stdout, self.records())
        self.assertEqual(self.cloud.calls("wrap"), self.cloud.calls("unwrap"))

    def test_kept_as_the_class_allows(self):
        key = (item := self.admin.post("/v1/data-keys/generate", {
            "tenant": "acme", "region": "eu", "class": "kept", "context": {"row": "1"}}).json["items"][0])["plaintext"], \
            item["wrapped"]
        self.cloud.log.clear()
        for _ in range(10):
            self.opens(key)
        self.assertLessEqual(self.cloud.calls("unwrap"), 1)
        self.cloud.revoke()  # so long a no may be overlooked: that is what was chosen for this class
        self.opens(key)
        self.flush()
        self.assertEqual(self.opened(key)["code"], "customer_key_refused")

    def test_files_of_any_size(self):
        content = os.urandom(3 << 20)
        self.write("in", content)
        self.cli("seal", *self.AT, "--class", "pii", "-i", self.path("in"), "-o", self.path("sealed"))
        self.cli("open", *self.AT, "-i", self.path("sealed"), "-o", self.path("out"))
        self.assertEqual(self.read("out"), content)
        self.asked_for(1, 1)
        self.cloud.revoke()
        self.no(DENIED, "customer_key_refused", "open", *self.AT, "-i", self.path("sealed"), "-o", self.path("out2"),
                says=("acme-kms", "customer's side"))
        self.no(DENIED, "customer_key_refused", "seal", *self.AT, "-i", self.path("in"), "-o", self.path("out2"),
                says=("acme-kms", "customer's side"))
        self.assertFalse(os.path.exists(self.path("out2")))

    def test_cost_shows_the_calls(self):
        self.sealed_records("pii", 30)
        for _ in range(7):
            self.opens(self.before)
        seen = {act: self.cloud.calls(act) for act in ("wrap", "unwrap")}
        self.assertEqual(seen, {"wrap": 30, "unwrap": 7})
        self.assertEqual(self.running.stop(), 0)
        told = json.loads(self.ok("cost", "--tenant", "acme", "--json", "--data", self.data))
        line = next(l for l in told["lines"] if l["provider"] == "acme-kms")
        # Attaching wrapped two keys and opened both.
        self.assertEqual((line["wraps"], line["unwraps"]), (32, 9))
        self.assertAlmostEqual(float(line["spent"]), 41 * float(PRICE), places=9)

    # ---- The customer's no.

    def no_at_once(self, cloud):
        key = new_key(self.admin)
        for _ in range(20):
            self.opens(key)
            cloud.revoke()
            error = self.opened(key)
            self.assertEqual((error["code"], error["retryable"]), ("customer_key_refused", False))
            self.assertIn("customer's side, provider acme-kms", error["message"])
            answer = self.admin.generate()
            self.assertEqual((answer.status, answer.error),
                             (403, "customer_key_refused"), answer.body)
            cloud.allow()
        self.opens(key)

    def test_no_is_obeyed_at_once(self):
        self.no_at_once(self.cloud)

    def test_no_under_load(self):
        """From the customer's no on, no use that began after it succeeds; globex notices nothing."""
        mine, other = new_key(self.admin), new_key(self.admin, tenant="globex")
        load, beside = Load(self.running, [mine], 4), Load(self.running, [other], 1)
        for one in (load, beside):
            self.addCleanup(one.end)
        time.sleep(0.5)
        self.cloud.revoke()
        begun = time.monotonic()
        time.sleep(0.5)
        self.cloud.allow()
        allowed = time.monotonic()
        self.until_opens(mine)
        time.sleep(0.3)
        self.assertEqual(figures(beside.end().calls)[1], [])
        calls = [call for call in load.end().calls if begun < call[0] and call[1] < allowed]
        self.assertGreater(len(calls), 10)
        self.assertEqual({error for _, _, error in calls}, {"customer_key_refused"})
        self.assertIsNone(load.calls[-1][2])

    def test_silence(self):
        key = new_key(self.admin)
        self.opens(key)
        self.cloud.vanish()
        error = self.opened(key)
        self.assertEqual((error["code"], error["retryable"]), ("customer_unavailable", True))
        self.assertIn("customer's side, provider acme-kms", error["message"])
        self.assertEqual(self.admin.unwrap(key[1]).status, 503)
        self.cloud.mend()
        self.until_opens(key)

    # ---- The key itself.

    def test_nothing_of_it_is_ours(self):
        self.sealed_records("pii", 20)
        self.assertEqual(set(self.copies_of("acme")), {"acme-kms"})
        self.assertEqual(len(self.copies_of("acme")), 21)
        self.gone(self.ours)
        shown = self.key()
        self.assertEqual((shown["custody"], shown["provider"], shown["provider_key"]),
                         ("held", "acme-kms", self.cloud.KEY))
        self.assertIn("held", self.cli("key", "show", "acme/eu"))

    def test_what_cannot_be_done_with_it(self):
        self.no(CONFLICT, "state_conflict", "key", "rotate", "acme/eu", says=("acme-kms", "rotate"))
        self.no(CONFLICT, "state_conflict", "key", "attach", "acme/eu", "--provider", "acme-kms", "--key",
                self.cloud.KEY, says="detach it first")
        done = run("message", "seal", "--sign", *self.AT, input=b"x", env=self.env)
        self.assertEqual(done.returncode, CONFLICT, done.stderr)
        self.assertRegex(done.stderr.decode(), r"\Akeyward: [^\n]*held[^\n]* \(state_conflict\)\n\Z")
        material = self.write("material", os.urandom(32))
        self.no(CONFLICT, "state_conflict", "key", "import", "acme/eu", "--material", material, says="detach")

    def test_suspension(self):
        key = new_key(self.admin)
        self.cloud.log.clear()
        self.cli("tenant", "suspend", "acme")
        self.assertEqual(self.opened(key)["code"], "tenant_suspended")
        self.assertEqual(self.admin.generate().error or self.admin.generate().json["items"][0]["error"]["code"],
                         "tenant_suspended")
        self.asked_for(0, 0)
        self.cli("tenant", "resume", "acme")
        self.opens(key)

    def test_detach(self):
        """Versions of before come back; what was sealed while it was held is the customer's to allow."""
        held = new_key(self.admin)
        self.assertIn("managed;", self.cli("key", "detach", "acme/eu"))
        after = new_key(self.admin)
        self.flush()
        self.cloud.log.clear()
        self.opens(self.before, after)
        self.asked_for(0, 0)
        self.opens(held)
        self.asked_for(0, 1)
        self.cloud.revoke()
        self.assertEqual(self.opened(held)["code"], "customer_key_refused")
        self.opens(self.before, after, new_key(self.admin))

    def test_rewrap_brings_it_back(self):
        place = self.path("files")
        os.mkdir(place)
        for number in range(10):
            self.write("in", f"file {number}")
            self.cli("seal", *self.AT, "-i", self.path("in"), "-o", os.path.join(place, f"{number}.kw"))
        self.cli("key", "detach", "acme/eu")
        self.cli("rewrap", "files", place)
        self.cloud.revoke()
        self.flush()
        for number in range(10):
            opened = run("open", *self.AT, "-i", os.path.join(place, f"{number}.kw"), env=self.env, check=True).stdout
            self.assertEqual(opened, f"file {number}".encode())

    def test_after_a_restart(self):
        keys = [new_key(self.admin) for _ in range(3)]
        for end in (self.running.stop, self.running.kill):
            end()
            self.again()
            self.cloud.log.clear()
            self.opens(self.before, *keys)
            self.asked_for(0, len(keys) + 1)
            keys.append(new_key(self.admin))
        self.cloud.revoke()
        self.again()
        self.assertEqual(self.opened(keys[0])["code"], "customer_key_refused")
        self.cloud.allow()
        self.opens(self.before, *keys)
        self.verify(self.data)

    def test_by_the_folder_alone(self):
        """Without a server, too."""
        self.assertEqual(self.running.stop(), 0)
        at = (*self.AT, "--data", self.data)
        sealed = run("seal", *at, input=b"x", check=True).stdout
        self.assertEqual(run("open", *at, input=sealed, check=True).stdout, b"x")
        self.asked_for(1, 1)
        self.cloud.revoke()
        done = run("open", *at, input=sealed)
        self.assertEqual(done.returncode, DENIED, done.stderr)
        self.assertIn(b"customer's side, provider acme-kms", done.stderr)


class OtherClouds(Custody):
    """The same no by Azure and by another Keyward."""

    def test_azure(self):
        """Key Vault wraps under a disabled key, too: so it is asked for the key's state, once a second. To open is
        refused at once."""
        cloud = AzureOf(self.path("azure"))
        self.begin(acme=cloud)
        self.attach(cloud, "--hold")
        key = new_key(self.admin)
        for _ in range(3):
            self.opens(key)
            cloud.revoke()
            begun = time.monotonic()
            self.assertEqual(self.opened(key)["code"], "customer_key_refused")
            sealed = 0
            while (answer := self.admin.generate()).status == 200:
                self.assertLess(time.monotonic(), begun + WAIT)
                sealed = time.monotonic() - begun
            self.assertEqual((answer.status, answer.error), (403, "customer_key_refused"), answer.body)
            self.assertIn("customer's side, provider acme-kms", answer.json["error"]["message"])
            print(f"sealed for {sealed:.2f} s", end=" ")
            self.assertLess(sealed, 2.5)  # a second, a request, and what a busy machine adds
            cloud.allow()
            new_key(self.admin)
        self.opens(key)

    def test_keyward(self):
        cloud = KeywardOf(self)
        self.begin(acme=cloud)
        self.attach(cloud, "--hold")
        Held.no_at_once(self, cloud)
        cloud.server.stop()  # so that all of its ledger is published
        acts = [e["api"]["operation"] for e in self.entries(cloud.data)]
        self.assertGreaterEqual(acts.count("UnwrapDataKey"), 41)  # each use, in the customer's own ledger


if __name__ == "__main__":
    main()
