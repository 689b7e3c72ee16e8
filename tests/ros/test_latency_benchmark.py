"""The benchmark runs; what it measures is no test's business."""

import json
import subprocess
import sys
from pathlib import Path

from dds import OVER_DDS

pytestmark = OVER_DDS

SCRIPT = Path(__file__).parents[1] / "benchmarks/ros_latency.py"


def run(*flags):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, flags)], capture_output=True, text=True, check=False
    )


def test_a_short_run_prints_and_writes_both_designs(tmp_path):
    report = tmp_path / "out.json"
    done = run("--seconds", 1, "--policy-ms", 20, "--rates", 100, "--json", report)
    assert done.returncode == 0, done.stdout + done.stderr
    cases = json.loads(report.read_text())["cases"]
    assert [case["design"] for case in cases] == ["node", "callback"]
    for case in cases:
        assert case["frames"] > 10
        assert 20 < case["frame_p50_ms"] <= case["frame_p99_ms"]
        assert f"| {case['frame_p50_ms']:.1f} | {case['frame_p99_ms']:.1f} |" in done.stdout


def test_a_rate_that_no_loop_runs_at_is_refused():
    done = run("--rates", 5)
    assert done.returncode == 1
    assert "--rates: expected 50 to 1000 Hz, got 5" in done.stderr
