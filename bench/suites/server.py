"""the server over mutual TLS 1.3 on kept-alive connections, against nginx `return 200`"""
import json

from table import row

ANSWER = json.dumps({"items": [{"plaintext": "A" * 44}], "receipt": {"index": 123456, "log": "x" * 180}})
REQUEST = json.dumps({"items": [{"wrapped": "A" * 128, "context": {"table": "customers", "row": "12345"}}]})


def run(env):
    nginx = env.nginx(ANSWER)
    cert = nginx["certificates"]

    def peer():
        return env.load(nginx["url"], nginx["process"].pid, cert, bodies=[REQUEST])

    (floor,) = env.rounds_of(peer)
    yield row("nginx return 200, a second", peer=floor["requests_per_second"], unit="req/s", report=floor)
    yield row("nginx return 200, CPU a request", peer=floor["server_cpu_us_per_request"], unit="us")
    env.stop(nginx["process"])
