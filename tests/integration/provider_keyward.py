"""The provider "keyward": one Keyward holds the root of another. The other is a real server; the provider
is driven by provider_shell (second argument), as an authority would drive it."""

import json
import os
import subprocess
import sys
import time

SHELL = os.path.abspath(sys.argv.pop(2))

from keyward import Case, clean_environment, main  # takes the first argument

WRAP = "wrap root-of-a/eu 5000 " + "5a" * 32 + " tenant=acme region=eu"


class Shell:
    def __init__(self, *settings):
        self.process = subprocess.Popen([SHELL, "lines", "keyward", *settings], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1, env=clean_environment())

    def __call__(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def unwrap(copy):
    return f"unwrap root-of-a/eu 5000 {copy.split(' ')[1]} tenant=acme region=eu"


class PeerCase(Case):
    def setUp(self):
        super().setUp()
        self.data = self.home(tenants=("root-of-a", "other"))
        self.other = self.server(self.data)
        self.address = f"https://127.0.0.1:{self.other.port}"
        token = json.loads(self.ok("token", "create", "a", "--roles", "service", "--tenants",
                                   "root-of-a,other", "--json", *self.at_server()))["token"]
        self.token = self.write("token", token + "\n")

    def at_server(self):
        return ("--addr", self.address, "--cacert", f"{self.data}/tls/ca.crt",
                "--cert", f"{self.data}/tls/client.crt", "--key", f"{self.data}/tls/client.key")

    def settings(self, *more):
        return (f"address={self.address}", f"ca_file={self.data}/tls/ca.crt", *more)

    def shell(self, *more):
        shell = Shell(*self.settings(*(more or (f"token_file={self.token}",))))
        self.addCleanup(shell.close)
        return shell

    def says(self, shell, line, code):
        got = shell(line)
        self.assertEqual(got.split(" ")[0], code, (line, got))
        return got


class Contract(PeerCase):
    def test_contract(self):
        done = subprocess.run([SHELL, "contract", "keyward", "root-of-a/eu", "other/eu", "every-bit",
                               *self.settings(f"token_file={self.token}")], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=clean_environment())
        self.assertEqual(done.returncode, 0, done.stdout)


class Custody(PeerCase):
    """Who holds the root decides, at once and whatever the other does."""

    def test_kill_switch(self):
        shell = self.shell()
        copy = self.says(shell, WRAP, "ok")
        self.says(shell, unwrap(copy), "ok")
        admin = self.other.client()
        self.assertEqual(admin.post("/v1/tenants/root-of-a/suspend", {"justification": "revoked"}).status, 200)
        self.says(shell, unwrap(copy), "key_suspended")
        self.says(shell, WRAP, "key_suspended")
        self.says(shell, "check root-of-a/eu 5000", "key_suspended")
        self.assertEqual(admin.post("/v1/tenants/root-of-a/resume", {"justification": "again"}).status, 200)
        self.says(shell, unwrap(copy), "ok")
        self.assertEqual(admin.post("/v1/tenants/root-of-a/keys/eu/rotate").status, 200)
        self.says(shell, unwrap(copy), "ok")
        self.assertEqual(admin.post("/v1/tenants/root-of-a/keys/eu/disable", {"justification": "x"}).status, 200)
        self.says(shell, unwrap(copy), "key_suspended")
        self.assertEqual(admin.post("/v1/tenants/root-of-a/keys/eu/enable", {"justification": "x"}).status, 200)
        self.assertEqual(admin.post("/v1/tenants/root-of-a/keys/eu/schedule-destroy",
                                    {"justification": "x"}).status, 200)
        self.says(shell, unwrap(copy), "key_pending_destruction")

    def test_every_use_is_in_its_ledger(self):
        shell = self.shell()
        before = len(self.entries(self.data))
        copy = self.says(shell, WRAP, "ok")
        self.says(shell, unwrap(copy), "ok")
        self.says(shell, unwrap(copy).replace("acme", "evil"), "seal_broken")
        self.other.stop()
        found = self.entries(self.data)[before:]
        self.assertGreaterEqual(len([e for e in found if "root-of-a" in json.dumps(e)]), 3)

    def test_keys_that_are_not(self):
        shell = self.shell()
        self.says(shell, "check nobody/eu 5000", "forbidden")  # out of the token's scope
        self.says(shell, "check root-of-a/us 5000", "key_not_found")
        self.says(shell, "check root-of-a 5000", "key_not_found")
        self.says(shell, "check ../eu 5000", "key_not_found")
        self.says(shell, "create root-of-a/eu 5000", "ok")  # is there: who owns it made it
        self.says(self.shell(f"token_file={self.token}", "class=unheard-of"), "check root-of-a/eu 5000", "key_not_found")


class Access(PeerCase):
    def test_certificate(self):
        folder = self.path("cert")
        os.mkdir(folder)
        self.other.stop()
        self.ok("cert", "issue", "keyward-a", "--data", self.data, "--role", "service", "--out", f"{folder}/a")
        self.other = self.server(self.data)
        self.address = f"https://127.0.0.1:{self.other.port}"
        shell = self.shell(f"cert_file={folder}/a.crt", f"key_file={folder}/a.key")
        self.says(shell, unwrap(self.says(shell, WRAP, "ok")), "ok")

    def test_refused(self):
        bad = self.write("bad", "kwt_nothing")
        shell = self.shell(f"token_file={bad}")
        self.says(shell, "check root-of-a/eu 5000", "forbidden")
        self.write("bad", self.read("token"))  # read for each call
        self.says(shell, "check root-of-a/eu 5000", "ok")
        self.write("bad", "two words")
        self.says(shell, "check root-of-a/eu 5000", "forbidden")
        shell = Shell(f"address={self.address}", f"token_file={self.token}")
        self.addCleanup(shell.close)
        self.assertIn("certificate", self.says(shell, "check root-of-a/eu 5000", "provider_unavailable"))


class Trouble(PeerCase):
    def test_stops_and_comes_back(self):
        shell = self.shell()
        copy = self.says(shell, WRAP, "ok")
        self.other.pause()
        began = time.monotonic()
        self.says(shell, unwrap(copy).replace(" 5000 ", " 300 "), "timeout")
        print(f"a server that hangs: {(time.monotonic() - began) * 1000:.0f} ms with a deadline of 300", flush=True)
        self.other.resume()
        self.says(shell, unwrap(copy), "ok")
        port = self.other.port
        self.other.kill()
        for _ in range(3):
            self.says(shell, unwrap(copy), "provider_unavailable")
        self.other = self.server(self.data, address=f"127.0.0.1:{port}")
        self.says(shell, unwrap(copy), "ok")


main()
