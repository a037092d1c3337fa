"""What every suite needs: cores, certificates, servers that are stopped at the end, and the load.

The server has the first half of the cores and the load generator the rest (on two cores: one each),
so that the peers' workers and Keyward's run on the same cores and never fight with the load.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time


MARKER = "\n--next--\n"


class Environment:
    def __init__(self, root, build, options):
        self.root, self.build = root, build.resolve()
        self.rounds, self.seconds, self.full, self.quick = options.rounds, options.seconds, options.full, options.quick
        cores = sorted(os.sched_getaffinity(0))
        half = max(1, len(cores) // 2)
        self.server_cores = cores[:half]
        self.load_cores = cores[half:] or cores
        self.processes = []

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=self.build))
        kind = subprocess.run(["stat", "-f", "-c", "%T", self.folder], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.strip()
        if kind in ("tmpfs", "ramfs"):
            raise SystemExit(f"bench: {self.folder} is in memory ({kind}): durable writes must be measured on "
                             "a disk; give another --build")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- certificates

    def certificates(self):
        """A CA, a server's and a client's certificate (P-256); {ca, server, client} without suffix."""
        made = {name: self.folder / name for name in ("ca", "server", "client")}
        if made["ca"].with_suffix(".pem").exists():
            return made
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-days", "2", "-subj", "/CN=bench CA", "-keyout", f"{made['ca']}.key",
                      "-out", f"{made['ca']}.pem")
        names = {"server": "subjectAltName=DNS:localhost,IP:127.0.0.1",
                 "client": "subjectAltName=URI:spiffe://bench.example/load"}
        for name, extension in names.items():
            self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                          "-subj", f"/CN={name}", "-keyout", f"{made[name]}.key",
                          "-out", f"{made[name]}.csr")
            made[name].with_suffix(".ext").write_text(extension + "\n")
            self._openssl("x509", "-req", "-in", f"{made[name]}.csr", "-CA", f"{made['ca']}.pem",
                          "-CAkey", f"{made['ca']}.key", "-CAcreateserial", "-days", "2",
                          "-extfile", f"{made[name]}.ext", "-out", f"{made[name]}.pem")
        return made

    @staticmethod
    def _openssl(*words):
        subprocess.run(("openssl",) + words, check=True, capture_output=True)

    # ---- servers

    @staticmethod
    def free_port():
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return s.getsockname()[1]

    def start(self, words, port=None, **more):
        """Starts a server on the server's cores and waits until it listens on port."""
        pinned = ["taskset", "-c", ",".join(map(str, self.server_cores))] + [str(w) for w in words]
        process = subprocess.Popen(pinned, start_new_session=True, **more)
        self.processes.append(process)
        deadline = time.monotonic() + 20
        while port is not None:
            if process.poll() is not None:
                raise SystemExit(f"bench: {words[0]} ended with status {process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise SystemExit(f"bench: {words[0]} does not listen on port {port}") from None
                time.sleep(0.02)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def nginx(self, answer):
        """nginx that answers every request with this text over TLS 1.3 with client certificates."""
        program = subprocess.run([self.root / "scripts/fetch-nginx", self.build], check=True, text=True,
                                 stdout=subprocess.PIPE).stdout.strip()
        port, cert = self.free_port(), self.certificates()
        home = self.folder / f"nginx-{port}"
        home.mkdir()
        paths = "".join(f"{kind}_temp_path {home}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        (home / "nginx.conf").write_text(f"""
{user} daemon off; pid {home}/pid; error_log {home}/error.log;
worker_processes {len(self.server_cores)};
events {{ worker_connections 8192; }}
http {{
{paths}access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
server {{
listen 127.0.0.1:{port} ssl; ssl_protocols TLSv1.3;
ssl_certificate {cert['server']}.pem; ssl_certificate_key {cert['server']}.key;
ssl_client_certificate {cert['ca']}.pem; ssl_verify_client on;
location / {{ default_type application/json; return 200 '{answer}'; }}
}} }}
""")
        process = self.start([program, "-p", home, "-c", home / "nginx.conf", "-e", home / "error.log"], port)
        return {"process": process, "url": f"https://127.0.0.1:{port}/", "certificates": cert}

    def sync_us(self, writes=200):
        """The median time of one write of 4 KiB and its sync on this disk, which a commit cannot beat."""
        times = []
        path = self.folder / "synced"
        with open(path, "wb", buffering=0) as file:
            file.write(bytes(4096 * writes))
            os.fsync(file.fileno())
            for i in range(writes):
                begun = time.monotonic()
                os.pwrite(file.fileno(), b"x" * 4096, 4096 * i)
                os.fdatasync(file.fileno())
                times.append(time.monotonic() - begun)
        path.unlink()
        return statistics.median(times) * 1e6

    # ---- load and other programs

    def pinned(self, *words, **more):
        """Runs a program on the load's first core; its standard output."""
        pinned = ["taskset", "-c", str(self.load_cores[0])] + [str(w) for w in words]
        return subprocess.run(pinned, check=True, text=True, stdout=subprocess.PIPE, **more).stdout

    def texts(self, name, texts):
        """A file of texts as kw_load reads them."""
        (self.folder / name).write_text("".join(text + MARKER for text in texts))
        return self.folder / name

    def load(self, url, pid, cert, *, connections=64, bodies=None, expected=None, headers=(), seconds=None,
             count=None, warmup=0.5, may_fail=False):
        """One run of kw_load; its report. bodies: texts that are sent in turn (POST), else GET;
        expected: what the answer to each begins with; count: so many requests instead of a time;
        may_fail: requests that fail are in the report, and do not end the bench."""
        words = ["taskset", "-c", ",".join(map(str, self.load_cores)), self.build / "bench/kw_load",
                 "--url", url, "--ca", f"{cert['ca']}.pem", "--connections", connections,
                 "--seconds", seconds or self.seconds, "--warmup", warmup, "--server-pid", pid]
        if "client" in cert:
            words += ["--cert", f"{cert['client']}.pem", "--key", f"{cert['client']}.key"]
        for header in headers:
            words += ["--header", header]
        if bodies:
            words += ["--body", self.texts("bodies", bodies), "--marker", MARKER]
        if expected:
            words += ["--expect", self.texts("expected", expected)]
        if count:
            words += ["--count", count]
        run = subprocess.run([str(w) for w in words], capture_output=True, text=True)
        if run.returncode == 1 or not run.stdout:
            raise SystemExit(f"bench: {run.stderr.strip()}")
        report = json.loads(run.stdout)
        if report["failures"] and not may_fail:
            raise SystemExit(f"bench: {url}: {report['failures']} of {report['requests']} requests failed: "
                             f"{report.get('first_failure')}")
        return report

    def rounds_of(self, *runs, rounds=None):
        """Calls the functions in turn, round after round; for each the median report."""
        reports = [[] for _ in runs]
        for _ in range(rounds or self.rounds):
            for i, run in enumerate(runs):
                reports[i].append(run())
        return [median(group) for group in reports]


def median(reports):
    """Report with the median of every number (also those one level down)."""
    result = dict(reports[0])
    for key, value in result.items():
        if isinstance(value, (int, float)):
            result[key] = statistics.median(r[key] for r in reports)
        elif isinstance(value, dict):
            result[key] = {k: statistics.median(r[key][k] for r in reports) for k in value}
    return result
