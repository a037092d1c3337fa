"""keyward message seal and open: embedded and against a server; signatures checked, and messages made, by
the second implementation of the format (tests/reference)."""

import base64
import json
import os
import struct
import sys

from keyward import DENIED, INTEGRITY, MISSING, SLOW, USAGE, Case, chance, main, run

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference"))
import keyward_ref as ref  # noqa: E402

ACME = ("--tenant", "acme", "--region", "eu")
GLOBEX = ("--tenant", "globex", "--region", "eu")
ORDERS = ("--context", "queue=orders")
CONTEXT = {"queue": "orders"}
SIGNED = 102  # bytes in front of a signed message's head


def b64(data):
    return base64.b64encode(data).decode()


class MessageCase(Case):
    def setUp(self):
        super().setUp()
        self.data = self.home(tenants=("acme", "globex"))
        self.at = ("--data", self.data)

    def seal(self, content, *more):
        done = run("message", "seal", *ACME, *ORDERS, *self.at, *more, input=content)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def open(self, sealed, *more):
        done = run("message", "open", *ORDERS, *self.at, *more, input=sealed)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def not_opened(self, status, code, sealed, *more, **how):
        self.refused(status, code, "message", "open", *self.at, *more, input=sealed, **how)

    def key(self):
        """What the authority publishes of acme's key."""
        return json.loads(self.ok("key", "show", "acme/eu", "--json", *self.at))


class Embedded(MessageCase):
    def test_round_trips(self):
        for size in (0, 1, 5000, 16 << 20):
            content = chance.randbytes(size)
            plain, signed = self.seal(content), self.seal(content, "--sign")
            self.assertEqual((len(plain), len(signed)), (size + 96, size + 196))
            self.assertEqual(self.open(plain), content)
            self.assertEqual(self.open(signed, "--signed", *ACME), content)
        text = self.seal(b"hi", "--sign", "--text")
        self.assertRegex(text, rb"\Akw1\.[A-Za-z0-9_-]+\n\Z")
        self.assertEqual(self.open(text, "--signed", *ACME), b"hi")
        self.refused(USAGE, "too_large", "message", "seal", *ACME, *self.at,
                     input=bytes((16 << 20) + 1))

    def test_files_and_summaries(self):
        source, target, back = self.write("plain", b"pay 7"), self.path("sealed"), self.path("back")
        said = self.ok("message", "seal", "--sign", *ACME, *self.at, "-i", source, "-o", target)
        self.assertIn("signed by the tenant's key", said)
        said = json.loads(self.ok("message", "open", "--signed", *ACME, *self.at, "-i", target,
                                  "-o", back, "--json"))
        self.assertEqual((said["format"], said["signed"], said["plain_size"]), ("message", True, 5))
        self.assertEqual(self.read("back"), b"pay 7")
        entry = self.entries(self.data)[said["ledger_index"]]
        self.assertEqual(entry["api"]["operation"], "UnwrapDataKey")

    def test_every_byte_counts(self):
        signed = self.seal(b"x", "--sign")
        for i in range(0, len(signed), 1 if SLOW else 9):  # all of them in unit.client.message
            bad = bytearray(signed)
            bad[i] ^= 1 << chance.randrange(8)
            done = run("message", "open", "--signed", *ACME, *ORDERS, *self.at, input=bytes(bad))
            self.assertNotEqual(done.returncode, 0, i)
            self.assertEqual(done.stdout, b"", i)

    def test_expectations(self):
        plain, signed = self.seal(b"x"), self.seal(b"x", "--sign")
        self.not_opened(INTEGRITY, "bad_signature", plain, "--signed", *ACME, *ORDERS)
        self.not_opened(INTEGRITY, "bad_signature", signed, *ORDERS, says="--signed")
        self.not_opened(USAGE, "usage", signed, "--signed", *ORDERS, says="--tenant")
        self.not_opened(INTEGRITY, "bad_signature", signed, "--signed", *ACME,
                        "--context", "queue=refunds")
        self.not_opened(INTEGRITY, "bad_signature", signed, "--signed", *ACME)
        self.not_opened(DENIED, "not_this_tenant", signed, "--signed", *GLOBEX, *ORDERS)
        self.not_opened(MISSING, "key_not_found", signed, "--signed", "-t", "acme", "-r", "us", *ORDERS)
        self.not_opened(DENIED, "wrong_class", signed, "--signed", *ACME, "-c", "pii", *ORDERS)
        self.not_opened(USAGE, "bad_format", b"hello", *ORDERS)
        stripped = b"\6\0" + signed[SIGNED:]
        self.not_opened(INTEGRITY, "seal_broken", stripped, *ORDERS)
        self.not_opened(INTEGRITY, "bad_signature", stripped, "--signed", *ACME, *ORDERS)
        self.refused(INTEGRITY, "bad_signature", "open", *ORDERS, *self.at, input=signed,
                     says="message open --signed")

    def test_rotation_and_rewrap(self):
        path = self.write("signed", self.seal(b"pay 7", "--sign"))
        self.ok("key", "rotate", "acme/eu", *self.at)
        self.ok("rewrap", "files", path, *ORDERS, *self.at)
        self.assertEqual(self.read("signed")[SIGNED + 10:SIGNED + 14], struct.pack(">I", 2))
        self.assertEqual(self.open(self.read("signed"), "--signed", *ACME), b"pay 7")
        self.assertEqual(self.seal(b"pay 8", "--sign")[2:6], struct.pack(">I", 2))

    def test_suspension(self):
        signed = self.seal(b"x", "--sign")
        self.ok("tenant", "suspend", "acme", *self.at)
        self.refused(DENIED, "tenant_suspended", "message", "seal", "--sign", *ACME, *self.at, input=b"x")
        self.not_opened(DENIED, "tenant_suspended", signed, "--signed", *ACME, *ORDERS)

    def test_reference_verifies(self):
        signed = self.seal(b"pay 7", "--sign", "--justification", "order 7")
        head, body = ref.parse_head(signed[SIGNED:SIGNED + ref.HEAD], ref.MESSAGE), signed[SIGNED + ref.HEAD:]
        statement = ref.message_text(head, CONTEXT, signed[1:6], signed[70:102], body)
        self.assertEqual(len(statement), 133)
        public = base64.b64decode(self.key()["versions"][0]["sign_public"])
        ref.Ed25519PublicKey.from_public_bytes(public).verify(signed[6:70], statement)
        found = [e for e in self.entries(self.data) if e["api"]["operation"] == "SignMessage"]
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["unmapped"]["detail"]["statement_sha256"],
                         ref.hashlib.sha256(statement).hexdigest())
        self.assertEqual(found[0]["unmapped"]["justification"], "order 7")
        self.verify(self.data)


class Distant(MessageCase):
    """Against a server: the service's token may sign, the auditor's may not."""

    def setUp(self):
        super().setUp()
        self.server_of_it = self.server(self.data)
        self.admin = self.server_of_it.client()
        self.service, self.auditor = self.token("service"), self.token("auditor")
        self.at = ("--addr", f"https://127.0.0.1:{self.server_of_it.port}", "--cacert",
                   f"{self.data}/tls/ca.crt", "--token-file", self.write("token", self.service))

    def token(self, roles, tenants="*"):
        made = self.admin.post("/v1/tokens", {"principal": roles, "roles": roles, "tenants": tenants})
        self.assertEqual(made.status, 201, made.body)
        return made.json["token"]

    def test_round_trip(self):
        signed = self.seal(b"pay 7", "--sign")
        self.assertEqual(self.open(signed, "--signed", *ACME), b"pay 7")
        self.write("token", self.auditor)
        self.refused(DENIED, "forbidden", "message", "seal", "--sign", *ACME, *self.at, input=b"x")

    def by_reference(self, client, content):
        """A message that Python has sealed, signed by the server."""
        made = client.generate(context=CONTEXT)
        self.assertEqual(made.status, 200, made.body)
        item = made.json["items"][0]
        key, head = base64.b64decode(item["plaintext"]), ref.parse_head(base64.b64decode(item["wrapped"]))
        version = struct.pack(">I", head.version)
        body = ref.seal(head.suite, key, bytes(ref.NONCE),
                        ref.payload_aad(head, ref.MESSAGE, CONTEXT, b"\1" + version), content)
        commitment = ref.expand(key, b"keyward message key v1", 32)
        statement = ref.message_text(head, CONTEXT, b"\1" + version, commitment, body)
        answer = client.post("/v1/sign", {"tenant": "acme", "region": "eu", "version": head.version,
                                          "statement": b64(statement)})
        if answer.status != 200:
            return answer
        signature = base64.b64decode(answer.json["signature"])
        return b"\6\1" + version + signature + commitment + head.write(ref.MESSAGE) + body

    def test_made_by_the_reference(self):
        client = self.server_of_it.client(cert="", token=self.service)
        signed = self.by_reference(client, b"from Python")
        self.assertEqual(self.open(signed, "--signed", *ACME, "--class", "pii"), b"from Python")

    def test_no_oracle(self):
        client = self.server_of_it.client(cert="", token=self.service)
        texts = (b"", b"pay me", bytes(133), chance.randbytes(133), b"keyward message v1" + bytes(115),
                 b"keyward envelope v1" + bytes(114))
        for text in texts:
            answer = client.post("/v1/sign", {"tenant": "acme", "region": "eu", "version": 1,
                                              "statement": b64(text)})
            self.assertEqual((answer.status, answer.error), (400, "bad_format"), text)
        stranger = self.server_of_it.client(cert="", token=self.token("service", "globex"))
        self.assertEqual(stranger.post("/v1/sign", {"tenant": "acme", "region": "eu", "version": 1,
                                                    "statement": b64(texts[2])}).error, "forbidden")


if __name__ == "__main__":
    main()
