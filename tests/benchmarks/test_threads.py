"""The benchmark runs; what it measures is no test's business."""

import json
import os
import subprocess
import sys
from pathlib import Path

from bundles import write_tiny_bundle

from lapa_edge.artifact import extend_bundle
from lapa_edge.runtime.backends.onnx_graph import default_threads

SCRIPT = Path(__file__).with_name("threads.py")


def test_every_graph_that_runs_has_a_row_for_each_number_of_threads(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "b")
    extend_bundle(bundle, {"policy.fp8.onnx": b"none that runs here"})
    flags = ["--seconds", "0.05", "--turns", "2", "--json", tmp_path / "out.json"]
    done = subprocess.run(
        [sys.executable, SCRIPT, bundle.root, *flags], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    cores = len(os.sched_getaffinity(0))
    assert [(x["graph"], x["threads"]) for x in rows] == [
        ("policy.onnx", threads) for threads in range(1, cores + 1)
    ]
    assert all(row["looks"] >= 2 and row["ticks"] > 0 for row in rows)
    assert "policy.fp8.onnx: ONNX Runtime refuses it" in done.stderr
    assert f"| policy.onnx | {default_threads()} (0) |" in done.stdout
