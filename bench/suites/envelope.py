"""sealing in process against the bare AES-256-GCM that it contains (one program, interleaved rounds)"""
import json
import subprocess

from table import row


def run(env):
    done = subprocess.run([env.build / "bench" / "bench_envelope_micro"], check=True, capture_output=True)
    found = json.loads(done.stdout)
    for size in (64, 1024):
        r = found[f"seal_open_{size}"]
        yield row(f"seal and open {size} B, a data key each", ours=r["keyward_ns"], peer=r["bare_ns"], unit="ns",
                  ratio=r["bare_ns"] / r["keyward_ns"], least=round(1 / 1.5, 3),
                  note="peer: two key setups and AEAD calls each way")
    stream = found["stream"]
    for way in ("seal", "open"):
        yield row(f"stream, {way}", ours=stream[f"{way}_gb_s"], peer=stream["bare_gb_s"], unit="GB/s",
                  ratio=stream[f"{way}_share"], least=0.85, note="peer: AES-256-GCM, 16 KiB")
    yield row("record with one sealed field, seal and open", ours=found["record_seal_open"]["ns"], unit="ns")
