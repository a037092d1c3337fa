"""Google Cloud KMS, as far as a root key needs it: real AES-GCM, states of versions, checksums, tokens; and the
metadata server. validate.py holds it against Google's own client."""
import base64
import json
import os
import re
import time
import urllib.parse

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloud import Fake, Refusal

RING = "projects/acme/locations/europe-west3/keyRings/keyward"
STATES = {"ENABLED": 1, "DISABLED": 2, "DESTROYED": 3, "DESTROY_SCHEDULED": 4}
PURPOSES = {"ENCRYPT_DECRYPT": 1, "ASYMMETRIC_SIGN": 5}
LEVELS = {"SOFTWARE": 1}
SCOPES = {"https://www.googleapis.com/auth/cloudkms", "https://www.googleapis.com/auth/cloud-platform"}


def crc32c(data):
    total = 0xffffffff
    for byte in data:
        total ^= byte
        for _ in range(8):
            total = (total >> 1) ^ (0x82f63b78 if total & 1 else 0)
    return total ^ 0xffffffff


def refuse(status, word, message, **more):
    raise Refusal(status, {"error": {"code": status, "message": message, "status": word, **more}})


def unbase64(text):
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)


def part(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Google(Fake):
    def __init__(self, context=None):
        self.account = "keyward@acme.iam.gserviceaccount.com"
        self.key_id = os.urandom(20).hex()
        self.private = rsa.generate_private_key(65537, 2048)
        self.keys, self.opaque, self.revoked, self.seen = {}, {}, set(), set()
        self.metadata_lifetime, self.metadata_flavor, self.integers, self.denied = 3600, "Google", False, set()
        super().__init__(context)

    # What a test arranges.

    def credentials(self, path, **changes):
        pem = self.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()).decode()
        path.write_text(json.dumps({
            "type": "service_account", "project_id": "acme", "private_key_id": self.key_id, "private_key": pem,
            "client_email": self.account, "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token",
            **changes}))
        return path

    def make(self, name, purpose="ENCRYPT_DECRYPT"):
        self.keys[name] = {"purpose": purpose, "primary": 1, "versions": {1: {"state": "ENABLED", "key": os.urandom(32)}}}

    def rotate(self, name):
        versions = self.keys[name]["versions"]
        self.keys[name]["primary"] = max(versions) + 1
        versions[max(versions) + 1] = {"state": "ENABLED", "key": os.urandom(32)}

    def state(self, name, state):
        for version in self.keys[name]["versions"].values():
            version["state"] = state

    # Requests.

    def answer(self, method, path, query, headers, body):
        if path.startswith("/computeMetadata/"):
            return self.metadata(path, headers)
        self.authenticate(headers)
        arguments = dict(urllib.parse.parse_qsl(query))
        # Google's client asks for numbers in the place of names.
        numbers = self.integers or "enum-encoding=int" in arguments.get("$alt", "")
        answer = self.act(method, urllib.parse.unquote(path)[4:], arguments, json.loads(body or b"{}"))
        return numbered(answer) if numbers else answer

    def metadata(self, path, headers):
        if headers.get("Metadata-Flavor") != "Google":
            raise Refusal(403, b"Missing Metadata-Flavor:Google header.")
        flavor = {"Metadata-Flavor": self.metadata_flavor}
        if path.endswith("/token"):
            token = "ya29." + os.urandom(24).hex()
            self.opaque[token] = time.time() + self.metadata_lifetime
            return {"access_token": token, "expires_in": self.metadata_lifetime, "token_type": "Bearer"}, flavor
        if path.endswith("/email"):
            return self.account.encode(), flavor
        return {"email": self.account, "scopes": sorted(SCOPES), "aliases": ["default"]}, flavor

    def authenticate(self, headers):
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        with self.lock:
            self.seen.add(token)
        good = scheme == "Bearer" and token not in self.revoked and (
            self.opaque.get(token, 0) > time.time() if token.startswith("ya29.") else self.is_signed(token))
        if not good:
            refuse(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")

    def is_signed(self, token):
        """Self-signed, as RFC 7519 and Google's AIP-4111 have it."""
        try:
            head, claims, signature = token.split(".")
            self.private.public_key().verify(part(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(),
                                             hashes.SHA256())
            head, claims = json.loads(part(head)), json.loads(part(claims))
        except (ValueError, InvalidSignature):
            return False
        now = time.time()
        return (head.get("alg") == "RS256" and head.get("typ") == "JWT" and head.get("kid") == self.key_id and
                claims["iss"] == claims["sub"] == self.account and claims["iat"] <= now + 5 and
                now < claims["exp"] <= claims["iat"] + 3600 and bool(SCOPES & set(claims.get("scope", "").split())))

    def act(self, method, name, arguments, body):
        if method == "POST" and name == RING + "/cryptoKeys":
            return self.create(f"{name}/{arguments['cryptoKeyId']}", body)
        found = re.fullmatch(r"(projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/:]+)"
                             r"(?:/cryptoKeyVersions(?:/(\d+))?)?(?::(\w+))?", name)
        if not found or found[1] not in self.keys:
            refuse(404, "NOT_FOUND", f"CryptoKey {name} not found.")
        if found[1] in self.denied:
            refuse(403, "PERMISSION_DENIED", f"Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on {name}.")
        if found[2]:
            return self.on_version(method, found, arguments, body)
        if method == "GET" and not found[3]:
            return self.describe(found[1])
        if method == "POST" and found[3] in ("encrypt", "decrypt"):
            return getattr(self, found[3])(found[1], body)
        if method == "POST" and name.endswith("/cryptoKeyVersions"):
            self.rotate(found[1])
            return self.describe(found[1])["primary"]
        return refuse(400, "INVALID_ARGUMENT", "no such method")

    def on_version(self, method, found, arguments, body):
        version = self.keys[found[1]]["versions"][int(found[2])]
        if method == "PATCH" and arguments.get("updateMask") == "state":
            wanted = body["state"]
            version["state"] = wanted if isinstance(wanted, str) else {n: s for s, n in STATES.items()}[wanted]
        elif found[3] == "destroy":
            version["state"] = "DESTROY_SCHEDULED"
        elif found[3] == "restore":
            version["state"] = "DISABLED"
        return {"name": f"{found[1]}/cryptoKeyVersions/{found[2]}", "state": version["state"]}

    def create(self, name, body):
        if name in self.keys:
            refuse(409, "ALREADY_EXISTS", f"CryptoKey {name} already exists.")
        purpose = body["purpose"]
        self.make(name, purpose if isinstance(purpose, str) else {n: p for p, n in PURPOSES.items()}[purpose])
        return self.describe(name)

    def describe(self, name):
        key = self.keys[name]
        answer = {"name": name, "purpose": key["purpose"], "createTime": "2026-01-01T00:00:00Z"}
        if key["primary"]:
            answer["primary"] = {"name": f"{name}/cryptoKeyVersions/{key['primary']}",
                                 "state": key["versions"][key["primary"]]["state"], "protectionLevel": "SOFTWARE"}
        return answer

    def usable(self, name, number):
        version = self.keys[name]["versions"][number]
        if version["state"] != "ENABLED":
            refuse(400, "FAILED_PRECONDITION",
                   f"{name}/cryptoKeyVersions/{number} is not enabled, current state is: {version['state']}.")
        return AESGCM(version["key"])

    @staticmethod
    def take(body, name):
        """A field's bytes, and whether its checksum came and was right."""
        data, total = unbase64(body.get(name, "")), body.get(name + "Crc32c")
        if total is not None and int(total) != crc32c(data):
            refuse(400, "INVALID_ARGUMENT", f"The checksum in field {name}_crc32c did not match the data in field {name}.")
        return data, total is not None

    def encrypt(self, name, body):
        if self.keys[name]["purpose"] != "ENCRYPT_DECRYPT":
            refuse(400, "INVALID_ARGUMENT", "The CryptoKey's purpose does not allow this.")
        plaintext, checked = self.take(body, "plaintext")
        context, context_checked = self.take(body, "additionalAuthenticatedData")
        number, nonce = self.keys[name]["primary"], os.urandom(12)
        sealed = bytes([10, number]) + nonce + self.usable(name, number).encrypt(nonce, plaintext, context)
        answer = {"name": f"{name}/cryptoKeyVersions/{number}", "ciphertext": base64.b64encode(sealed).decode(),
                  "ciphertextCrc32c": str(crc32c(sealed)), "protectionLevel": "SOFTWARE"}
        if checked:
            answer["verifiedPlaintextCrc32c"] = True
        if context_checked:
            answer["verifiedAdditionalAuthenticatedDataCrc32c"] = True
        return answer

    def decrypt(self, name, body):
        sealed, _ = self.take(body, "ciphertext")
        context, _ = self.take(body, "additionalAuthenticatedData")
        if len(sealed) < 30 or sealed[0] != 10 or sealed[1] not in self.keys[name]["versions"]:
            refuse(400, "INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.")
        try:
            plaintext = self.usable(name, sealed[1]).decrypt(sealed[2:14], sealed[14:], context)
        except InvalidTag:
            refuse(400, "INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
        return {"plaintext": base64.b64encode(plaintext).decode(), "plaintextCrc32c": str(crc32c(plaintext)),
                "usedPrimary": sealed[1] == self.keys[name]["primary"], "protectionLevel": "SOFTWARE"}


def numbered(answer):
    """Enumerations as numbers."""
    tables = {"state": STATES, "purpose": PURPOSES, "protectionLevel": LEVELS}
    return {name: numbered(value) if isinstance(value, dict) else tables.get(name, {}).get(value, value)
            if isinstance(value, str) else value for name, value in answer.items()}
