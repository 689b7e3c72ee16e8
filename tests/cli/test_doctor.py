"""``lapa-doctor``: its exit status, its JSON, and that it needs no torch."""

import json
import subprocess
import sys

import pytest
from bundles import write_tiny_bundle
from missing_modules import without

from lapa_edge.cli.command import run_command
from lapa_edge.cli.doctor import DoctorFlags, doctor
from lapa_edge.doctor import machine, targets
from lapa_edge.doctor.finding import Finding
from lapa_edge.errors import MissingDependencyError


def run(*arguments):
    return run_command(doctor, DoctorFlags, "lapa-doctor", "", [str(x) for x in arguments])


def test_a_healthy_bundle_ends_with_0_and_names_versions_machine_and_boards(tmp_path, capsys):
    assert run(write_tiny_bundle(tmp_path / "b").root) == 0
    out = capsys.readouterr().out
    for words in ("onnxruntime: 1", "native module: loads", "gpu: ", "policy.onnx: loads"):
        assert words in out


def test_a_failure_ends_with_1_and_stands_in_the_json_with_its_remedy(tmp_path, capsys):
    bundle = write_tiny_bundle(tmp_path / "b")
    bundle.path("policy.onnx").write_bytes(b"x")
    assert run(bundle.root, "--json") == 1
    captured = capsys.readouterr()
    failed = [x for x in json.loads(captured.out) if x["status"] == "fail"]
    assert [x["name"] for x in failed] == ["policy.onnx"]
    assert failed[0]["remedy"]
    assert "1 of " in captured.err


def test_no_tensorrt_is_a_warning_with_the_command_that_installs_it(monkeypatch):
    def missing():
        raise MissingDependencyError("TensorRT", "not installed", "pip install it")

    monkeypatch.setattr(targets, "find_builder", missing)
    (finding,) = targets.check_targets()
    assert (finding.status, finding.remedy) == ("warn", "pip install it")


def test_a_gpu_without_a_driver_fails_and_no_gpu_at_all_does_not(monkeypatch, tmp_path):
    def no_library(name):
        raise OSError(name)

    monkeypatch.setattr(machine.ctypes, "CDLL", no_library)
    monkeypatch.setattr(machine, "DEVICES", (str(tmp_path / "nvidia0"),))
    assert machine._driver(None).status == "info"
    (tmp_path / "nvidia0").touch()
    found = machine._driver(None)
    assert found.status == "fail" and "--gpus all" in found.remedy
    assert machine._driver("8.7").status == "ok"


def test_a_failure_without_a_remedy_cannot_be_written():
    with pytest.raises(AssertionError, match="no remedy"):
        Finding(section="bundle", name="x", status="fail", found="broken")


def test_it_runs_with_the_robots_runtime_alone(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "b")
    code = without(
        ("torch", "onnx", "onnxscript", "ml_dtypes"),
        "from pathlib import Path; from lapa_edge.cli.doctor import examine;"
        f"examine(Path({str(bundle.root)!r}))",
    )
    # Not from the checkout, whose modules would come before the installed ones.
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
