"""What the tests of custody share: customers' key management services, which say no and yes again, and a server that
has them as guests beside its own software root.
"""

import sqlite3

from clouds import *

# What our own provider and the customers' ask for a call.
PRICE = "0.000003"


class Customer:
    """Mixed into a cloud: what its owner does there."""

    def calls(self, act=None):
        return len(self.log) if act is None else self.log.count(act)

    def asked(self):
        """Requests of any kind, tokens among them."""
        return len(self.fake.requests)

    def vanish(self):
        self.break_by("cut")


class GoogleOf(Customer, Google):
    def revoke(self):
        self.fake.state(self.KEY, "DISABLED")

    def allow(self):
        self.fake.state(self.KEY, "ENABLED")

    def forbid(self):
        self.fake.denied.add(self.KEY)


class AzureOf(Customer, Azure):
    def revoke(self):
        self.fake.attributes(self.KEY, enabled=False)

    def allow(self):
        self.fake.attributes(self.KEY, enabled=True)

    def forbid(self):
        self.fake.denied.add(self.KEY)


class KeywardOf(Other):
    """A customer who runs a Keyward: what it was asked is in its own ledger."""

    def revoke(self):
        self.suspend()

    def allow(self):
        self.mend()

    def vanish(self):
        self.server.pause()

    def asked(self):
        return len(self.case.entries(self.data))


class Custody(Case):
    """acme has a KMS of its own, in eu alone; globex has none."""

    TENANTS = ("acme", "globex")
    ROUTER = "[router]\nattempt_timeout = 400ms\npause = 200ms\npause_max = 500ms\n"

    def begin(self, *settings, more="", **customers):
        """customers: NAME_OF_TENANT=cloud; the provider is TENANT-kms."""
        self.data, self.settings_given = self.home(tenants=()), settings
        text = f"regions = eu, us\nclasses = bulk, kept\n[provider.software]\nprice = {PRICE}\n"
        for tenant, cloud in customers.items():
            settings_of = {k: v for k, v in cloud.settings().items() if k != "key"}
            text += f"[provider.{tenant}-kms]\n" + "".join(f"{k} = {v}\n" for k, v in settings_of.items())
            text += f"price = {PRICE}\ntenants = {tenant}\nregions = eu\n"
            self.addCleanup(cloud.close)
        self.write("home/keyward.conf", text + self.ROUTER + more)
        self.running = None
        self.again()
        for tenant in self.TENANTS:
            self.cli("tenant", "create", tenant, "--region", "eu", "--region", "us")

    def again(self, *settings, **how):
        """The server, once more."""
        if self.running is not None and self.running.process.poll() is None:
            self.assertEqual(self.running.stop(), 0)
        self.running = self.server(self.data, *self.settings_given, *settings, **how)
        self.admin = self.running.client()

    # ---- The command line, over the server.

    @property
    def env(self):
        return {"KEYWARD_ADDR": f"https://127.0.0.1:{self.running.port}", "KEYWARD_CACERT": f"{self.data}/tls/ca.crt",
                "KEYWARD_CERT": f"{self.data}/tls/client.crt", "KEYWARD_KEY": f"{self.data}/tls/client.key"}

    def cli(self, *args, **how):
        return self.ok(*args, env=self.env, **how)

    def no(self, status, code, *args, **how):
        return self.refused(status, code, *args, env=self.env, **how)

    def attach(self, cloud, *more, key="acme/eu"):
        provider = f"{key.partition('/')[0]}-kms"
        return self.cli("key", "attach", key, "--provider", provider, "--key", cloud.KEY, *more)

    def key(self, name="acme/eu"):
        tenant, _, region = name.partition("/")
        return self.admin.get(f"/v1/tenants/{tenant}/keys/{region}").json

    # ---- Opening.

    def opened(self, key, client=None):
        """None if it opens and is what it was; else the error: its code, text and answer."""
        answer = (client or self.admin).unwrap(key[1])
        error = answer.json.get("error") or answer.json["items"][0].get("error")
        if error is None:
            self.assertEqual(answer.json["items"][0]["plaintext"], key[0])
        return error

    def opens(self, *keys):
        for key in keys:
            self.assertIsNone(self.opened(key))

    def until_opens(self, key):
        """How long it takes."""
        begun = time.monotonic()
        while (error := self.opened(key)) is not None:
            self.assertLess(time.monotonic(), begun + WAIT, error)
            time.sleep(0.02)
        return time.monotonic() - begun

    def flush(self):
        self.assertEqual(self.admin.post("/v1/flush").status, 200)

    # ---- The files.

    def copies(self):
        """[(tenant, provider, root key there, version, blob)]"""
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/keyward.db?mode=ro", uri=True)) as base:
            return base.execute("SELECT tenant, c.provider, c.provider_key, version, blob FROM copies c JOIN keys k "
                                "USING (reference) ORDER BY tenant, version").fetchall()

    def copies_of(self, tenant, region="eu"):
        """The providers that have copies of this key, one for each copy."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/keyward.db?mode=ro", uri=True)) as base:
            return [row[0] for row in base.execute(
                "SELECT c.provider FROM copies c JOIN keys k USING (reference) WHERE tenant = ? AND region = ?",
                (tenant, region))]

    def files(self, folder=None):
        for place, _, names in os.walk(folder or self.data):
            for name in names:
                with open(os.path.join(place, name), "rb") as file:
                    yield os.path.join(place, name), file.read()

    def holding(self, blobs):
        """Files with any of these copies, or a part of one that tells."""
        return [path for path, content in self.files()
                if any(blob[-24:] in content or blob[len(blob) // 2:][:24] in content for blob in blobs)]

    def gone(self, blobs):
        """Not a trace of these copies in any file of the folder: rows, free pages, write-ahead log."""
        end = time.monotonic() + WAIT
        while left := self.holding(blobs):
            self.assertLess(time.monotonic(), end, f"copies are still in {left}")
            time.sleep(0.1)
