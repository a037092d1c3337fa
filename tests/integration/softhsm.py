"""SoftHSM as a provider (kind pkcs11): a token in a folder of the case's, and before it our module that fails on
command (tests/support/cryptoki_faulty.h), whose controls are a file that the server's process and this one share.
"""

import mmap

from clouds import *

MODULE = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else None  # libkw_cryptoki_faulty.so
BEHIND = [path for path in ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
                            "/usr/lib64/pkcs11/libsofthsm2.so") if os.path.exists(path)]
CALLS = ("none", "initialize", "slot_list", "token_info", "mechanism_info", "open_session", "session_info", "login",
         "find_init", "find", "find_final", "attributes", "generate_key", "encrypt_init", "encrypt", "decrypt_init",
         "decrypt")
GENERAL_ERROR, DEVICE_ERROR, DEVICE_MEMORY, DEVICE_REMOVED, SESSION_INVALID, SESSION_COUNT = 0x5, 0x30, 0x31, 0x32, 0xb3, 0xb1


class Controls(ctypes.Structure):
    """struct kw_faulty"""
    _fields_ = [("call", ctypes.c_int), ("skip", ctypes.c_uint64), ("times", ctypes.c_uint64), ("rv", ctypes.c_ulong),
                ("hang", ctypes.c_int), ("hanging", ctypes.c_uint64), ("iv", ctypes.c_int), ("set", ctypes.c_ulong),
                ("log_out", ctypes.c_int), ("longer", ctypes.c_int), ("calls", ctypes.c_uint64 * len(CALLS))]


class SoftHsm:
    """kind pkcs11"""
    KEY, MISSING, PIN = "root", "nowhere", "correct-horse-11"
    makes_key = True

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.tokens, self.away = self.folder / "tokens", self.folder / "away"
        self.tokens.mkdir(parents=True)
        (self.folder / "softhsm2.conf").write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\n"
                                                   "log.level = ERROR\nslots.removable = false\n")
        (self.folder / "pin").write_text(self.PIN + "\n")
        (self.folder / "controls").write_bytes(bytes(ctypes.sizeof(Controls)))
        with open(self.folder / "controls", "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 0)
        self.controls = Controls.from_buffer(self.shared)
        self.env = {"SOFTHSM2_CONF": self.folder / "softhsm2.conf", "KW_FAULTY_BEHIND": BEHIND[0],
                    "KW_FAULTY_CONTROLS": self.folder / "controls"}
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "keyward", "--pin", self.PIN, "--so-pin",
                        "security-officer"], env={**os.environ, **{k: str(v) for k, v in self.env.items()}}, check=True,
                       capture_output=True)

    def settings(self):
        return {"kind": "pkcs11", "key": self.KEY, "module": MODULE, "token": "keyward", "pin_file": self.folder / "pin"}

    def forget_calls(self):
        self.controls.calls[:] = [0] * len(CALLS)

    def count(self, call):
        return self.controls.calls[CALLS.index(call)]

    def fail(self, call, rv, times=ALWAYS):
        self.controls.call, self.controls.rv, self.controls.times = 0, rv, times
        self.controls.call = CALLS.index(call)

    def hang(self):
        self.controls.hang = 1
        self.fail("decrypt", 0)

    def break_pin(self):
        """It shows when a session must log in anew."""
        (self.folder / "pin").write_text("wrong\n")
        self.controls.log_out = 1
        self.fail("decrypt_init", SESSION_INVALID, 8)

    def take_away(self):
        self.tokens.rename(self.away)

    def remove_key(self):
        shutil.copytree(self.tokens, self.away)
        for path in self.tokens.glob("*/*.object"):
            if path.name != "token.object":
                path.unlink()

    def mend(self):
        self.controls.call = self.controls.hang = self.controls.log_out = self.controls.longer = 0
        (self.folder / "pin").write_text(self.PIN + "\n")
        if self.away.exists():
            if self.tokens.exists():
                shutil.rmtree(self.tokens)
            self.away.rename(self.tokens)

    def faults(self):
        yield "time-out (the module hangs)", self.hang
        yield "device error", lambda: self.fail("decrypt", DEVICE_ERROR)
        yield "general error", lambda: self.fail("decrypt", GENERAL_ERROR)
        yield "device removed", lambda: self.fail("decrypt_init", DEVICE_REMOVED)
        yield "sessions lost once", lambda: self.fail("decrypt_init", SESSION_INVALID, 20)
        yield "sessions lost again and again", lambda: self.fail("decrypt_init", SESSION_INVALID)
        yield "no session left (throttling)", lambda: self.fail("decrypt_init", SESSION_COUNT)
        yield "answers of a wrong length", self.lengthen
        yield "wrong PIN", self.break_pin
        yield "token folder gone", self.take_away
        yield "key removed", self.remove_key

    def lengthen(self):
        self.controls.longer = 7

    def close(self):
        pass
