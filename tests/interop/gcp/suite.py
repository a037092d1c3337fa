#!/usr/bin/python3
"""The provider "gcp" against the fake of Google Cloud KMS: contract, tokens, states, faults.
Usage: suite.py PROVIDER_SHELL"""
import base64
import json
import pathlib
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent)]

from cloud import Refusal, Report, Shell, certificate, scratch  # noqa: E402
from fake import RING, Google, refuse  # noqa: E402

KEY, OTHER = RING + "/cryptoKeys/root", RING + "/cryptoKeys/other"
PLAIN, CONTEXT = "5a" * 32, "tenant=acme region=eu"
WRAP = f"wrap {KEY} 8000 {PLAIN} {CONTEXT}"


def error(status, word, message):
    return Refusal(status, {"error": {"code": status, "status": word, "message": message}})


def round_trip(report, shell, what):
    sealed = shell.ask(WRAP)
    opened = shell.ask(f"unwrap {KEY} 8000 {sealed[1]} {CONTEXT}")
    report.check(what, sealed[0] == "ok" and opened == ["ok", PLAIN], (sealed, opened))
    return sealed[1]


def tokens(report, google, program, settings, folder):
    google.seen.clear()
    with Shell(program, "gcp", settings) as shell:
        round_trip(report, shell, "a JWT that was signed here is taken")
        report.check("one token for all calls", len(google.seen) == 1, google.seen)
        google.revoked |= google.seen
        google.credentials(pathlib.Path(settings["credentials_file"]))
        time.sleep(1.1)  # a JWT of another second is another
        round_trip(report, shell, "a token that was revoked is replaced")
        google.key_id = "rotated"
        google.credentials(pathlib.Path(settings["credentials_file"]))
        round_trip(report, shell, "a key file that was replaced is read again")
        google.key_id = "lost"
        answer = shell.ask(WRAP)
        report.fails("an account whose key was deleted", answer, "forbidden", "refuses the credentials")
        google.credentials(pathlib.Path(settings["credentials_file"]))
    report.refused("a key file of another type", program, "gcp", {
        **settings, "credentials_file": google.credentials(folder / "user.json", type="authorized_user")}, "authorized_user")
    report.refused("a key file without a good key", program, "gcp", {
        **settings, "credentials_file": google.credentials(folder / "bad.json", private_key="-----BEGIN")}, "RSA key")
    report.refused("no key file", program, "gcp", {**settings, "credentials_file": folder / "none"}, "none")
    report.refused("http:// to another machine", program, "gcp", {**settings, "address": "http://10.0.0.1"}, "https")


def metadata(report, google, program, settings):
    settings = {"address": settings["address"], "ca_file": settings["ca_file"],
                "metadata_address": f"http://127.0.0.1:{google.plain.port}"}
    with Shell(program, "gcp", settings) as shell:
        asked = google.plain.count("/token")
        round_trip(report, shell, "a token of the metadata server")
        round_trip(report, shell, "and again")
        report.check("it is asked once", google.plain.count("/token") == asked + 1, google.plain.count("/token"))
    google.plain.metadata_lifetime = 2
    with Shell(program, "gcp", settings) as shell:
        round_trip(report, shell, "a token that lives for two seconds")
        time.sleep(2.2)
        round_trip(report, shell, "and one that has expired is replaced")
    google.plain.metadata_lifetime, google.plain.metadata_flavor = 3600, "Other"
    with Shell(program, "gcp", settings) as shell:
        report.fails("not the metadata server", shell.ask(WRAP), "provider_unavailable", "not Google's")
    google.plain.metadata_flavor = "Google"
    google.plain.faults = [("/token", Refusal(404, b"no service account"), 1)]
    with Shell(program, "gcp", settings) as shell:
        report.fails("no account of the machine", shell.ask(WRAP), "forbidden", "service account")


def states(report, google, shell):
    sealed = round_trip(report, shell, "round trip")
    unwrap = f"unwrap {KEY} 5000 {sealed} {CONTEXT}"
    for state, code in (("DISABLED", "key_suspended"), ("DESTROY_SCHEDULED", "key_pending_destruction"),
                        ("DESTROYED", "key_destroyed")):
        google.state(KEY, state)
        for line in (WRAP, unwrap, f"check {KEY} 5000"):
            report.fails(f"{state}: {line.split()[0]}", shell.ask(line), code, state)
        google.integers = True
        report.fails(f"{state} as a number: check", shell.ask(f"check {KEY} 5000"), code, state)
        google.integers = False
    google.state(KEY, "ENABLED")
    report.check("enabled again", shell.ask(unwrap) == ["ok", PLAIN])
    google.rotate(KEY)
    report.check("after a rotation there, older copies open", shell.ask(unwrap) == ["ok", PLAIN])
    newer = round_trip(report, shell, "and new ones are of the new version")
    report.check("which is another", newer[2:4] != sealed[2:4], newer[:8])
    google.keys[KEY]["primary"] = 0
    report.fails("no primary version: check", shell.ask(f"check {KEY} 5000"), "key_suspended", "primary")
    google.keys[KEY]["primary"] = 2
    report.fails("another context", shell.ask(f"unwrap {KEY} 5000 {sealed} tenant=evil region=eu"), "seal_broken")
    report.fails("another key", shell.ask(f"unwrap {OTHER} 5000 {sealed} {CONTEXT}"), "seal_broken")
    report.fails("no such key", shell.ask(f"check {RING}/cryptoKeys/none 5000"), "key_not_found")
    report.fails("no name of a key", shell.ask(f"check ../{KEY} 5000"), "key_not_found", "projects/P")
    google.denied.add(KEY)
    report.fails("no permission", shell.ask(WRAP), "forbidden", "Encrypter/Decrypter")
    google.denied.clear()
    google.make(RING + "/cryptoKeys/signer", "ASYMMETRIC_SIGN")
    report.fails("a key for signing", shell.ask(f"check {RING}/cryptoKeys/signer 5000"), "forbidden", "purpose")
    made = f"create {RING}/cryptoKeys/made 5000"
    report.check("a key is made", shell.ask(made)[0] == "ok" and RING + "/cryptoKeys/made" in google.keys)
    report.check("and found", shell.ask(made)[0] == "ok")


def changed(**changes):
    return lambda answer: {**answer, **changes}


def without(name):
    return lambda answer: {key: value for key, value in answer.items() if key != name}


def damaged(name):
    def damage(answer):
        data = bytearray(base64.b64decode(answer[name]))
        data[-1] ^= 1
        return {**answer, name: base64.b64encode(data).decode()}
    return damage


def checksums(report, google, shell):
    sealed = round_trip(report, shell, "round trip")
    unwrap = f"unwrap {KEY} 8000 {sealed} {CONTEXT}"
    bad = error(400, "INVALID_ARGUMENT", "The checksum in field plaintext_crc32c did not match the data in field plaintext.")
    cases = ((":encrypt", WRAP, "the ciphertext is damaged on its way", damaged("ciphertext")),
             (":encrypt", WRAP, "no checksum of the ciphertext", without("ciphertextCrc32c")),
             (":encrypt", WRAP, "a wrong checksum of the ciphertext", changed(ciphertextCrc32c="1")),
             (":encrypt", WRAP, "the plaintext's checksum was not verified", without("verifiedPlaintextCrc32c")),
             (":encrypt", WRAP, "the context's checksum was not verified",
              changed(verifiedAdditionalAuthenticatedDataCrc32c=False)),
             (":encrypt", WRAP, "another key answers", changed(name=OTHER + "/cryptoKeyVersions/1")),
             (":encrypt", WRAP, "the request was damaged", bad),
             (":decrypt", unwrap, "the plaintext is damaged on its way", damaged("plaintext")),
             (":decrypt", unwrap, "no checksum of the plaintext", without("plaintextCrc32c")),
             (":decrypt", unwrap, "the request was damaged", error(400, "INVALID_ARGUMENT", "ciphertext_crc32c")))
    for part, line, what, fault in cases:
        report.fails_once(what, google, shell, line, (part, fault), "provider_unavailable")


def faults(report, google, shell):
    sealed = round_trip(report, shell, "round trip")
    passing = (("throttled", error(429, "RESOURCE_EXHAUSTED", "Quota exceeded"), "rate_limited"),
               ("unavailable", error(503, "UNAVAILABLE", "try later"), "provider_unavailable"),
               ("a reset in the middle", "cut", "provider_unavailable"),
               ("internal", error(500, "INTERNAL", "oops"), "provider_unavailable"),
               ("a page of a proxy", "page", "provider_unavailable"),
               ("a malformed answer", "malformed", "provider_unavailable"))
    unwrap = f"unwrap {KEY} 8000 {sealed} {CONTEXT}"
    for act, line, cases in ((":encrypt", WRAP, passing), (":decrypt", unwrap, passing[:3])):
        for what, fault, code in cases:
            report.fails_once(f"{act}: {what}", google, shell, line, (act, fault), code)
        for what, code in (("huge", "provider_unavailable"), ("trickle", "timeout"), ("silent", "timeout")):
            google.faults = [(act, what, 99)]
            report.fails(f"{act}: {what}", shell.ask(line.replace(" 8000 ", " 1000 ")), code)
        google.faults = []
    refused = google.count(":encrypt")
    google.faults = [(":encrypt", error(403, "PERMISSION_DENIED", "no"), 99)]
    shell.ask(WRAP)
    report.check("a refusal is not asked again", google.count(":encrypt") == refused + 1)
    google.faults = []
    round_trip(report, shell, "and all is well again")


def main(program):
    report = Report()
    folder, remove = scratch()
    google = Google(certificate(folder, "localhost"))
    google.plain = Google()
    google.opaque = google.plain.opaque
    settings = {"address": f"https://127.0.0.1:{google.port}", "ca_file": folder / "ca.pem",
                "credentials_file": google.credentials(folder / "account.json")}
    google.make(KEY)
    google.make(OTHER)
    try:
        report.contract(program, "gcp", KEY, OTHER, settings)
        tokens(report, google, program, settings, folder)
        metadata(report, google, program, settings)
        with Shell(program, "gcp", settings) as shell:
            states(report, google, shell)
            checksums(report, google, shell)
            faults(report, google, shell)
    finally:
        google.close()
        google.plain.close()
        remove()
    return report.failures


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
