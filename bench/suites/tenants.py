"""1,000 tenants against 100,000 (or 1,000,000 with --full, make bench BENCH=full)

Two servers, taking turns. The judged pattern is a working set: both unwrap keys of the same 1,000
tenants, beside which the larger one holds all the others. The cold pattern is the other end: each
request is of another tenant that this server has not seen since it was started, so that each one reads
the database and unwraps a tenant key under the root key.
"""
import random

from authority import Authority
from table import row

HOT, COLD, KEYS_EACH, MANY, FULL = 1000, 20000, 4, 100000, 1000000


def filled(env, count):
    authority = Authority(env, f"tenants-{count}")
    authority.start()
    seconds = authority.make_tenants(0, count)
    return authority, seconds


def restart(authority):
    authority.stop()
    return authority.start()


def run(env):
    many = FULL if env.full else MANY
    few, _ = filled(env, HOT)
    full, seconds = filled(env, many)
    yield row(f"making {many:,} tenants, each with a key", ours=many / seconds, unit="1/s")

    cold = full.make_keys(random.Random(2).sample(range(HOT, many), COLD))
    hot = [authority.make_keys(range(HOT), KEYS_EACH) for authority in (few, full)]
    started = [restart(authority) for authority in (few, full)]
    yield row(f"start with {many:,} tenants", ours=started[1], peer=started[0], unit="s", ratio=1 / started[1],
              least=1, note="until it listens; peer: with 1,000; at most 1 s")
    loads = [lambda a=a, keys=keys, **more: a.unwrap_load(keys, **more) for a, keys in zip((few, full), hot)]
    env.rounds_of(*loads, rounds=1)  # the keys are in both keyrings now
    resident = [authority.resident_bytes() for authority in (few, full)]
    each = max(0, resident[1] - resident[0]) / (many - HOT)
    yield row("memory a cold tenant", ours=each, unit="B", ratio=512 / max(each, 1), least=1,
              note=f"difference of resident memory under the same load ({resident[1] / 2**20:.0f} and "
                   f"{resident[0] / 2**20:.0f} MiB); at most 512 B")
    small, large = env.rounds_of(*loads)
    p99 = [report["latency_us"]["p99"] for report in (small, large)]
    yield row(f"p99 of unwraps of 1,000 hot tenants among {many:,}", ours=p99[1], peer=p99[0], unit="us",
              ratio=p99[0] / p99[1], least=0.9, note="peer: 1,000 tenants in all")
    cpu = [report["server_cpu_us_per_request"] for report in (small, large)]
    yield row("CPU a request in it", ours=cpu[1], peer=cpu[0], unit="us", ratio=cpu[0] / cpu[1])

    before = full.metric("keyring_bytes"), full.metric("keyring_entries")
    touched = full.unwrap_load(cold, count=COLD - 2000, warmup=0.1)
    latency = touched["latency_us"]
    yield row(f"cold: each unwrap of another of {many:,} tenants", ours=touched["requests_per_second"],
              unit="req/s", note=f"p50 {latency['p50']:.0f} us, p99 {latency['p99']:.0f} us, "
                                 f"{touched['server_cpu_us_per_request']:.0f} us CPU")
    size, entries = (full.metric(name) - was for name, was in zip(("keyring_bytes", "keyring_entries"), before))
    yield row("memory a tenant whose key is in the keyring", ours=size / entries, unit="B")
    for authority in (few, full):
        authority.stop()
