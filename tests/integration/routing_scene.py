"""A server whose root keys are with several providers at once, requests without pause, and one provider after another
that does not do what it should. What is printed are rows of a table in Markdown.
"""

from clouds import *

PRICE = "0.000003"  # of a call


class Scene(Case):
    TENANTS = ("acme", "globex", "initech", "umbrella")

    def write_home(self, providers, more=""):
        """A data folder with these providers in one region, in this order, and without tenants."""
        self.data, self.env = self.home(tenants=()), {}
        text = f"regions = eu\n[region.eu]\nproviders = {', '.join(providers)}\n"
        for name, provider in providers.items():
            self.addCleanup(provider.close)
            self.env.update(getattr(provider, "env", {}))
            text += f"[provider.{name}]\n" + "".join(f"{k} = {v}\n" for k, v in provider.settings().items())
            text += f"price = {PRICE}\n"
        self.write("home/keyward.conf", text + more)
        for name, provider in providers.items():
            if getattr(provider, "makes_key", False):
                self.ok("provider", "check", name, "--create", "--data", self.data, env=self.env)
                provider.forget_calls()

    def begin(self, providers, *settings, more=""):
        """The same, with a server and tenants, and a data key of each."""
        self.write_home(providers, "[router]\nattempt_timeout = 400ms\npause = 200ms\npause_max = 500ms\n" + more)
        self.running = self.server(self.data, *settings, env=self.env)
        self.admin = self.running.client()
        for tenant in self.TENANTS:
            self.assertEqual(self.admin.post("/v1/tenants", {"id": tenant, "regions": ["eu"]}).status, 201)
        self.keys = [new_key(self.admin, tenant=tenant) for tenant in self.TENANTS]

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

    # Faults, and the figures of each.

    SECONDS = 3 if SLOW else 0.7

    def every_fault(self, first, second):
        """Each fault of the preferred provider, under load, while the other is well: nobody notices. What is printed:
        the requests answered during it, how long they took, and how soon after its end the provider was asked again."""
        label = f"`{first.settings()['kind']}`, then `{second.settings()['kind']}`"
        print("\n| Providers | Fault of the first | Requests | Failed | Median, ms | Slowest, ms | Back after, s |\n"
              "|---|---|--:|--:|--:|--:|--:|")
        self.strict()
        load = Load(self.running, self.keys, 4)
        self.addCleanup(load.end)
        time.sleep(0.2)  # connections are made
        for what, begin in (("none", lambda: None), *first.faults()):
            begun = time.monotonic()
            begin()
            time.sleep(self.SECONDS)
            requests, failed, median, slowest = figures([call for call in list(load.calls) if call[1] >= begun])
            first.mend()
            mended = time.monotonic()
            self.healthy_again("first")
            print(f"| {label} | {what} | {requests} | {len(failed)} | {median:.1f} | {slowest:.0f} | "
                  f"{time.monotonic() - mended:.1f} |", flush=True)
            self.assertEqual(failed, [], what)
            self.assertGreaterEqual(requests, 4, what)
        self.assertEqual(figures(load.end().calls)[1], [])

    # What calls were counted, and what the providers saw.

    def counted(self):
        """Calls by provider as `keyward cost` tells them, from the folder of a server that has ended."""
        report = json.loads(self.ok("cost", "--json", "--data", self.data, env=self.env))
        found = {}
        for line in report["lines"]:
            sums = found.setdefault(line["provider"], {"wrap": 0, "unwrap": 0, "failures": 0, "check": 0})
            for name, column in (("wrap", "wraps"), ("unwrap", "unwraps"), ("failures", "failures")):
                sums[name] += line[column]
            paid = round(float(line["spent"]) / float(PRICE))
            sums["check"] += paid - line["wraps"] - line["unwraps"]
        return found, report

    def use_keys(self, count):
        """A few of everything that makes calls, one after the other; all of it goes well."""
        for _ in range(count):
            tenant = chance.choice(self.TENANTS)
            act = chance.randrange(6)
            if act == 0:
                self.assertEqual(self.admin.post(f"/v1/tenants/{tenant}/keys/eu/rotate").status, 200)
            elif act == 1:
                self.assertEqual(self.admin.post("/v1/flush").status, 200)
            else:
                self.assertEqual(self.admin.unwrap(self.keys[self.TENANTS.index(tenant)][1]).status, 200)
