"""A customer's own OpenBao: one tenant's key is attached to it, another's is held by it, over a real Keyward. Started by
run, which has the server up.

usage: custody.py PATH-OF-KEYWARD, with BAO_ADDR, BAO_CACERT, BAO_TOKEN_FILE
"""

import pathlib
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "integration"))
from customers import *  # noqa: E402

ADDRESS, CA, TOKEN_FILE = (os.environ[name] for name in ("BAO_ADDR", "BAO_CACERT", "BAO_TOKEN_FILE"))


def bao(method, path, body=None):
    with open(TOKEN_FILE, encoding="ascii") as file:
        token = file.read().strip()
    request = urllib.request.Request(f"{ADDRESS}/v1/{path}", method=method, headers={"X-Vault-Token": token},
                                     data=json.dumps(body).encode() if body is not None else None)
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=CA)) as answer:
        return json.loads(answer.read() or b"{}")


class Bao:
    """kind vault: a key and a token of this customer's, which may do no more than wrap and unwrap under it."""

    def __init__(self, case, key):
        self.KEY, self.policy = key, f"keyward-{key}"
        bao("POST", f"transit/keys/{key}")
        self.allow()
        token = bao("POST", "auth/token/create", {"policies": [self.policy], "no_parent": True})["auth"]["client_token"]
        self.token_file = case.write(f"token-{key}", token + "\n")

    def settings(self):
        return {"kind": "vault", "address": ADDRESS, "ca_file": CA, "token_file": self.token_file}

    def allow(self):
        bao("POST", f"sys/policies/acl/{self.policy}", {"policy": "".join(
            f'path "transit/{verb}/{self.KEY}" {{ capabilities = ["{may}"] }}\n'
            for verb, may in (("encrypt", "update"), ("decrypt", "update"), ("keys", "read")))})

    def revoke(self):
        bao("POST", f"sys/policies/acl/{self.policy}", {"policy": 'path "transit/*" { capabilities = ["deny"] }'})

    def delete(self):
        bao("DELETE", f"transit/keys/{self.KEY}/soft-delete")

    def restore(self):
        bao("POST", f"transit/keys/{self.KEY}/soft-delete-restore")

    def close(self):
        with contextlib.suppress(urllib.error.HTTPError):
            self.restore()
        bao("POST", f"transit/keys/{self.KEY}/config", {"deletion_allowed": True})
        bao("DELETE", f"transit/keys/{self.KEY}")


class OpenBao(Custody):
    def setUp(self):
        super().setUp()
        self.attached, self.held = Bao(self, "of-acme"), Bao(self, "of-globex")
        self.begin(acme=self.attached, globex=self.held)
        self.kept = [new_key(self.admin), new_key(self.admin, tenant="globex")]
        self.attach(self.attached)
        self.attach(self.held, "--hold", key="globex/eu")
        self.kept += [new_key(self.admin), new_key(self.admin, tenant="globex")]

    def test_there_and_back(self):
        self.assertEqual((self.copies_of("acme"), set(self.copies_of("globex"))), (["acme-kms"] * 2, {"globex-kms"}))
        self.again()
        self.opens(*self.kept)
        bao("POST", f"transit/keys/{self.attached.KEY}/rotate")
        bao("POST", f"transit/keys/{self.held.KEY}/rotate")
        self.cli("key", "rotate", "acme/eu")
        self.flush()
        self.opens(*self.kept, new_key(self.admin), new_key(self.admin, tenant="globex"))
        for name in ("acme/eu", "globex/eu"):
            self.cli("key", "detach", name)
        self.attached.revoke()
        self.flush()
        self.opens(*self.kept[:3])

    def test_no_is_obeyed(self):
        for no, yes in (("revoke", "allow"), ("delete", "restore")):
            acme, globex = self.kept[2], self.kept[3]
            self.opens(acme, globex)
            getattr(self.held, no)()
            error = self.opened(globex)
            self.assertEqual((error["code"], error["retryable"]), ("customer_key_refused", False), error)
            self.assertIn("customer's side, provider globex-kms", error["message"])
            self.opens(acme)
            getattr(self.held, yes)()
            self.until_opens(globex)
            load = Load(self.running, [acme], 4)
            self.addCleanup(load.end)
            time.sleep(1 + chance.random())
            getattr(self.attached, no)()
            begun = time.monotonic()
            time.sleep(3)
            calls = load.since(begun)
            last = max((received for _, received, error in calls if error is None), default=begun) - begun
            print(f"{no}: last use after {last:.2f} s", end="; ", flush=True)
            self.assertLess(last, 2.5)  # a second, a request, and what a busy machine adds
            self.assertEqual({error for _, _, error in calls if error is not None}, {"customer_key_refused"})
            self.opens(globex)
            getattr(self.attached, yes)()
            self.until_opens(acme)
            load.end()

    def test_cost(self):
        """100 data keys of the held key are 100 calls, and as many to open them."""
        before = self.counted()
        items = self.admin.generate(tenant="globex", count=100).json["items"]
        answer = self.admin.post("/v1/data-keys/unwrap", {"items": [
            {"wrapped": item["wrapped"], "context": {"row": "1"}} for item in items]})
        self.assertEqual([i["plaintext"] for i in answer.json["items"]], [i["plaintext"] for i in items])
        self.assertEqual(self.counted(), (before[0] + 100, before[1] + 100))

    def counted(self):
        lines = self.admin.get("/v1/costs?tenant=globex").json["lines"]
        line = next(l for l in lines if l["provider"] == "globex-kms")
        return line["wraps"], line["unwraps"]

    def test_keys_of_others(self):
        """The token of one customer reaches no key of another's."""
        self.cli("key", "detach", "acme/eu")
        self.no(DENIED, "customer_key_refused", "key", "attach", "acme/eu", "--provider", "acme-kms", "--key",
                self.held.KEY, says=("acme-kms", "customer's side"))
        self.assertEqual(self.key()["custody"], "managed")


if __name__ == "__main__":
    main()
