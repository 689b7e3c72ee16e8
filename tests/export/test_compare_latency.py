"""``export/compare_latency.py``: every row is printed, with a time or with a reason."""

import subprocess
import sys
from pathlib import Path

import pytest
from agents import write_tiny_run

SCRIPT = Path(__file__).parents[2] / "export" / "compare_latency.py"


def test_every_row_is_a_time_or_a_reason(checked_bundle, tmp_path):
    torch = pytest.importorskip("torch")
    run = write_tiny_run(tmp_path / "run").root
    flags = ["--bundle", str(checked_bundle.root), "--repeats", "3", "--warm-up", "1"]
    command = [sys.executable, str(SCRIPT), str(run), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line for line in done.stdout.splitlines() if line.startswith("│")]
    assert len(rows) == 9
    for row in rows:
        p50, reason = (row.split("│")[i].strip() for i in (3, 6))
        assert (p50 == "-") == bool(reason)
    assert sum("native kernel" in row for row in rows) == 1
    if not torch.cuda.is_available():
        assert sum("no CUDA GPU answers torch" in row for row in rows) == 2
