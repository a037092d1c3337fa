"""A preferred provider that stops answering, under load: a server whose root keys are held by two other servers.

Every request is validated by a provider (strict mode), so that none is served from memory. The providers are real: the
holders answer over TLS with their own ledgers, and hang by SIGSTOP.
"""
import json
import signal
import subprocess
import threading
import time

from authority import REGION, Authority
from table import row

TENANTS, CONNECTIONS, HANG_AT = 500, 64, 1.0
ROOT_TENANT = "root-of-bench"


class Holder(Authority):
    """A server that holds the root key of another: a tenant's key of its own."""

    def __init__(self, env, name):
        super().__init__(env, name)
        made = subprocess.run([self.program, "token", "create", "front", "--roles", "service", "--tenants", ROOT_TENANT,
                               "--json", "--data", self.home], check=True, capture_output=True, text=True)
        self.token = self.home / "front.token"
        self.token.write_text(json.loads(made.stdout)["token"] + "\n")
        self.start()
        self.call("POST", "/v1/tenants", {"id": ROOT_TENANT, "regions": [REGION]})

    def settings(self):
        return (f"kind = keyward\nkey = {ROOT_TENANT}/{REGION}\naddress = https://127.0.0.1:{self.port}\n"
                f"ca_file = {self.home}/tls/ca.crt\ntoken_file = {self.token}\n")


def front(env, holders):
    """A server with the holders as the providers of its region, the first preferred."""
    server = Authority(env, "front")
    text = f"regions = {REGION}\n[region.{REGION}]\nproviders = {', '.join(holders)}\n"
    text += "".join(f"[provider.{name}]\n{holder.settings()}" for name, holder in holders.items())
    (server.home / "keyward.conf").write_text(text)
    server.start()
    server.make_tenants(0, TENANTS)
    return server


def hang_later(holder):
    def hang():
        time.sleep(HANG_AT)
        holder.process.send_signal(signal.SIGSTOP)
    thread = threading.Thread(target=hang)
    thread.start()
    return thread


def shown(name, report, peer=None):
    latency = report["latency_us"]
    return row(name, ours=latency["p50"] / 1000, unit="ms", peer=peer and peer["latency_us"]["p50"] / 1000,
               ratio=peer and peer["latency_us"]["p50"] / latency["p50"], report=report,
               note=f"median of {report['requests']:.0f} requests, {report['failures']:.0f} failures, p99 "
                    f"{latency['p99'] / 1000:.1f} ms, p99.9 {latency['p999'] / 1000:.0f} ms, slowest "
                    f"{latency['max'] / 1000:.0f} ms")


def phases(server, first, keys, name):
    """Well, the moment of the hang, after it, and well again."""
    def load(seconds):
        return server.unwrap_load(keys, connections=CONNECTIONS, seconds=seconds, warmup=0.2, may_fail=True)
    well = load(4)
    yield shown(f"{name}: all is well", well)
    hang = hang_later(first)
    moment = load(8)
    hang.join()
    yield shown(f"{name}: it hangs after {HANG_AT:g} s of 8", moment)
    after = load(8)
    yield shown(f"{name}: while it hangs", after, well)
    first.process.send_signal(signal.SIGCONT)
    time.sleep(3)
    again = load(4)
    yield shown(f"{name}: well again", again, well)
    failed = moment["failures"] + after["failures"] + again["failures"]
    asked = moment["requests"] + after["requests"] + again["requests"]
    yield row(f"{name}: failed requests", ours=failed, unit="", ratio=1 - failed / asked, least=1,
              note=f"of {asked:.0f}; the share that succeeded")


def run(env):
    holders = {name: Holder(env, name) for name in ("first", "second")}
    server = front(env, holders)
    keys = server.make_keys(range(TENANTS), 2)
    server.unwrap_load(keys, count=len(keys))
    yield from phases(server, holders["first"], keys, "failover, cached")
    server.call("POST", "/v1/cache/strict", {"seconds": 3600})
    yield from phases(server, holders["first"], keys, "failover, every use a call")
    for one in (server, *holders.values()):
        one.stop()
