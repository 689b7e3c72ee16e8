"""The benchmark runs; what it measures is no test's business."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("control_loop.py")
SHORT = ["--seconds", "0.1", "--rates", "500", "--loads", "idle"]


def test_a_short_run_prints_and_writes_every_row(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, *SHORT, "--json", tmp_path / "out.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out.json").read_text())
    loops = {row["loop"] for row in report["deadlines"]}
    assert loops >= {"native", "Python thread", "asyncio"}  # FIFO where it is allowed
    assert len(report["cold_head"]) == 5
    assert "| native int8 |" in done.stdout


def test_a_load_that_is_not_known_is_refused():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--loads", "moon"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "--loads: expected idle, cores or gil, got moon" in done.stderr
