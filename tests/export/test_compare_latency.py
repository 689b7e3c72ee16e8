"""``export/compare_latency.py``: every row has a time and its parity, or a reason."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from agents import write_tiny_run

SCRIPT = Path(__file__).parents[2] / "export" / "compare_latency.py"


@pytest.fixture(scope="module")
def rows(checked_bundle, tmp_path_factory):
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("compare")
    run = write_tiny_run(folder / "run").root
    flags = ["--bundle", str(checked_bundle.root), "--repeats", "3", "--warm-up", "1"]
    out = ["--no-compile", "--threads", "1", "--camera", "24", "32", "--out", str(folder / "x")]
    command = [sys.executable, str(SCRIPT), str(run), *flags, *out]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    record = json.loads((folder / "x.json").read_text())
    table = (folder / "x.md").read_text()
    assert table.strip() in done.stdout
    assert sum(line.startswith("| policy") for line in table.splitlines()) == sum(
        row["network"] == "policy" for row in record["rows"]
    )
    return {(row["network"], row["runs_on"]): row for row in record["rows"]}


def test_every_row_is_a_time_or_a_reason(rows):
    for row in rows.values():
        assert (row["latency"] is None) == bool(row["reason"])
    assert rows["policy", "torch eager, cpu"]["speedup"] == 1.0
    assert "by --no-compile" in rows["policy", "torch compile, cpu"]["reason"]
    assert "no engine in this bundle" in rows["policy", "TensorRT, CUDA graph"]["reason"]
    assert "--steps quantize" in rows["policy", "ONNX Runtime int8, cpu"]["reason"]


def test_what_runs_is_held_against_torch_in_the_same_run(rows):
    onnx = rows["policy", "ONNX Runtime fp32, cpu"]
    assert onnx["codes_equal"] == 1.0 and onnx["max_abs"] < 1e-4
    assert rows["action head", "native f32"]["max_abs"] < 1e-4
    # 8 bits of mantissa: close, and not the same.
    assert 0 < rows["action head", "native bf16"]["max_abs"] < 1


def test_a_gpu_that_is_not_there_is_a_reason(rows):
    import onnxruntime
    import torch

    if torch.cuda.is_available() or len(onnxruntime.get_available_providers()) > 2:
        pytest.skip("NOT CHECKED: this machine has a GPU")
    assert "no CUDA GPU answers torch" in rows["policy", "torch eager, cuda"]["reason"]
    assert "CUDAExecutionProvider" in rows["policy", "ONNX Runtime fp32, cuda provider"]["reason"]
