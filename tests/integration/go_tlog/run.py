"""Two other implementations look at a ledger: Go's sumdb and the openssl program.

    run.py COMMANDS    the program made of commands.c

Ends with 77 (skipped, by name) where there is no Go or no golang.org/x/mod.
"""
import base64
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COMMANDS = sys.argv[1]
SIZES = [0, 1, 2, 255, 256, 257, 700, 66000]
GO_ENV = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="", GOTOOLCHAIN="local")
SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")


def run(*command, fails=False, env=None):
    """Standard output; fails=True: the command must refuse."""
    done = subprocess.run(command, capture_output=True, env=env)
    if (done.returncode != 0) != fails:
        sys.exit("%s\nended with %d: %s" % (" ".join(command), done.returncode, done.stderr.decode()))
    return done.stdout


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)
    return path


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def build_go(folder):
    """The Go program, or the reason why there is none."""
    if shutil.which("go") is None:
        return None, "there is no go"
    env = dict(GO_ENV)
    env.setdefault("GOCACHE", os.path.join(folder, "go-cache"))
    program = os.path.join(folder, "go_tlog")
    listed = subprocess.run(["go", "list", "golang.org/x/mod/sumdb/tlog"], capture_output=True, env=env)
    if listed.returncode != 0:
        return None, "golang-golang-x-mod-dev is not installed"
    run("go", "build", "-o", program, os.path.join(HERE, "main.go"), env=env)
    return program, None


def openssl_checks_note(folder, ledger):
    """The signature of the checkpoint by nothing but its parts."""
    text, signatures = read(ledger, "checkpoint").rsplit(b"\n\n", 1)
    text += b"\n"
    public = base64.b64decode(read(ledger, "vkey").split(b"+", 2)[2])
    signature = base64.b64decode(signatures.split(b" ")[2])
    files = {
        "-inkey": write(os.path.join(folder, "public.der"), SPKI_ED25519 + public[1:]),
        "-in": write(os.path.join(folder, "text"), text),
        "-sigfile": write(os.path.join(folder, "signature"), signature[4:]),
    }
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
    for option, path in files.items():
        command += [option, path]
    run(*command)
    write(files["-in"], text.replace(b"keyward", b"kayward"))
    run(*command, fails=True)


def go_checks_c(go, folder, ledger, size):
    print(run(go, "check", ledger).decode().strip())
    for index in sorted({0, 1, size // 2, size - 1} & set(range(size))):
        receipt = write(os.path.join(folder, "receipt"), run(COMMANDS, "receipt", ledger, str(index)))
        run(go, "receipt", ledger, str(index), receipt)
        lines = read(receipt).split(b"\n")
        lines[2] = (b"B" if lines[2][:1] == b"A" else b"A") + lines[2][1:]  # the first hash
        if size > 1:
            run(go, "receipt", ledger, str(index), write(receipt + "2", b"\n".join(lines)), fails=True)
    for old in sorted({1, 2, 255, 256, 257, size // 2, size - 1, size} & set(range(1, size + 1))):
        proof = write(os.path.join(folder, "proof"), run(COMMANDS, "consistency", ledger, str(old)))
        run(go, "consistency", ledger, proof)


def c_checks_go(go, folder, ledger, size):
    for index in sorted({0, 1, size // 3, size - 1} & set(range(size))):
        receipt = write(os.path.join(folder, "receipt"), run(go, "prove", ledger, str(index)))
        run(COMMANDS, "check-receipt", ledger, receipt, str(index))
        run(COMMANDS, "check-receipt", ledger, receipt, str(index + 1), fails=True)
    for old in sorted({1, 255, 256, 257, size // 3, size} & set(range(1, size + 1))):
        proof = write(os.path.join(folder, "proof"), run(go, "prove-tree", ledger, str(old)))
        run(COMMANDS, "check-consistency", str(old), str(size), proof)
        for line in (0, 1):  # another old root, another new one
            lines = read(proof).split(b"\n")
            lines[line] = (b"B" if lines[line][:1] == b"A" else b"A") + lines[line][1:]
            damaged = write(proof + "2", b"\n".join(lines))
            run(COMMANDS, "check-consistency", str(old), str(size), damaged, fails=True)


def go_finds_damage(go, ledger):
    path = os.path.join(ledger, "tile/entries/000")
    content = read(path)
    write(path, content[:20] + b"!" + content[21:])
    run(go, "check", ledger, fails=True)
    write(path, content)
    run(go, "check", ledger)


def main():
    with tempfile.TemporaryDirectory(prefix="keyward-test-") as folder:
        go, missing = build_go(folder)
        for size in SIZES:
            ledger = os.path.join(folder, "ledger-%d" % size)
            run(COMMANDS, "make", ledger, str(size))
            openssl_checks_note(folder, ledger)
            if go is not None:
                go_checks_c(go, folder, ledger, size)
                c_checks_go(go, folder, ledger, size)
        if go is None:
            print("skipped: go_tlog: %s (openssl agrees on %d checkpoints)" % (missing, len(SIZES)))
            sys.exit(77)
        go_finds_damage(go, os.path.join(folder, "ledger-700"))
        signed = write(os.path.join(folder, "signed"), run(go, "sign"))
        run(COMMANDS, "check-checkpoint", signed)
        run(COMMANDS, "check-checkpoint", write(signed, read(signed).replace(b"\n0\n", b"\n1\n")), fails=True)


main()
