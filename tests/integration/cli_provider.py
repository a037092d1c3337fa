"""keyward provider, key import, attach, cost, cache: over a data folder and over a server."""

import base64
import datetime
import hashlib
import json
import os
import re

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from keyward import (CONFLICT, DENIED, INTEGRITY, MISSING, UNAVAILABLE, USAGE, Case, main, new_key,
                     run)

# The software root in both regions, its calls with a price; a provider of acme's that does not answer.
CONFIGURATION = """\
regions = eu, us
[provider.software]
price = 0.000003
[provider.acme-kms]
kind = vault
address = http://127.0.0.1:9
token_file = {token}
tenants = acme
regions = eu
[cost]
currency = EUR
budget = 5
"""


def wrap(pem, material):
    """CKM_RSA_AES_KEY_WRAP by another library."""
    key = os.urandom(32)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    first = serialization.load_pem_public_key(pem).encrypt(key, oaep)
    return first + keywrap.aes_key_wrap_with_padding(key, material)


SOME_DAY = (datetime.date.today() + datetime.timedelta(days=1000)).isoformat()


class Commands(Case):
    """On a data folder; a subclass runs all of it over a server."""

    def setUp(self):
        super().setUp()
        self.data = self.path("home")
        self.ok("init", "--data", self.data)
        self.write("home/keyward.conf",
                   CONFIGURATION.format(token=self.write("token", "t-1234567890")))
        self.at, self.env = ("--data", self.data), {}
        self.begin()
        for tenant in ("acme", "globex"):
            self.cli("tenant", "create", tenant, "--region", "eu", "--region", "us")

    def begin(self):
        pass

    def cli(self, *args, **how):
        return self.ok(*args, *self.at, env=self.env, **how)

    def told(self, *args, **how):
        return json.loads(self.cli(*args, "--json", **how))

    def no(self, status, code, *args, **how):
        return self.refused(status, code, *args, *self.at, env=self.env, **how)

    def row(self, text, *words):
        """The one line of a table that begins with these words, in pieces."""
        found = [line.split() for line in text.splitlines() if line.split()[:len(words)] == list(words)]
        self.assertEqual(len(found), 1, text)
        return found[0]


class Providers(Commands):
    def test_list(self):
        text = self.cli("provider", "list")
        self.assertEqual(text.splitlines()[0].split(),
                         ["REGION", "PROVIDER", "KIND", "KEY", "HSM", "FOR", "PRICE"])
        self.assertEqual(self.row(text, "eu", "software"),
                         ["eu", "software", "software", "eu", "no", "all", "tenants", "0.000003"])
        self.assertEqual(self.row(text, "eu", "acme-kms")[2:6], ["vault", "-", "no", "acme"])
        self.assertEqual(self.row(text, "us", "software")[2:4], ["software", "us"])
        self.assertIn("EUR", text)
        self.assertFalse(re.search(r" $", text, re.M))
        told = self.told("provider", "list")
        self.assertEqual([r["region"] for r in told["regions"]], ["eu", "us"])

    def test_status(self):
        text = self.cli("provider", "status")
        row = self.row(text, "eu", "software")
        self.assertEqual(row[2], "well")
        self.assertEqual(row[-2], "2")  # a copy of each tenant's key
        self.assertNotIn("lacking", text)
        self.assertEqual(self.told("provider", "status")["lacking"], 0)

    def test_check(self):
        text = self.cli("provider", "check", "software")
        self.assertIn("software in eu, key eu\n", text)
        for step in ("wrap", "unwrap"):
            self.assertRegex(text, rf"(?m)^  passed +{step} +[0-9.]+ ms  ")
        self.assertNotIn("FAILED", text)
        self.assertRegex(text, r"software passed; a copy of a key takes \d+ bytes")
        told = self.told("provider", "check", "software", "--region", "us",
                         "--justification", "a new key")
        self.assertTrue(told["passed"])
        self.assertTrue(any(step["verdict"] == "left_out" for step in told["steps"]))

    def test_check_all(self):
        """Those that have a key of their own; a customer's is named."""
        done = run("provider", "check", *self.at, "--json", env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual({(l["provider"], l["region"]) for l in lines},
                         {("software", "eu"), ("software", "us")})
        self.assertIn(b"acme-kms is left out", done.stderr)

    def test_check_fails(self):
        done = run("provider", "check", "acme-kms", "--key", "k", *self.at, env=self.env)
        self.assertEqual(done.returncode, UNAVAILABLE, done.stdout)
        self.assertIn(b"FAILED", done.stdout)
        self.assertRegex(done.stderr, rb"\Akeyward: 1 of 1 did not pass: see above \([a-z_]+\)\n\Z")

    def test_check_refused(self):
        self.no(MISSING, "not_found", "provider", "check", "nobody", says="provider list")
        self.no(MISSING, "not_found", "provider", "check", "acme-kms", "--region", "us",
                says="in this region")
        self.no(USAGE, "usage", "provider", "list", "software")

    def test_status_of_the_whole(self):
        text = self.cli("status")
        self.assertIn("of a budget of 5.00 EUR", text)
        self.assertNotIn("lacking", text)
        self.assertEqual(self.row(text, "regions"), ["regions", "eu", "us"])


class Custody(Commands):
    def material(self, name="material"):
        content = hashlib.sha256(name.encode()).digest()
        return self.write(name, content), content

    def test_import_of_a_file(self):
        path, _ = self.material()
        text = self.cli("key", "import", "acme/eu", "--material", path, "--expires", SOME_DAY)
        self.assertRegex(text, r"\Aversion 2 is the imported material; commitment [0-9a-f]{64}\n\Z")
        text = self.cli("key", "show", "acme/eu")
        self.assertIn(f"imported, ends {SOME_DAY}T00:00:00.000Z", text)
        self.assertEqual(self.told("key", "show", "acme/eu")["custody"], "imported")

    def test_import_from_standard_input(self):
        _, content = self.material()
        told = self.told("key", "import", "acme/eu", "--material", "-", input=content)
        self.assertEqual((told["version"], told["again"]), (2, False))
        self.assertIn("imported, without an end", self.cli("key", "show", "acme/eu"))

    def test_end_and_back(self):
        path, _ = self.material()
        self.cli("key", "import", "acme/eu", "--material", path)
        sealed = run("seal", "--tenant", "acme", "--region", "eu", *self.at, env=self.env, input=b"x")
        self.assertEqual(sealed.returncode, 0, sealed.stderr)
        self.assertIn("copies: none", self.cli("key", "end-material", "acme/eu"))
        done = run("open", *self.at, env=self.env, input=sealed.stdout)
        self.assertEqual(done.returncode, DENIED, done.stderr)
        self.assertIn(b"material_expired", done.stderr)
        other, _ = self.material("other")
        self.no(INTEGRITY, "commitment_mismatch", "key", "import", "acme/eu", "--material", other)
        text = self.cli("key", "import", "acme/eu", "--material", path)
        self.assertIn("version 2 has its material back", text)
        self.assertEqual(run("open", *self.at, env=self.env, input=sealed.stdout).stdout, b"x")

    def test_import_of_what_another_library_wrapped(self):
        _, content = self.material()
        pem = self.path("offer.pem")
        done = run("key", "import", "acme/eu", "--offer", "-o", pem, *self.at, env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        token = done.stdout.decode().strip()
        self.assertRegex(token, r"\A[0-9a-f]{64}\Z")
        self.assertIn(b"RSA_AES_KEY_WRAP_SHA_256", done.stderr)
        wrapped = self.write("wrapped", wrap(self.read("offer.pem"), content))
        args = ("key", "import", "acme/eu", "--token", token, "--wrapped", wrapped)
        self.assertIn("version 2 is the imported material", self.cli(*args))
        self.no(MISSING, "not_found", *args)  # an offer serves once

    def test_wrapped_for_another(self):
        _, content = self.material()
        offers = [self.told("key", "import", name, "--offer") for name in ("acme/eu", "globex/eu")]
        wrapped = self.write("wrapped", wrap(offers[1]["public_key"].encode(), content))
        self.no(INTEGRITY, "seal_broken", "key", "import", "acme/eu", "--token", offers[0]["token"],
                "--wrapped", wrapped)

    def test_material_that_is_none(self):
        for size in (0, 31, 33, 64):
            path = self.write("wrong", b"x" * size)
            self.no(USAGE, "usage", "key", "import", "acme/eu", "--material", path, says="32 bytes")
        self.no(MISSING, "not_found", "key", "import", "acme/eu", "--material", self.path("no"))
        self.no(USAGE, "usage", "key", "import", "acme/eu", says="--material")
        self.no(USAGE, "usage", "key", "import", "acme/eu", "--offer", says="-o FILE")
        self.no(USAGE, "usage", "key", "import", "acme/eu", "--token", "00")
        self.no(USAGE, "usage", "key", "import", "acme/eu", "--offer", "-o", self.path("p"),
                "--expires", SOME_DAY)
        path, _ = self.material()
        self.no(USAGE, "usage", "key", "import", "acme/eu", "--offer", "--material", path)
        self.no(USAGE, "bad_json", "key", "import", "acme/eu", "--material", path, "--expires",
                "tomorrow", says="expires_at")
        self.assertEqual(self.told("key", "show", "acme/eu")["custody"], "managed")

    def test_material_that_others_may_read(self):
        path, _ = self.material()
        os.chmod(path, 0o644)
        done = run("key", "import", "acme/eu", "--material", path, *self.at, env=self.env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"chmod 600", done.stderr)

    def test_attach_refused(self):
        attach = ("key", "attach", "--key", "k", "--provider")
        self.no(DENIED, "region_wall", *attach, "software", "acme/eu")
        self.no(DENIED, "region_wall", *attach, "acme-kms", "globex/eu")
        self.no(DENIED, "region_wall", *attach, "acme-kms", "acme/us")
        self.no(USAGE, "usage", "key", "attach", "acme/eu", "--provider", "acme-kms", says="--key")
        self.no(UNAVAILABLE, "customer_unavailable", *attach, "acme-kms", "acme/eu",
                says=("acme-kms", "customer"))
        self.no(CONFLICT, "state_conflict", "key", "detach", "acme/eu")
        self.no(CONFLICT, "state_conflict", "key", "end-material", "acme/eu")
        self.assertEqual(self.told("key", "show", "acme/eu")["custody"], "managed")


class Costs(Commands):
    def test_cost(self):
        for _ in range(5):
            run("seal", "--tenant", "acme", "--region", "eu", *self.at, env=self.env, input=b"x")
        told = self.told("cost")
        today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m")
        self.assertEqual(told["currency"], "EUR")
        self.assertTrue(told["from"].startswith(today) and told["from"].endswith("-01"))
        calls = sum(l["wraps"] + l["unwraps"] for l in told["lines"])
        self.assertEqual(told["calls"], calls)
        line = next(l for l in told["lines"] if (l["tenant"], l["region"]) == ("acme", "eu"))
        nano = 3000 * (line["wraps"] + line["unwraps"])
        self.assertEqual(round(float(line["spent"]) * 1e9), nano)
        text = self.cli("cost")
        self.assertEqual(self.row(text, "acme", "eu", "software")[-1], line["spent"])
        self.assertEqual(len([l for l in text.splitlines() if l.startswith("total")]), 2)
        self.assertNotIn("globex", self.cli("cost", "--tenant", "acme"))
        self.assertIn("total", self.cli("cost", "--from", "2020-01-01", "--to", "2020-01-31"))

    def test_cost_refused(self):
        self.no(USAGE, "bad_request", "cost", "--from", "yesterday", says="2026-11-21")
        self.no(USAGE, "bad_request", "cost", "--from", "2026-02-30")
        self.no(USAGE, "bad_request", "cost", "--from", "2020-02-02", "--to", "2020-02-01")
        self.no(USAGE, "bad_name", "cost", "--tenant", "A")

    def test_cache_is_a_server_s(self):
        if not self.env:
            for command in (("strict", "--for", "10m"), ("normal",)):
                self.no(USAGE, "usage", "cache", *command, says="KEYWARD_ADDR")

    def test_every_command_has_help(self):
        for command in ("provider list", "provider status", "provider check", "key import",
                        "key attach", "key detach", "key end-material", "cost", "cache strict",
                        "cache normal"):
            text = self.ok(*command.split(), "--help")
            self.assertIn(f"usage: keyward {command}", text)
            self.assertIn(command, self.ok("help"))


class OverServer:
    """Mixed in before Commands: a server on the folder, and commands that go to it."""

    def begin(self):
        self.served = self.server(self.data)
        self.at = ()
        self.env = {"KEYWARD_ADDR": f"https://127.0.0.1:{self.served.port}",
                    "KEYWARD_CACERT": f"{self.data}/tls/ca.crt",
                    "KEYWARD_CERT": f"{self.data}/tls/client.crt",
                    "KEYWARD_KEY": f"{self.data}/tls/client.key"}


class ServedProviders(OverServer, Providers):
    def test_metrics(self):
        text = self.served.client().get("/metrics").body.decode()
        at = '{region="eu",provider="software"'
        self.assertRegex(text, rf'(?m)^keyward_provider_calls_total{at},operation="wrap"}} [2-9]')
        self.assertIn(f"keyward_provider_failures_total{at}}} 0\n", text)
        self.assertIn(f'keyward_provider_breaker{at},state="closed"}} 1\n', text)
        self.assertIn(f"keyward_provider_spent_total{at}}} 0.000006\n", text)
        self.assertIn("keyward_month_budget 5.00\n", text)
        for name in ("copies_lacking", "copies_repaired_total", "keyring_strict", "budget_events_total",
                     "keyring_refreshes_total", "keyring_outlived_total", "keyring_pressure_ratio"):
            self.assertRegex(text, rf"(?m)^keyward_{name} 0")
        self.assertNotRegex(text, r'tenant="')
        families = re.findall(r"(?m)^# TYPE (\S+)", text)
        self.assertEqual(len(families), len(set(families)))


class ServedCustody(OverServer, Custody):
    pass


class ServedCosts(OverServer, Costs):
    def test_cache(self):
        text = self.cli("cache", "strict", "--for", "10m", "--justification", "odd calls")
        self.assertRegex(text, r"\Astrict for all tenants until 20\d\d-")
        self.assertIn("strict for acme until", self.cli("cache", "strict", "--for", "1h", "--tenant", "acme"))
        self.assertIn("normal for acme", self.cli("cache", "normal", "--tenant", "acme"))
        self.assertIn("normal for all tenants", self.cli("cache", "normal"))
        self.no(USAGE, "usage", "cache", "strict", says="--for")
        for time in ("10", "25h", "0", "-1s", "soon", "500ms"):
            self.no(USAGE, "usage", "cache", "strict", f"--for={time}", says="10m")
        self.no(MISSING, "tenant_not_found", "cache", "strict", "--for", "1m", "--tenant", "no")

    def test_strict_costs_a_call_each(self):
        client = self.served.client()
        new_key(client)

        def unwraps():
            told = self.told("provider", "list")["regions"][0]["providers"][0]
            return told["unwraps"]
        before = unwraps()
        for _ in range(3):
            new_key(client)
        self.assertEqual(unwraps(), before)
        self.cli("cache", "strict", "--for", "10m")
        self.assertRegex(self.cli("status"), r"(?m)^strict +until 20")
        for _ in range(3):
            new_key(client)
        self.assertEqual(unwraps(), before + 3)
        self.cli("cache", "normal")
        self.assertNotIn("strict", self.cli("status"))

    def test_scope(self):
        """Who acts for one tenant sees what it costs, and nothing of the others."""
        token = self.cli("token", "create", "a", "--roles", "auditor", "--tenants", "acme").strip()
        client = self.served.client(cert="", token=token)
        told = client.get("/v1/costs").json
        self.assertEqual({line["tenant"] for line in told["lines"]}, {"acme"})
        self.assertEqual(client.get("/v1/costs?tenant=globex").error, "forbidden")
        self.assertNotIn("cost", client.get("/v1/status").json)


if __name__ == "__main__":
    main()
