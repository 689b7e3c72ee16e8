"""What a control tick never does: block, allocate, enter the kernel, race, depend on values.

Each claim is a program that fails if it does not hold, and each is also run broken on purpose:
a proof that cannot fail shows nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
from native_programs import build_program, find_tool, run, run_checked

from lapa_edge import _native

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def instruction_set():
    """Once is enough: the programs take the fastest set by themselves."""


def check_proof(program, caught):
    """The program ends well, and with ``--break`` it ends badly and says `caught`."""
    done = run([program])
    assert done.returncode == 0, done.stdout
    broken = run([program, "--break"])
    assert broken.returncode != 0, "the broken program passed as well"
    assert caught in broken.stdout, broken.stdout


def test_a_tick_calls_nothing_that_may_block():
    claim = "RealtimeSanitizer finds nothing"
    clang = find_tool(claim, "clang++-22", "clang++-21", "clang++-20")
    check_proof(build_program(claim, "blocking", clang), "Intercepted call to real-time unsafe")


def test_a_tick_allocates_nothing():
    program = build_program("malloc is never called", "allocations")
    check_proof(program, "40000 allocations")  # malloc and free, per tick


def test_a_tick_makes_no_system_call():
    program = build_program("20,000 ticks under strict seccomp", "system_calls")
    check_proof(program, "killed by signal 9")


def test_mailboxes_and_loop_have_no_data_race():
    check_proof(build_program("ThreadSanitizer finds nothing", "races"), "data race")


def count_instructions(tmp_path, set_name, *arguments):
    """Instructions of every tick that callgrind saw, by the status it ended with."""
    claim = "callgrind counts the same for all values"
    valgrind = find_tool(claim, "valgrind")
    program = build_program(claim, "instructions")
    run_checked(
        [
            valgrind, "--tool=callgrind", "--collect-atstart=no",
            f"--callgrind-out-file={tmp_path}/counts", program, set_name, *arguments,
        ]
    )  # fmt: skip
    counts = defaultdict(list)
    for dump in tmp_path.glob("counts.*"):
        text = dump.read_text()
        if status := re.search(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE):
            counts[status[1]].append(int(re.search(r"^summary: (\d+)$", text, re.MULTILINE)[1]))
    return counts


# Valgrind's processor has no AVX-512. The scalar set is for old machines and computes its fused
# multiply-adds in software, whose time does depend on the values.
@pytest.mark.parametrize(
    "set_name", [name for name in _native.instruction_sets() if name not in ("scalar", "avx512")]
)
def test_a_tick_takes_as_many_instructions_whatever_the_values(tmp_path, set_name):
    counts = count_instructions(tmp_path, set_name)
    acts = counts.pop("act")
    assert len(acts) == 24
    assert len(set(acts)) == 1, f"while a latent takes over and after it: {acts}"
    assert len(counts) == 9, "the case of every status was counted"
    for status, numbers in counts.items():
        assert len(numbers) >= 6
        assert len(set(numbers)) == 1, f"{status}: {numbers}"
        assert numbers[0] <= counts["moving"][0], "to stop is never longer than to move"


def test_counting_sees_a_branch_on_a_value(tmp_path):
    set_name = [name for name in _native.instruction_sets() if name != "avx512"][-1]
    counts = count_instructions(tmp_path, set_name, "--break")
    assert len(set(counts["moving"])) > 1
