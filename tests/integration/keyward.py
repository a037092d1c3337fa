"""Support for tests that drive the real program: folders, commands, a server, HTTPS clients.

A test script's first argument is the path of build/keyward; KW_SLOW=1 asks for the longer variants.
"""

import base64
import contextlib
import ctypes
import http.client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
SLOW = os.environ.get("KW_SLOW") == "1"
with open(PROGRAM, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()  # nothing can be preloaded before it
WAIT = 60  # seconds after which something that should happen has not
SEED = int(os.environ.get("KW_SEED") or random.SystemRandom().getrandbits(32))
chance = random.Random(SEED)

# The exit statuses of include/keyward/error.h, by class.
USAGE, UNAUTHENTICATED, DENIED, MISSING, CONFLICT, INTEGRITY, LIMITED, UNAVAILABLE, INTERNAL = range(2, 11)


def clean_environment(**more):
    """Without what would reach another authority, and with what the caller adds."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KEYWARD_")}
    return {**kept, **{k: str(v) for k, v in more.items()}}


def run(*args, env=None, input=None, **how):
    return subprocess.run([PROGRAM, *args], capture_output=True, timeout=WAIT, input=input,
                          env=clean_environment(**(env or {})), **how)


def openssl(*args, **how):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, **how)


def faked(when):
    """The environment in which a dynamically linked program sees another time, such as "-3d"."""
    if SANITIZED:
        raise unittest.SkipTest("a sanitized program cannot be given another time")
    for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib"):
        library = f"{folder}/faketime/libfaketimeMT.so.1"
        if os.path.exists(library):
            return {"LD_PRELOAD": library, "FAKETIME": when, "FAKETIME_DONT_RESET": "1"}
    raise unittest.SkipTest("libfaketime is not installed")


def limited(kind, *values):
    """A preexec_fn that sets a resource limit in the child."""
    def limit():
        resource.setrlimit(kind, values if len(values) == 2 else (values[0], values[0]))
    return limit


class Case(unittest.TestCase):
    """A case with a folder of its own, which goes when the case ends."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="kw-faults-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content, mode=0o600):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.chmod(path, mode)
        return path

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def ok(self, *args, **how):
        done = run(*args, **how)
        self.assertEqual(done.returncode, 0, f"{args}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode()

    def refused(self, status, code, *args, says=(), **how):
        """One clear line that names the code, the exit status, and nothing on standard output."""
        done = run(*args, **how)
        text = done.stderr.decode()
        self.assertEqual(done.returncode, status, f"{args}: {text}")
        self.assertRegex(text, rf"\Akeyward: [^\n]+ \({code}\)\n\Z", args)
        self.assertEqual(done.stdout, b"", args)
        for words in (says,) if isinstance(says, str) else says:
            self.assertIn(words, text, args)
        return text

    def home(self, name="home", *args, regions=("eu",), tenants=("acme",), **how):
        """A data folder with tenants."""
        data = self.path(name)
        self.ok("init", "--data", data, *args, **how)
        for tenant in tenants:
            self.ok("tenant", "create", tenant, *(w for r in regions for w in ("--region", r)),
                    "--data", data, **how)
        return data

    def verify(self, data, at_least=0):
        """The ledger verifies and has so many entries; the number of them."""
        found = json.loads(self.ok("ledger", "verify", f"{data}/ledger", "--json",
                                   "--key", f"{data}/ledger/vkey"))
        self.assertTrue(found["verified"])
        self.assertGreaterEqual(found["size"], at_least)
        return found["size"]

    def entries(self, data):
        lines = self.ok("ledger", "export", f"{data}/ledger", "--key", f"{data}/ledger/vkey")
        return [json.loads(line) for line in lines.splitlines()]

    def server(self, data, *settings, **how):
        server = Server(data, *settings, **how)
        self.addCleanup(server.kill)
        server.wait_ready()
        return server

    def refused_server(self, status, code, data, *settings, says=(), **how):
        """A server that does not start: its line is on standard error, among log lines."""
        server = Server(data, *settings, **how)
        self.addCleanup(server.kill)
        self.assertEqual(server.process.wait(WAIT), status, server.text())
        lines = [l for l in server.text().splitlines() if not l.startswith("{")]
        self.assertEqual(len(lines), 1, server.text())
        self.assertRegex(lines[0], rf"\Akeyward: .+ \({code}\)\Z")
        for words in (says,) if isinstance(says, str) else says:
            self.assertIn(words, lines[0])
        return lines[0]


class Server:
    """keyward serve on a free port. Its log is in a file beside the data folder."""

    def __init__(self, data, *settings, env=None, args=(), address="127.0.0.1:0", **how):
        self.data = data
        handle, self.log = tempfile.mkstemp(prefix="server-", suffix=".log",
                                            dir=os.path.dirname(os.path.abspath(data)))
        command = [PROGRAM, "serve", "--data", data, *args]
        for setting in (f"server.address={address}", *settings):
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=handle,
                                        stdout=handle, env=clean_environment(**(env or {})), **how)
        os.close(handle)
        self.port = 0
        self.clients = []

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def records(self):
        return [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]

    def wait_ready(self):
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            found = re.search(r'"event":"listening","port":(\d+)', self.text())
            if found:
                self.port = int(found.group(1))
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise AssertionError(f"the server did not start: {self.text()}")

    def wait_text(self, words):
        """Until the log holds them: a line may be written after the answer was read."""
        until = time.monotonic() + WAIT
        while words not in self.text():
            if time.monotonic() > until:
                raise AssertionError(f"not in the log: {words}: {self.text()}")
            time.sleep(0.01)

    def client(self, **how):
        client = Client(self, **how)
        self.clients.append(client)
        return client

    def close_clients(self):
        while self.clients:
            self.clients.pop().close()

    def stop(self, number=signal.SIGTERM):
        self.close_clients()
        self.process.send_signal(number)
        return self.process.wait(WAIT)

    def pause(self):
        """SIGSTOP, and until it has stopped: a thread that runs on for a moment could still answer."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.close_clients()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(WAIT)


def tls_context(data, cert=None, key=None, ca=None):
    """cert None: the folder's own client certificate. cert '': none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca or f"{data}/tls/ca.crt")
    if cert is None:
        cert, key = f"{data}/tls/client.crt", f"{data}/tls/client.key"
    if cert:
        context.load_cert_chain(cert, key)
    return context


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The error's code name; None where the answer is none."""
        return self.json["error"]["code"] if self.status >= 400 else None


class Client:
    """One kept-alive connection. Used by one thread."""

    def __init__(self, server, cert=None, key=None, token=None, ca=None, context=None):
        self.context = context or tls_context(server.data, cert, key, ca)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=WAIT,
                                                      context=self.context)

    def call(self, method, path, body=None, headers=None):
        sent = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        self.connection.request(method, path, sent, {**self.headers, **(headers or {})})
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def get(self, path, **how):
        return self.call("GET", path, **how)

    def post(self, path, body=None, **how):
        return self.call("POST", path, body if body is not None else {}, **how)

    def generate(self, tenant="acme", region="eu", context=None, **more):
        return self.post("/v1/data-keys/generate",
                         {"tenant": tenant, "region": region, "class": "pii",
                          "context": context or {"row": "1"}, **more})

    def unwrap(self, wrapped, context=None):
        return self.post("/v1/data-keys/unwrap",
                         {"items": [{"wrapped": wrapped, "context": context or {"row": "1"}}]})

    def close(self):
        self.connection.close()


def new_key(client, **how):
    """One generated data key: (plaintext, wrapped), both base64."""
    answer = client.generate(**how)
    if answer.status != 200:
        raise AssertionError(answer.body)
    item = answer.json["items"][0]
    return item["plaintext"], item["wrapped"]


def main():
    print(f"KW_SEED={SEED}", flush=True)
    unittest.main(verbosity=2)
