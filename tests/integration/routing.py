"""A server whose root keys are in several clouds at once, and what becomes of its requests when one of them, or all,
do not do what they should.

usage: routing.py PATH-OF-KEYWARD
"""

from clouds import *


class Routing(Case):
    TENANTS = ("acme", "globex", "initech", "umbrella")

    def begin(self, region, providers, *settings, more=""):
        """A home and a server with these providers in one region, in this order."""
        self.data = self.home(tenants=())
        text = f"regions = {region}\n[region.{region}]\nproviders = {', '.join(providers)}\n"
        for name, provider in providers.items():
            text += f"[provider.{name}]\n" + "".join(f"{k} = {v}\n" for k, v in provider.settings().items())
            text += "price = 0.000003\n"
        text += "[router]\nattempt_timeout = 400ms\npause = 200ms\npause_max = 500ms\n" + more
        self.write("home/keyward.conf", text)
        self.running = self.server(self.data, *settings)
        self.admin = self.running.client()
        for tenant in self.TENANTS:
            self.assertEqual(self.admin.post("/v1/tenants", {"id": tenant, "regions": [region]}).status, 201)
        self.keys = [new_key(self.admin, tenant=tenant, region=region) for tenant in self.TENANTS]

    def strict(self, seconds=3600):
        answer = self.admin.post("/v1/cache/strict", {"seconds": seconds})
        self.assertEqual(answer.status, 200, answer.body)

    def routes(self):
        return {p["name"]: p for r in self.admin.get("/v1/providers").json["regions"] for p in r["providers"]}

    def until(self, what, why):
        end = time.monotonic() + WAIT
        while not what():
            self.assertLess(time.monotonic(), end, why)
            time.sleep(0.05)

    def healthy_again(self, name):
        """The provider is asked again, by itself and without a restart."""
        before = self.routes()[name]
        self.until(lambda: (now := self.routes()[name])["breaker"] == "closed" and
                   now["unwraps"] > before["unwraps"] and now["failures"] == self.routes()[name]["failures"],
                   f"{name} is not asked again")

    def every_fault(self, first, seconds):
        """Each fault of the preferred provider, under load, while the other is well: nobody notices."""
        self.strict()
        load = Load(self.running, self.keys, 4)
        self.addCleanup(load.end)
        time.sleep(seconds)
        requests, failed, median, slowest = figures(load.since(0))
        self.assertEqual(failed, [])
        print(f"\n  {'all is well':34} {requests:5} requests, 0 failures, {median:.1f} ms, slowest {slowest:.0f}")
        for what, begin in first.faults():
            begun = time.monotonic()
            begin()
            time.sleep(seconds)
            calls = load.since(begun)
            requests, failed, median, slowest = figures(calls)
            print(f"  {what:34} {requests:5} requests, {len(failed)} failures, {median:.1f} ms, slowest {slowest:.0f}",
                  flush=True)
            first.mend()
            self.assertEqual(failed, [], what)
            self.assertGreater(requests, 10, what)
            self.healthy_again("first")
        self.assertEqual(figures(load.end().calls)[1], [])

    SECONDS = 3 if SLOW else 0.8

    def test_google_fails_azure_serves(self):
        first, second = Google(self.path("google")), Azure(self.path("azure"))
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        self.begin("eu", {"first": first, "second": second})
        self.every_fault(first, self.SECONDS)

    def test_azure_fails_google_serves(self):
        first, second = Azure(self.path("azure")), Google(self.path("google"))
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        self.begin("eu", {"first": first, "second": second})
        self.every_fault(first, self.SECONDS)

    def test_keyward_fails_google_serves(self):
        first, second = Other(self), Google(self.path("google"))
        self.addCleanup(second.close)
        self.begin("eu", {"first": first, "second": second})
        self.every_fault(first, self.SECONDS)

    def test_all_down(self):
        """Warm: what is unwrapped serves to its hard end. Cold: a clear answer, soon. Then all is well again."""
        google, azure_ = Google(self.path("google")), Azure(self.path("azure"))
        self.addCleanup(google.close)
        self.addCleanup(azure_.close)
        self.begin("eu", {"first": google, "second": azure_}, "keyring.ttl=1s", "keyring.hard_ttl=4s")
        warm, cold = self.keys[0], self.keys[1]
        self.assertEqual(self.admin.post("/v1/flush").status, 200)
        self.assertEqual(self.admin.unwrap(warm[1]).status, 200)
        loaded = time.monotonic()
        for cloud in (google, azure_):
            cloud.break_by("cut")
        answer = self.admin.unwrap(cold[1])
        self.assertEqual((answer.status, answer.error), (503, "provider_unavailable"), answer.body)
        self.assertTrue(answer.json["error"]["retryable"])
        served, failed_at = loaded, None
        while failed_at is None and time.monotonic() < loaded + WAIT:
            answer = self.admin.unwrap(warm[1])
            if answer.status == 200:
                served = time.monotonic()
            else:
                failed_at = time.monotonic()
            time.sleep(0.02)
        self.assertEqual((answer.status, answer.error), (503, "provider_unavailable"))
        print(f" warm: served for {served - loaded:.1f} s of 4 s", end=" ")
        self.assertGreater(served - loaded, 2)  # past its ttl
        self.assertLess(served - loaded, 6)     # and not for ever
        begun = time.monotonic()
        answers = [self.admin.unwrap(cold[1]) for _ in range(20)]
        print(f"cold: {(time.monotonic() - begun) * 50:.1f} ms an answer", end=" ")
        self.assertEqual({a.error for a in answers}, {"provider_unavailable"})
        self.assertEqual(self.admin.get("/healthz").status, 200)
        for cloud in (google, azure_):
            cloud.mend()
        self.until(lambda: self.admin.unwrap(cold[1]).status == 200, "no recovery")
        self.assertEqual(self.admin.unwrap(warm[1]).status, 200)

    def test_under_replicated_and_repaired(self):
        google, azure_ = Google(self.path("google")), Azure(self.path("azure"))
        self.addCleanup(google.close)
        self.addCleanup(azure_.close)
        azure_.break_by(Refusal(503, {"error": {}}))
        self.begin("eu", {"first": google, "second": azure_})
        self.until(lambda: self.admin.get("/v1/providers?copies=true").json["lacking"] == len(self.TENANTS), "not reported")
        self.assertEqual(self.admin.get("/v1/tenants/acme/keys/eu").json["versions"][0]["copies"][0]["provider"], "first")
        azure_.mend()
        self.until(lambda: self.admin.get("/v1/providers?copies=true").json["lacking"] == 0, "not repaired")
        self.assertEqual(self.routes_with_copies(), {"first": 4, "second": 4})
        google.break_by("cut")
        self.strict()
        for key in self.keys:  # by the copies that were made later
            self.assertEqual(self.admin.unwrap(key[1]).status, 200)

    def routes_with_copies(self):
        answer = self.admin.get("/v1/providers?copies=true").json
        return {p["name"]: p["copies"] for r in answer["regions"] for p in r["providers"]}

    def test_quorum(self):
        google, azure_ = Google(self.path("google")), Azure(self.path("azure"))
        self.addCleanup(google.close)
        self.addCleanup(azure_.close)
        self.begin("eu", {"first": google, "second": azure_}, "region.eu.copies_min=2")
        azure_.break_by("cut")
        answer = self.admin.post("/v1/tenants", {"id": "late", "regions": ["eu"]})
        self.assertEqual((answer.status, answer.error), (503, "provider_unavailable"), answer.body)
        self.assertEqual(self.admin.get("/v1/tenants/late").status, 404)
        azure_.mend()
        self.until(lambda: self.admin.post("/v1/tenants", {"id": "late", "regions": ["eu"]}).status == 201, "never")

    def test_costs_are_what_the_clouds_saw(self):
        google, azure_ = Google(self.path("google")), Azure(self.path("azure"))
        self.addCleanup(google.close)
        self.addCleanup(azure_.close)
        self.begin("eu", {"first": google, "second": azure_})
        for number in range(60):
            tenant = chance.choice(self.TENANTS)
            act = chance.randrange(6)
            if act == 0:
                self.assertEqual(self.admin.post(f"/v1/tenants/{tenant}/keys/eu/rotate").status, 200)
            elif act == 1:
                self.assertEqual(self.admin.post("/v1/flush").status, 200)
            else:
                self.assertEqual(self.admin.unwrap(self.keys[self.TENANTS.index(tenant)][1]).status, 200)
        self.assertEqual(self.running.stop(), 0)
        seen = {"first": google.log, "second": azure_.log}
        report = json.loads(self.ok("cost", "--json", "--data", self.data))
        for name, log in seen.items():
            lines = [line for line in report["lines"] if line["provider"] == name]
            counted = {act: sum(line[act + "s"] for line in lines) for act in ("wrap", "unwrap")}
            self.assertEqual(counted, {act: log.count(act) for act in ("wrap", "unwrap")}, name)
        calls = len(google.log) + len(azure_.log)
        self.assertEqual(report["calls"], calls)
        self.assertAlmostEqual(float(report["spent"]), calls * 0.000003, places=9)
        print(f" {calls} calls by both counts", end=" ")


if __name__ == "__main__":
    main()
