"""Support for the tests of the data commands."""

import subprocess
import sys

from keyward import PROGRAM, Case, clean_environment

ACME = ("--tenant", "acme", "--region", "eu")

# A process's largest size counts that of the one it came from: one that is small runs the program.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


class DataCase(Case):
    def setUp(self):
        super().setUp()
        self.data = self.home(tenants=("acme", "globex"), regions=("eu", "us"))
        self.at = ("--data", self.data)

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def peak(self, *args):
        """Runs the program, which succeeds; its largest resident size in bytes."""
        told = subprocess.run([sys.executable, "-c", MEASURE, PROGRAM, *args], check=True,
                              stdout=subprocess.PIPE, env=clean_environment()).stdout.split()
        self.assertEqual(told[0], b"0", args)
        return int(told[1]) * 1024
