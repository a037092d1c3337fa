"""A server under abuse: slow, huge, malformed and too many requests, and paths that climb.

usage: faults_abuse.py PATH-OF-KEYWARD
"""

from keyward import *

PROMPT = 30  # seconds; the limits are set to fractions of one
FORMATS = range(1, 7)  # the first byte of what holds a wrapped data key


class Abuse(Case):
    def setUp(self):
        super().setUp()
        self.data = self.home()

    def begin(self, *settings, **how):
        self.running = self.server(self.data, *settings, **how)
        self.good = self.running.client()
        _, self.wrapped = new_key(self.good)
        return self.running

    def still_serves(self):
        self.assertEqual(self.good.unwrap(self.wrapped).status, 200)
        self.assertIsNone(self.running.process.poll())

    def raw(self):
        """A TLS connection with the client's certificate."""
        plain = socket.create_connection(("127.0.0.1", self.running.port), timeout=PROMPT)
        one = tls_context(self.data).wrap_socket(plain, server_hostname="127.0.0.1")
        self.addCleanup(one.close)
        return one

    def answer(self, one):
        """All that comes until the server closes."""
        got = b""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while piece := one.recv(65536):
                got += piece
        return got

    def exchange(self, data):
        one = self.raw()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            one.sendall(data)
        return self.answer(one)

    # --- slow ---

    def test_slow(self):
        self.begin("server.header_timeout=300ms", "server.request_timeout=600ms",
                   "server.idle_timeout=500ms")
        plain = [socket.create_connection(("127.0.0.1", self.running.port), timeout=PROMPT)
                 for _ in range(2)]
        plain[1].sendall(bytes.fromhex("1603010200010001fc0303"))  # a hello that never ends
        self.assertEqual(self.answer(self.raw()), b"")             # idle
        self.trickle(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 4000)
        self.trickle(b"POST /v1/data-keys/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"
                     + b" " * 4000)
        for one in plain:  # no handshake
            self.answer(one)
            one.close()
        self.good = self.running.client()  # the first one was idle for too long as well
        self.still_serves()

    def trickle(self, data):
        """A byte at a time, which never ends by itself: cut off with 408, or without a word."""
        one = self.raw()
        until = time.monotonic() + PROMPT
        try:
            for byte in data:
                one.sendall(bytes([byte]))
                time.sleep(0.005)
                self.assertLess(time.monotonic(), until, "not cut off")
        except (ConnectionError, ssl.SSLError):
            pass
        got = self.answer(one)
        if got:
            self.assertIn(b" 408 ", got.split(b"\r\n")[0])

    def test_slow_reader(self):
        """Who asks without reading does not make the server keep answers without bound."""
        self.begin("server.request_timeout=1s", "server.idle_timeout=1s")
        one = self.raw()
        one.settimeout(PROMPT)
        before = self.memory()
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50
        one.settimeout(0.5)
        with contextlib.suppress(OSError):
            for _ in range(400):
                one.sendall(request)
        self.assertLess(self.memory() - before, 64 << 20)
        self.good = self.running.client()
        self.still_serves()

    def memory(self):
        with open(f"/proc/{self.running.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) << 10

    # --- many ---

    def test_idle_connections(self):
        count = 3000 if SLOW else 1200
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 3 * count:
            self.skipTest("too few descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3 * count), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.begin(f"server.max_connections={count}", "server.idle_timeout=60s")
        before = self.memory()
        crowd = []
        for _ in range(count + 300):
            one = socket.socket()
            with contextlib.suppress(OSError):
                one.connect(("127.0.0.1", self.running.port))
            crowd.append(one)
        for _ in range(50):
            self.still_serves()
        print(f" {(self.memory() - before) // count} bytes an idle connection", end=" ")
        for one in crowd:
            one.close()
        until = time.monotonic() + WAIT
        while True:
            try:
                self.assertEqual(self.running.client().unwrap(self.wrapped).status, 200)
                break
            except (OSError, http.client.HTTPException):
                self.assertLess(time.monotonic(), until)
                time.sleep(0.1)

    # --- large ---

    def test_large(self):
        self.begin("server.max_body=64KiB")
        start = b"POST /v1/data-keys/unwrap HTTP/1.1\r\nHost: x\r\n"
        for headers in (b"X-A: " + b"a" * 200000, b"".join(b"X-%d: a\r\n" % n for n in range(20000))):
            got = self.exchange(start + headers + b"\r\n\r\n")
            self.assertIn(got.split(b" ")[1:2], ([b"431"], []), got[:100])
        got = self.exchange(b"GET /" + b"a" * 300000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(got.split(b" ")[1:2], ([b"431"], [b"414"], [b"400"], []), got[:100])
        got = self.exchange(start + b"Content-Length: 99999999999999999999\r\n\r\n")
        self.assertIn(got.split(b" ")[1], (b"413", b"400"), got[:100])
        got = self.exchange(start + b"Content-Length: 70000\r\n\r\n" + b" " * 70000)
        self.assertIn(b" 413 ", got.split(b"\r\n")[0])
        got = self.exchange(start + b"Transfer-Encoding: chunked\r\n\r\n" +
                            (b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 10)
        self.assertIn(got.split(b" ")[1:2], ([b"413"], []), got[:100])
        self.still_serves()

    def test_smuggling(self):
        """Two lengths, or a length and chunks: refused, never guessed."""
        self.begin()
        start = b"POST /v1/data-keys/unwrap HTTP/1.1\r\nHost: x\r\n"
        for headers in (b"Content-Length: 2\r\nContent-Length: 3\r\n", b"Content-Length: +2\r\n",
                        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                        b"Transfer-Encoding: chunked, identity\r\n", b"Content-Length: 0x2\r\n",
                        b"Transfer-Encoding : chunked\r\n", b"X: a\r\n b\r\n", b"X: a\0b\r\n",
                        b"Host: y\r\nX\r\n"):
            got = self.exchange(start + headers + b"\r\n{}GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(got.split(b" ")[1:2], ([b"400"], []), headers)
            self.assertLessEqual(len(re.findall(rb"HTTP/1.1 \d", got)), 1, headers)
        for line in (b"GET /v1/status\r\n\r\n", b"GET /v1/status HTTP/9.9\r\n\r\n", b"\0\0\0\0\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"get /v1/status HTTP/1.1\r\n\r\n",
                     b"GET http://x/ y HTTP/1.1\r\n\r\n"):
            got = self.exchange(line)
            self.assertIn(got.split(b" ")[1:2], ([b"400"], [b"505"], [b"501"], []), line)
        plain = socket.create_connection(("127.0.0.1", self.running.port), timeout=PROMPT)
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.answer(plain)  # HTTP to the HTTPS port: closed
        plain.close()
        self.still_serves()

    # --- bodies ---

    def test_bodies(self):
        self.begin()
        good = json.dumps({"tenant": "acme", "region": "eu", "class": "pii", "context": {"row": "1"}})
        bad = [b"", b"null", b"[]", b"1", b"\"x\"", b"{", good[:-1].encode(), good.encode() + b"}",
               good.encode() + b" {}", b"[" * 100000, b'{"a":' * 50000 + b"1" + b"}" * 50000,
               good.replace("acme", "ac\\u0000me").encode(), good.encode().replace(b"acme", b"ac\0me"),
               good.encode().replace(b"acme", b"ac\xffme"), good.encode().replace(b"acme", b"\xed\xa0\x80"),
               good.replace("acme", "\\ud800").encode(), good.encode("utf-16"),
               b"\xef\xbb\xbf" + good.encode(), good.replace('"eu"', '"eu","region":"us"').encode(),
               good.replace('"row": "1"', '"row": "1", "row": "2"').encode(),
               good.replace('"class"', '"colour": 1, "class"').encode(),
               good.replace('"pii"', '{"a": 1}').encode(), good.replace('"acme"', "7").encode(),
               good.replace('"pii"', '"pii", "count": -1').encode(),
               good.replace('"pii"', '"pii", "count": 1e3').encode(),
               good.replace('"pii"', '"pii", "count": 1001').encode(),
               good.replace('"pii"', '"pii", "count": 99999999999999999999').encode(),
               good.replace('"pii"', '"pii", "count": NaN').encode(), good.replace('"', "'").encode(),
               good.encode() + b",", b"// x\n" + good.encode(),
               good.replace('"1"', '"' + "x" * 100000 + '"').encode()]
        for body in bad:
            answer = self.good.post("/v1/data-keys/generate", body)
            self.assertIn(answer.status, (400, 413), body[:80])
            self.assertIn(answer.json["error"]["class"], ("usage",), body[:80])
            self.assertFalse(answer.json["error"]["retryable"])
        items = [{"wrapped": self.wrapped, "context": {"row": "1"}}] * 1001
        self.assertEqual(self.good.post("/v1/data-keys/unwrap", {"items": items}).status, 413)
        self.assertEqual(self.good.post("/v1/data-keys/unwrap", {"items": items[:1000]}).status, 200)
        self.assertEqual(self.good.post("/v1/data-keys/unwrap", {"items": []}).status, 400)
        self.assertEqual(self.good.post("/v1/data-keys/generate", good.encode()).status, 200)
        self.still_serves()

    def test_wrapped_keys(self):
        self.begin()
        raw = base64.b64decode(self.wrapped)
        bad = [raw[:n] for n in range(len(raw))] + [raw + b"\0"]
        bad += [raw[:n] + bytes([raw[n] ^ (1 << chance.randrange(8))]) + raw[n + 1:]
                for n in range(1, len(raw))]
        # The first byte says whose key it is, an envelope's or a record's; what is sealed under the
        # key is bound to it, the wrapped key is not (docs/spec/envelope.md).
        bad += [bytes([first]) + raw[1:] for first in range(256) if first not in FORMATS]
        for wrapped in bad:
            answer = self.good.unwrap(base64.b64encode(wrapped).decode())
            self.assertIn(answer.status, (400, 403, 404, 422), wrapped)
        for text in (self.wrapped[:-1], self.wrapped + "=", self.wrapped + "\n", "*" * 104, " "):
            answer = self.good.unwrap(text)
            self.assertIn(answer.status, (400, 422), (text, answer.body))
        answer = self.good.unwrap(self.wrapped, {"row": "2"})
        self.assertEqual((answer.status, answer.error), (422, "seal_broken"))
        self.still_serves()

    # --- paths ---

    def test_paths(self):
        self.begin()
        self.good.post("/v1/tenants", {"id": "late", "regions": ["eu"]})
        for path in ("/v1/ledger/tile/../vkey", "/v1/ledger/tile/../../root.key",
                     "/v1/ledger/tile/%2e%2e/%2e%2e/root.key", "/v1/ledger/tile/..%2f..%2froot.key",
                     "/v1/ledger/tile/0/../../../root.key", "/v1/ledger/tile//etc/passwd",
                     "/v1/ledger/tile/0/000/../000", "/v1/ledger/tile/0/000.p/../../../checkpoint",
                     "/v1/ledger/tile/entries/..%00", "/v1/ledger/tile/0/000%00.p/1",
                     "/v1/ledger/tile/wal/0000000000000000.wal", "/v1/ledger/tile/0/x000",
                     "/v1/ledger/tile/0/00", "/v1/ledger/tile/99/000", "/v1/ledger/tile/-1/000",
                     "/v1/ledger/tile/0/000.p/0", "/v1/ledger/tile/0/000.p/257",
                     "/v1/ledger/tile/0/" + "x000/" * 200 + "000", "/v1/ledger/tile/",
                     "/v1/ledger/tile/0\\000", "/v1/ledger/tile/%ff%fe", "/v1/ledger/tile/%zz",
                     "/v1/ledger/entry?index=99999999", "/v1/ledger/entry?index=-1",
                     "/v1/ledger/entry", "/v1/ledger/entry?index=1&index=2", "/v1/ledger/proof?index=x",
                     "/v1/tenants/..%2f..", "/v1/tenants/%00", "/v1/tenants/acme/keys/..", "/v1//status",
                     "/v1/tenants?limit=0x10", "/v1/tenants?colour=red", "/../v1/status", "/v1/status/"):
            answer = self.good.get(path)
            self.assertIn(answer.status, (400, 404), f"{path}: {answer.body[:100]}")
            self.assertNotIn(b"keyward-root", answer.body)
            self.assertNotIn(self.data.encode(), answer.body)  # nor does a refusal name places
        self.still_serves()

    def test_methods(self):
        self.begin()
        for method, path in (("PUT", "/v1/tenants"), ("DELETE", "/v1/tenants/acme"),
                             ("GET", "/v1/data-keys/unwrap"), ("POST", "/v1/status"),
                             ("PATCH", "/healthz"), ("OPTIONS", "/v1/status")):
            answer = self.good.call(method, path)
            self.assertIn(answer.status, (404, 405, 501, 400), f"{method} {path}")
        for method in ("TRACE", "CONNECT", "BREW"):
            got = self.exchange(f"{method} /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            self.assertIn(got.split(b" ")[1:2], ([b"400"], [b"405"], [b"501"], [b"404"], []), method)
        self.still_serves()


if __name__ == "__main__":
    main()
