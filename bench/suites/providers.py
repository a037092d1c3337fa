"""a root key far away: calls that the keyring saves, cold keys, failover, and OpenBao's Transit as a peer

The provider answers after 5 ms (bench_providers: store, ledger, router and keyring are real, the distance is a sleep);
failover runs over real servers. "As without a keyring" is strict mode, in which each use is validated by a call.
"""
import json
import statistics
import subprocess

import failover
import openbao
from authority import Authority
from table import row

DELAY_US, USES, QUICK_USES, TENANTS, BAO_KEYS = 5000, 1000000, 100000, 10000, 4000


def measured(env, what, uses):
    """{name: [lines]} of bench_providers."""
    words = [env.build / "bench/bench_providers", what, env.folder, uses, DELAY_US]
    run = subprocess.run([str(word) for word in words], check=True, text=True, stdout=subprocess.PIPE)
    lines = {}
    for line in map(json.loads, run.stdout.splitlines()):
        lines.setdefault(line["name"], []).append(line)
    return lines


def per_use(line):
    return line["calls"] / line["uses"]


def saved(name, line, strict, least=None, note=""):
    """Against a call a use. The ratio judged is the share of calls that were not made."""
    share = 1 - per_use(line) / per_use(strict)
    return row(f"provider calls saved, {name}", ours=100 * share, unit="%", ratio=share, least=least,
               note=f"{line['calls']:,} calls for {line['uses']:,} uses{note}", line=line, strict=strict)


def cache(env):
    uses = QUICK_USES if env.quick else USES
    found = {name: lines[0] for name, lines in measured(env, "cache", uses).items()}
    strict, warm = found["strict"], found["warm"]
    least = None if env.quick else 0.99  # a few uses of each tenant cannot save so much
    yield row("calls a use, each use validated (strict)", ours=per_use(strict), unit="",
              note=f"{strict['calls']:,} for {strict['uses']:,}; uses of one key that ask together share one")
    yield saved(f"{TENANTS:,} tenants (Zipf), from cold", found["cold"], strict, least,
                note="; each tenant used costs one")
    yield saved("the same, going on", warm, strict, least)
    yield saved("ttl 5 s, 60 s under pressure, from cold", found["brief"], strict)
    yield saved("ttl 5 s, 60 s under pressure, going on", found["brief_warm"], strict, least)
    yield saved("ttl 5 s and no more, going on", found["plain_warm"], strict)
    best = sum(1 / n for n in range(1, TENANTS // 10 + 1)) / sum(1 / n for n in range(1, TENANTS + 1))
    share = 1 - per_use(found["small_warm"])
    yield row("hits of a keyring for a tenth of the tenants", ours=100 * share, peer=100 * best, unit="%",
              ratio=share / best, note="peer: the tenth that is used most, known beforehand")
    yield row("uses a second, cached against strict", ours=warm["uses"] / warm["seconds"],
              peer=strict["uses"] / strict["seconds"], unit="/s",
              ratio=warm["uses"] / warm["seconds"] * strict["seconds"] / strict["uses"])
    for percentile in ("p50_us", "p99_us"):
        yield row(f"{percentile[:3]} of a use, cached against strict", ours=warm[percentile], peer=strict[percentile],
                  unit="us", ratio=strict[percentile] / warm[percentile])


def simulated(env):
    """The keyring alone on a simulated clock, at steady rates and the server's own ttl."""
    for line in env.pinned(env.build / "bench/bench_keyring_zipf").splitlines():
        way, rate, phase, *rest = line.split()
        if way == "adaptive" and phase == "warm":
            yield row(f"calls saved at {rate}, ttl 300 s (simulated clock)", ours=float(rest[-1].rstrip("%")), unit="%",
                      note=f"{rest[3]} calls for {int(rest[1]):,} uses")


def warm(env):
    found = measured(env, "warm", QUICK_USES if env.quick else USES)
    for what, least in (("cpu_us", 0.95), ("p50_us", None)):
        far, here = (statistics.median(line[what] for line in found[name]) for name in ("warm_far", "warm_here"))
        calls = sum(line["calls"] for line in found["warm_far"])
        yield row(f"warm unwrap, root key far away, {what[:3]}", ours=far, peer=here, unit="us", ratio=here / far,
                  least=least, note=f"peer: the root key here; {calls} calls")


def cold(env):
    found = measured(env, "cold", USES)
    middle = {name: statistics.median(line["seconds"] for line in lines) for name, lines in found.items()}
    for name, how in (("crowd", "threads"), ("flood", "uses under way, 32 hands")):
        calls = max(line["calls"] for line in found[name])
        yield row(f"one cold key, 3,000 {how}: calls", ours=calls, unit="", ratio=1 / max(1, calls), least=1)
        yield row("time until all have it", ours=middle[name] * 1e3, peer=middle[f"{name}_warm"] * 1e3, unit="ms",
                  ratio=middle[f"{name}_warm"] / middle[name],
                  note=f"peer: the same with a warm key; a call takes {DELAY_US / 1000:g} ms")
    yield row("1,000 cold keys in a batch", ours=middle["together"] * 1e3, peer=middle["one_by_one"] * 1e3, unit="ms",
              ratio=middle["one_by_one"] / middle["together"], note="peer: one after the other")


def peer(env):
    program = openbao.find(env.build)
    if program is None:
        yield row("strict unwrap against OpenBao Transit", note="left out: PyPI cannot be reached")
        return
    authority = Authority(env, "against-openbao")
    authority.start()
    authority.make_tenants(0, 1000)
    keys = authority.make_keys(range(1000), 4)
    bao = openbao.OpenBao(env, program)
    bao.make_keys(BAO_KEYS)
    before = bao.audit_lines()
    theirs, ours = env.rounds_of(bao.decrypt_load, lambda: authority.unwrap_load(keys))
    lines = bao.audit_lines() - before
    assert lines >= 2 * theirs["requests"], f"the audit file has {lines} lines"
    cpu = ours["server_cpu_us_per_request"], theirs["server_cpu_us_per_request"]
    rates = ours["requests_per_second"], theirs["requests_per_second"]
    yield row("strict unwrap against OpenBao Transit, a second", ours=rates[0], peer=rates[1], unit="req/s",
              ratio=rates[0] / rates[1], least=10, report=ours, peer_report=theirs,
              note=f"p99 {ours['latency_us']['p99']:.0f} us, OpenBao {theirs['latency_us']['p99']:.0f} us")
    yield row("the same, CPU a request", ours=cpu[0], peer=cpu[1], unit="us", ratio=cpu[1] / cpu[0], least=10)
    bao.stop()
    authority.stop()


def run(env):
    for part in (cache, simulated, warm, cold, failover.run, peer):
        yield from part(env)
