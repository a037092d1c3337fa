"""Root keys in OpenBao's own server, with Google's as the second: faults on the way (a proxy before it), faults of the
server and of what its owner does, `keyward provider check`, and calls as its audit log and `keyward cost` count them.

usage: routing.py PATH-OF-KEYWARD PATH-OF-BAO
"""
import pathlib
import sys

BAO = sys.argv.pop(2)
ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "interop"), str(pathlib.Path(__file__).parent)]

from check_scene import *  # noqa: E402
import bao  # noqa: E402
from certificates import write_certificates  # noqa: E402
from fault_proxy import Proxy  # noqa: E402

POLICY = """
path "transit/encrypt/*" { capabilities = ["update"] }
path "transit/decrypt/*" { capabilities = ["update"] }
path "transit/keys/*" { capabilities = ["read", "create", "update"] }
"""
OPERATIONS = {"transit/encrypt/root": "wrap", "transit/decrypt/root": "unwrap"}


class Vault:
    """kind vault"""
    KEY, MISSING, CAN_MAKE, OFF_CODE = "root", "new", True, "key_pending_destruction"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        write_certificates(self.folder)
        self.server = bao.Server(BAO, self.folder)
        self.address = self.server.address
        self.allow()
        self.server.api("POST", "transit/keys/root", {})
        self.new_token()

    def settings(self):
        return {"kind": "vault", "key": self.KEY, "address": self.address, "ca_file": self.folder / "ca.pem",
                "token_file": self.folder / "token"}

    # What its owner does.

    def allow(self, policy=POLICY):
        self.server.api("POST", "sys/policies/acl/keyward", {"policy": policy})

    def forbid(self):
        self.allow('path "other" { capabilities = ["read"] }')

    def new_token(self):
        self.token = self.server.api("POST", "auth/token/create", {"policies": ["keyward"]})["auth"]["client_token"]
        (self.folder / "token").write_text(self.token + "\n")

    def revoke_token(self):
        self.server.api("POST", "auth/token/revoke", {"token": self.token})

    def require_version(self, number):
        self.server.api("POST", "transit/keys/root/rotate")
        self.server.api("POST", "transit/keys/root/config", {"min_decryption_version": number})

    def disabled(self):
        self.server.api("POST", "transit/keys/off", {})
        self.server.api("DELETE", "transit/keys/off/soft-delete")
        return "off"

    def mend_server(self):
        self.server.process.send_signal(signal.SIGCONT)
        if self.server.process.poll() is not None:
            self.server.start()
        if self.server.sealed():
            self.server.unseal()

    def mend(self):
        self.mend_server()
        self.allow()
        self.server.api("POST", "transit/keys/root/soft-delete-restore", refused=True)
        self.server.api("POST", "transit/keys/root/config", {"min_decryption_version": 1})
        self.new_token()

    def stop(self):
        self.server.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.server.process.pid, os.WUNTRACED)

    def faults(self):
        yield "sealed", lambda: self.server.api("PUT", "sys/seal")
        yield "stopped (time-out)", self.stop
        yield "killed", self.server.kill
        yield "key deleted, restorable", lambda: self.server.api("DELETE", "transit/keys/root/soft-delete")
        yield "older versions switched off", lambda: self.require_version(2)
        yield "token revoked", self.revoke_token
        yield "policy taken away", self.forbid

    def close(self):
        self.server.process.send_signal(signal.SIGCONT)
        self.server.kill()


class VaultBehindProxy(Vault):
    def __init__(self, folder):
        super().__init__(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        self.proxy = Proxy(context, self.server.port, self.server.tls)
        self.address = f"https://127.0.0.1:{self.proxy.port}"

    def break_by(self, fault):
        self.proxy.faults = [("", fault, ALWAYS)]

    def mend(self):
        self.proxy.faults = []

    def faults(self):
        for name, fault in HTTP_FAULTS[:-1]:
            yield name, lambda fault=fault: self.break_by(fault)

    def close(self):
        self.proxy.close()
        super().close()


class Routing(Scene):
    def fails(self, first):
        second = Google(self.path("google"))
        self.begin({"first": first, "second": second})
        self.every_fault(first, second)

    def test_the_way_fails(self):
        self.fails(VaultBehindProxy(self.path("vault")))

    def test_the_server_fails(self):
        self.fails(Vault(self.path("vault")))


class Reconcile(Scene):
    @staticmethod
    def acts(paths):
        return {act: paths.count(path) for path, act in OPERATIONS.items()}

    def test_the_audit_log_agrees(self):
        """Each that arrived, well or not, stands there; those that the proxy swallowed are counted, too."""
        first, second = VaultBehindProxy(self.path("vault")), Google(self.path("google"))
        self.begin({"first": first, "second": second})
        self.use_keys(40)
        self.strict()
        load = Load(self.running, self.keys, 4)
        for _, fault in HTTP_FAULTS[:-1]:
            first.break_by(fault)
            time.sleep(self.SECONDS / 2)
            first.mend()
            self.healthy_again("first")
        self.assertEqual(figures(load.end().calls)[1], [])
        self.assertEqual(self.running.stop(), 0)
        sums = self.counted()[0]["first"]
        came, passed = ([path.removeprefix("/v1/") for _, path in log] for log in (first.proxy.requests, first.proxy.passed))
        self.assertEqual({act: sums[act] for act in ("wrap", "unwrap")}, self.acts(came))
        self.assertEqual(self.acts(first.server.audited()), self.acts(passed))
        print(f" {len(came)} requests, {len(came) - len(passed)} of them swallowed; {sums}", end=" ")


class Check(Checks, Scene):
    def made(self):
        return Vault(self.path("vault"))


if __name__ == "__main__":
    main()
