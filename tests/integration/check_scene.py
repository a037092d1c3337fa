"""`keyward provider check` against a provider: what it finds, what it says, how it ends."""

from routing_scene import *

STEPS = ["find", "wrap", "sealed", "unwrap", "other-context", "altered", "cut", "disabled", "time"]


class Checks:
    """Mixed into a Scene; made() gives the provider. It has MISSING, a key that is not there (and that it CAN_MAKE or
    not); disabled(), the name of one that is switched off; forbid(), which takes our permission away."""

    def setUp(self):
        super().setUp()
        self.provider = self.made()
        self.write_home({"first": self.provider})

    def check(self, *args):
        """Exit status, what people read, and the verdicts and codes of all steps."""
        command = ("provider", "check", "first", "--data", self.data, *args)
        done = run(*command, env=self.env)
        told = json.loads(run(*command, "--json", env=self.env).stdout)
        self.assertEqual(told["passed"], done.returncode == 0, done.stdout)
        return done, {s["name"]: s for s in told["steps"]}

    def passes(self, *args):
        done, steps = self.check(*args)
        text = done.stdout.decode()
        self.assertEqual((done.returncode, done.stderr), (0, b""), text)
        self.assertRegex(text, r"\Afirst in eu, key \S+\n(  (passed  |left out)  [a-z-]+ .*\n)+  first passed; a copy of a key takes \d+ bytes\n\Z")
        return steps

    def fails(self, status, step, code, *args, says=""):
        done, steps = self.check(*args)
        self.assertEqual(done.returncode, status, done.stdout)
        self.assertEqual((steps[step]["verdict"], steps[step].get("code")), ("failed", code), steps[step])
        found = re.search(rf"(?m)^  FAILED +{step} +[0-9.]+ ms  (.*)$", done.stdout.decode())
        self.assertTrue(found, done.stdout)
        self.assertIn(says, found[1])
        self.assertNotIn(" passed; ", done.stdout.decode())
        self.assertRegex(done.stderr.decode(), rf"\Akeyward: 1 of 1 did not pass: see above \({code}\)\n\Z")
        return steps

    def test_good(self):
        steps = self.passes()
        self.assertEqual([s for s in steps if s != "create"], STEPS)
        verdicts = {name: s["verdict"] for name, s in steps.items()}
        self.assertEqual(verdicts, {name: "left_out" if name == "disabled" else "passed" for name in STEPS})
        self.assertIn("the key was there", self.passes("--create")["create"]["found"])

    def test_missing(self):
        steps = self.fails(MISSING, "find", "key_not_found", "--key", self.provider.MISSING, says="make the key")
        self.assertEqual({s["verdict"] for name, s in steps.items() if name != "find"}, {"left_out"})
        if self.provider.CAN_MAKE:
            steps = self.passes("--key", self.provider.MISSING, "--create")
            self.passes("--key", self.provider.MISSING)
        else:
            self.fails(MISSING, "create", "key_not_found", "--key", self.provider.MISSING, "--create")

    def test_disabled(self):
        off = self.provider.disabled()
        steps = self.passes("--disabled-key", off)
        self.assertEqual((steps["disabled"]["verdict"], steps["disabled"]["code"]), ("passed", self.provider.OFF_CODE))
        self.fails(DENIED, "find", self.provider.OFF_CODE, "--key", off, says="at the provider")
        self.switched_on()
        steps = self.fails(MISSING, "disabled", "key_not_found", "--disabled-key", self.provider.MISSING,
                           says="tells nothing")
        self.assertEqual(steps["unwrap"]["verdict"], "passed")

    def switched_on(self):
        done, steps = self.check("--disabled-key", self.provider.KEY)
        self.assertEqual((done.returncode, steps["disabled"]["verdict"]), (UNAVAILABLE, "failed"), done.stdout)
        self.assertIn("does not stop it", steps["disabled"]["found"])

    def test_forbidden(self):
        self.provider.forbid()
        self.fails(DENIED, "find", "forbidden", says="permission")
