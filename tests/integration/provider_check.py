"""`keyward provider check` by the command line, against every kind that this machine alone can have.

usage: provider_check.py PATH-OF-KEYWARD PATH-OF-CRYPTOKI-FAULTY
"""

from softhsm import *
from check_scene import *


class Software(Checks, Scene):
    """The root key of the folder has a key for every name, and none that could be switched off."""

    class Root:
        KEY = "eu"

        def settings(self):
            return {"kind": "software", "key": self.KEY}

        def close(self):
            pass

    def made(self):
        return self.Root()

    test_missing = test_disabled = test_forbidden = None


class GoogleCheck(Checks, Scene):
    class Cloud(Google):
        MISSING, CAN_MAKE, OFF_CODE = gcp.RING + "/cryptoKeys/new", True, "key_suspended"

        def disabled(self):
            off = gcp.RING + "/cryptoKeys/off"
            self.fake.make(off)
            self.fake.state(off, "DISABLED")
            return off

        def forbid(self):
            self.fake.denied.add(self.KEY)

    def made(self):
        return self.Cloud(self.path("google"))


class AzureCheck(Checks, Scene):
    class Cloud(Azure):
        MISSING, CAN_MAKE, OFF_CODE = "new", True, "key_suspended"

        def disabled(self):
            self.fake.make("off")
            self.fake.attributes("off", enabled=False)
            return "off"

        def forbid(self):
            self.fake.denied.add(self.KEY)

    def made(self):
        return self.Cloud(self.path("azure"))


class KeywardCheck(Checks, Scene):
    class Peer(Other):
        MISSING, CAN_MAKE, OFF_CODE = "root-of-a/us", False, "key_suspended"

        def disabled(self):
            """A tenant of ours that is suspended there."""
            at = ("--addr", f"https://{self.address}", "--cacert", f"{self.data}/tls/ca.crt",
                  "--cert", f"{self.data}/tls/client.crt", "--key", f"{self.data}/tls/client.key")
            self.case.ok("tenant", "create", "off", "--region", "eu", *at)
            made = self.case.ok("token", "create", "both", "--roles", "service", "--tenants", "root-of-a,off", "--json", *at)
            self.case.write("token", json.loads(made)["token"] + "\n")
            self.case.ok("tenant", "suspend", "off", "--justification", "a test", *at)
            return "off/eu"

        def forbid(self):
            self.spoil_token()

    def made(self):
        return self.Peer(self)


@unittest.skipIf(not BEHIND or SANITIZED, "no SoftHSM, or a program that cannot load it")
class HsmCheck(Checks, Scene):
    """A key that is disabled is one without CKA_ENCRYPT: the tools at hand make none (unit.pkcs11.custody does)."""

    class Hsm(SoftHsm):
        MISSING, CAN_MAKE = "new", True

        def forbid(self):
            (self.folder / "pin").write_text("wrong\n")

    def made(self):
        return self.Hsm(self.path("hsm"))

    test_disabled = None


if __name__ == "__main__":
    main()
