"""sealing in process against the bare AES-256-GCM that it contains (one program, interleaved rounds)"""
import json

from authority import aes_rate
from table import row


def run(env):
    found = json.loads(env.pinned(env.build / "bench" / "bench_envelope_micro"))
    openssl = aes_rate(env)
    for size in (64, 1024):
        r = found[f"seal_open_{size}"]
        yield row(f"seal and open {size} B, a data key each", ours=r["keyward_ns"], peer=r["bare_ns"], unit="ns",
                  ratio=r["bare_ns"] / r["keyward_ns"], least=round(1 / 1.5, 3),
                  note="peer: two key setups and AEAD calls each way")
    stream = found["stream"]
    for way in ("seal", "open"):
        yield row(f"stream, {way}, memory to memory", ours=stream[f"{way}_gb_s"], peer=stream["bare_gb_s"],
                  unit="GB/s", ratio=stream[f"{way}_share"], least=0.85,
                  note="peer: AES-256-GCM in 16 KiB pieces, turn by turn")
        yield row(f"stream, {way}, against openssl speed", ours=stream[f"{way}_gb_s"], peer=openssl, unit="GB/s",
                  ratio=stream[f"{way}_gb_s"] / openssl, least=0.85, note="another program: not turn by turn")
    yield row("record with one sealed field, seal and open", ours=found["record_seal_open"]["ns"], unit="ns")
