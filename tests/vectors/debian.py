"""Cases from Debian's python3-cryptography-vectors, read in place: NIST CAVP, and the RFCs' own."""

import importlib.util
import os

import wycheproof
from case import Case, request


def folder():
    """Where the package's files are, or None if it is not installed."""
    spec = importlib.util.find_spec("cryptography_vectors")
    return os.path.dirname(spec.origin) if spec is not None else None


def records(path, first=None):
    """Dictionaries of 'name = value' lines. Each begins at the name first, or, without one, after a
    blank line. Values in [brackets] hold for all records that follow. A bare word is True."""
    shared, record = {}, {}
    with open(path, encoding="ascii") as file:
        for line in [*file, "" if first is None else first]:
            line = line.strip()
            name, equals, value = (part.strip() for part in line.strip("[]").partition("="))
            ends = not line if first is None else name == first
            if record and (ends or line.startswith("[")):
                yield {**shared, **record}
                record = {}
            if line.startswith("["):
                shared[name] = value
            elif line and not line.startswith("#"):
                record[name] = value if equals else True


def aes_gcm(base):
    """NIST CAVP, 256-bit keys; our sizes of nonce and tag."""
    for name in ["gcmEncryptExtIV256.rsp", "gcmDecrypt256.rsp"]:
        for r in records(os.path.join(base, "ciphers", "AES", "GCM", name)):
            if "Key" not in r or (r["IVlen"], r["Taglen"]) != ("96", "128"):
                continue
            where = [1, r["Key"], r["IV"], r["AAD"]]
            sealed = r["CT"] + r["Tag"]
            if "FAIL" in r:
                yield Case(name, request("open", *where, sealed), refuse=True)
                continue
            yield Case(name, request("open", *where, sealed), r["PT"])
            yield Case(name, request("seal", *where, r["PT"]), sealed)


def literal(text):
    return text[1:-1].encode().hex() if text.startswith('"') else text


def chacha20_poly1305(base):
    """RFC 8439 2.8.2 and BoringSSL's; OpenSSL's."""
    path = os.path.join(base, "ciphers", "ChaCha20Poly1305")
    for r in records(os.path.join(path, "boringssl.txt")):
        where = [2, r["KEY"], r["NONCE"], literal(r["AD"])]
        sealed = literal(r["CT"]) + r["TAG"]
        yield Case("boringssl.txt", request("seal", *where, literal(r["IN"])), sealed)
        yield Case("boringssl.txt", request("open", *where, sealed), literal(r["IN"]))
    for r in records(os.path.join(path, "openssl.txt")):
        if len(r["IV"]) != 24 or len(r["Tag"]) != 32:
            continue
        where = [2, r["Key"], r["IV"], r["AAD"]]
        sealed = r["Ciphertext"] + r["Tag"]
        if r.get("Result") == "CIPHERFINAL_ERROR":
            yield Case("openssl.txt", request("open", *where, sealed), refuse=True)
            continue
        yield Case("openssl.txt", request("seal", *where, r["Plaintext"]), sealed)
        yield Case("openssl.txt", request("open", *where, sealed), r["Plaintext"])


def sha256(base):
    """NIST CAVP, byte-oriented: short and long messages, Monte Carlo."""
    path = os.path.join(base, "hashes", "SHA2")
    for name in ["SHA256ShortMsg.rsp", "SHA256LongMsg.rsp"]:
        for r in records(os.path.join(path, name)):
            if "Msg" in r:
                message = r["Msg"][: int(r["Len"]) // 4]
                yield Case(name, request("sha256", message), r["MD"])
    seed = None
    for r in records(os.path.join(path, "SHA256Monte.rsp")):
        if seed is not None and "MD" in r:
            yield Case("SHA256Monte.rsp", request("sha256_monte", seed), r["MD"])
        seed = r.get("Seed", r.get("MD", seed))


def hmac_sha256(base):
    """RFC 4231."""
    for r in records(os.path.join(base, "HMAC", "rfc-4231-sha256.txt")):
        yield Case("RFC 4231", request("hmac", r["Key"], r["Msg"]), r["MD"])


def hkdf_sha256(base):
    """RFC 5869 appendix A.1 to A.3, and a long one."""
    for name in ["rfc-5869-HKDF-SHA256.txt", "hkdf-generated.txt"]:
        for r in records(os.path.join(base, "KDF", name), "COUNT"):
            whole = request("hkdf", r["IKM"], r["salt"], r["info"], r["L"])
            yield Case(name, whole, r["OKM"])
            if "PRK" in r:
                yield Case(name, request("expand", r["PRK"], r["info"], r["L"]), r["OKM"])
                yield Case(name, request("hmac", r["salt"], r["IKM"]), r["PRK"])


def scrypt(base):
    """RFC 7914 section 12, those with our r and p. The one that takes 1 GiB runs if KW_SLOW is set."""
    for r in records(os.path.join(base, "KDF", "scrypt.txt")):
        cost = int(r["N"])
        if (r["r"], r["p"]) != ("8", "1") or (cost > 1 << 17 and not os.environ.get("KW_SLOW")):
            continue
        asked = [r["PASSWORD"].encode().hex(), r["SALT"].encode().hex(), cost.bit_length() - 1]
        yield Case("RFC 7914", request("scrypt", *asked, r["LENGTH"]), r["DERIVED_KEY"])


def ed25519(base):
    """RFC 8032 7.1 and a thousand more: secret and public key : public key : message : signed."""
    path = os.path.join(base, "asymmetric", "Ed25519", "sign.input")
    with open(path, encoding="ascii") as file:
        for line in file:
            pair, public, message, signed = line.split(":")[:4]
            seed, signature = pair[:64], signed[:128]
            broken = format(int(signature[0], 16) ^ 1, "x") + signature[1:]
            yield Case("public", request("public", seed), public)
            yield Case("sign", request("sign", seed, message), signature)
            yield Case("verify", request("verify", public, message, signature))
            yield Case("verify", request("verify", public, message, broken), refuse=True)


def aes_kwp(base):
    """NIST CAVP, SP 800-38F KWP with AES-256; Botan's. RFC 5649's own two have keys of 192 bits."""
    path = os.path.join(base, "keywrap", "kwtestvectors")
    for r in records(os.path.join(path, "KWP_AE_256.txt")):
        if "C" in r:
            yield Case("KWP_AE_256", request("kwp_wrap", r["K"], r["P"]), r["C"])
    for r in records(os.path.join(path, "KWP_AD_256.txt")):
        if "C" in r and "FAIL" in r:
            yield Case("KWP_AD_256", request("kwp_unwrap", r["K"], r["C"]), refuse=True)
        elif "C" in r:
            yield Case("KWP_AD_256", request("kwp_unwrap", r["K"], r["C"]), r["P"])
    for r in records(os.path.join(base, "keywrap", "kwp_botan.txt")):
        if len(r.get("Key", "")) == 64:
            key, text, wrapped = (r[n].lower() for n in ("Key", "Input", "Output"))
            yield Case("kwp_botan", request("kwp_wrap", key, text), wrapped)
            yield Case("kwp_botan", request("kwp_unwrap", key, wrapped), text)


def rsa_oaep(base):
    """SHA-256 and MGF1 with SHA-256, keys of 2048 bits; verified against Bouncy Castle."""
    path = os.path.join(base, "asymmetric", "RSA", "oaep-custom", "oaep-sha256-sha256.txt")
    private, values, name = False, {}, ""
    with open(path, encoding="ascii") as file:
        for line in file:
            if not line.startswith("#"):
                values[name, private] = values.get((name, private), "") + line.strip()
                continue
            name = line[1:].strip().rstrip(":")
            private = name == "Private key" or (private and name != "Public key")
            values.pop((name, private), None)
            if name.startswith(("OAEP Example", "====")) and ("Encryption", True) in values:
                yield oaep_case(values)
                values.pop(("Encryption", True))
    yield oaep_case(values)


def oaep_case(values):
    modulus, exponent, text, wrapped = (
        values[name, True] for name in ("Modulus", "Exponent", "Message", "Encryption")
    )
    secret = wycheproof.rsa_secret(int(modulus, 16), int(exponent, 16))
    return Case("oaep-sha256-sha256", request("oaep_decrypt", secret, wrapped), text)


READERS = {
    "aes_gcm": aes_gcm,
    "chacha20_poly1305": chacha20_poly1305,
    "sha256": sha256,
    "hmac_sha256": hmac_sha256,
    "hkdf_sha256": hkdf_sha256,
    "scrypt": scrypt,
    "ed25519": ed25519,
    "aes_kwp": aes_kwp,
    "rsa_oaep": rsa_oaep,
}


def cases(base, name):
    found = list(READERS[name](base))
    for number, case in enumerate(found, 1):
        case.name = f"debian {name} {number} {case.name}"
    return found
