"""Azure Key Vault and Microsoft Entra ID, as far as a root key needs them: real RSA-OAEP-256, versions, soft
deletion, challenges, client credentials. validate.py holds it against Azure's own clients."""
import base64
import json
import os
import re
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cloud import Fake, Refusal

VAULT, DOMAIN = "kw.vault.localhost", "vault.localhost"
TENANT, CLIENT, SECRET = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-000000000000", "s3cr3t &+~ value"
OAEP = {"RSA-OAEP-256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def refuse(status, code, message, inner=None, headers=()):
    error = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    raise Refusal(status, {"error": error}, headers)


class Azure(Fake):
    def __init__(self, context):
        self.keys, self.deleted, self.tokens, self.logins = {}, {}, {}, 0
        self.lifetime, self.secret, self.denied, self.resource = 3600, SECRET, set(), "https://" + DOMAIN
        super().__init__(context)
        self.vault, self.authority = f"https://{VAULT}:{self.port}", f"https://127.0.0.1:{self.port}"

    # What a test arranges.

    def make(self, name, kty="RSA-HSM", operations=("wrapKey", "unwrapKey")):
        version = {"private": rsa.generate_private_key(65537, 2048), "kty": kty, "operations": list(operations),
                   "attributes": {"enabled": True, "created": int(time.time()), "updated": int(time.time())}}
        self.keys.setdefault(name, {})[os.urandom(16).hex()] = version
        return version

    def attributes(self, name, **changes):
        for version in self.keys[name].values():
            version["attributes"].update(changes)

    # Requests.

    def answer(self, method, path, query, headers, body):
        path, arguments = urllib.parse.unquote(path), dict(urllib.parse.parse_qsl(query))
        if not path.startswith(("/keys", "/deletedkeys")):
            return self.entra(method, path, headers, body)
        self.authenticate(headers)
        if not re.fullmatch(r"\d+\.\d+(-preview\.\d+)?|20\d\d-\d\d-\d\d", arguments.get("api-version", "")):
            refuse(400, "BadParameter", "The request URI contains an invalid api-version")
        return self.act(method, path.strip("/").split("/"), json.loads(body or b"{}"))

    def authenticate(self, headers):
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or self.tokens.get(token, 0) <= time.time():
            challenge = f'Bearer authorization="{self.authority}/{TENANT}", resource="{self.resource}"'
            if token:
                challenge += ', error="invalid_token"'
            refuse(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.",
                   headers={"WWW-Authenticate": challenge})

    def entra(self, method, path, headers, body):
        base = f"{self.authority}/{TENANT}"
        if path == f"/{TENANT}/v2.0/.well-known/openid-configuration":
            return {"token_endpoint": f"{base}/oauth2/v2.0/token", "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "issuer": f"{base}/v2.0", "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode"}
        if method != "POST" or path != f"/{TENANT}/oauth2/v2.0/token":
            raise Refusal(400, {"error": "invalid_request", "error_description": "AADSTS90002: Tenant not found."})
        form = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
        if headers["Content-Type"].partition(";")[0] != "application/x-www-form-urlencoded":
            raise Refusal(400, {"error": "invalid_request", "error_description": "AADSTS900144"})
        if (form["client_id"], form["client_secret"]) != (CLIENT, self.secret):
            raise Refusal(401, {"error": "invalid_client",
                                "error_description": "AADSTS7000215: Invalid client secret provided."})
        if form["grant_type"] != "client_credentials" or form["scope"] != self.resource + "/.default":
            raise Refusal(400, {"error": "invalid_scope", "error_description": "AADSTS70011: The scope is not valid."})
        token = "eyJ0." + base64url(os.urandom(900))
        with self.lock:
            self.tokens[token] = time.time() + self.lifetime
            self.logins += 1
        return {"token_type": "Bearer", "expires_in": self.lifetime, "ext_expires_in": self.lifetime,
                "access_token": token}

    def act(self, method, parts, body):
        kind, name, *rest = parts + [""] * (2 - len(parts))
        if name in self.denied:
            refuse(403, "Forbidden", "Caller is not authorized to perform action on resource.", "ForbiddenByRbac")
        if kind == "deletedkeys":
            return self.on_deleted(method, name, rest)
        if method == "POST" and rest == ["create"]:
            return self.create(name, body)
        if name not in self.keys:
            refuse(404, "KeyNotFound", f"A key with (name/id) {name} was not found in this key vault.")
        if method == "DELETE":
            self.deleted[name] = self.keys.pop(name)
            return self.describe(name, self.deleted[name], list(self.deleted[name])[-1])
        number = rest[0] if rest and rest[0] else list(self.keys[name])[-1]
        if number not in self.keys[name]:
            refuse(404, "KeyNotFound", f"A key with (name/id) {name}/{number} was not found in this key vault.")
        return self.on_version(method, name, number, rest[1:], body)

    def on_version(self, method, name, number, rest, body):
        version = self.keys[name][number]
        if method == "POST" and rest in (["wrapkey"], ["unwrapkey"]):
            value = self.crypt(version, rest[0], body)
            return {"kid": f"{self.vault}/keys/{name}/{number}", "value": base64url(value)}
        if method == "PATCH":
            version["attributes"].update(body.get("attributes", {}))
        elif method != "GET":
            refuse(400, "BadParameter", "no such method")
        if "hidden" in name:  # a role that may use keys but not read them
            refuse(403, "Forbidden", "Caller is not authorized to perform action on resource.", "ForbiddenByRbac")
        return self.describe(name, self.keys[name], number)

    def on_deleted(self, method, name, rest):
        if name not in self.deleted:
            refuse(404, "KeyNotFound", f"Deleted Key not found: {name}")
        if method == "POST" and rest == ["recover"]:
            self.keys[name] = self.deleted.pop(name)
            return self.describe(name, self.keys[name], list(self.keys[name])[-1])
        if method == "DELETE":
            del self.deleted[name]
            return {}
        return self.describe(name, self.deleted[name], list(self.deleted[name])[-1])

    def create(self, name, body):
        if name in self.deleted:
            refuse(409, "Conflict", f"Key {name} is currently in a deleted but recoverable state, and its name cannot be "
                   "reused; in this state, the key can only be recovered or purged.", "ObjectIsDeletedButRecoverable")
        if body["kty"] not in ("RSA", "RSA-HSM"):
            refuse(400, "BadParameter", "Property  has invalid value")
        self.make(name, body["kty"], body.get("key_ops", ("encrypt", "decrypt", "wrapKey", "unwrapKey")))
        return self.describe(name, self.keys[name], list(self.keys[name])[-1])

    def describe(self, name, versions, number):
        version = versions[number]
        public = version["private"].public_key().public_numbers()
        answer = {"key": {"kid": f"{self.vault}/keys/{name}/{number}", "kty": version["kty"],
                          "key_ops": version["operations"], "n": base64url(public.n.to_bytes(256, "big")),
                          "e": base64url(public.e.to_bytes(3, "big"))}, "attributes": version["attributes"]}
        if name in self.deleted:
            now = int(time.time())
            answer.update(recoveryId=f"{self.vault}/deletedkeys/{name}", deletedDate=now, scheduledPurgeDate=now + 90 * 86400)
        return answer

    @staticmethod
    def crypt(version, act, body):
        attributes, now = version["attributes"], time.time()
        if act == "unwrapkey" and not attributes["enabled"]:  # and wrapkey is done: the real one's trap
            refuse(403, "Forbidden", "Operation unwrapKey is not allowed on a disabled key.", "KeyDisabled")
        if act == "wrapkey" and not attributes.get("nbf", 0) <= now < attributes.get("exp", now + 1):
            refuse(403, "Forbidden", "Operation wrapKey is not allowed on an expired key.", "KeyExpired")
        if {"wrapkey": "wrapKey", "unwrapkey": "unwrapKey"}[act] not in version["operations"]:
            refuse(403, "Forbidden", "Operation is not permitted on this key.", "KeyOperationForbidden")
        if body["alg"] not in OAEP:
            refuse(400, "BadParameter", "Key and signing algorithm are incompatible.")
        value = unbase64url(body["value"])
        try:
            if act == "wrapkey":
                return version["private"].public_key().encrypt(value, OAEP[body["alg"]])
            return version["private"].decrypt(value, OAEP[body["alg"]])
        except ValueError:
            return refuse(400, "BadParameter", "The parameter is incorrect.\r\n")
