"""The HTTP layer seen by other people's clients: Python's http.client and ssl, curl, openssl.

usage: http_clients.py PATH-OF-HTTP_ECHO
"""

import http.client
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

ECHO = sys.argv.pop(1)


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, text=True, **kwargs)


class Server:
    def __init__(self, *args):
        self.process = subprocess.Popen([ECHO, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=60)


def certificate(folder, name, issuer=None):
    """folder/name.pem and .key, signed by issuer or, as a CA, by itself."""
    cert, key = f"{folder}/{name}.pem", f"{folder}/{name}.key"
    args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", cert, "-days", "2", "-subj", f"/CN={name}"]
    if issuer:
        args += ["-CA", f"{folder}/{issuer}.pem", "-CAkey", f"{folder}/{issuer}.key",
                 "-addext", "basicConstraints=critical,CA:FALSE",
                 "-addext", f"subjectAltName=IP:127.0.0.1,URI:spiffe://keyward/service/{name}"]
    openssl(*args)
    return cert, key


class Plain(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.url = f"http://127.0.0.1:{self.server.port}"

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)

    def curl(self, *args, **kwargs):
        return subprocess.run(["curl", "-sS", "--max-time", "30", *args], check=True,
                              capture_output=True, **kwargs).stdout

    def test_http_client(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        for size in (0, 1, 1000, 100_000, 1 << 20):
            body = bytes(i % 251 for i in range(size))
            connection.request("POST", "/later", body)
            self.assertEqual(connection.getresponse().read(), body)
        connection.request("POST", "/echo", iter([b"ab", b"c" * 5000]), encode_chunked=True)
        self.assertEqual(connection.getresponse().read(), b"ab" + b"c" * 5000)
        connection.request("GET", "/stream?500")
        self.assertEqual(len(connection.getresponse().read()), 500_000)
        connection.request("HEAD", "/big?77")
        answer = connection.getresponse()
        self.assertEqual((answer.read(), answer.getheader("Content-Length")), (b"", "77"))
        connection.request("PUT", "/echo", b"x" * ((1 << 20) + 1))
        self.assertEqual(connection.getresponse().status, 413)
        connection.close()

    @unittest.skipUnless(shutil.which("curl"), "no curl")
    def test_curl(self):
        body = b"d" * 200_000  # curl asks with Expect: 100-continue before it sends this much
        sent = self.curl("-H", "Expect: 100-continue", "--data-binary", "@-", f"{self.url}/echo", input=body)
        self.assertEqual(sent, body)
        self.assertEqual(self.curl("-X", "LIST", "-d", "l", f"{self.url}/echo"), b"l")
        self.assertEqual(self.curl("--http2", f"{self.url}/big?3"), b"bbb")  # offers an upgrade to h2c
        self.assertEqual(self.curl("--http1.0", f"{self.url}/stream?1"), bytes(1000))
        self.assertIn(b"not_found", self.curl(f"{self.url}/none"))
        self.assertEqual(len(self.curl(f"{self.url}/big?3000000", f"{self.url}/big?1")), 3_000_001)

    def test_many_connections(self):
        sockets = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(400)]
        for s in sockets:
            s.settimeout(30)
            s.sendall(b"GET /big?10 HTTP/1.1\r\nHost: h\r\n\r\n")
        for s in sockets:
            data = b""
            while not data.endswith(b"b" * 10):
                data += s.recv(1000) or self.fail("closed")
            s.close()

    def test_half_closed(self):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as s:
            s.sendall(b"POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi" * 40)
            s.shutdown(socket.SHUT_WR)
            data = b""
            while piece := s.recv(65536):
                data += piece
        self.assertEqual(data.count(b"\r\n\r\nhi"), 40)

    def test_slow_header_among_others(self):
        """A client that drips is cut off, and nobody else waits for it."""
        slow = socket.create_connection(("127.0.0.1", self.server.port), timeout=30)
        slow.sendall(b"GET / HTTP/1.1\r\n")
        stop = threading.Event()

        def drip():
            while not stop.wait(0.05):
                try:
                    slow.sendall(b"A: b\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        self.assertEqual(self.curl(f"{self.url}/big?1"), b"b")
        self.assertIn(b"408 ", slow.recv(1000))
        stop.set()
        thread.join()
        slow.close()


class Tls(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.ca, _ = certificate(self.folder.name, "ca")
        certificate(self.folder.name, "stranger")
        self.cert, self.key = certificate(self.folder.name, "server", "ca")
        self.client = certificate(self.folder.name, "client", "ca")
        self.foreign = certificate(self.folder.name, "foreign", "stranger")
        self.server = Server(self.cert, self.key, self.ca)

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0)
        self.folder.cleanup()

    def ask(self, pair, path="/peer"):
        context = ssl.create_default_context(cafile=self.ca)
        if pair:
            context.load_cert_chain(*pair)
        connection = http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=30, context=context)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def test_client_certificates(self):
        self.assertIn(b"verified=1 uris=1 uri=spiffe://keyward/service/client cn=client", self.ask(self.client))
        self.assertEqual(len(self.ask(self.client, "/big?2000000")), 2_000_000)
        for pair in (None, self.foreign):
            with self.assertRaises((OSError, http.client.HTTPException)):
                self.ask(pair)

    def test_versions(self):
        def handshake(version):
            return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", version,
                                   "-cert", self.client[0], "-key", self.client[1], "-CAfile", self.ca,
                                   "-verify_return_error", "-alpn", "http/1.1"],
                                  input="GET /peer HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
                                  capture_output=True, text=True, timeout=60)

        new = handshake("-tls1_3")
        self.assertIn("TLSv1.3", new.stdout)
        self.assertIn("ALPN protocol: http/1.1", new.stdout)
        old = handshake("-tls1_2")
        self.assertNotEqual(old.returncode, 0)
        self.assertIn("protocol version", old.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=1)
