"""What the loop's thread promises the robot's scheduler, as the kernel sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bundles import write_tiny_bundle

LOOP = """
import json, os, sys, time
from pathlib import Path
from lapa_edge.artifact import load_bundle
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.loop_options import LoopOptions

loop = ControlLoop(load_bundle(Path(sys.argv[1])), LoopOptions(**json.loads(sys.argv[2])))
loop.start()
tasks = Path("/proc/self/task")
(tid,) = [t.name for t in tasks.iterdir() if (t / "comm").read_text() == "lapa-control\\n"]
began_s = time.monotonic()
print(tid, flush=True)
sys.stdin.readline()
cpu_s = int((tasks / tid / "schedstat").read_text().split()[0]) / 1e9
elapsed_s = time.monotonic() - began_s
loop.stop()
stats = loop.stats()
counts = {"ticks": stats.ticks, "skipped": stats.skipped, "late": stats.late}
print(json.dumps({**counts, "elapsed_s": elapsed_s, "cpu_s": cpu_s}))
"""


class Loop:
    """A loop in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        self.process, self.tid = process, int(process.stdout.readline())

    def status(self, name: str, of: int | None = None) -> str:
        """A line of ``/proc/PID/status``; of the loop's thread unless told."""
        text = Path(f"/proc/{of or self.tid}/status").read_text()
        return (
            next(line for line in text.splitlines() if line.startswith(name)).split(":")[1].strip()
        )

    def end(self) -> dict[str, Any]:
        """Stop it; what it counted."""
        out, _ = self.process.communicate("\n", timeout=30)
        found: dict[str, Any] = json.loads(out)
        return found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("loop") / "tiny").root


@contextmanager
def running(bundle: Path, **options: object) -> Iterator[Loop]:
    command = [sys.executable, "-c", LOOP, str(bundle), json.dumps(options)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=bundle, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Loop(process)
        finally:
            process.kill()


def test_deadlines_that_passed_are_skipped_and_counted_and_never_made_up_for(bundle: Path) -> None:
    with running(bundle, rate_hz=500) as loop:
        time.sleep(0.2)
        os.kill(loop.process.pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(loop.process.pid, signal.SIGCONT)
        time.sleep(0.2)
        counted = loop.end()
    assert counted["skipped"] >= 200, "it stood still for 250 periods"
    assert counted["late"] >= 1, "the first tick after that"
    assert counted["ticks"] <= 500 * (counted["elapsed_s"] - 0.5) + 25, "no burst"


def test_it_wakes_early_and_works_until_the_deadline(bundle: Path) -> None:
    share = {}
    for early_wake_s in (0.0, 5e-3):
        with running(bundle, rate_hz=50, early_wake_s=early_wake_s) as loop:
            time.sleep(0.6)
            counted = loop.end()
        share[early_wake_s] = counted["cpu_s"] / counted["elapsed_s"]
    assert share[0.0] < 0.05
    assert share[5e-3] > 0.1, "5 of every 20 ms, or what a busy machine leaves of them"


def test_timers_are_not_allowed_to_slip(bundle: Path) -> None:
    with running(bundle) as loop:
        assert Path(f"/proc/{loop.tid}/timerslack_ns").read_text() == "1\n"


def test_it_runs_on_its_core_alone(bundle: Path) -> None:
    cpu = max(os.sched_getaffinity(0))
    with running(bundle, cpu=cpu) as loop:
        assert os.sched_getaffinity(loop.tid) == {cpu}
        assert os.sched_getaffinity(loop.process.pid) == os.sched_getaffinity(0)


def test_its_priority_is_that_of_sched_fifo(bundle: Path) -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except PermissionError:
        pytest.skip("SCHED_FIFO is not granted here: the loop's priority NOT TESTED")
    with running(bundle, priority=7) as loop:
        assert os.sched_getscheduler(loop.tid) == os.SCHED_FIFO
        assert os.sched_getparam(loop.tid).sched_priority == 7
        assert os.sched_getscheduler(loop.process.pid) == os.SCHED_OTHER


def test_locked_memory_is_locked(bundle: Path) -> None:
    with running(bundle) as loop:
        assert loop.status("VmLck") == "0 kB"
    try:
        with running(bundle, lock_memory=True) as loop:
            locked, resident = loop.status("VmLck"), loop.status("VmRSS")
    except ValueError:
        pytest.skip("mlockall is not granted here: locked memory NOT TESTED")
    assert int(locked.split()[0]) > 0.5 * int(resident.split()[0])
