#!/usr/bin/python3
"""A server that does what a script says, for tests of the client.

Usage: client_double.py FOLDER MODE STEP...

Each request, on whatever connection, takes the next STEP; the last one stays. MODE is tls, tls12, mutual
or plain. FOLDER receives port, ca.pem, other.pem (another CA), client.pem and client.key, and log: one
line a request, "CONNECTION METHOD PATH TOKEN". Ends when its standard input does.

Steps: ok (data keys as the API gives them; the "wrap" is the key itself, so that unwrapping works; a GET
serves FOLDER/answer; statements are signed by SEED), error:STATUS:CODE[:RETRY_AFTER], reset, cut, redirect, huge, slow, html:STATUS,
garbage, short-key, too-few, bad-head, wrong-class, item-error, not-json, no-code, stall, half-headers,
short-signature.
"""
import base64
import datetime
import hashlib
import ipaddress
import json
import os
import pathlib
import socket
import ssl
import struct
import sys
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FOLDER = pathlib.Path(sys.argv[1])
MODE = sys.argv[2]
STEPS = sys.argv[3:]
SEED = b"0123456789abcdef0123456789abcdef"
LOCK = threading.Lock()
served = 0


def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def certificate(subject, issuer, issuer_key, key, *extensions):
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(hours=1))
               .not_valid_after(now + datetime.timedelta(days=1)))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def write(path, *things):
    out = b""
    for thing in things:
        if isinstance(thing, x509.Certificate):
            out += thing.public_bytes(serialization.Encoding.PEM)
        else:
            out += thing.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                       serialization.NoEncryption())
    (FOLDER / path).write_bytes(out)


def authority(subject, path):
    key = ec.generate_private_key(ec.SECP256R1())
    write(path, certificate(subject, subject, key, key, x509.BasicConstraints(ca=True, path_length=None)))
    return key


def context():
    ca = authority("test", "ca.pem")
    authority("other", "other.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"),
                                         x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    write("server.pem", certificate("localhost", "test", ca, key, names), key)
    client = ec.generate_private_key(ec.SECP256R1())
    write("client.pem", certificate("client", "test", ca, client))
    write("client.key", client)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(FOLDER / "server.pem")
    if MODE == "tls12":
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    if MODE == "mutual":
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(FOLDER / "ca.pem")
    return made


def b64(data):
    return base64.b64encode(data).decode()


def data_key(item):
    key = os.urandom(32)
    tag = hashlib.sha256(b"keyward class v1\0" + item.get("class", "default").encode()).digest()[:4]
    head = b"\x01\x01" + bytes(range(1, 9)) + struct.pack(">I", 3) + tag + b"\0" * 12
    return {"plaintext": b64(key), "wrapped": b64(head + key + b"\0" * 16)}


def keys(path, body):
    items = json.loads(body)["items"]
    if path.endswith("/generate"):
        made = [data_key(item) for item in items]
    elif path.endswith("/unwrap"):
        made = [{"plaintext": b64(base64.b64decode(item["wrapped"])[30:62])} for item in items]
    else:
        made = [{"wrapped": item["wrapped"], "version": 4} for item in items]
    return {"items": made, "receipt": {"index": 41, "count": len(made)}}


def signature(body, size=64):
    asked = json.loads(body)
    made = Ed25519PrivateKey.from_private_bytes(SEED).sign(base64.b64decode(asked["statement"]))
    return {"signature": b64(made[:size]), "version": asked["version"], "receipt": {"index": 42, "count": 1}}


def answer(status, body, kind="application/json", more=""):
    body = body if isinstance(body, bytes) else body.encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def error(status, code, retry_after=None):
    body = {"error": {"code": code, "class": "x", "message": f"the double says {code}",
                      "retryable": True, "request_id": "r1"}}
    return answer(status, json.dumps(body), more=f"Retry-After: {retry_after}\r\n" if retry_after else "")


def spoilt(step, made):
    """An answer of the API with one thing wrong."""
    item = made["items"][0]
    if step == "short-key":
        item["plaintext"] = b64(b"x" * 31)
    elif step == "wrong-class":
        made["items"][0] = data_key({"class": "another"})
    elif step == "bad-head":
        item["wrapped"] = b64(b"\x09" * 78)
    elif step == "too-few":
        made["items"].pop()
    elif step == "item-error":
        made["items"][0] = {"error": {"code": "key_suspended", "class": "denied",
                                      "message": "the double suspends item 0", "retryable": False}}
    elif step == "no-code":
        made["items"][0] = {"error": {"message": "no code"}}
    return answer(200, json.dumps(made))


def respond(step, method, path, body):
    """Bytes to send; None: cut the connection off after them."""
    if step.startswith("error:"):
        return error(*step.split(":")[1:])
    if step.startswith("html:"):
        return answer(step.split(":")[1], "<html>not the page you look for</html>", "text/html")
    if step == "redirect":
        return answer(302, "", more="Location: /elsewhere\r\n")
    if step == "not-json":
        return answer(200, "{\"items\":[{\"plaintext\":")
    if step == "garbage":
        return b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
    if method == "GET":
        return answer(200, (FOLDER / "answer").read_bytes())
    if path == "/v1/sign":
        return answer(200, json.dumps(signature(body, 63 if step == "short-signature" else 64)))
    made = keys(path, body) if "/data-keys/" in path else {"done": True}
    return answer(200, json.dumps(made)) if step in ("ok", "slow") else spoilt(step, made)


def reset(connection):
    raw = connection
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


def perform(connection, step, method, path, body):
    """False: the connection is over."""
    if step == "reset":
        reset(connection)
        return False
    if step == "cut":
        connection.sendall(answer(200, b"x" * 1000)[:-500])
        return False
    if step == "half-headers":
        connection.sendall(b"HTTP/1.1 200 X\r\nContent-Type: appl")
        return False
    if step == "huge":
        connection.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(40000):
            connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
        return False
    if step in ("slow", "stall"):
        if step == "stall":
            connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(20)
        return False
    connection.sendall(respond(step, method, path, body))
    return step != "garbage"


def next_step(number, method, path, headers):
    global served
    with LOCK:
        step = STEPS[min(served, len(STEPS) - 1)]
        served += 1
        with open(FOLDER / "log", "a") as log:
            log.write(f"{number} {method} {path} {headers.get('authorization', '-')}\n")
    return step


def serve(raw, number, tls):
    try:
        connection = tls.wrap_socket(raw, server_side=True) if tls else raw
        stream = connection.makefile("rb")
        while line := stream.readline():
            method, path, _ = line.decode().split()
            headers = {}
            while (line := stream.readline().decode().strip()):
                key, _, value = line.partition(":")
                headers[key.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", 0)))
            if not perform(connection, next_step(number, method, path, headers), method, path, body):
                break
        stream.close()
        connection.close()
    except OSError:
        raw.close()


def listen(server, tls):
    number = 0
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number += 1
        threading.Thread(target=serve, args=(connection, number, tls), daemon=True).start()


def main():
    tls = context()
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    (FOLDER / "log").write_text("")
    (FOLDER / "answer").write_text("{\"ok\":true}")
    threading.Thread(target=listen, args=(server, None if MODE == "plain" else tls), daemon=True).start()
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()


main()
