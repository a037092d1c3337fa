"""Destruction from its scheduling to the bytes being gone; and clocks that leap.

usage: faults_time.py PATH-OF-KEYWARD
"""

import sqlite3

from keyward import *

DAY = 24 * 3600


def copies(data):
    """The wrapped copies of tenant keys that the database holds, as bytes."""
    base = sqlite3.connect(f"file:{data}/keyward.db?mode=ro", uri=True)
    names = [r[0] for r in base.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    table = next(n for n in names if "cop" in n)
    found = [bytes(v) for row in base.execute(f"SELECT * FROM {table}") for v in row
             if isinstance(v, bytes) and len(v) >= 40]
    base.close()
    return found


class Destruction(Case):
    def setUp(self):
        super().setUp()
        self.data = self.home(tenants=("acme", "globex"))
        self.ok("key", "rotate", "acme/eu", "--data", self.data)
        self.running = self.server(self.data)
        self.client = self.running.client()
        self.plain, self.wrapped = new_key(self.client)
        _, self.other = new_key(self.client, tenant="globex")

    def again(self, when=None, **env):
        """The server once more, at another time."""
        if self.running.process.poll() is None:
            self.assertEqual(self.running.stop(), 0)
        self.running = self.server(self.data, env={**(faked(when) if when else {}), **env})
        self.client = self.running.client()
        return self.client

    def post(self, verb, status=200):
        answer = self.client.post(f"/v1/tenants/acme/keys/eu/{verb}")
        self.assertEqual(answer.status, status, answer.body)
        return answer.json

    def state(self):
        return self.client.get("/v1/tenants/acme/keys/eu").json["state"]

    def until_state(self, state):
        until = time.monotonic() + WAIT
        while self.state() != state:
            self.assertLess(time.monotonic(), until, f"never {state}")
            time.sleep(0.05)

    def files(self):
        for folder, _, names in os.walk(self.data):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    yield os.path.join(folder, name), file.read()

    def test_from_schedule_to_end(self):
        self.assertEqual(self.running.stop(), 0)
        before = copies(self.data)
        self.assertEqual(len(before), 3)  # acme's two versions and globex's one
        self.again()
        answer = self.post("schedule-destroy")
        self.assertIn("pending", answer["state"])
        self.assertEqual(self.client.unwrap(self.wrapped).error, "key_pending_destruction")
        self.again("+6d23h")  # an hour before the end: still there, and comes back whole
        time.sleep(2.2)
        self.assertEqual(self.client.unwrap(self.wrapped).error, "key_pending_destruction")
        self.post("cancel-destroy")
        self.assertEqual(self.client.unwrap(self.wrapped).json["items"][0]["plaintext"], self.plain)
        self.again()
        self.post("schedule-destroy")
        self.again("+7d2s")  # due while the authority was down
        self.until_state("destroyed")
        self.assertEqual(self.client.unwrap(self.wrapped).error, "key_destroyed")
        self.assertEqual(self.client.generate().error, "key_destroyed")
        self.assertIn(self.client.post("/v1/tenants/acme/keys/eu/cancel-destroy").status, (403, 409))
        self.assertEqual(self.client.unwrap(self.other).status, 200)
        self.gone(before)
        self.recorded()

    def gone(self, before):
        """Of the destroyed copies no part is left in any file, while the server runs as well."""
        kept = copies(self.data)
        self.assertEqual(len(kept), 1)
        destroyed = [c for c in before if c not in kept]
        self.assertEqual(len(destroyed), 2)
        until = time.monotonic() + WAIT
        while left := self.holding(destroyed):
            self.assertLess(time.monotonic(), until, f"destroyed copies are still in {left}")
            time.sleep(0.1)
        self.assertEqual(self.running.stop(), 0)
        self.assertEqual(self.holding(destroyed), [])
        self.assertEqual(len(self.holding(kept)), 1)

    def holding(self, secrets):
        return [path for path, content in self.files()
                if any(s[-24:] in content or s[8:32] in content for s in secrets)]

    def recorded(self):
        done = [e for e in self.entries(self.data) if e["api"]["operation"] == "DestroyKey"]
        self.assertEqual(len(done), 1)
        self.assertEqual(done[0]["metadata"]["tenant_uid"], "acme")
        self.assertEqual(done[0]["actor"]["user"]["uid"], "system:scheduler")
        self.assertIn("copies_destroyed", json.dumps(done[0]))
        operations = [e["api"]["operation"] for e in self.entries(self.data) if e["status_id"] == 1]
        self.assertEqual(operations.count("ScheduleKeyDestruction"), 2)
        self.assertEqual(operations.count("CancelKeyDestruction"), 1)

    def test_window_has_a_least(self):
        for days in (0, 1, 6, 91, 400, -1):
            answer = self.client.post("/v1/tenants/acme/keys/eu/schedule-destroy", {"window_days": days})
            if days == 0:
                self.assertEqual(answer.status, 200)  # the default
                self.post("cancel-destroy")
            else:
                self.assertEqual(answer.status, 400, f"{days}: {answer.body}")
        self.assertEqual(self.state(), "active")

    def test_clock_put_back(self):
        """Neither revives a suspended tenant nor hastens a destruction, and it can be cancelled."""
        self.assertEqual(self.client.post("/v1/tenants/globex/suspend").status, 200)
        self.post("schedule-destroy")
        token = self.client.post("/v1/tokens", {"principal": "clock", "roles": "root"}).json["token"]
        self.again("-2h")  # before the client's certificate begins
        self.client = self.running.client(cert="", token=token)
        time.sleep(1.5)
        self.assertEqual(self.client.unwrap(self.other).error, "tenant_suspended")
        self.assertEqual(self.client.unwrap(self.wrapped).error, "key_pending_destruction")
        self.post("cancel-destroy")
        self.assertEqual(self.client.unwrap(self.wrapped).status, 200)
        self.assertEqual(self.client.post("/v1/tenants/globex/resume").status, 200)
        self.assertEqual(self.client.unwrap(self.other).status, 200)
        self.again()
        self.assertEqual(self.client.unwrap(self.wrapped).status, 200)
        self.assertEqual(self.running.stop(), 0)
        self.verify(self.data)

    def test_clock_leaps_while_serving(self):
        """Set ahead by 30 days under a running authority: the window does not end. Set right again,
        everything is as before."""
        clock = self.write("clock", "+0")
        settings = faked("+0")
        settings.pop("FAKETIME")
        settings.update(FAKETIME_TIMESTAMP_FILE=clock, FAKETIME_NO_CACHE="1",
                        FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1")
        self.again(**settings)
        self.assertEqual(self.client.post("/v1/tenants/globex/suspend").status, 200)
        self.post("schedule-destroy")
        self.write("clock", "+30d")
        until = time.monotonic() + WAIT
        while self.tick_failures() == 0:
            self.assertLess(time.monotonic(), until, "the leap was not reported")
            self.assertNotEqual(self.state(), "destroyed")
            time.sleep(0.1)
        time.sleep(2)
        self.assertEqual(self.client.unwrap(self.wrapped).error, "key_pending_destruction")
        self.assertEqual(self.client.unwrap(self.other).error, "tenant_suspended")
        self.write("clock", "+0")
        time.sleep(1.2)
        self.post("cancel-destroy")
        self.assertEqual(self.client.unwrap(self.wrapped).status, 200)

    def tick_failures(self):
        text = self.client.get("/metrics").body.decode()
        return sum(int(line.split()[1]) for line in text.splitlines()
                   if "failure" in line and "scheduler" in line and not line.startswith("#"))

    def test_killed_around_the_destruction(self):
        """kill -9 while keys are being destroyed: each is whole or destroyed, and it is carried on."""
        names = [f"t{n}" for n in range(12)]
        kept = {}
        for name in names:
            self.client.post("/v1/tenants", {"id": name, "regions": ["eu"]})
            kept[name] = new_key(self.client, tenant=name)
            self.client.post(f"/v1/tenants/{name}/keys/eu/schedule-destroy")
        for turn in range(6):
            if self.running.process.poll() is None:
                self.running.stop()
            self.running = self.server(self.data, env=faked("+7d10s"))
            time.sleep(0.9 + chance.random() * 0.3)
            self.running.process.kill()
            self.running.process.wait()
        self.running = self.server(self.data, env=faked("+7d10s"))
        self.client = self.running.client()
        until = time.monotonic() + WAIT
        for name in names:
            while self.client.unwrap(kept[name][1]).error != "key_destroyed":
                self.assertLess(time.monotonic(), until, name)
                time.sleep(0.05)
        self.assertEqual(self.client.unwrap(self.other).status, 200)
        self.assertEqual(self.running.stop(), 0)
        done = {e["metadata"]["tenant_uid"] for e in self.entries(self.data)
                if e["api"]["operation"] == "DestroyKey" and e["status_id"] == 1}
        self.assertLessEqual(set(names), done)


if __name__ == "__main__":
    main()
