"""A minute of random faults; `soak.py` itself is for half an hour."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dds import OVER_DDS

pytestmark = [OVER_DDS, pytest.mark.slow]

SCRIPT = Path(__file__).with_name("soak.py")


def run(*flags):
    return subprocess.run(
        [sys.executable, SCRIPT, *flags], capture_output=True, text=True, check=False
    )


def test_a_minute_of_faults_misses_no_stop_and_keeps_memory_flat(tmp_path):
    done = run("--minutes", "1", "--seed", "7", "--json", str(tmp_path / "soak.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "soak.json").read_text())
    assert report["findings"] == []
    assert set(report["orders"]) == {"estop", "stop", "disabled"}, "the seed shows every order"
    assert report["verdict"]["well"] > 500


def test_no_time_at_all_is_refused():
    done = run("--minutes", "0")
    assert done.returncode == 1
    assert "--minutes: expected a finite number above 0, got 0" in done.stderr
