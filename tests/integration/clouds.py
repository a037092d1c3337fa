"""Other people's key management services, as providers of a server: Google's and Azure's are the fakes of tests/interop,
which their makers' own clients accept; the third is another Keyward. And requests without pause.
"""

import pathlib
import statistics

from keyward import *

INTEROP = pathlib.Path(__file__).resolve().parent.parent / "interop"
sys.path.insert(0, str(INTEROP))
from cloud import Refusal, certificate  # noqa: E402


def module(name):
    """The fake of a cloud: both are called fake.py."""
    import importlib.util
    spec = importlib.util.spec_from_file_location(f"fake_{name}", INTEROP / name / "fake.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


gcp, azure = module("gcp"), module("azure")
ALWAYS = 1 << 30
# What every HTTP service can do wrong, as words of the fakes or answers.
HTTP_FAULTS = (("time-out", "silent"), ("reset in the middle of an answer", "cut"), ("slow trickle", "trickle"),
               ("throttling", Refusal(429, {"error": {}})), ("status 503", Refusal(503, {"error": {}})),
               ("status 500", Refusal(500, {"error": {}})), ("a proxy's page", "page"), ("malformed", "malformed"),
               ("huge", "huge"), ("credentials refused", Refusal(401, {"error": {}})))


class Google:
    """kind gcp"""
    KEY = gcp.RING + "/cryptoKeys/root"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.fake = gcp.Google(certificate(self.folder, "localhost"))
        self.fake.make(self.KEY)
        self.count_answers()

    def settings(self):
        return {"kind": "gcp", "key": self.KEY, "address": f"https://127.0.0.1:{self.fake.port}",
                "ca_file": self.folder / "ca.pem",
                "credentials_file": self.fake.credentials(self.folder / "account.json")}

    def count_answers(self):
        """The provider's own log: what it was asked to do with a key, and did or refused."""
        self.log, inner = [], self.fake.act

        def act(method, name, arguments, body):
            verb = name.rpartition(":")[2]
            if verb in ("encrypt", "decrypt"):
                self.log.append("wrap" if verb == "encrypt" else "unwrap")
            return inner(method, name, arguments, body)
        self.fake.act = act

    def break_by(self, fault):
        self.fake.faults = [("", fault, ALWAYS)]

    def mend(self):
        self.fake.faults, self.fake.denied = [], set()
        self.fake.state(self.KEY, "ENABLED")

    def faults(self):
        for name, fault in HTTP_FAULTS:
            yield name, lambda fault=fault: self.break_by(fault)
        yield "key disabled", lambda: self.fake.state(self.KEY, "DISABLED")
        yield "key pending deletion", lambda: self.fake.state(self.KEY, "DESTROY_SCHEDULED")
        yield "no permission", lambda: self.fake.denied.add(self.KEY)
        yield "damaged answers", lambda: self.break_by(lambda answer: {**answer, "plaintextCrc32c": "1"})

    def close(self):
        self.fake.close()


class Azure:
    """kind azure"""
    KEY = "root"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.fake = azure.Azure(certificate(self.folder, azure.VAULT))
        self.fake.make(self.KEY)
        (self.folder / "secret").write_text(azure.SECRET + "\n")
        self.log, inner = [], self.fake.on_version

        def on_version(method, name, number, rest, body):
            if rest in (["wrapkey"], ["unwrapkey"]) or rest in ("wrapkey", "unwrapkey"):
                self.log.append("wrap" if "unwrap" not in str(rest) else "unwrap")
            return inner(method, name, number, rest, body)
        self.fake.on_version = on_version

    def settings(self):
        return {"kind": "azure", "key": self.KEY, "vault": self.fake.vault, "authority": self.fake.authority,
                "tenant": azure.TENANT, "client_id": azure.CLIENT, "client_secret_file": self.folder / "secret",
                "ca_file": self.folder / "ca.pem"}

    def break_by(self, fault):
        self.fake.faults = [("", fault, ALWAYS)]

    def mend(self):
        self.fake.faults, self.fake.denied = [], set()
        self.fake.attributes(self.KEY, enabled=True)

    def faults(self):
        for name, fault in HTTP_FAULTS:
            yield name, lambda fault=fault: self.break_by(fault)
        yield "key disabled", lambda: self.fake.attributes(self.KEY, enabled=False)

    def close(self):
        self.fake.close()


class Other:
    """kind keyward: another server of ours."""
    KEY = "root-of-a/eu"

    def __init__(self, case):
        self.case = case
        self.data = case.home("other", tenants=("root-of-a",))
        self.server = case.server(self.data)
        self.address = f"127.0.0.1:{self.server.port}"
        token = json.loads(case.ok("token", "create", "a", "--roles", "service", "--tenants", "root-of-a", "--json",
                                   "--addr", f"https://{self.address}", "--cacert", f"{self.data}/tls/ca.crt",
                                   "--cert", f"{self.data}/tls/client.crt", "--key", f"{self.data}/tls/client.key"))
        self.token = case.write("token", token["token"] + "\n")

    def settings(self):
        return {"kind": "keyward", "key": self.KEY, "address": f"https://{self.address}",
                "ca_file": f"{self.data}/tls/ca.crt", "token_file": self.token}

    def mend(self):
        self.server.resume()
        if self.server.process.poll() is not None:
            self.server = self.case.server(self.data, address=self.address)
        with contextlib.closing(Client(self.server)) as admin:
            admin.post("/v1/tenants/root-of-a/resume", {"justification": "again"})
        self.case.write("token", self.read_token)

    @property
    def read_token(self):
        self.kept = getattr(self, "kept", None) or self.case.read("token")
        return self.kept

    def suspend(self):
        with contextlib.closing(Client(self.server)) as admin:
            assert admin.post("/v1/tenants/root-of-a/suspend", {"justification": "revoked"}).status == 200

    def spoil_token(self):
        assert self.read_token
        self.case.write("token", "kwt_nothing\n")

    def faults(self):
        yield "time-out (stopped)", self.server.pause
        yield "killed", lambda: self.server.kill()
        yield "key disabled", self.suspend
        yield "credentials refused", self.spoil_token

    def close(self):
        pass


class Load:
    """Unwraps of several tenants without pause, each by a connection of its own."""

    def __init__(self, server, keys, hands):
        self.server, self.stopping, self.calls = server, False, []
        self.threads = [threading.Thread(target=self.work, args=(keys[n % len(keys)],)) for n in range(hands)]
        for thread in self.threads:
            thread.start()

    def work(self, key):
        plaintext, wrapped = key
        with contextlib.closing(Client(self.server)) as client:
            while not self.stopping:
                sent = time.monotonic()
                answer = client.unwrap(wrapped)
                error = answer.error
                if error is None and answer.json["items"][0].get("plaintext") != plaintext:
                    error = answer.json["items"][0].get("error", {}).get("code", "wrong")
                self.calls.append((sent, time.monotonic(), error))

    def end(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(WAIT)
        return self

    def since(self, begun):
        return [call for call in list(self.calls) if call[0] >= begun]


def figures(calls):
    """requests, failures, median and slowest in ms"""
    took = sorted((received - sent) * 1000 for sent, received, _ in calls)
    failed = [error for _, _, error in calls if error is not None]
    return len(calls), failed, statistics.median(took) if took else 0, took[-1] if took else 0
