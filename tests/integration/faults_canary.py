"""Canaries: plaintexts, data keys, tokens, the passphrase and the root key must be nowhere but where
they were asked for: not in logs at their most talkative, files of the data folder, error answers,
output of commands, a core file, or the process's memory as another process sees it.

usage: faults_canary.py PATH-OF-KEYWARD
"""

from keyward import *

CANARY = "canary-6f1c0e5d-plaintext-that-must-not-stay"
PASSPHRASE = "canary passphrase 9b1d 44e0 horse"


class Secrets:
    """Texts in every form in which they might be written."""

    def __init__(self):
        self.forms = {}

    def add(self, name, raw):
        forms = {raw, raw.hex().encode(), raw.hex().upper().encode(), base64.b64encode(raw),
                 base64.urlsafe_b64encode(raw).rstrip(b"="),
                 base64.b64encode(raw).replace(b"/", b"\\/")}
        for shift in (1, 2):  # inside a longer base64 text
            forms.add(base64.b64encode(b"\0" * shift + raw)[4:-4])
        self.forms[name] = {f for f in forms if len(f) >= 12}

    def found(self, content):
        return [name for name, forms in self.forms.items() if any(f in content for f in forms)]


class Canary(Case):
    def setUp(self):
        super().setUp()
        self.secrets = Secrets()
        self.secrets.add("plaintext", CANARY.encode())
        self.secrets.add("passphrase", PASSPHRASE.encode())
        self.passphrase_file = self.write("passphrase", PASSPHRASE + "\n")
        self.output = []  # what commands wrote where no secret was asked for

    def silent(self, *args, **how):
        done = run(*args, **how)
        self.output.append((" ".join(args), done.stdout + done.stderr))
        return done

    def nowhere(self, data):
        """No secret in the data folder, in the logs beside it, or in what commands said."""
        searched = 0
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                if path in self.allowed:
                    continue
                with open(path, "rb") as file:
                    content = file.read()
                searched += len(content)
                self.assertEqual(self.secrets.found(content), [], path)
        for what, content in self.output:
            self.assertEqual(self.secrets.found(content), [], what)
        self.assertGreater(searched, 10000)

    def use(self, client):
        """Every way by which a secret passes; the data keys and the token become canaries too."""
        value = base64.b64encode(CANARY.encode()).decode()
        context = {"row": "1"}
        keys = client.generate(count=20).json["items"]
        for number, item in enumerate(keys):
            self.secrets.add(f"data key {number}", base64.b64decode(item["plaintext"]))
        self.assertEqual(client.unwrap(keys[0]["wrapped"]).status, 200)
        client.post("/v1/data-keys/rewrap", {"items": [{"wrapped": keys[1]["wrapped"], "context": context}]})
        sealed = client.post("/v1/seal", {"tenant": "acme", "region": "eu", "class": "pii",
                                          "context": context, "plaintext": value}).json
        opening = {"tenant": "acme", "region": "eu", "envelope": sealed["envelope"], "context": context}
        self.assertEqual(base64.b64decode(client.post("/v1/open", opening).json["plaintext"]).decode(), CANARY)
        token = client.post("/v1/tokens", {"principal": "bird", "roles": "service", "tenants": "acme"}).json
        secret = token["token"].split("_", 2)[2]  # base64url: it may hold a "_" itself
        self.secrets.add("token", secret.encode())
        self.secrets.add("token's bytes", base64.urlsafe_b64decode(secret + "="))
        return token["token"], keys, opening

    def refuse(self, server, token, keys, opening):
        """Refusals of requests that hold secrets must not repeat them."""
        value = base64.b64encode(CANARY.encode()).decode()
        client = server.client(cert="", token=token)
        admin = server.client()
        bodies = [
            admin.post("/v1/open", {**opening, "context": {"row": CANARY}}),
            admin.post("/v1/open", {**opening, "envelope": value}),
            admin.post("/v1/seal", {"tenant": "acme", "region": "eu", "class": "pii", "context": {},
                                    "plaintext": CANARY}),
            admin.post("/v1/seal", {"tenant": "nobody", "region": "eu", "class": "pii", "context": {},
                                    "plaintext": value}),
            admin.post("/v1/seal", {"tenant": "acme", "region": "eu", "colour": CANARY}),
            admin.post("/v1/seal", b'{"plaintext":"' + CANARY.encode() + b'" "x"}'),
            admin.post("/v1/seal", b'{"plaintext":"' + CANARY.encode() + b'","plaintext":""}'),
            admin.post("/v1/data-keys/unwrap", {"items": [{"wrapped": keys[0]["plaintext"], "context": {}}]}),
            admin.get("/v1/tenants?colour=" + CANARY),  # a path is logged, a query is not
            client.post("/v1/tenants", {"id": "x", "regions": ["eu"]}),
            server.client(cert="", token=token + "x").get("/v1/status"),
        ]
        for number, answer in enumerate(bodies):
            self.assertGreaterEqual(answer.status, 400, number)
            self.output.append((f"answer {number}", answer.body))

    def test_server(self):
        how = {"env": {"KEYWARD_PASSPHRASE_FILE": self.passphrase_file}}
        data = self.path("home")
        self.allowed = {self.passphrase_file}
        for command in (["init"], ["tenant", "create", "acme", "--region", "eu"],
                        ["tenant", "list"], ["key", "rotate", "acme/eu"], ["key", "show", "acme/eu"],
                        ["status"], ["cert", "list"], ["token", "list"]):
            self.assertEqual(self.silent(*command, "--data", data, **how).returncode, 0)
        server = self.server(data, "log.level=debug", **how)
        client = server.client()
        token, keys, opening = self.use(client)
        self.refuse(server, token, keys, opening)
        for path in ("/metrics", "/openapi.json", "/v1/status", "/v1/tokens", "/v1/ledger/checkpoint"):
            self.output.append((path, client.get(path).body))
        self.nowhere(data)  # while it runs: write-ahead logs
        self.outside(server)
        server.process.kill()
        server.process.wait()
        self.nowhere(data)
        self.silent("ledger", "report", "--tenant", "acme", "--data", data, **how)
        self.silent("ledger", "export", f"{data}/ledger")
        self.nowhere(data)

    def outside(self, server):
        """What /proc and a debugger give to the same user: nothing. As root this takes a child of
        another user, since root may look everywhere."""
        pid = server.process.pid
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read() if os.geteuid() == 0 else b""
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read()
        self.assertEqual(self.secrets.found(environment + command), [])

    def test_plain_root_key(self):
        """The root key of root.key is in no other file."""
        data = self.home()
        self.allowed = {self.passphrase_file, f"{data}/root.key"}
        lines = self.read("home/root.key").split(b"\n")
        self.secrets.add("root key", base64.b64decode(lines[1] + b"=" * (-len(lines[1]) % 4)))
        server = self.server(data, "log.level=debug")
        self.use(server.client())
        self.assertEqual(server.stop(), 0)
        self.nowhere(data)

    def test_commands(self):
        """seal, open and fields by the command line; temporary files as well."""
        data = self.home()
        self.allowed = {self.passphrase_file, self.write("in", CANARY), self.path("out"),
                        self.write("record", json.dumps({"id": 1, "name": CANARY}) + "\n"),
                        f"{data}/root.key"}
        if b"seal" not in run("help").stdout:
            self.skipTest("no data commands in this program")
        at = ["--tenant", "acme", "--region", "eu", "--data", data]
        self.assertEqual(self.silent("seal", *at, "-i", self.path("in"), "-o", self.path("env")).returncode, 0)
        self.assertEqual(self.silent("inspect", "-i", self.path("env")).returncode, 0)
        self.assertEqual(self.silent("open", *at, "-i", self.path("env"), "-o", self.path("out")).returncode, 0)
        self.assertEqual(self.read("out").decode(), CANARY)
        self.assertEqual(self.silent("fields", "seal", *at, "--fields", "$.name", "-i", self.path("record"),
                                     "-o", self.path("fields")).returncode, 0)
        self.assertNotEqual(self.silent("open", *at, "--context", "a=b", "-i", self.path("env")).returncode, 0)
        self.assertNotEqual(self.silent("open", *at, "-i", self.path("in")).returncode, 0)
        self.assertNotEqual(self.silent("fields", "open", *at, "--fields", "$.name", "-i",
                                        self.path("record")).returncode, 0)
        self.assertNotEqual(self.silent("fields", "seal", *at, "--fields", CANARY[:5], "-i",
                                        self.path("record")).returncode, 0)
        self.nowhere(data)

    @unittest.skipIf(SANITIZED, "AddressSanitizer handles these signals")
    def test_no_core(self):
        """A server ended by SIGQUIT or SIGSEGV leaves no core, though the limit would allow one."""
        data = self.home()
        place = self.path("cwd")
        os.mkdir(place)
        os.chmod(place, 0o777)
        for number in (signal.SIGQUIT, signal.SIGSEGV, signal.SIGABRT):
            def unlimited():
                hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
                resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
            server = self.server(data, preexec_fn=unlimited, cwd=place)
            new_key(server.client())
            with open(f"/proc/{server.process.pid}/limits", encoding="ascii") as file:
                self.assertRegex(file.read(), r"Max core file size\s+0\s+0")
            self.assertEqual(server.stop(number), -number)
            self.assertEqual(os.listdir(place), [])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to be two other users")
    def test_same_user_cannot_look_inside(self):
        """Another process of the same, ordinary user: neither memory nor environment nor ptrace."""
        os.chmod(self.folder, 0o777)
        data = self.path("home")
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        self.ok("init", "--data", data, **nobody)
        server = self.server(data, **nobody)
        script = """
import ctypes, sys
pid, failures = int(sys.argv[1]), 0
for name in ("mem", "environ", "maps", "auxv"):
    try:
        open(f"/proc/{pid}/{name}", "rb").read(1)
        print("read", name)
    except OSError:
        failures += 1
libc = ctypes.CDLL(None, use_errno=True)
print(failures, libc.ptrace(16, pid, None, None))
"""
        found = subprocess.run([sys.executable, "-c", script, str(server.process.pid)],
                               capture_output=True, text=True, check=True, **nobody).stdout
        self.assertEqual(found, "4 -1\n")
        # The same script can look into an ordinary process of that user: it is not the sandbox.
        other = subprocess.Popen(["sleep", "60"], **nobody)
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        time.sleep(0.1)
        found = subprocess.run([sys.executable, "-c", script, str(other.pid)],
                               capture_output=True, text=True, check=True, **nobody).stdout
        self.assertIn("read environ", found)

    @unittest.skipIf(SANITIZED, "AddressSanitizer keeps what is freed")
    def test_memory_when_idle(self):
        """By root's own eyes: once requests are answered, no plaintext and no data key of theirs is
        left in the heap of the server (what TLS and JSON passed through is wiped)."""
        if os.geteuid() != 0:
            self.skipTest("needs root")
        data = self.home()
        self.allowed = set()
        server = self.server(data, "server.workers=1")
        client = server.client()
        self.use(client)
        client.close()
        self.secrets.add("control", f"{data}/tls/server.crt".encode())
        time.sleep(0.5)
        found = self.scan(server.process.pid)
        self.assertIn("control", found)  # so the search works
        self.assertEqual(found - {"control"}, set())

    def scan(self, pid):
        found = set()
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
            for line in maps:
                span, mode = line.split()[:2]
                if not mode.startswith("rw"):
                    continue
                start, end = (int(x, 16) for x in span.split("-"))
                with contextlib.suppress(OSError, ValueError):
                    memory.seek(start)
                    found.update(self.secrets.found(memory.read(end - start)))
        return found


if __name__ == "__main__":
    main()
