"""The kill switch: after the answer to suspend, disable, close or schedule-destroy no request that is
sent opens anything of that tenant, on any connection, while the neighbours notice nothing.

usage: faults_kill_switch.py PATH-OF-KEYWARD
"""

from keyward import *

HANDS = 3  # connections a tenant


class Hammer:
    """Unwraps one tenant's data key without pause. calls: (sent, received, error code or None)."""

    def __init__(self, server, tenant, wrapped, plaintext):
        self.server, self.tenant, self.wrapped, self.plaintext = server, tenant, wrapped, plaintext
        self.calls, self.wrong, self.stopping = [], [], False
        self.threads = [threading.Thread(target=self.work) for _ in range(HANDS)]
        for thread in self.threads:
            thread.start()

    def work(self):
        client = Client(self.server)
        while not self.stopping:
            sent = time.monotonic()
            try:
                answer = client.unwrap(self.wrapped)
                received = time.monotonic()
                self.calls.append((sent, received, answer.error))
                if answer.status == 200 and answer.json["items"][0]["plaintext"] != self.plaintext:
                    self.wrong.append(answer.body)
            except Exception as failure:  # whatever it is, it is a finding
                self.wrong.append(failure)
                break
        client.close()

    def end(self):
        self.stopping = True
        for thread in self.threads:
            thread.join(WAIT)

    def successes(self, after=0.0, before=float("inf")):
        return [c for c in list(self.calls) if c[2] is None and after < c[0] < before]


class KillSwitch(Case):
    def setUp(self):
        super().setUp()
        self.data = self.home(tenants=("acme", "globex"))
        self.running = self.server(self.data)
        self.admin = self.running.client()

    def hammer(self, tenant):
        plaintext, wrapped = new_key(self.admin, tenant=tenant)
        return Hammer(self.running, tenant, wrapped, plaintext)

    def settle(self, hammer, code, since):
        """Until every hand has had an answer with this code (None: success) since then."""
        until = time.monotonic() + WAIT
        while sum(c[0] > since and c[2] == code for c in list(hammer.calls)) < 3 * HANDS:
            self.assertLess(time.monotonic(), until, f"never {code}: {hammer.calls[-3:]} {hammer.wrong}")
            time.sleep(0.01)

    def off_and_on(self, off, on, code, rounds):
        """Returns how long after the answer the last success was received, in ms, and how many
        requests that were under way at the answer succeeded."""
        acme, globex = self.hammer("acme"), self.hammer("globex")
        self.settle(acme, None, 0)
        worst, crossing = float("-inf"), 0
        for _ in range(rounds):
            asked = time.monotonic()
            answer = self.admin.post(off)
            answered = time.monotonic()
            self.assertEqual(answer.status, 200, answer.body)
            self.settle(acme, code, answered)
            late = acme.successes(after=answered)
            self.assertEqual(late, [], f"{len(late)} unwraps sent after the answer succeeded")
            last = max((c[1] for c in list(acme.calls) if c[2] is None), default=asked)
            worst = max(worst, last - answered)
            crossing += sum(c[2] is None and c[0] < answered < c[1] for c in list(acme.calls))
            errors = {c[2] for c in list(acme.calls) if c[0] > answered}
            self.assertEqual(errors, {code})
            if on is None:
                break
            self.assertEqual(self.admin.post(on).status, 200)
            self.settle(acme, None, time.monotonic())
        acme.end()
        globex.end()
        self.assertEqual((acme.wrong, globex.wrong), ([], []))
        self.assertEqual({c[2] for c in globex.calls}, {None}, "a neighbour noticed")
        self.assertGreater(len(globex.calls), 20)
        print(f" bound: last success received {worst * 1000:+.2f} ms from the answer; {crossing} under way at "
              f"the answer succeeded; {len(acme.calls)} and {len(globex.calls)} unwraps", end=" ")

    def test_suspend(self):
        self.off_and_on("/v1/tenants/acme/suspend", "/v1/tenants/acme/resume", "tenant_suspended",
                        100 if SLOW else 25)

    def test_disable(self):
        self.off_and_on("/v1/tenants/acme/keys/eu/disable", "/v1/tenants/acme/keys/eu/enable",
                        "key_suspended", 40 if SLOW else 10)

    def test_schedule_destroy(self):
        self.off_and_on("/v1/tenants/acme/keys/eu/schedule-destroy",
                        "/v1/tenants/acme/keys/eu/cancel-destroy", "key_pending_destruction",
                        40 if SLOW else 10)

    def test_close(self):
        self.off_and_on("/v1/tenants/acme/close", None, "tenant_closed", 1)

    def test_everything_of_the_tenant_stops(self):
        """Not only unwrap: generate, rewrap, seal and open, batches, and after a restart too."""
        _, wrapped = new_key(self.admin)
        _, other = new_key(self.admin, tenant="globex")
        item = {"wrapped": wrapped, "context": {"row": "1"}}
        sealed = self.admin.post("/v1/seal", {"tenant": "acme", "region": "eu", "class": "pii",
                                              "context": {"row": "1"}, "plaintext": "aGVsbG8="}).json
        opening = {"tenant": "acme", "region": "eu", "envelope": sealed["envelope"], "context": {"row": "1"}}
        self.assertEqual(self.admin.post("/v1/open", opening).status, 200)
        self.assertEqual(self.admin.post("/v1/tenants/acme/suspend").status, 200)
        for turn in range(2):
            client = self.admin
            calls = {
                "generate": client.generate(), "unwrap": client.unwrap(wrapped),
                "rewrap": client.post("/v1/data-keys/rewrap", {"items": [item]}),
                "seal": client.post("/v1/seal", {"tenant": "acme", "region": "eu", "class": "pii",
                                                 "context": {}, "plaintext": "eA=="}),
                "open": client.post("/v1/open", opening)}
            for name, answer in calls.items():
                self.assertEqual((answer.status, answer.error), (403, "tenant_suspended"), name)
                self.assertFalse(answer.json["error"]["retryable"])
            mixed = client.post("/v1/data-keys/unwrap",
                                {"items": [item, {"wrapped": other, "context": {"row": "1"}}]}).json
            self.assertEqual(mixed["items"][0]["error"]["code"], "tenant_suspended")
            self.assertIn("plaintext", mixed["items"][1])
            if turn == 0:
                self.assertEqual(self.running.stop(), 0)
                self.running = self.server(self.data)
                self.admin = self.running.client()
        self.assertEqual(self.admin.post("/v1/tenants/acme/resume").status, 200)
        self.assertEqual(self.admin.unwrap(wrapped).status, 200)
        self.assertEqual(self.running.stop(), 0)
        refused = [e for e in self.entries(self.data) if e["status_id"] == 2]
        self.assertGreaterEqual(len(refused), 12)
        for entry in refused:  # who tried is in the tenant's report
            self.assertEqual(entry["metadata"].get("tenant_uid"), "acme", entry["api"])

    def test_killed_right_after_the_answer(self):
        """kill -9 as soon as suspend has been answered: it stays suspended."""
        _, wrapped = new_key(self.admin)
        for _ in range(8):
            self.assertEqual(self.admin.post("/v1/tenants/acme/suspend").status, 200)
            self.running.process.kill()
            self.running.process.wait()
            self.running = self.server(self.data)
            self.admin = self.running.client()
            self.assertEqual(self.admin.unwrap(wrapped).error, "tenant_suspended")
            self.assertEqual(self.admin.post("/v1/tenants/acme/resume").status, 200)
            self.assertEqual(self.admin.unwrap(wrapped).status, 200)


if __name__ == "__main__":
    main()
