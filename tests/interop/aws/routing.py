"""Root keys in AWS KMS (moto behind oracle.py, which checks every signature), with Google's as the second: faults of the
service, of the key, of credentials and of clocks; `keyward provider check`; and calls as the oracle and `keyward cost`
count them. Runs under a Python that has moto and botocore (see run).

usage: routing.py PATH-OF-KEYWARD
"""
import logging
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "interop"), str(pathlib.Path(__file__).parent)]

from check_scene import *  # noqa: E402
import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402
from certificates import write_certificates  # noqa: E402
from oracle import REGION, Oracle  # noqa: E402

# The oracle's words; what HTTP services can do wrong is among them.
FAULTS = {"time-out": "hang", "reset in the middle of an answer": "reset", "slow trickle": "trickle",
          "throttling": "throttle", "status 503": "bare 503", "status 500": "internal",
          "its own dependency's time-out": "dependency", "malformed": "malformed", "huge": "huge",
          "another key's answer": "other key"}


class Aws:
    """kind aws, with session credentials in files"""
    KEY, MISSING, CAN_MAKE, OFF_CODE = "alias/root", "alias/new", True, "key_suspended"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        write_certificates(self.folder)
        self.moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.moto.start()
        place = self.moto.get_host_and_port()
        self.oracle = Oracle(place, self.folder / "server.pem", self.folder / "server.key")
        self.admin = boto3.client("kms", region_name=REGION, endpoint_url=f"http://{place[0]}:{place[1]}",
                                  aws_access_key_id="x", aws_secret_access_key="x")
        self.oracle.ask_moto("/moto-api/reset", {}, b"")  # its keys are the process's
        self.id = self.make("alias/root")
        self.renew()

    def make(self, alias):
        made = self.admin.create_key()["KeyMetadata"]["KeyId"]
        self.admin.create_alias(AliasName=alias, TargetKeyId=made)
        return made

    def settings(self):
        return {"kind": "aws", "key": self.KEY, "region": REGION, "endpoint": self.oracle.address,
                "ca_file": self.folder / "ca.pem", "access_key_id": "AKIDKEYWARD",
                "secret_access_key_file": self.folder / "secret", "session_token_file": self.folder / "session"}

    def renew(self):
        """Session credentials that hold, in the files: as an agent of the machine's would write them."""
        keys = self.oracle.issue("AKIDKEYWARD", 3600)
        (self.folder / "session").write_text(keys["Token"] + "\n")
        (self.folder / "secret").write_text(keys["SecretAccessKey"] + "\n")

    # What its owner does.

    def disabled(self):
        self.admin.disable_key(KeyId=self.make("alias/off"))
        return "alias/off"

    def forbid(self):
        (self.folder / "secret").write_text("not-the-secret\n")

    def expire(self):
        secret, token, _ = self.oracle.known["AKIDKEYWARD"]
        self.oracle.known["AKIDKEYWARD"] = secret, token, 0

    def rotate(self):
        """Its secret is another now, and the file has the old one: found out by the next request."""
        _, token, end = self.oracle.known["AKIDKEYWARD"]
        self.oracle.known["AKIDKEYWARD"] = "another-secret", token, end

    def schedule(self):
        self.admin.schedule_key_deletion(KeyId=self.id, PendingWindowInDays=7)

    def mend(self):
        self.oracle.fault, self.oracle.clock = None, 0
        if self.admin.describe_key(KeyId=self.id)["KeyMetadata"]["KeyState"] == "PendingDeletion":
            self.admin.cancel_key_deletion(KeyId=self.id)
        self.admin.enable_key(KeyId=self.id)
        self.renew()

    def faults(self):
        for name, fault in FAULTS.items():
            yield name, lambda fault=fault: setattr(self.oracle, "fault", fault)
        yield "key disabled", lambda: self.admin.disable_key(KeyId=self.id)
        yield "key pending deletion", self.schedule
        yield "clock skew (ten minutes ahead)", lambda: setattr(self.oracle, "clock", 600)
        yield "clock skew (ten minutes behind)", lambda: setattr(self.oracle, "clock", -600)
        yield "session credentials expired", self.expire
        yield "wrong secret", self.rotate

    def close(self):
        self.moto.stop()
        self.oracle.server.shutdown()
        self.oracle.server.server_close()


class Routing(Scene):
    def test_aws_fails_google_serves(self):
        first, second = Aws(self.path("aws")), Google(self.path("google"))
        self.begin({"first": first, "second": second})
        self.every_fault(first, second)


class Reconcile(Scene):
    def test_the_oracle_agrees(self):
        """Each request that came is one call, whatever became of it there."""
        first, second = Aws(self.path("aws")), Google(self.path("google"))
        self.begin({"first": first, "second": second})
        self.use_keys(40)
        self.strict()
        load = Load(self.running, self.keys, 4)
        for fault in FAULTS.values():
            first.oracle.fault = fault
            time.sleep(self.SECONDS / 2)
            first.oracle.fault = None
            self.healthy_again("first")
        self.assertEqual(figures(load.end().calls)[1], [])
        self.assertEqual(self.running.stop(), 0)
        sums, seen = self.counted()[0]["first"], first.oracle.seen
        self.assertEqual([sums["wrap"], sums["unwrap"], sums["check"]],
                         [seen.get("TrentService." + act, 0) for act in ("Encrypt", "Decrypt", "DescribeKey")])
        self.assertEqual(first.oracle.refused, [])
        print(f" {sums}", end=" ")


class Check(Checks, Scene):
    def made(self):
        return Aws(self.path("aws"))


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    main()
