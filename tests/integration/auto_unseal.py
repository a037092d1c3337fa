"""Auto-unseal: the root key of one Keyward (B) is held by another (A), a real server. And regions whose keys
A holds beside B's own root. No passphrase, nowhere."""

import json
import os
import shutil
import signal
import time

from keyward import (Case, DENIED, INTEGRITY, SLOW, UNAVAILABLE, USAGE, Server, main)

LINE = "[provider.%s]\nkind = keyward\naddress = %s\nca_file = %s\ntoken_file = %s\n"


class HeldCase(Case):
    def setUp(self):
        super().setUp()
        self.a = self.home("a", tenants=("root-of-b", "other"))
        self.other = self.server(self.a)
        self.port = self.other.port
        token = json.loads(self.ok("token", "create", "b", "--roles", "service", "--tenants",
                                   "root-of-b,other", "--json", *self.at_a()))["token"]
        self.token = self.write("token", token + "\n")
        self.b = self.path("b")

    def at_a(self):
        return ("--addr", f"https://127.0.0.1:{self.other.port}", "--cacert", f"{self.a}/tls/ca.crt",
                "--cert", f"{self.a}/tls/client.crt", "--key", f"{self.a}/tls/client.key")

    def provider(self, name="a"):
        return LINE % (name, f"https://127.0.0.1:{self.port}", f"{self.a}/tls/ca.crt", self.token)

    def root(self, key="root-of-b/eu", provider="a"):
        return f"[root]\nprovider = {provider}\nkey = {key}\n"

    def configure(self, *parts):
        os.makedirs(self.b, mode=0o700, exist_ok=True)
        self.write(f"{self.b}/keyward.conf", "regions = eu\n" + "".join(parts))

    def init(self, *parts):
        self.configure(*(parts or (self.provider(), self.root())))
        return self.ok("init", "--data", self.b)

    def admin(self, path):
        answer = self.other.client().post(path, {"justification": "a test"})
        self.assertEqual(answer.status, 200, answer.body)

    def seal(self, *where):
        self.write("letter", "dear reader")
        self.ok("seal", "--tenant", "acme", "--region", "eu", "-i", self.path("letter"),
                "-o", self.path("letter.kw"), *where)

    def open(self, *where):
        self.ok("open", "--tenant", "acme", "-i", self.path("letter.kw"), "-o", self.path("opened"), *where)
        self.assertEqual(self.read("opened"), b"dear reader")
        os.remove(self.path("opened"))


class Unseal(HeldCase):
    def test_init_serve_restart(self):
        said = self.init()
        self.assertIn("held by provider a, key root-of-b/eu", said)
        head = self.read("b/root.key").split(b"\n")[0]
        self.assertEqual(head, b"keyward root key v1: provider a root-of-b/eu")
        self.assertEqual(os.stat(self.path("b/root.key")).st_mode & 0o777, 0o600)
        self.ok("tenant", "create", "acme", "--region", "eu", "--data", self.b)
        self.seal("--data", self.b)
        for _ in range(2):
            server = self.server(self.b)
            self.assertEqual(server.client().get("/v1/tenants/acme").status, 200)
            self.assertEqual(server.stop(), 0)
        self.open("--data", self.b)
        self.ok("cert", "renew", "--data", self.b)

    def test_their_side_decides(self):
        self.init()
        self.admin("/v1/tenants/root-of-b/suspend")
        says = ("held by provider a (key root-of-b/eu)", "on that side")
        self.refused_server(DENIED, "key_suspended", self.b, says=says)
        self.refused(DENIED, "key_suspended", "tenant", "list", "--data", self.b, says=says)
        self.admin("/v1/tenants/root-of-b/resume")
        self.ok("tenant", "list", "--data", self.b)
        server = self.server(self.b)
        self.admin("/v1/tenants/root-of-b/suspend")  # what runs has its root key
        self.assertEqual(server.client().get("/v1/tenants").status, 200)
        self.assertEqual(server.stop(), 0)

    def test_away_and_back(self):
        """A command says so at once; a server waits, says so once, and starts when A is back."""
        self.init()
        self.assertEqual(self.other.stop(), 0)
        says = ("held by provider a", "does not answer for now")
        self.refused(UNAVAILABLE, "provider_unavailable", "tenant", "list", "--data", self.b, says=says)
        waiting = Server(self.b)
        self.addCleanup(waiting.kill)
        waiting.wait_text('"waiting"')
        time.sleep(1)
        self.assertIsNone(waiting.process.poll())
        self.other = self.server(self.a, address=f"127.0.0.1:{self.port}")
        waiting.wait_ready()
        self.assertEqual(waiting.text().count('"waiting"'), 1)
        self.assertEqual(waiting.stop(), 0)

    def test_a_waiting_server_can_be_stopped(self):
        self.init()
        self.other.kill()
        waiting = Server(self.b)
        self.addCleanup(waiting.kill)
        waiting.wait_text('"waiting"')
        waiting.process.send_signal(signal.SIGTERM)
        self.assertEqual(waiting.process.wait(30), UNAVAILABLE)
        self.assertIn("does not answer", waiting.text())

    def test_gives_up_after_a_minute(self):
        if not SLOW:
            self.skipTest("KW_SLOW=1")
        self.init()
        self.other.kill()
        waiting = Server(self.b)
        self.addCleanup(waiting.kill)
        self.assertEqual(waiting.process.wait(120), UNAVAILABLE)

    def test_neither_configured_nor_its_own(self):
        self.init()
        self.configure()
        self.refused(USAGE, "bad_config", "tenant", "list", "--data", self.b,
                     says=("held by provider a", "is not configured", "[provider.a]"))
        self.configure(self.provider(), self.root("other/eu"))
        self.refused(USAGE, "bad_config", "tenant", "list", "--data", self.b, says=("[root] says a (key other/eu)",))
        self.configure(self.provider(), "[root]\nprovider = a\n")
        self.refused(USAGE, "bad_config", "tenant", "list", "--data", self.b, says="root.provider and root.key")
        self.configure(self.provider())  # the file itself names who holds it
        self.ok("tenant", "list", "--data", self.b)
        # Another authority's root.key: A opens it for that authority alone.
        first, self.b = self.b, self.path("c")
        self.init()
        shutil.copy(f"{first}/root.key", f"{self.b}/root.key")
        self.refused(INTEGRITY, "wrong_root_key", "tenant", "list", "--data", self.b,
                     says="altered, or is another authority's")

    def test_init_is_refused(self):
        self.configure(self.provider(), self.root("nobody/eu"))
        self.refused(DENIED, "forbidden", "init", "--data", self.b, says="held by provider a")
        self.assertEqual(sorted(os.listdir(self.b)), ["keyward.conf", "lock"])
        self.configure(self.provider(), self.root())
        word = self.write("word", "correct horse\n")
        self.refused(USAGE, "usage", "init", "--data", self.b, "--passphrase-file", word,
                     says="leave out the passphrase")
        self.configure(self.root("eu", "software"))
        self.refused(USAGE, "bad_config", "init", "--data", self.b, says="cannot hold it")
        self.init()  # nothing of the failures stays

    def test_only_by_set(self):
        os.mkdir(self.b)
        sets = [w for line in self.provider().splitlines()[1:] for w in
                ("--set", "provider.a." + line.replace(" = ", "="))]
        sets += ["--set", "root.provider=a", "--set", "root.key=root-of-b/eu"]
        self.ok("init", "--data", self.b, *sets)
        self.ok("config", "check", "--data", self.b, *sets)


class Rewrap(HeldCase):
    def test_from_keeper_to_keeper(self):
        word, second = self.write("word", "correct horse\n"), self.write("second", "battery staple\n")
        self.ok("init", "--data", self.b, "--passphrase-file", word)
        self.ok("tenant", "create", "acme", "--region", "eu", "--data", self.b, "--passphrase-file", word)
        self.seal("--data", self.b, "--passphrase-file", word)
        self.configure(self.provider(), self.root())
        self.refused(USAGE, "bad_config", "tenant", "list", "--data", self.b, "--passphrase-file", word,
                     says="keyward root rewrap")
        self.ok("root", "rewrap", "--data", self.b, "--passphrase-file", word)
        self.assertTrue(self.read("b/root.key").startswith(b"keyward root key v1: provider a "))
        self.open("--data", self.b)
        # To another key of the same provider.
        self.configure(self.provider(), self.root("other/eu"))
        self.ok("root", "rewrap", "--data", self.b)
        self.admin("/v1/tenants/root-of-b/suspend")
        self.open("--data", self.b)
        # Back to a passphrase, and to plain.
        self.refused(USAGE, "usage", "root", "rewrap", "--data", self.b, "--plain", says="one new keeper")
        self.configure(self.provider())
        self.refused(USAGE, "usage", "root", "rewrap", "--data", self.b, says="one new keeper")
        self.ok("root", "rewrap", "--data", self.b, "--new-passphrase-file", second)
        self.configure()
        self.refused(USAGE, "usage", "tenant", "list", "--data", self.b, says="passphrase")
        self.open("--data", self.b, "--passphrase-file", second)
        self.ok("root", "rewrap", "--data", self.b, "--passphrase-file", second, "--plain")
        self.open("--data", self.b)
        self.assertEqual([n for n in os.listdir(self.b) if n.startswith("root.key")], ["root.key"])

    def test_a_refusal_changes_nothing(self):
        self.configure()
        self.ok("init", "--data", self.b)
        before = self.read("b/root.key")
        self.configure(self.provider(), self.root("nobody/eu"))
        self.refused(DENIED, "forbidden", "root", "rewrap", "--data", self.b)
        self.assertEqual(self.read("b/root.key"), before)
        self.assertEqual([n for n in os.listdir(self.b) if n.startswith("root.key")], ["root.key"])


class Regions(HeldCase):
    """A region whose versions are wrapped by B's own root and by A, both."""

    def test_copies_of_both(self):
        self.init(self.provider(), "[region.eu]\nproviders = software, a=root-of-b/eu\ncopies_min = 2\n")
        self.ok("tenant", "create", "acme", "--region", "eu", "--data", self.b)
        shown = json.loads(self.ok("key", "show", "acme/eu", "--data", self.b, "--json"))
        copies = shown["versions"][0]["copies"]
        self.assertEqual(sorted(c["provider"] if isinstance(c, dict) else c for c in copies), ["a", "software"])
        self.seal("--data", self.b)
        self.admin("/v1/tenants/root-of-b/suspend")
        self.open("--data", self.b)  # by the other copy
        self.refused(DENIED, "key_suspended", "tenant", "create", "globex",
                     "--region", "eu", "--data", self.b)

    def test_a_alone(self):
        self.init(self.provider(), "[region.eu]\nproviders = a=root-of-b/eu\n")
        self.ok("tenant", "create", "acme", "--region", "eu", "--data", self.b)
        self.seal("--data", self.b)
        self.open("--data", self.b)
        self.admin("/v1/tenants/root-of-b/suspend")
        self.refused(DENIED, "key_suspended", "open", "--tenant", "acme", "-i", self.path("letter.kw"),
                     "--data", self.b)
        self.admin("/v1/tenants/root-of-b/resume")
        self.open("--data", self.b)

    def test_check_makes_no_call(self):
        self.configure(self.provider(), "[region.eu]\nproviders = software, a=root-of-b/eu\n")
        self.other.kill()
        self.assertIn("right", self.ok("config", "check", "--data", self.b))
        self.configure(self.provider())
        self.assertIn("Provider a is used by nothing", self.ok("config", "check", "--data", self.b))
        self.configure(self.provider().replace("tls/ca.crt", "tls/none.crt"))
        self.refused(USAGE, "bad_config", "config", "check", "--data", self.b, says="provider a")
        self.configure("[region.eu]\nproviders = b\n")
        self.refused(USAGE, "bad_config", "config", "check", "--data", self.b,
                     says=("keyward.conf:3: region.eu.providers", "known are software"))


main()
