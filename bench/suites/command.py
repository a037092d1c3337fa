"""the command on an embedded authority: small envelopes, and files against `openssl speed`"""
import pathlib
import statistics

from authority import Authority, aes_rate, command
from table import row

RUNS, SMALL_MS, FILE_BYTES = 15, 30, 512 << 20
WHERE = ("--tenant", "acme", "--region", "eu", "--class", "pii", "--context", "table=customers")


def small(env, program, home):
    plain, sealed, opened = (env.folder / name for name in ("small", "small.kw", "small.back"))
    plain.write_bytes(b"4111 1111 1111 1111")
    times = {"seal": [], "open": []}
    for _ in range(RUNS):
        times["seal"].append(command(program, "seal", "--data", home, *WHERE, "-i", plain, "-o", sealed))
        times["open"].append(command(program, "open", "--data", home, *WHERE, "-i", sealed, "-o", opened))
        assert opened.read_bytes() == plain.read_bytes()
    yield row("the disk: one write and sync of 4 KiB", ours=env.sync_us() / 1000, unit="ms")
    for way, found in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*found))
        yield row(f"{way} 19 bytes, process time", ours=cpu, unit="ms", ratio=SMALL_MS / cpu, least=1,
                  note=f"user + system; at most {SMALL_MS} ms")
        yield row(f"{way} 19 bytes, wall", ours=wall, unit="ms", ratio=SMALL_MS / wall, least=1,
                  note=f"with the ledger's syncs; at most {SMALL_MS} ms")


def files(env, program, home):
    """In memory if there is a place in memory: the disk is not what is measured."""
    folder = pathlib.Path("/dev/shm") if pathlib.Path("/dev/shm").is_dir() else env.folder
    plain, sealed, opened = (folder / f"{env.folder.name}-{name}" for name in ("plain", "sealed", "opened"))
    try:
        with open(plain, "wb") as out:
            out.truncate(FILE_BYTES)
        rates = {"aes": [], "seal": [], "open": []}
        for _ in range(env.rounds):
            rates["aes"].append(aes_rate(env))
            for way, source, target in (("seal", plain, sealed), ("open", sealed, opened)):
                wall, _ = command(program, way, "--data", home, *WHERE, "-i", source, "-o", target)
                rates[way].append(FILE_BYTES / wall / 1e6)
                if way == "open":
                    assert target.stat().st_size == FILE_BYTES
                    target.unlink()
            sealed.unlink()
    finally:
        for path in (plain, sealed, opened):
            path.unlink(missing_ok=True)
    aes = statistics.median(rates["aes"])
    for way in ("seal", "open"):
        rate = statistics.median(rates[way])
        yield row(f"{way} a file of 512 MiB, file to file", ours=rate, peer=aes, unit="GB/s", ratio=rate / aes,
                  least=0.85, note="peer: openssl speed, 16 KiB, memory to memory")


def run(env):
    authority = Authority(env, "command")
    authority.start()
    authority.call("POST", "/v1/tenants", {"id": "acme", "regions": ["eu"]})
    authority.stop()
    yield from small(env, authority.program, authority.home)
    yield from files(env, authority.program, authority.home)
