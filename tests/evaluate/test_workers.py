"""Worker processes: errors come back whole, and nobody outlives the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lapa_edge.errors import DataError, LapaError
from lapa_edge.evaluate.workers import run_in_workers

# Workers import what they run by name, so it lives in a module of its own.
JOBS = """
import os, pathlib, time
from lapa_edge.errors import DataError

def double(x):
    return 2 * x

def refuse(x):
    raise DataError("clip", "is empty", "record it again")

def die(x):
    os._exit(9)

def linger(folder):
    pathlib.Path(folder, str(os.getpid())).touch()
    time.sleep(60)
"""
PARENT = """
import sys
from jobs import linger
from lapa_edge.evaluate.workers import run_in_workers
if __name__ == "__main__":
    list(run_in_workers(linger, [sys.argv[1]] * 6, 2))
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "parent.py").write_text(PARENT)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("jobs", None)
    return tmp_path


def test_every_job_is_answered(jobs: Path) -> None:
    from jobs import double

    assert sorted(run_in_workers(double, [1, 2, 3], 2)) == [2, 4, 6]


def test_an_error_in_a_worker_arrives_as_it_was_raised(jobs: Path) -> None:
    from jobs import refuse

    with pytest.raises(DataError, match="clip: is empty; record it again"):
        list(run_in_workers(refuse, [1, 2, 3], 2))


def test_a_worker_that_dies_is_told_in_one_line(jobs: Path) -> None:
    from jobs import die

    with pytest.raises(LapaError, match="ended without an answer"):
        list(run_in_workers(die, [1], 1))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_parent(jobs: Path, tmp_path: Path, ending: signal.Signals) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    parent = subprocess.Popen(
        [sys.executable, str(jobs / "parent.py"), str(pids)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while len(list(pids.iterdir())) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.send_signal(ending)
    _, errors = parent.communicate(timeout=15)
    assert errors.count("Traceback") <= 1  # the parent's own, which the commands turn into a line
    workers = [int(path.name) for path in pids.iterdir()]
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
