#!/usr/bin/python3
"""The provider "azure" against the fake of Azure Key Vault: contract, tokens, states, faults.
Usage: suite.py PROVIDER_SHELL"""
import pathlib
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent)]

from cloud import Refusal, Report, Shell, certificate, scratch  # noqa: E402
from fake import CLIENT, SECRET, TENANT, VAULT, Azure, base64url  # noqa: E402

PLAIN, CONTEXT = "5a" * 32, "tenant=acme region=eu"
WRAP = f"wrap root 8000 {PLAIN} {CONTEXT}"


def error(status, code, message, inner=None, headers=()):
    return Refusal(status, {"error": {"code": code, "message": message, "innererror": {"code": inner}}}, headers)


def round_trip(report, shell, what, plain=PLAIN):
    sealed = shell.ask(f"wrap root 8000 {plain} {CONTEXT}")
    opened = shell.ask(f"unwrap root 8000 {sealed[1]} {CONTEXT}")
    report.check(what, sealed[0] == "ok" and opened == ["ok", plain], (sealed, opened))
    return sealed[1]


def fresh(azure, program, settings, line=WRAP, **more):
    """What a new provider, which knows no token and no key, answers."""
    with Shell(program, "azure", settings, **more) as shell:
        return shell.ask(line)


def tokens(report, azure, program, settings, folder):
    azure.logins = 0
    with Shell(program, "azure", settings) as shell:
        round_trip(report, shell, "a token for the client's secret")
        round_trip(report, shell, "and again")
        report.check("one token for all calls", azure.logins == 1, azure.logins)
        azure.tokens.clear()
        round_trip(report, shell, "a token that was revoked is replaced")
        azure.secret = "another"
        azure.tokens.clear()
        report.fails("a secret that was replaced there", shell.ask(WRAP), "forbidden", "AADSTS7000215")
        (folder / "secret").write_text("another\n")
        round_trip(report, shell, "and here, is read again")
    azure.secret = SECRET
    (folder / "secret").write_text(SECRET + "\n")
    azure.lifetime = 2
    with Shell(program, "azure", settings) as shell:
        round_trip(report, shell, "a token that lives for two seconds")
        time.sleep(2.2)
        round_trip(report, shell, "and one that has expired is replaced")
    azure.lifetime = 3600
    by_env = {**settings, "client_secret_env": "KW_TEST_SECRET"}
    del by_env["client_secret_file"]
    answer = fresh(azure, program, by_env, env={"KW_TEST_SECRET": SECRET})
    report.check("the secret from the environment", answer[0] == "ok", answer)
    report.check("without a tenant: the challenge's", fresh(azure, program, {**settings, "tenant": ""})[0] == "ok")
    report.fails("another tenant", fresh(azure, program, {**settings, "tenant": "other"}), "forbidden", "AADSTS90002")


def challenges(report, azure, program, settings):
    for resource in ("https://vault.example.com", "https://ult.localhost", "https://" + VAULT, "https://localhost",
                     "http://vault.localhost", "", f"https://a.{VAULT}"):
        azure.resource, azure.logins = resource, 0
        answer = fresh(azure, program, settings)
        report.check(f"a challenge for {resource or 'nothing'} gets no token",
                     answer[0] == "provider_unavailable" and azure.logins == 0, (answer, azure.logins))
    azure.resource = "https://vault.localhost"
    for what, headers in (("of another scheme", {"WWW-Authenticate": 'Negotiate x="y"'}),
                          ("that is cut", {"WWW-Authenticate": 'Bearer authorization="https://'}), ("without one", {})):
        azure.faults = [("/keys", error(401, "Unauthorized", "x", headers=headers), 99)]
        report.fails(f"a challenge {what}", fresh(azure, program, settings), "provider_unavailable")
        azure.faults = []
    azure.faults = [("/keys", error(503, "Unavailable", "x"), 1), ("/token", Refusal(503, {}), 1)]
    with Shell(program, "azure", settings) as shell:
        report.fails("busy for the challenge", shell.ask(WRAP), "provider_unavailable")
        report.fails("and then for the token", shell.ask(WRAP), "provider_unavailable")
        report.check("and then not", shell.ask(WRAP)[0] == "ok" and not azure.faults, azure.faults)


def misconfigured(report, program, settings, folder):
    for what, changes, words in (("no vault", {"vault": ""}, "set vault"), ("http://", {"vault": "http://x"}, "https"),
                                 ("a path", {"vault": "https://x/keys"}, "path"), ("no client_id", {"client_id": ""}, "client_id"),
                                 ("a bad tenant", {"tenant": "a/b"}, "tenant"), ("a bad type", {"key_type": "EC"}, "RSA-HSM"),
                                 ("two secrets", {"client_secret_env": "HOME"}, "one of them"),
                                 ("no CA file", {"ca_file": folder / "none"}, "none")):
        report.refused(f"settings: {what}", program, "azure", {**settings, **changes}, words)


def states(report, azure, program, settings, shell):
    sealed = round_trip(report, shell, "round trip")
    longer = round_trip(report, shell, "of what is too long for RSA", "c3" * 1000)
    unwrap = f"unwrap root 5000 {sealed} {CONTEXT}"
    azure.attributes("root", enabled=False)
    report.fails("disabled: unwrap", shell.ask(unwrap), "key_suspended", "enable it there")
    report.fails("disabled: check", shell.ask("check root 5000"), "key_suspended")
    report.fails("disabled, and the check was seen: wrap", shell.ask(WRAP), "key_suspended")
    report.fails("disabled: wrap, of a new provider", fresh(azure, program, settings), "key_suspended")
    azure.attributes("root", enabled=True)
    report.check("enabled again", shell.ask(unwrap) == ["ok", PLAIN] and shell.ask(WRAP)[0] == "ok")
    azure.attributes("root", exp=int(time.time()) - 10)
    report.fails("expired: wrap", fresh(azure, program, settings), "key_suspended", "time")
    report.check("expired: unwrap", shell.ask(unwrap) == ["ok", PLAIN])
    azure.attributes("root", exp=int(time.time()) + 1000)
    azure.make("root")
    report.check("after a rotation there, older copies open", shell.ask(unwrap) == ["ok", PLAIN])
    newer = fresh(azure, program, settings)[1]
    old, new = list(azure.keys["root"])
    report.check("copies name their version", old.encode().hex() in sealed and new.encode().hex() in newer)
    pinned = fresh(azure, program, settings, f"wrap root/{old} 5000 {PLAIN} {CONTEXT}")[1]
    report.check("a version that is held on to", old.encode().hex() in pinned and
                 shell.ask(f"unwrap root/{new} 5000 {pinned} {CONTEXT}") == ["ok", PLAIN])
    azure.deleted["root"] = azure.keys.pop("root")
    report.fails("deleted, but recoverable: unwrap", shell.ask(unwrap), "key_pending_destruction", "recovered")
    report.fails("deleted: check", shell.ask("check root 5000"), "key_pending_destruction")
    report.fails("deleted: wrap", shell.ask(WRAP), "key_pending_destruction")
    report.fails("deleted: create", shell.ask("create root 5000"), "key_pending_destruction")
    azure.keys["root"] = azure.deleted.pop("root")
    report.check("recovered", shell.ask(unwrap) == ["ok", PLAIN] and shell.ask(WRAP)[0] == "ok")
    for copy in (sealed, longer):
        report.fails("another context", shell.ask(f"unwrap root 5000 {copy} tenant=evil region=eu"), "seal_broken")
    report.fails("another key", shell.ask(f"unwrap other 5000 {sealed} {CONTEXT}"), "seal_broken")
    version = azure.keys["root"].pop(old)
    report.fails("a version that was purged", shell.ask(unwrap), "key_not_found", old)
    azure.keys["root"] = {old: version, **azure.keys["root"]}


def keys(report, azure, shell):
    report.fails("no such key", shell.ask("check none 5000"), "key_not_found")
    report.fails("no name of a key", shell.ask("check ../root 5000"), "key_not_found", "NAME")
    azure.denied.add("root")
    report.fails("no permission", shell.ask("check root 5000"), "forbidden", "Crypto User")
    azure.denied.clear()
    azure.make("signer", operations=("sign", "verify"))
    report.fails("a key for signing", shell.ask("check signer 5000"), "forbidden", "wrapKey")
    azure.make("curve", kty="EC-HSM")
    report.fails("a key of another type", shell.ask("check curve 5000"), "forbidden", "RSA")
    report.fails("and it gets no new version", shell.ask("create curve 5000"), "forbidden")
    report.check("a key is made", shell.ask("create made 5000")[0] == "ok" and
                 [v["kty"] for v in azure.keys["made"].values()] == ["RSA-HSM"])
    report.check("and found", shell.ask("create made 5000")[0] == "ok" and len(azure.keys["made"]) == 1)
    asked = azure.count("/keys/made")
    for _ in range(5):
        shell.ask(f"wrap made 5000 {PLAIN} {CONTEXT}")
    report.check("a key's state is believed for a while", azure.count("/keys/made") <= asked + 5 + 1)


def faults(report, azure, shell):
    sealed = round_trip(report, shell, "round trip")
    passing = (("throttled", error(429, "Throttled", "x", headers={"Retry-After": "1"}), "rate_limited"),
               ("unavailable", error(503, "Unavailable", "x"), "provider_unavailable"),
               ("a reset in the middle", "cut", "provider_unavailable"),
               ("internal", error(500, "InternalError", "x"), "provider_unavailable"),
               ("a page of a proxy", "page", "provider_unavailable"))
    unwrap = f"unwrap root 8000 {sealed} {CONTEXT}"
    for act, line, cases in (("/wrapkey", WRAP, passing), ("/unwrapkey", unwrap, passing[:3])):
        for what, fault, code in cases:
            report.fails_once(f"{act}: {what}", azure, shell, line, (act, fault), code)
        for what, code in (("huge", "provider_unavailable"), ("malformed", "provider_unavailable"),
                           ("trickle", "timeout"), ("silent", "timeout")):
            azure.faults = [(act, what, 99)]
            report.fails(f"{act}: {what}", shell.ask(line.replace(" 8000 ", " 1000 ")), code)
        azure.faults = []
    odd = (("/wrapkey", WRAP, "another version answers", lambda a: {**a, "kid": f"{azure.vault}/keys/root/{'0' * 32}"}),
           ("/wrapkey", WRAP, "another key answers", lambda a: {**a, "kid": a["kid"].replace("root", "other")}),
           ("/wrapkey", WRAP, "the plaintext comes back", lambda a: {**a, "value": base64url(bytes.fromhex(PLAIN))}),
           ("/wrapkey", WRAP, "nothing comes back", lambda a: {**a, "value": ""}),
           ("/unwrapkey", unwrap, "another key answers", lambda a: {**a, "kid": a["kid"].replace("root", "other")}))
    for act, line, what, fault in odd:
        azure.faults = [(act, fault, 99)]
        report.fails(f"{act}: {what}", shell.ask(line), "provider_unavailable")
    azure.faults = [("/unwrapkey", lambda a: {**a, "value": base64url(bytes(64))}, 1)]
    report.fails("what is unwrapped has no digest of the context", shell.ask(unwrap), "seal_broken")
    asked = azure.count("/wrapkey")
    azure.faults = [("/wrapkey", error(403, "Forbidden", "x", "ForbiddenByFirewall"), 99)]
    report.fails("the vault's firewall", shell.ask(WRAP), "forbidden", "firewall")
    report.check("a refusal is not asked again", azure.count("/wrapkey") == asked + 1)
    azure.faults = []
    round_trip(report, shell, "and all is well again")


def main(program):
    report = Report()
    folder, remove = scratch()
    azure = Azure(certificate(folder, VAULT))
    (folder / "secret").write_text(SECRET + "\n")
    settings = {"vault": azure.vault, "authority": azure.authority, "tenant": TENANT, "client_id": CLIENT,
                "client_secret_file": folder / "secret", "ca_file": folder / "ca.pem"}
    azure.make("root")
    azure.make("other")
    try:
        report.contract(program, "azure", "root", "other", settings)
        tokens(report, azure, program, settings, folder)
        challenges(report, azure, program, settings)
        misconfigured(report, program, settings, folder)
        with Shell(program, "azure", settings) as shell:
            states(report, azure, program, settings, shell)
            keys(report, azure, shell)
            faults(report, azure, shell)
    finally:
        azure.close()
        remove()
    return report.failures


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1]) else 0)
