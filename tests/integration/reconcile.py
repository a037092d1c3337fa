"""What `keyward cost` counts is what the providers themselves saw: calls that left for a provider, one by one, also
while it fails. An operation is one call, whether it arrived or not; a check of a provider that had failed costs a call
and is neither a wrap nor an unwrap.

usage: reconcile.py PATH-OF-KEYWARD PATH-OF-CRYPTOKI-FAULTY
"""

from softhsm import *
from routing_scene import *


def all_calls(sums):
    return sums["wrap"] + sums["unwrap"] + sums["check"]


class Reconcile(Scene):
    def acts(self, cloud):
        return {act: cloud.log.count(act) for act in ("wrap", "unwrap")}

    def same(self, name, counted, seen):
        self.assertEqual({act: counted[name][act] for act in seen}, seen, name)

    def test_clouds(self):
        google, azure_ = Google(self.path("google")), Azure(self.path("azure"))
        self.begin({"first": google, "second": azure_})
        self.use_keys(60)
        self.assertEqual(self.running.stop(), 0)
        counted, report = self.counted()
        for name, cloud in (("first", google), ("second", azure_)):
            self.same(name, counted, {**self.acts(cloud), "check": 0, "failures": 0})
        calls = len(google.log) + len(azure_.log)
        self.assertEqual(report["calls"], calls)
        self.assertAlmostEqual(float(report["spent"]), calls * float(PRICE), places=9)
        print(f" {calls} calls by both counts", end=" ")

    def test_clouds_that_fail_under_load(self):
        """Each request that reached the fake is one call, whatever became of it there."""
        google, azure_ = Google(self.path("google")), Azure(self.path("azure"))
        self.begin({"first": google, "second": azure_})
        self.strict()
        load = Load(self.running, self.keys, 4)
        for _, fault in HTTP_FAULTS[:-1]:  # without refused credentials, for which an operation asks twice
            google.break_by(fault)
            time.sleep(self.SECONDS / 2)
            google.mend()
            self.healthy_again("first")
        self.assertEqual(figures(load.end().calls)[1], [])
        self.assertEqual(self.running.stop(), 0)
        seen = [path.rpartition(":")[2] for _, path in google.fake.requests]
        counted, _ = self.counted()
        self.same("first", counted, {"wrap": seen.count("encrypt"), "unwrap": seen.count("decrypt"),
                                     "check": sum(method == "GET" for method, _ in google.fake.requests)})
        self.same("second", counted, {**self.acts(azure_), "check": 0, "failures": 0})
        self.assertGreater(counted["first"]["failures"], len(HTTP_FAULTS))
        lost = len(seen) - counted["first"]["check"] - len(google.log)
        print(f" {len(seen)} requests, {lost} of them not acted on", end=" ")

    def test_a_keyward_that_dies(self):
        """What succeeded stands in its ledger; what never arrived is counted here as a failure."""
        other, google = Other(self), Google(self.path("google"))
        self.begin({"first": other, "second": google})
        self.use_keys(20)
        other.server.kill()
        self.use_keys(20)
        other.mend()
        self.strict()
        self.until(lambda: self.admin.unwrap(self.keys[0][1]).status == 200 and
                   self.routes()["first"]["breaker"] == "closed", "no recovery")
        self.use_keys(20)
        self.assertEqual(self.running.stop(), 0)
        counted, _ = self.counted()
        self.assertEqual(other.server.stop(), 0)
        kinds = [e["api"]["operation"] for e in self.entries(other.data) if e["actor"]["user"]["uid"].startswith("token:")]
        first = counted["first"]
        self.assertEqual(all_calls(first) - first["failures"], len(kinds), (first, sorted(kinds)))
        self.assertGreater(first["failures"], 0)
        self.same("second", counted, self.acts(google))
        print(f" {len(kinds)} entries in its ledger, {first['failures']} calls that it did not see", end=" ")

    @unittest.skipIf(not BEHIND or SANITIZED, "no SoftHSM, or a program that cannot load it")
    def test_hsm(self):
        """A wrap is opened once by the module before it is believed, and so is a check."""
        hsm, google = SoftHsm(self.path("hsm")), Google(self.path("google"))
        self.begin({"first": hsm, "second": google})
        self.use_keys(30)
        hsm.fail("decrypt", DEVICE_ERROR)
        self.strict()
        for key in self.keys * 3:
            self.assertEqual(self.admin.unwrap(key[1]).status, 200)
        hsm.mend()
        self.until(lambda: self.admin.unwrap(self.keys[0][1]).status == 200 and
                   self.routes()["first"]["breaker"] == "closed", "no recovery")
        self.use_keys(30)
        self.assertEqual(self.running.stop(), 0)
        first = self.counted()[0]["first"]
        self.assertEqual(first["wrap"] + first["check"], hsm.count("encrypt"))
        self.assertEqual(all_calls(first), hsm.count("decrypt"))
        print(f" {hsm.count('encrypt')} and {hsm.count('decrypt')} calls of the module", end=" ")


if __name__ == "__main__":
    main()
