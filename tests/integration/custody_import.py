"""Tenant keys that customers make: offered, wrapped by openssl alone with the commands of docs/custody.md, taken in,
ended, and brought back by the same material and no other.

usage: custody_import.py PATH-OF-KEYWARD
"""

import datetime
import hashlib

from customers import *
from faults_canary import Secrets

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "custody.md"


def documented_commands():
    """The shell commands under "With OpenSSL alone"."""
    section = DOCUMENT.read_text(encoding="utf-8").partition("### With OpenSSL alone\n")[2]
    return re.search(r"```sh\n(.*?)```", section, re.S).group(1)


def in_days(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).date().isoformat()


class Imported(Custody):
    def setUp(self):
        super().setUp()
        self.begin()
        self.customer = pathlib.Path(self.path("customer"))  # the customer's own machine
        self.customer.mkdir()
        self.material = os.urandom(32)

    def material_file(self, content=None):
        path = self.customer / "material.bin"
        path.write_bytes(self.material if content is None else content)
        path.chmod(0o600)
        return str(path)

    def take_in(self, *more, content=None):
        return self.cli("key", "import", "acme/eu", "--material", self.material_file(content), *more)

    def wrap_by_openssl(self, name="acme/eu"):
        """Offer, then the document's commands where the material is: the token."""
        token = self.cli("key", "import", name, "--offer", "-o", str(self.customer / "import.pem")).strip()
        subprocess.run(["sh", "-eu", "-c", documented_commands()], cwd=self.customer, check=True, capture_output=True)
        self.assertEqual(os.path.getsize(self.customer / "wrapped.bin"), 424)
        self.assertFalse((self.customer / "wrapping.key").exists())
        return token

    def give(self, token, name="acme/eu"):
        return ("key", "import", name, "--token", token, "--wrapped", str(self.customer / "wrapped.bin"))

    # ---- Taking in.

    def test_by_openssl_alone(self):
        before = new_key(self.admin)
        self.material_file()
        give = self.give(self.wrap_by_openssl())
        said = self.cli(*give, "--expires", in_days(400))
        self.assertIn("version 2 is the imported material; commitment", said)
        self.no(MISSING, "not_found", *give, says="ask for a new offer")
        shown = self.key()
        self.assertEqual((shown["custody"], shown["current_version"]), ("imported", 2))
        self.assertTrue(shown["versions"][1]["expires_at"].startswith(in_days(400)))
        self.opens(before, new_key(self.admin))
        # It is that material: the same by the other way finds its version.
        self.assertIn("version 2 has its material back", self.take_in())

    def test_by_one_command(self):
        before = new_key(self.admin)
        self.assertIn("version 2 is the imported material", self.take_in())
        keys = [before, new_key(self.admin)]
        self.flush()
        self.opens(*keys)
        self.again()
        self.opens(*keys, new_key(self.admin))
        # It is rotated by the customer, too.
        self.no(CONFLICT, "state_conflict", "key", "rotate", "acme/eu", says="import new material")
        self.assertIn("version 3 is the imported material", self.take_in(content=os.urandom(32)))
        self.opens(*keys, new_key(self.admin))

    def test_wrapped_for_another(self):
        self.material_file()
        self.wrap_by_openssl("globex/eu")
        wrapped = (self.customer / "wrapped.bin").read_bytes()
        token = self.wrap_by_openssl()
        good = (self.customer / "wrapped.bin").read_bytes()
        for wrong in (wrapped, good[::-1], good[:400] + bytes([good[400] ^ 1]) + good[401:]):
            (self.customer / "wrapped.bin").write_bytes(wrong)
            self.no(INTEGRITY, "seal_broken", *self.give(token), says="public key of this offer")
        for short in (good[:-1], good[:384], good[1:]):
            (self.customer / "wrapped.bin").write_bytes(short)
            self.no(USAGE, "bad_format", *self.give(token), says="424")
        (self.customer / "wrapped.bin").write_bytes(good)
        self.no(MISSING, "not_found", *self.give(token, "globex/eu"))
        self.cli(*self.give(token))

    def test_offer_outlives_a_restart(self):
        self.material_file()
        token = self.wrap_by_openssl()
        self.again()
        self.assertIn("version 2", self.cli(*self.give(token)))

    # ---- Its end.

    def ended(self, keys):
        """Nothing of acme's in eu opens or is made; all else does."""
        for key in keys:
            self.assertEqual(self.opened(key)["code"], "material_expired")
        answer = self.admin.generate()
        self.assertEqual((answer.status, answer.error), (403, "material_expired"), answer.body)
        self.assertIn("import", answer.json["error"]["message"])
        new_key(self.admin, tenant="globex")
        new_key(self.admin, region="us")
        for _ in range(2):
            self.no(INTEGRITY, "commitment_mismatch", "key", "import", "acme/eu", "--material",
                    self.material_file(os.urandom(32)), says="material")
        self.no(CONFLICT, "state_conflict", "key", "rotate", "acme/eu", says="import")

    def test_ended_and_brought_back(self):
        before = new_key(self.admin)
        self.take_in()
        keys = [new_key(self.admin) for _ in range(3)]
        blobs = [c[4] for c in self.copies() if (c[0], c[2], c[3]) == ("acme", "eu", 2)]
        self.assertEqual(len(blobs), 1)
        self.cli("key", "end-material", "acme/eu")
        self.ended(keys)
        self.gone(blobs)
        self.again()
        self.ended(keys)
        self.material_file()
        self.assertIn("version 2 has its material back", self.cli(*self.give(self.wrap_by_openssl())))
        self.opens(before, *keys, new_key(self.admin))
        self.assertEqual(len(self.key()["versions"]), 2)

    def test_expires(self):
        self.take_in("--expires", in_days(3))
        keys = [new_key(self.admin) for _ in range(3)]
        blobs = [c[4] for c in self.copies() if (c[0], c[2], c[3]) == ("acme", "eu", 2)]
        self.opens(*keys)
        self.again(env=faked("+4d"))
        self.ended(keys)
        self.gone(blobs)
        end = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).date().isoformat()
        self.assertIn("version 2 has its material back", self.take_in("--expires", end))
        self.opens(*keys, new_key(self.admin))
        self.assertEqual(self.running.stop(), 0)
        acts = [e["api"]["operation"] for e in self.entries(self.data) if e["status_id"] == 1]
        self.assertEqual(acts.count("ImportKeyMaterial"), 2)
        self.assertEqual(acts.count("ExpireKeyMaterial"), 1)

    def test_expires_while_serving(self):
        """Also where what is unwrapped would have served on."""
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        self.take_in("--expires", soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
        key = new_key(self.admin)
        self.again(env=faked("+86395s"))
        self.opens(key)
        end = time.monotonic() + WAIT
        while (error := self.opened(key)) is None:
            self.assertLess(time.monotonic(), end, "it never ended")
            time.sleep(0.1)
        self.assertEqual(error["code"], "material_expired")

    def test_no_end_in_the_past_or_too_soon(self):
        for when in ("2020-01-01", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")):
            self.no(USAGE, "usage", "key", "import", "acme/eu", "--material", self.material_file(), "--expires",
                    when, says="a minute")
        self.assertEqual(self.key()["custody"], "managed")

    # ---- Onwards.

    def test_attached_from_then_on(self):
        cloud = GoogleOf(self.path("google"))
        self.assertEqual(self.running.stop(), 0)
        shutil.rmtree(self.data)
        self.begin(acme=cloud)
        self.take_in()
        key = new_key(self.admin)
        self.cli("key", "end-material", "acme/eu")
        self.no(CONFLICT, "state_conflict", "key", "attach", "acme/eu", "--provider", "acme-kms", "--key", cloud.KEY,
                says="material")
        self.take_in()
        self.attach(cloud)
        self.flush()
        self.opens(key)
        self.assertEqual(set(self.copies_of("acme")), {"acme-kms"})

    # ---- Where the material is.

    def test_nowhere(self):
        """Not a byte of the material or of what it was wrapped under: files, logs, ledger, answers."""
        secrets = Secrets()
        secrets.add("material", self.material)
        self.again("log.level=debug")
        said = []
        self.material_file()
        token = self.wrap_by_openssl()
        self.admin = self.running.client()
        wrapped = base64.b64encode((self.customer / "wrapped.bin").read_bytes()).decode()
        unwrapped = base64.b64encode(self.material).decode()
        for body in ({"token": token, "wrapped": wrapped[:-8]}, {"token": token, "wrapped": unwrapped},
                     {"token": token, "wrapped": wrapped}, {"token": token, "wrapped": unwrapped}):
            answer = self.admin.post("/v1/tenants/acme/keys/eu/import", body)
            said.append((f"import: {answer.status}", answer.body))
        self.assertEqual([what for what, _ in said],
                         ["import: 400", "import: 400", "import: 200", "import: 404"])
        said.append(("one command", self.take_in().encode()))
        self.opens(new_key(self.admin))
        self.cli("key", "end-material", "acme/eu")
        said.append(("again", self.take_in().encode()))
        for path in ("/metrics", "/v1/status", "/v1/tenants/acme/keys/eu", "/v1/providers?copies=true", "/v1/costs"):
            said.append((path, self.admin.get(path).body))
        self.running.kill()  # with its write-ahead log as it is
        self.again()
        self.running.stop()
        said.append(("ledger", json.dumps(self.entries(self.data)).encode()))
        for what, content in said:
            self.assertEqual(secrets.found(content), [], what)
        self.searched(secrets)

    def searched(self, secrets):
        seen = []
        for path, content in self.files(self.folder):
            if secrets.found(content):
                seen.append(path)
        self.assertEqual(seen, [str(self.customer / "material.bin")])  # so the search works


if __name__ == "__main__":
    main()
