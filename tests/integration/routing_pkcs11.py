"""Root keys in an HSM (SoftHSM) with Google's as the second, and an HSM that does not do what it should.

usage: routing_pkcs11.py PATH-OF-KEYWARD PATH-OF-CRYPTOKI-FAULTY. Status 77: SoftHSM is not installed.
"""

from softhsm import *
from routing_scene import *


class Hsm(Scene):
    def test_hsm_fails_google_serves(self):
        first, second = SoftHsm(self.path("hsm")), Google(self.path("google"))
        self.begin({"first": first, "second": second})
        self.every_fault(first, second)


if __name__ == "__main__":
    if not BEHIND or SANITIZED:
        sys.exit(77)
    main()
