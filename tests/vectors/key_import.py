"""Keys on their way in, against other implementations: key_import.py KW_VECTORS_PROGRAM

Each wraps what Keyward unwraps, and unwraps what Keyward wraps:
  python   RSA-OAEP by RFC 8017 in whole numbers and hashlib, AES-KWP by RFC 5649 over the bare cipher
  pyca     python3-cryptography's OAEP and its key wrap
  openssl  the commands that docs/custody.md gives to customers, taken from there
Prints a line for each. Exit status: 0 all agree, 1 not, 77 if python3-cryptography is missing."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
from hashlib import sha256

try:
    from cryptography.hazmat.primitives import hashes, keywrap, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:
    print("skipped: python3-cryptography is not installed")
    sys.exit(77)

SOURCE_TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SIZE, EXPONENT, HASH = 384, 65537, 32
ROUNDS = 8


class Keyward:
    def __init__(self, program):
        self.program = program

    def ask(self, *words):
        done = subprocess.run([self.program], input=" ".join(words) + "\n", stdout=subprocess.PIPE,
                              text=True, check=True)
        kind, _, value = done.stdout.strip().partition(" ")
        return bytes.fromhex(value) if kind == "ok" else None

    def pair(self):
        made = self.ask("rsa_pair", "-")
        return made[: 2 * SIZE], made[2 * SIZE :]

    def wrap(self, der, material):
        return self.ask("rsa_aes_wrap", der.hex(), material.hex())

    def unwrap(self, secret, wrapped):
        return self.ask("rsa_aes_unwrap", secret.hex(), wrapped.hex())


class Pyca:
    name = "pyca"
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

    def wrap(self, secret, der, material):
        key = secrets.token_bytes(32)
        first = serialization.load_der_public_key(der).encrypt(key, self.oaep)
        return first + keywrap.aes_key_wrap_with_padding(key, material)

    def unwrap(self, secret, der, wrapped):
        n, d = (int.from_bytes(secret[i : i + SIZE], "big") for i in (0, SIZE))
        p, q = rsa.rsa_recover_prime_factors(n, EXPONENT, d)
        numbers = rsa.RSAPrivateNumbers(
            p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q),
            rsa.RSAPublicNumbers(EXPONENT, n))
        key = numbers.private_key().decrypt(wrapped[:SIZE], self.oaep)
        return keywrap.aes_key_unwrap_with_padding(key, wrapped[SIZE:])


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def mgf1(seed, size):
    blocks = (sha256(seed + i.to_bytes(4, "big")).digest() for i in range(size // HASH + 1))
    return b"".join(blocks)[:size]


def aes_block(key, block, encrypt):
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # one block: the bare cipher
    worker = cipher.encryptor() if encrypt else cipher.decryptor()
    return worker.update(block) + worker.finalize()


class Python:
    name = "python"

    def wrap(self, secret, der, material):
        key, seed = secrets.token_bytes(32), secrets.token_bytes(HASH)
        block = sha256(b"").digest() + bytes(SIZE - len(key) - 2 * HASH - 2) + b"\x01" + key
        masked = xor(block, mgf1(seed, len(block)))
        message = b"\0" + xor(seed, mgf1(masked, HASH)) + masked
        n = int.from_bytes(secret[:SIZE], "big")
        first = pow(int.from_bytes(message, "big"), EXPONENT, n).to_bytes(SIZE, "big")
        return first + self.kwp_wrap(key, material)

    def unwrap(self, secret, der, wrapped):
        n, d = (int.from_bytes(secret[i : i + SIZE], "big") for i in (0, SIZE))
        message = pow(int.from_bytes(wrapped[:SIZE], "big"), d, n).to_bytes(SIZE, "big")
        masked = message[1 + HASH :]
        seed = xor(message[1 : 1 + HASH], mgf1(masked, HASH))
        block = xor(masked, mgf1(seed, len(masked)))
        assert message[0] == 0 and block[:HASH] == sha256(b"").digest()
        padding_, _, key = block[HASH:].partition(b"\x01")
        assert not any(padding_)
        return self.kwp_unwrap(key, wrapped[SIZE:])

    def kwp_wrap(self, key, text):
        head = bytes.fromhex("a65959a6") + len(text).to_bytes(4, "big")
        rest = text + bytes(-len(text) % 8)
        if len(rest) == 8:
            return aes_block(key, head + rest, True)
        parts = [rest[i : i + 8] for i in range(0, len(rest), 8)]
        for step in range(6 * len(parts)):
            at = step % len(parts)
            out = aes_block(key, head + parts[at], True)
            head, parts[at] = xor(out[:8], (step + 1).to_bytes(8, "big")), out[8:]
        return head + b"".join(parts)

    def kwp_unwrap(self, key, text):
        if len(text) == 16:
            whole = aes_block(key, text, False)
            head, rest = whole[:8], whole[8:]
        else:
            head, parts = text[:8], [text[i : i + 8] for i in range(8, len(text), 8)]
            for step in reversed(range(6 * len(parts))):
                at = step % len(parts)
                out = aes_block(key, xor(head, (step + 1).to_bytes(8, "big")) + parts[at], False)
                head, parts[at] = out[:8], out[8:]
            rest = b"".join(parts)
        size = int.from_bytes(head[4:], "big")
        assert head[:4] == bytes.fromhex("a65959a6") and 0 <= len(rest) - size < 8
        assert not any(rest[size:])
        return rest[:size]


class OpenSsl:
    """Wraps as the document says; there is no way back in it, since customers need none."""

    name = "openssl"

    def __init__(self):
        with open(os.path.join(SOURCE_TREE, "docs", "custody.md"), encoding="utf-8") as file:
            blocks = re.findall(r"^```sh\n(.*?)^```$", file.read(), re.M | re.S)
        self.commands = next(block for block in blocks if "id-aes256-wrap-pad" in block)

    def wrap(self, secret, der, material):
        public = serialization.load_der_public_key(der).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in (("import.pem", public), ("material.bin", material)):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(content)
            subprocess.run(["sh", "-euc", self.commands], cwd=folder, check=True)
            with open(os.path.join(folder, "wrapped.bin"), "rb") as file:
                wrapped = file.read()
            left = sorted(os.listdir(folder))
            with open(os.path.join(folder, "material.bin"), "rb") as file:
                kept = file.read()
        assert kept == material, "the commands must not replace material that is there"
        assert left == ["import.pem", "material.bin", "wrapped.bin"], left
        return wrapped


def check(condition, text):
    if not condition:
        raise SystemExit(text)


def compare(keyward, other, lengths):
    secret, der = keyward.pair()
    ways = 0
    for length in lengths:
        material = secrets.token_bytes(length)
        wrapped = other.wrap(secret, der, material)
        check(keyward.unwrap(secret, wrapped) == material, f"{other.name} -> keyward: {length}")
        broken = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
        check(keyward.unwrap(secret, broken) is None, f"{other.name}: altered and opened")
        ways += 1
        if hasattr(other, "unwrap"):
            wrapped = keyward.wrap(der, material)
            check(other.unwrap(secret, der, wrapped) == material, f"keyward -> {other.name}: {length}")
            ways += 1
    print(f"{other.name}: {ways} keys over, none lost")


def main():
    keyward = Keyward(sys.argv[1])
    lengths = [1, 8, 9, 16, 31, 33, 256] + [32] * ROUNDS
    compare(keyward, Python(), lengths)
    compare(keyward, Pyca(), lengths)
    compare(keyward, OpenSsl(), [32] * 2)


if __name__ == "__main__":
    main()
