"""The kernels' tests on the processor that runs this, with few examples each: qemu is slow.

python kernel_tests.py scalar,neon      the instruction sets that it must have
"""

import sys
from pathlib import Path

import pytest

from lapa_edge import _native

EXAMPLES = 20  # of Hypothesis; this machine's own run draws the usual hundred
TESTS = Path(__file__).resolve().parents[1] / "csrc"


class FewExamples:
    """A pytest plugin that also counts what passed."""

    passed = 0

    def pytest_configure(self) -> None:
        from hypothesis import settings  # not before pytest, which wants to load it

        settings.register_profile("emulated", max_examples=EXAMPLES, deadline=None, database=None)
        settings.load_profile("emulated")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.when == "call" and report.passed


def main(expected: list[str]) -> int:
    if (sets := _native.instruction_sets()) != expected:
        print(f"instruction sets: expected {expected}, got {sets}")
        return 1
    plugin = FewExamples()
    status = pytest.main(["-q", "-p", "no:cacheprovider", str(TESTS)], plugins=[plugin])
    if not plugin.passed:
        print(f"tests: expected some to pass in {TESTS}, got none")
        return 1
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(",")))
