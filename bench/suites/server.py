"""strict unwrap over mutual TLS 1.3, each with its durable ledger entry, against nginx `return 200`

64 kept-alive connections, the same cores, workers and load for both, taking turns. Each request
unwraps another of 4,000 data keys of 1,000 tenants, and every answer is compared with the key that was
generated. nginx answers a text of the same length without doing anything.
"""
import json

from authority import UNWRAP, Authority
from table import row

TENANTS, KEYS_EACH, BATCH = 1000, 4, 100


def against(name, ours, peer, least=None):
    """Two rows: by CPU time a request, which a noisy neighbour disturbs less, and by requests a second."""
    cpu = peer["server_cpu_us_per_request"], ours["server_cpu_us_per_request"]
    yield row(f"{name}, CPU a request", ours=cpu[1], peer=cpu[0], unit="us", ratio=cpu[0] / cpu[1], least=least,
              report=ours, peer_report=peer)
    rates = ours["requests_per_second"], peer["requests_per_second"]
    yield row(f"{name}, a second", ours=rates[0], peer=rates[1], unit="req/s", ratio=rates[0] / rates[1],
              least=least, note=f"p50 {ours['latency_us']['p50']:.0f} us, p99 {ours['latency_us']['p99']:.0f} us")


def commits(authority, load):
    """Runs a load; (its report, entries a group commit, microseconds a commit)."""
    names = ("ledger_size", "ledger_commits_total", "ledger_commit_seconds_total")
    before = [authority.metric(name) for name in names]
    report = load()
    entries, count, seconds = (authority.metric(name) - was for name, was in zip(names, before))
    return report, entries / count, seconds / count * 1e6


def run(env):
    authority = Authority(env, "server")
    authority.start()
    authority.make_tenants(0, TENANTS)
    keys = authority.make_keys(range(TENANTS), KEYS_EACH)
    request = json.dumps({"items": [{name: keys[0][name] for name in ("wrapped", "context")}]})
    nginx = env.nginx(authority.call("POST", UNWRAP, json.loads(request)).decode())

    def peer(**more):
        return env.load(nginx["url"], nginx["process"].pid, nginx["certificates"], bodies=[request], **more)

    floor, single, batch = env.rounds_of(peer, lambda: authority.unwrap_load(keys),
                                         lambda: authority.unwrap_load(keys, items=BATCH))
    yield from against("strict unwrap", single, floor, least=0.6)
    few, few_single = env.rounds_of(lambda: peer(connections=16),
                                    lambda: authority.unwrap_load(keys, connections=16), rounds=3)
    yield from against("the same with 16 connections", few_single, few)

    rates = batch["requests_per_second"] * BATCH, single["requests_per_second"]
    yield row(f"unwrap in batches of {BATCH} over 1,000 tenants", ours=rates[0], peer=rates[1], unit="keys/s",
              ratio=rates[0] / rates[1], least=10, note="peer: the single rate")
    yield row("CPU a key in them", ours=batch["server_cpu_us_per_request"] / BATCH,
              peer=single["server_cpu_us_per_request"], unit="us",
              ratio=single["server_cpu_us_per_request"] * BATCH / batch["server_cpu_us_per_request"])
    alone = sorted(keys, key=lambda key: key["wrapped"][:16])  # by key reference: neighbours share a tenant
    (one_tenant,) = env.rounds_of(lambda: authority.unwrap_load(alone, items=KEYS_EACH), rounds=1)
    yield row(f"unwrap in batches of {KEYS_EACH}, one tenant each",
              ours=one_tenant["requests_per_second"] * KEYS_EACH, unit="keys/s")

    yield row("the disk: one write and sync of 4 KiB", ours=env.sync_us(), unit="us")
    for connections in (1, 64, 256):
        _, size, latency = commits(authority, lambda: authority.unwrap_load(keys, connections=connections))
        yield row(f"ledger: entries a commit, {connections} connections", ours=size, unit="",
                  note=f"{latency:.0f} us a commit")
    env.stop(nginx["process"])
    authority.stop()
