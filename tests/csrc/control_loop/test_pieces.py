"""The small parts of the control loop, tested where they live: in C++."""

import pytest
from native_programs import build_program, run_checked


@pytest.fixture(autouse=True)
def instruction_set():
    """None of them is vector code."""


def test_deadlines_buckets_limits_and_mailboxes():
    run_checked([build_program("the loop's parts in C++", "pieces")])
