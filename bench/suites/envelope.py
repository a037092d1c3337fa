"""sealing in process, a data key each, against the bare AES-256-GCM and key set-up that it contains"""
import json
import re
import statistics
import subprocess

from table import row


def run(env):
    program = env.build / "bench/bench_envelope_micro"
    reports = [json.loads(env.pinned(program)) for _ in range(env.rounds)]

    def middle(group, name):
        return statistics.median(report[group][name] for report in reports)

    for size, title in ((64, "64 B"), (1024, "1 KiB")):
        group = f"seal_open_{size}"
        ours, bare = middle(group, "keyward_ns"), middle(group, "bare_ns")
        yield row(f"seal and open {title}", ours=ours, peer=bare, unit="ns", ratio=bare / ours,
                  least=round(1 / 1.5, 3), note="peer: bare EVP calls")
    yield row("record: seal and open a field", ours=middle("record_seal_open", "ns"), unit="ns")
    for name in ("seal", "open"):
        ours, bare = middle("stream", f"{name}_gb_s"), middle("stream", "bare_gb_s")
        yield row(f"stream: {name}", ours=ours, peer=bare, unit="GB/s", ratio=ours / bare, least=0.85,
                  note="peer: bare EVP, same process")
    speed = env.pinned("openssl", "speed", "-mr", "-elapsed", "-seconds", "1", "-bytes", "16384", "-evp",
                       "aes-256-gcm", stderr=subprocess.DEVNULL)
    openssl = float(re.search(r"^\+F:\d+:[^:]+:([\d.]+)", speed, re.M).group(1)) / 1e9
    ours = middle("stream", "seal_gb_s")
    yield row("stream: seal, against openssl speed", ours=ours, peer=openssl, unit="GB/s",
              ratio=ours / openssl, least=0.85, note="one key, no chunks, no output kept")
