"""Cases from Project Wycheproof's JSON files, read in place."""

import json
import os

from case import Case, request

SUITES = {"aes_gcm": 1, "chacha20_poly1305": 2}


def folder(source_tree):
    """Where the files are, or None: KW_VECTORS, else shared/vectors beside the source tree."""
    base = os.environ.get("KW_VECTORS") or os.path.join(source_tree, "..", "shared", "vectors")
    path = os.path.join(base, "wycheproof")
    return path if os.path.isdir(path) else None


def aead(name, group, test):
    if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
        return  # our suites have one size of each
    suite = SUITES[name]
    where = [suite, test["key"], test["iv"], test["aad"]]
    sealed = test["ct"] + test["tag"]
    if test["result"] == "valid":
        yield Case("seal", request("seal", *where, test["msg"]), sealed)
        yield Case("open", request("open", *where, sealed), test["msg"])
    else:
        yield Case("open", request("open", *where, sealed), refuse=True)


def hmac_sha256(_name, _group, test):
    """Truncated tags are compared by their length; an invalid tag must differ from ours."""
    yield Case(
        "hmac",
        request("hmac", test["key"], test["msg"]),
        test["tag"],
        whole=False,
        differ=test["result"] != "valid",
    )


def hkdf_sha256(_name, _group, test):
    asked = request("hkdf", test["ikm"], test["salt"], test["info"], test["size"])
    if test["result"] == "valid":
        yield Case("hkdf", asked, test["okm"])
    else:
        yield Case("hkdf", asked, refuse=True)


def ed25519(_name, group, test):
    yield Case(
        "verify",
        request("verify", group["publicKey"]["pk"], test["msg"], test["sig"]),
        refuse=test["result"] != "valid",
    )


def aes_kwp(_name, group, test):
    if group["keySize"] != 256:
        return  # crypto/ wraps under 256 bits alone
    if test["result"] == "valid":
        yield Case("wrap", request("kwp_wrap", test["key"], test["msg"]), test["ct"])
        yield Case("unwrap", request("kwp_unwrap", test["key"], test["ct"]), test["msg"])
    else:
        yield Case("unwrap", request("kwp_unwrap", test["key"], test["ct"]), refuse=True)


def rsa_secret(modulus, exponent):
    """A private key as crypto/rsa.h has it: both numbers as long as the modulus."""
    size = (modulus.bit_length() + 7) // 8
    return (modulus.to_bytes(size, "big") + exponent.to_bytes(size, "big")).hex()


def rsa_oaep(_name, group, test):
    """Ours has no label: what has one must be refused. And it gives no empty secret."""
    if test["result"] == "valid" and test["msg"] == "" and test["label"] == "":
        return
    key = group["privateKey"]
    secret = rsa_secret(int(key["modulus"], 16), int(key["privateExponent"], 16))
    asked = request("oaep_decrypt", secret, test["ct"])
    if test["result"] == "valid" and test["label"] == "":
        yield Case("decrypt", asked, test["msg"])
    else:
        yield Case("decrypt", asked, refuse=True)


FILES = {"rsa_oaep": "rsa_oaep_2048_sha256_mgf1sha256"}

READERS = {
    "aes_gcm": aead,
    "chacha20_poly1305": aead,
    "hmac_sha256": hmac_sha256,
    "hkdf_sha256": hkdf_sha256,
    "ed25519": ed25519,
    "aes_kwp": aes_kwp,
    "rsa_oaep": rsa_oaep,
}


def cases(path, name):
    """The cases of algorithm name, and how many tests of the file were left out for their sizes."""
    if name not in READERS:
        return None, 0
    file_name = FILES.get(name, name) + "_test.json"
    with open(os.path.join(path, file_name), encoding="utf-8") as file:
        document = json.load(file)
    found, left_out, seen = [], 0, 0
    for group in document["testGroups"]:
        for test in group["tests"]:
            seen += 1
            made = list(READERS[name](name, group, test))
            for case in made:
                case.name = f"wycheproof {name} {test['tcId']} {case.name} ({test['comment']})"
            left_out += not made
            found += made
    if seen != document["numberOfTests"]:
        raise SystemExit(f"{name}: {seen} tests read, the file says {document['numberOfTests']}")
    return found, left_out
