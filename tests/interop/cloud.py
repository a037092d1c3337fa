"""What the fakes of Google Cloud KMS and Azure Key Vault, and the suites over them, share: an HTTP(S) server with
faults to order, certificates, and the provider driven by lines (provider_shell)."""
import datetime
import http.server
import ipaddress
import json
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Refusal(Exception):
    """An answer that is an error: its status, the JSON of its body, more headers."""

    def __init__(self, status, body, headers=()):
        super().__init__(status)
        self.status, self.body, self.headers = status, body, dict(headers)


class Fake:
    """A server in threads of this process. Who inherits has answer(method, path, query, headers, body) -> JSON.

    faults is a list of (part of a path, what, how many times); the first that fits a request is used. what is:
    a Refusal; a function that changes the JSON of a good answer; or one of the words in _misbehave."""

    def __init__(self, context=None):
        self.faults, self.requests, self.lock = [], [], threading.Lock()
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            wbufsize = 1 << 16  # an answer is one piece, not one for each line

            def log_message(self, *_):
                pass

            def handle_any(self):
                fake._serve(self)
            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_any

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def finish_request(self, request, client_address):
                if context is None:
                    return super().finish_request(request, client_address)
                with context.wrap_socket(request, server_side=True) as secured:
                    return super().finish_request(secured, client_address)

            def handle_error(self, request, client_address):
                if not isinstance(sys.exc_info()[1], OSError):
                    super().handle_error(request, client_address)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def _fault(self, path):
        with self.lock:
            for at, (part, what, times) in enumerate(self.faults):
                if part in path:
                    self.faults[at] = (part, what, times - 1)
                    if times == 1:
                        del self.faults[at]
                    return what
        return None

    def _serve(self, to):
        body = to.rfile.read(int(to.headers.get("Content-Length") or 0))
        path, _, query = to.path.partition("?")
        with self.lock:
            self.requests.append((to.command, path))
        fault = self._fault(path)
        if isinstance(fault, str):
            return self._misbehave(to, fault)
        headers = {}
        try:
            if isinstance(fault, Refusal):
                raise fault
            status, answer = 200, self.answer(to.command, path, query, to.headers, body)
            if isinstance(answer, tuple):
                answer, headers = answer
            if fault is not None:
                answer = fault(answer)
        except Refusal as refusal:
            status, answer, headers = refusal.status, refusal.body, refusal.headers
        text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self._send(to, status, text, {"Content-Type": "application/json", **headers})

    @staticmethod
    def _send(to, status, text, headers):
        to.send_response(status)
        for name, value in headers.items():
            to.send_header(name, value)
        to.send_header("Content-Length", str(len(text)))
        to.end_headers()
        to.wfile.write(text)

    def _misbehave(self, to, how):
        to.close_connection = True
        if how == "malformed":
            self._send(to, 200, b'{"name": "x", "ciphertext": ', {"Content-Type": "application/json"})
        elif how == "huge":
            self._send(to, 200, b'{"name":"' + b"x" * (1 << 20) + b'"}', {"Content-Type": "application/json"})
        elif how == "page":  # of something that stands before the service
            self._send(to, 502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
        elif how == "cut":  # the connection is reset in the middle of an answer
            to.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"name\"")
            to.wfile.flush()
            to.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == "trickle":
            to.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(100):
                to.wfile.write(b"{")
                to.wfile.flush()
                time.sleep(0.1)
        elif how == "silent":
            time.sleep(10)
        else:
            raise AssertionError(how)

    def count(self, part):
        with self.lock:
            return sum(part in path for _, path in self.requests)


def certificate(folder, *names):
    """A CA (ca.pem) and a certificate for names and 127.0.0.1: the server's TLS context."""
    now = datetime.datetime.utcnow()

    def make(subject, key, signer, *extensions):
        def name(text):
            return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
        made = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("test CA"))
                .public_key(key.public_key()).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1)))
        for extension, critical in extensions:
            made = made.add_extension(extension, critical)
        return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(digital_signature=False, content_commitment=False, key_encipherment=False,
                          data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
                          encipher_only=False, decipher_only=False)
    subject_id = x509.SubjectKeyIdentifier.from_public_key(ca.public_key())
    alternatives = [x509.DNSName(name) for name in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    (folder / "ca.pem").write_bytes(make("test CA", ca, ca, (x509.BasicConstraints(True, None), True), (usage, True),
                                         (subject_id, False)))
    (folder / "server.pem").write_bytes(make(
        "server", key, ca, (x509.SubjectAlternativeName(alternatives), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_id), False),
        (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), False)))
    (folder / "server.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


class Shell:
    """A provider, by lines; ask() gives the words of its answer: ["ok", HEX] or [CODE, TEXT]."""

    def __init__(self, program, kind, settings, env=None):
        self.process = subprocess.Popen(
            [program, "lines", kind] + [f"{name}={value}" for name, value in settings.items()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n").split(" ", 1)
        return answer if len(answer) == 2 else answer + [""]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Report:
    """What was checked, a line each."""

    def __init__(self):
        self.failures = 0

    def check(self, what, good, got=""):
        print(f"{'ok  ' if good else 'FAIL'} {what}" + ("" if good else f": {got}"), flush=True)
        self.failures += not good

    def fails(self, what, answer, code, words=""):
        self.check(what, answer[0] == code and words in answer[1], f"{answer} instead of {code} {words}")

    def fails_once(self, what, fake, shell, line, fault, code):
        """While fake has this fault, (part of a path, what), the line fails, and is asked once; then it is good."""
        asked = fake.count(fault[0])
        fake.faults = [(*fault, 99)]
        self.fails(what, shell.ask(line), code)
        self.check(f"{what}: asked once", fake.count(fault[0]) == asked + 1, fake.count(fault[0]) - asked)
        fake.faults = []
        self.check(f"{what}: the next is good", shell.ask(line)[0] == "ok")

    def contract(self, program, kind, key, other, settings):
        ran = subprocess.run([program, "contract", kind, key, other, "some-bits"] +
                             [f"{name}={value}" for name, value in settings.items()],
                             capture_output=True, text=True, timeout=300)
        self.check(f"{kind}: the contract of every provider", ran.returncode == 0, ran.stdout + ran.stderr)

    def refused(self, what, program, kind, settings, words):
        """A provider that is not made, because of its settings."""
        ran = subprocess.run([program, "lines", kind] + [f"{name}={value}" for name, value in settings.items()],
                             input="", capture_output=True, text=True, timeout=60)
        self.check(what, ran.returncode == 1 and words in ran.stderr, ran.stderr)


def scratch():
    """A folder, and a function that removes it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="keyward-"))
    return folder, lambda: shutil.rmtree(folder, ignore_errors=True)


def official(work, packages, script, *args):
    """Runs script with the official client, installed from PyPI into work once. None: it cannot be had."""
    python = work / "venv" / "bin" / "python"
    mark = work / "venv" / ("has-" + "-".join(packages))
    if not mark.exists():
        subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
        ran = subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages])
        if ran.returncode != 0:
            return None
        mark.touch()
    return subprocess.run([python, "-B", script, *args], timeout=300).returncode == 0
