"""Tenant keys that are attached to a customer's own KMS: Google's, Azure's, another Keyward. Everything opens as
before, nothing of ours is left, the customer's no is obeyed and says whose it is, and nobody else notices.

usage: custody.py PATH-OF-KEYWARD
"""

from customers import *


class Attached(Custody):
    def google(self, **how):
        cloud = GoogleOf(self.path("google"))
        self.begin(*how.pop("settings", ()), acme=cloud, **how)
        return cloud

    def sealed_over_versions(self, tenant="acme"):
        """A data key under each of three versions."""
        keys = [new_key(self.admin, tenant=tenant)]
        for _ in range(2):
            self.cli("key", "rotate", f"{tenant}/eu")
            keys.append(new_key(self.admin, tenant=tenant))
        return keys

    # ---- Attaching and detaching.

    def test_all_moves_there_and_back(self):
        cloud = self.google()
        keys, others = self.sealed_over_versions(), self.sealed_over_versions("globex")
        ours = [c[4] for c in self.copies() if c[0] == "acme" and c[2] == "eu"]
        self.assertEqual(len(ours), 3)
        self.assertIn("attached; version 4 protects what comes", self.attach(cloud))
        shown = self.key()
        self.assertEqual((shown["custody"], shown["provider"], shown["provider_key"]),
                         ("attached", "acme-kms", cloud.KEY))
        self.flush()
        self.opens(*keys, *others, new_key(self.admin))
        self.assertEqual(self.copies_of("acme"), ["acme-kms"] * 4)
        self.assertEqual(set(self.copies_of("globex") + self.copies_of("acme", "us")), {"software"})
        self.gone(ours)
        theirs = [c[4] for c in self.copies() if c[1] == "acme-kms"]
        self.assertEqual(len(self.holding(theirs[:1])), 1)  # so the search finds what is there
        self.assertIn("managed; version 5 protects what comes", self.cli("key", "detach", "acme/eu"))
        self.assertEqual(self.copies_of("acme"), ["software"] * 5)
        self.gone(theirs)
        asked = cloud.calls()
        cloud.revoke()
        self.flush()
        self.opens(*keys, new_key(self.admin))
        self.assertEqual(cloud.calls(), asked)
        self.assertNotIn("provider", self.key())
        self.on_record(cloud)

    def on_record(self, cloud):
        self.assertEqual(self.running.stop(), 0)
        told = {e["api"]["operation"]: json.dumps(e) for e in self.entries(self.data) if e["status_id"] == 1}
        for words in ("acme-kms", cloud.KEY, "attached"):
            self.assertIn(words, told["AttachKey"])
        self.assertIn("DetachKey", told)

    def test_customer_who_says_no_is_not_overruled(self):
        cloud = self.google()
        kept = new_key(self.admin)
        self.attach(cloud)
        cloud.revoke()
        self.no(DENIED, "customer_key_refused", "key", "detach", "acme/eu", says=("acme-kms", "customer's side"))
        self.assertEqual(self.key()["custody"], "attached")
        cloud.allow()
        self.cli("key", "detach", "acme/eu")
        self.opens(kept)

    def test_rotation_is_at_the_customers(self):
        cloud = self.google()
        self.attach(cloud)
        before = cloud.calls("wrap")
        kept = new_key(self.admin)
        self.cli("key", "rotate", "acme/eu")
        self.assertEqual(cloud.calls("wrap"), before + 1)
        self.assertEqual(self.copies_of("acme"), ["acme-kms"] * 3)
        cloud.fake.rotate(cloud.KEY)  # their own root key's rotation: what it wrapped before still opens
        self.flush()
        self.opens(kept, new_key(self.admin))
        cloud.revoke()
        self.no(DENIED, "customer_key_refused", "key", "rotate", "acme/eu", says="customer's side")
        self.assertEqual(self.key()["current_version"], 3)

    def test_our_own_brakes_hold(self):
        cloud = self.google()
        self.attach(cloud)
        kept = new_key(self.admin)
        self.cli("tenant", "suspend", "acme")
        asked = cloud.asked()
        self.assertEqual(self.opened(kept)["code"], "tenant_suspended")
        cloud.vanish()  # neither to stop nor to allow needs the customer
        self.cli("tenant", "resume", "acme")
        self.cli("key", "disable", "acme/eu")
        self.assertEqual(self.opened(kept)["code"], "key_suspended")
        self.assertEqual(cloud.asked(), asked)
        cloud.mend()
        self.cli("key", "enable", "acme/eu")
        self.until_opens(kept)

    def test_after_a_restart(self):
        cloud = self.google()
        keys = self.sealed_over_versions()
        self.attach(cloud)
        keys.append(new_key(self.admin))
        for end in (lambda: self.running.stop(), lambda: self.running.kill()):
            end()
            self.again()
            self.opens(*keys)
        cloud.revoke()
        self.again()
        self.assertEqual(self.opened(keys[0])["code"], "customer_key_refused")
        cloud.allow()
        self.opens(*keys)
        self.verify(self.data)

    # ---- The wall.

    def test_wall(self):
        cloud = self.google()
        for name in ("globex/eu", "acme/us"):
            self.no(DENIED, "region_wall", "key", "attach", name, "--provider", "acme-kms", "--key", cloud.KEY,
                    says="acme-kms")
            self.assertEqual(self.key(name)["custody"], "managed")
        self.no(DENIED, "region_wall", "key", "attach", "acme/eu", "--provider", "software", "--key", "eu")
        for name in ("acme/eu", "globex/eu", "acme/us"):  # nor for keys that are not the customer's
            self.cli("key", "rotate", name)
        self.flush()
        self.opens(*(new_key(self.admin, tenant=tenant) for tenant in self.TENANTS))
        self.assertEqual(cloud.asked(), 0)

    def test_guest_is_no_root_of_a_region(self):
        self.google()
        self.assertEqual(self.running.stop(), 0)
        conf = self.read("home/keyward.conf").decode()
        self.write("home/keyward.conf", conf + "[region.eu]\nproviders = software, acme-kms\n")
        self.refused_server(USAGE, "bad_config", self.data, says=("acme-kms", "customer"))

    # ---- What a user sees.

    def test_wrong_use(self):
        cloud = self.google()
        attach = ("key", "attach", "acme/eu")
        self.no(USAGE, "usage", *attach, "--key", cloud.KEY, says="--provider")
        self.no(USAGE, "usage", *attach, "--provider", "acme-kms", says="--key")
        self.no(DENIED, "region_wall", *attach, "--provider", "nobody-kms", "--key", "k",
                says=("nobody-kms", "tenants", "regions"))
        missing = cloud.KEY + "-not"
        self.no(DENIED, "customer_key_refused", *attach, "--provider", "acme-kms", "--key", missing,
                says=("acme-kms", "customer's side", "not"))
        cloud.forbid()
        self.no(DENIED, "customer_key_refused", *attach, "--provider", "acme-kms", "--key", cloud.KEY,
                says=("acme-kms", "customer's side", "does not permit"))
        cloud.mend()
        cloud.revoke()
        self.no(DENIED, "customer_key_refused", *attach, "--provider", "acme-kms", "--key", cloud.KEY,
                says=("acme-kms", "customer's side", "DISABLED", "enable it there"))
        cloud.vanish()
        self.no(UNAVAILABLE, "customer_unavailable", *attach, "--provider", "acme-kms", "--key", cloud.KEY,
                says=("acme-kms", "customer's side", "does not answer"))
        self.no(CONFLICT, "state_conflict", "key", "detach", "acme/eu", says="managed")
        cloud.mend()
        self.assertEqual((self.key()["custody"], self.copies_of("acme")), ("managed", ["software"]))
        self.assertIn("acme-kms", self.cli("provider", "check", "acme-kms", "--region", "eu", "--key", cloud.KEY))


class Revoked(Custody):
    """The customer's no, measured: from the moment at which their KMS has it to the last that opens."""

    HANDS, BOUND = 4, 2.5  # a second, a request, and what a busy machine adds

    def measure(self, cloud, no="customer_key_refused"):
        self.begin(acme=cloud)
        mine, other = new_key(self.admin), new_key(self.admin, tenant="globex")
        self.attach(cloud)
        self.opens(mine)
        load, beside = Load(self.running, [mine], self.HANDS), Load(self.running, [other], 1)
        for one in (load, beside):
            self.addCleanup(one.end)
        time.sleep(1.5)  # past the first end of what is kept
        self.assertEqual(figures(load.since(0))[1], [])
        found = [self.one_revocation(cloud, load, mine, no) for _ in range(12 if SLOW else 4)]
        self.assertEqual(figures(beside.end().calls)[1], [])  # the other tenant noticed nothing
        self.assertGreater(len(beside.calls), 10)
        load.end()
        for what, figure in zip(("last use", "first refusal", "open again"), zip(*found)):
            print(f"{what} after {statistics.median(figure):.2f} s, {max(figure):.2f} at most;", end=" ", flush=True)

    def one_revocation(self, cloud, load, mine, no):
        time.sleep(chance.random())  # anywhere in the second that a key may be kept
        cloud.revoke()
        begun = time.monotonic()
        while not (bad := [received for _, received, error in load.since(begun) if error is not None]):
            self.assertLess(time.monotonic(), begun + WAIT, "never refused")
            time.sleep(0.02)
        time.sleep(0.7)
        calls = load.since(begun)
        good = max((received for _, received, error in calls if error is None), default=begun)
        self.assertEqual({error for _, _, error in calls if error is not None}, {no})
        self.assertLess(good - begun, self.BOUND)
        self.assertEqual([call for call in calls if call[0] > min(bad) and call[2] is None], [])
        error = self.opened(mine)
        self.assertEqual((error["code"], error["retryable"]), (no, False))
        for words in ("acme-kms", "customer's side"):
            self.assertIn(words, error["message"])
        cloud.allow()
        return good - begun, min(bad) - begun, self.until_opens(mine)

    def test_google(self):
        self.measure(GoogleOf(self.path("google")))

    def test_azure(self):
        self.measure(AzureOf(self.path("azure")))

    def test_keyward(self):
        self.measure(KeywardOf(self))

    # ---- Unreachable.

    def silence(self, cloud):
        """What is in use goes on for the hard time, and not for ever; and works again by itself."""
        self.begin("keyring.attached_hard_ttl=4s", acme=cloud)
        mine, other = new_key(self.admin), new_key(self.admin, tenant="globex")
        self.attach(cloud)
        load, beside = Load(self.running, [mine], 2), Load(self.running, [other], 1)
        for one in (load, beside):
            self.addCleanup(one.end)
        time.sleep(1.2)
        cloud.vanish()
        begun = time.monotonic()
        time.sleep(7)
        calls = load.since(begun)
        good = max(received for _, received, error in calls if error is None) - begun
        self.assertGreater(good, 1.5)  # past its ttl
        self.assertLess(good, 6)
        self.assertEqual({error for _, _, error in calls if error is not None}, {"customer_unavailable"})
        answer = self.admin.unwrap(mine[1])
        self.assertEqual(answer.status, 503, answer.body)
        self.assertTrue(answer.json["error"]["retryable"])
        for words in ("acme-kms", "customer's side", "does not answer"):
            self.assertIn(words, answer.json["error"]["message"])
        cloud.mend()
        back = self.until_opens(mine)
        self.assertEqual(figures(beside.end().calls)[1], [])
        load.end()
        print(f"served for {good:.1f} s of 4 s; back after {back:.2f} s", end=" ", flush=True)

    def test_google_vanishes(self):
        self.silence(GoogleOf(self.path("google")))

    def test_azure_vanishes(self):
        self.silence(AzureOf(self.path("azure")))

    def test_keyward_vanishes(self):
        self.silence(KeywardOf(self))


if __name__ == "__main__":
    main()
