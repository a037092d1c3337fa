"""The end of a server under load: by SIGTERM, by kill -9 at any moment; and new certificates by
SIGHUP. Nothing that was acknowledged may be lost, and the ledger must have it.

usage: faults_stop.py PATH-OF-KEYWARD
"""

from keyward import *

LOAD = 4  # clients


class Load:
    """Clients that generate data keys (and make tenants) without pause, and remember every answer."""

    def __init__(self, server):
        self.acknowledged = []  # (plaintext, wrapped, index, request id)
        self.tenants = []
        self.refusals = []      # answers that were none of success
        self.broken = []        # no answer
        self.stopping = False
        self.server = server
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(LOAD)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        client = self.connect()
        turn = 0
        while client and not self.stopping:
            turn += 1
            try:
                self.one(client, number, turn)
            except (OSError, http.client.HTTPException) as failure:
                self.broken.append(failure)
                break
        if client:
            client.close()

    def connect(self):
        try:
            client = Client(self.server)
            client.connection.connect()
            return client
        except (OSError, http.client.HTTPException):
            client.close()
            return None

    def one(self, client, number, turn):
        if number == 0 and turn % 5 == 0:
            name = f"t{os.urandom(6).hex()}"
            answer = client.post("/v1/tenants", {"id": name, "regions": ["eu"]})
            if answer.status == 201:
                self.tenants.append(name)
            else:
                self.refusals.append(answer)
            return
        answer = client.generate()
        if answer.status != 200:
            self.refusals.append(answer)
            return
        found = answer.json
        self.acknowledged.append((found["items"][0]["plaintext"], found["items"][0]["wrapped"],
                                  found["receipt"]["index"], answer.headers["X-Request-Id"]))

    def end(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(WAIT)


class Stops(Case):
    def check(self, data, acknowledged, tenants, old_checkpoints=()):
        """Everything acknowledged is there: keys open, entries are where their receipts say."""
        for number, text in enumerate(old_checkpoints):
            path = self.write(f"old{number}", text)
            self.ok("ledger", "verify", f"{data}/ledger", "--key", f"{data}/ledger/vkey", "--old", path)
        entries = self.entries(data)
        for _, _, index, request in acknowledged:
            self.assertLess(index, len(entries))
            entry = entries[index]
            self.assertEqual(entry["api"]["operation"], "GenerateDataKey")
            self.assertEqual(entry["status_id"], 1)
            self.assertEqual(entry["api"]["request"]["uid"], request)
        self.assertEqual(len({a[2] for a in acknowledged}), len(acknowledged), "an index twice")
        made = {e["metadata"].get("tenant_uid") for e in entries
                if e["api"]["operation"] == "CreateTenant" and e["status_id"] == 1}
        self.assertLessEqual(set(tenants), made)
        return entries

    def opens(self, client, acknowledged, tenants):
        for at in range(0, len(acknowledged), 500):
            part = acknowledged[at:at + 500]
            answer = client.post("/v1/data-keys/unwrap", {"items": [
                {"wrapped": w, "context": {"row": "1"}} for _, w, *_ in part]})
            self.assertEqual(answer.status, 200, answer.body[:300])
            self.assertEqual([i.get("plaintext") for i in answer.json["items"]],
                             [p for p, *_ in part])
        for name in tenants:
            self.assertEqual(client.get(f"/v1/tenants/{name}").json["state"], "active")

    def test_term_under_load(self):
        """Every request that was read is answered; none is acknowledged and lost."""
        data = self.home()
        acknowledged, tenants = [], []
        for _ in range(5 if SLOW else 3):
            server = self.server(data)
            load = Load(server)
            time.sleep(0.5)
            self.assertEqual(server.stop(), 0)
            load.end()
            for answer in load.refusals:
                self.assertEqual((answer.status, answer.error), (503, "shutting_down"), answer.body)
            for failure in load.broken:  # a connection closed between two requests
                self.assertIsInstance(failure, (http.client.RemoteDisconnected, ConnectionError,
                                                ssl.SSLError, http.client.CannotSendRequest), failure)
            acknowledged += load.acknowledged
            tenants += load.tenants
            self.assertGreater(len(load.acknowledged), 10)
        # The folder was closed in order: no request is in the ledger as answered that was not.
        entries = self.check(data, acknowledged, tenants)
        generated = sum(e["api"]["operation"] == "GenerateDataKey" and e["status_id"] == 1 for e in entries)
        self.assertEqual(generated, len(acknowledged), "released, but the answer was not delivered")
        self.opens(self.server(data).client(), acknowledged, tenants)
        print(f" {len(acknowledged)} keys, {len(tenants)} tenants", end=" ")

    def test_kill_at_any_moment(self):
        data = self.home()
        rounds = 60 if SLOW else 20
        acknowledged, tenants, checkpoints, lost = [], [], [], 0
        for _ in range(rounds):
            server = self.server(data, "ledger.publish_interval=50ms")
            load = Load(server)
            seen = self.watch(server, chance.uniform(0.01, 0.35))
            server.process.kill()
            server.process.wait()
            load.end()
            acknowledged += load.acknowledged
            tenants += load.tenants
            lost += len(load.broken)
            checkpoints = (checkpoints + seen)[-3:]
            self.assertEqual(load.refusals, [])
            self.ok("status", "--data", data)  # opens and publishes
            self.check(data, load.acknowledged, load.tenants, checkpoints)
        self.check(data, acknowledged, tenants, checkpoints)
        self.opens(self.server(data).client(), acknowledged, tenants)
        self.assertGreater(len(acknowledged), rounds)
        print(f" {rounds} kills, {len(acknowledged)} keys, {len(tenants)} tenants, "
              f"{lost} requests without an answer", end=" ")

    def watch(self, server, seconds):
        """The last checkpoint that was served until then."""
        until = time.monotonic() + seconds
        client = server.client()
        seen = []
        while time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException):
                seen = [client.get("/v1/ledger/checkpoint").body]
            time.sleep(0.02)
        return seen

    def test_new_certificates_under_load(self):
        """SIGHUP: no request fails, and new connections see the new certificate. A broken one is
        refused and the old one stays."""
        data = self.home()
        server = self.server(data)
        load = Load(server)
        first = self.peer(server)
        for turn in range(3):
            self.ok("cert", "issue", "127.0.0.1", "--kind", "server", "-o", self.path(f"new{turn}"),
                    env=self.address(server))
            for suffix in ("crt", "key"):
                os.replace(self.path(f"new{turn}.{suffix}"), f"{data}/tls/server.{suffix}")
            server.process.send_signal(signal.SIGHUP)
            until = time.monotonic() + WAIT
            while (now := self.peer(server)) == first:
                self.assertLess(time.monotonic(), until, "the certificate stays")
                time.sleep(0.02)
            first = now
        self.write("home/tls/server.crt", "garbled")
        server.process.send_signal(signal.SIGHUP)
        server.wait_text("certificates not reloaded")
        self.assertEqual(self.peer(server), first)
        load.end()
        self.assertEqual((load.refusals, load.broken), ([], []))
        self.assertGreater(len(load.acknowledged), 20)
        self.assertEqual(server.stop(), 0)

    @staticmethod
    def peer(server):
        with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT) as plain:
            with tls_context(server.data).wrap_socket(plain, server_hostname="127.0.0.1") as one:
                return one.getpeercert(True)

    @staticmethod
    def address(server):
        tls = f"{server.data}/tls"
        return {"KEYWARD_ADDR": f"https://127.0.0.1:{server.port}", "KEYWARD_CACERT": f"{tls}/ca.crt",
                "KEYWARD_CERT": f"{tls}/client.crt", "KEYWARD_KEY": f"{tls}/client.key"}

    def test_two_terms(self):
        """A second signal while it stops changes nothing; INT is like TERM."""
        server = self.server(self.home())
        server.process.send_signal(signal.SIGINT)
        with contextlib.suppress(ProcessLookupError):
            server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(WAIT), 0)

    def test_stop_does_not_wait_for_idle_or_stuck_connections(self):
        data = self.home()
        server = self.server(data, "server.drain_timeout=500ms")
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        stuck = tls_context(data).wrap_socket(
            socket.create_connection(("127.0.0.1", server.port)), server_hostname="127.0.0.1")
        stuck.sendall(b"POST /v1/data-keys/generate HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{")
        time.sleep(0.2)
        start = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - start, 20)
        for one in [*idle, stuck]:
            one.close()


if __name__ == "__main__":
    main()
