#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the packet tests: a line for each case, and at the end "N passed, N failed"."""

import argparse
import fnmatch
import os
import pathlib
import signal
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

DEBIAN_PYTHON = "/usr/bin/python3"  # for which python3-scapy is, whatever "python3" is here

try:
    import scapy  # noqa: F401
except ImportError:
    if sys.executable == DEBIAN_PYTHON or not os.path.exists(DEBIAN_PYTHON):
        sys.exit("error: there is no scapy: apt-get install python3-scapy")
    os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, *sys.argv])

import harness  # noqa: E402


class Lines(unittest.TestResult):
    """Counts, and prints a line when a case is over."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0
        self.started = 0.0

    @staticmethod
    def name(case):
        return case.id() if isinstance(case, unittest.TestCase) else str(case)

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def addSuccess(self, test):
        self.passed += 1
        print(f"ok    {self.name(test)} ({time.monotonic() - self.started:.1f} s)", flush=True)

    def addFailure(self, test, err):
        self.failed += 1
        print(f"FAIL  {self.name(test)}")
        print("".join("      " + line + "\n"
                      for line in self._exc_info_to_string(err, test).splitlines()), flush=True)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:  # unittest tells of it here alone
            self.addFailure(subtest, err)


def cases(suite):
    for part in suite:
        if isinstance(part, unittest.TestSuite):
            yield from cases(part)
        else:
            yield part


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=harness.BUILD,
                        help="the build directory (default: build/ beside tests/)")
    parser.add_argument("--keep", action="store_true",
                        help="leave configurations, captures and logs behind")
    parser.add_argument("pattern", nargs="?", default="*", metavar="PATTERN",
                        help="only cases whose name matches, such as 'Drops*' or '*Truncated*'")
    args = parser.parse_args()
    harness.BUILD = args.build.resolve()
    harness.KEEP = args.keep
    for binary in ("dataplane/shunt-dataplane", "control/shunt-control", "tools/shuntctl"):
        if not (harness.BUILD / binary).exists():
            sys.exit(f"error: {harness.BUILD / binary} is not there: build first "
                     f"(ninja -C {harness.BUILD}), or name the build directory with --build")
    # So that a run that is stopped stops what it has started; unittest lets no other one through.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    found = unittest.defaultTestLoader.discover(str(HERE), "test_*.py", str(HERE))
    chosen = unittest.TestSuite(
        case for case in cases(found)
        if fnmatch.fnmatch(case.id(), f"*{args.pattern}*"))
    lines = Lines()
    try:
        chosen.run(lines)
    except KeyboardInterrupt:
        sys.exit("interrupted")
    print(f"{lines.passed} passed, {lines.failed} failed")
    if lines.passed + lines.failed == 0:
        sys.exit(f"error: no case matches {args.pattern}")
    sys.exit(1 if lines.failed else 0)


if __name__ == "__main__":
    main()
