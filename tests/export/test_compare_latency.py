"""``export/compare_latency.py``: every row has a time and its parity, or a reason."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from agents import tiny_agent, write_tiny_run

from lapa_edge.artifact import extend_bundle
from lapa_edge.cli.command import run_command
from lapa_edge.export.graphs import export_graphs

SCRIPT = Path(__file__).parents[2] / "export" / "compare_latency.py"


def compare(bundle, folder, *flags):
    run = folder / "run"
    if not run.exists():
        write_tiny_run(run)
    where = ["--bundle", bundle.root, "--no-compile", "--threads", 1, "--camera", 24, 32]
    command = [sys.executable, SCRIPT, run, *where, "--warm-up", 1, *flags]
    return subprocess.run([str(x) for x in command], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def rows(checked_bundle, tmp_path_factory):
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("compare")
    done = compare(checked_bundle, folder, "--repeats", "3", "--out", folder / "x")
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "x.json").read_text())
    table = (folder / "x.md").read_text()
    assert table.strip() in done.stdout
    assert "each after an uncounted call" in table
    assert "parity on 16 random observations" in table
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
    onnx = rows["policy", "ONNX Runtime fp32, cpu"]["measured"]
    assert onnx["code_match_percent"] == 100 and onnx["context_max_abs"] < 1e-4
    assert rows["action head", "native f32"]["measured"]["max_abs"] < 1e-4
    # 8 bits of mantissa: close, and not the same.
    assert 0 < rows["action head", "native bf16"]["measured"]["max_abs"] < 0.05
    assert not any(row["failures"] for row in rows.values())


def test_a_fast_wrong_row_is_printed_and_ends_with_1(checked_bundle_copy, tmp_path):
    config, other = tiny_agent(seed=7)
    wrong = export_graphs(other, config.spec)["policy.onnx"]
    bundle = extend_bundle(checked_bundle_copy, {"policy.fp16.onnx": wrong})
    done = compare(bundle, tmp_path, "--repeats", 1, "--out", tmp_path / "x")
    assert done.returncode == 1
    row = next(x for x in done.stdout.splitlines() if "ONNX Runtime fp16" in x)
    assert "**BROKEN**" in row and done.stdout.count("**BROKEN**") == 1
    for words in ("policy on ONNX Runtime fp16, cpu: ", "; code_match_percent is ", "mean nothing"):
        assert words in done.stderr
    record = json.loads((tmp_path / "x.json").read_text())
    assert [x["runs_on"] for x in record["rows"] if x["failures"]] == ["ONNX Runtime fp16, cpu"]


def test_rows_may_rest_before_their_turn(checked_bundle, tmp_path):
    done = compare(checked_bundle, tmp_path, "--repeats", 1, "--pause-s", 0.001)
    assert done.returncode == 0, done.stderr
    assert "each after 0.001 s of rest" in done.stdout
    assert "training never met" not in done.stderr


def test_a_number_that_nothing_is_measured_with_is_refused_before_anything_is_opened(
    monkeypatch, capsys
):
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(SCRIPT.parent)
    script = importlib.import_module(SCRIPT.stem)
    for flags, message in (
        (("--threads", "0"), "--threads: expected at least 1, got 0"),
        (("--repeats", "0"), "--repeats: expected at least 1, got 0"),
        (("--warm-up", "-1"), "--warm-up: expected at least 0, got -1"),
        (("--moments", "0"), "--moments: expected at least 1, got 0"),
        (("--camera", "0", "32"), "--camera: expected rows and columns of at least 1, got 0 32"),
        (("--pause-s", "-1"), "--pause-s: expected a time of 0 s or more, got -1"),
        (("--pause-s", "nan"), "--pause-s: expected a time of 0 s or more, got nan"),
    ):
        command = ["nowhere", *flags]
        assert run_command(script.compare, script.CompareFlags, "x", "", command) == 1
        assert capsys.readouterr().err.strip() == f"x: error: {message}"


def test_a_gpu_that_is_not_there_is_a_reason(rows):
    import onnxruntime
    import torch

    if torch.cuda.is_available() or len(onnxruntime.get_available_providers()) > 2:
        pytest.skip("NOT CHECKED: this machine has a GPU")
    assert "no CUDA GPU answers torch" in rows["policy", "torch eager, cuda"]["reason"]
    assert "CUDAExecutionProvider" in rows["policy", "ONNX Runtime fp32, cuda provider"]["reason"]
