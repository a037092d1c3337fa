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


READERS = {
    "aes_gcm": aead,
    "chacha20_poly1305": aead,
    "hmac_sha256": hmac_sha256,
    "hkdf_sha256": hkdf_sha256,
    "ed25519": ed25519,
}


def cases(path, name):
    """The cases of algorithm name, and how many tests of the file were left out for their sizes."""
    if name not in READERS:
        return None, 0
    with open(os.path.join(path, name + "_test.json"), encoding="utf-8") as file:
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
