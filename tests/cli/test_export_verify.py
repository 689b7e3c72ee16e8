"""``lapa-export``'s verify step on bundles that are there already, and its closed loop."""

import json
import shutil

import pytest
from agents import write_tiny_run
from toy_environments import Line

from lapa_edge.artifact import extend_bundle, load_bundle
from lapa_edge.cli.command import run_command
from lapa_edge.cli.export import ExportFlags, export
from lapa_edge.errors import BundleError
from lapa_edge.evaluate import evaluation, registry
from lapa_edge.evaluate.environment import Entry
from lapa_edge.export.limits import LIMITS, Limit
from lapa_edge.runtime.session import Session


def run(*arguments):
    return run_command(export, ExportFlags, "lapa-export", "", [str(x) for x in arguments])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A run with its bundle, not to be changed."""
    root = write_tiny_run(tmp_path_factory.mktemp("run") / "actions").root
    assert run(root, "--observations", 4) == 0
    return root


@pytest.fixture
def mine(exported, tmp_path):
    """A copy to change."""
    return shutil.copytree(exported, tmp_path / "actions")


def test_a_bundle_that_fails_a_later_verification_is_no_longer_marked_good(
    mine, capsys, monkeypatch
):
    assert run(mine / "bundle", "--steps", "verify") == 0
    with monkeypatch.context() as patch:
        impossible = Limit(None, -1.0, "nothing can pass this one")
        patch.setitem(LIMITS["fp32"], "context_max_abs", impossible)
        assert run(mine / "bundle", "--steps", "verify") == 1
    assert "context_max_abs is" in capsys.readouterr().err
    with pytest.raises(BundleError, match="its parity failed"):
        Session(load_bundle(mine / "bundle"), "go")
    assert run(mine / "bundle", "--steps", "verify") == 0
    Session(load_bundle(mine / "bundle"), "go")


def test_new_work_that_fails_leaves_the_published_bundle_as_it_was(mine, monkeypatch, capsys):
    before = load_bundle(mine / "bundle").manifest
    monkeypatch.setitem(LIMITS["fp16"], "relative_rms", Limit(None, -1.0, "nothing passes"))
    assert run(mine / "bundle", "--precision", "fp16") == 1
    assert "policy.fp16.onnx: relative_rms is" in capsys.readouterr().err
    assert load_bundle(mine / "bundle").manifest == before


def test_the_closed_loop_enters_the_report_and_the_page(mine, monkeypatch, capsys):
    line = Entry(
        robot=Line.robot,
        step_limits={"walk": 40},
        build=lambda task, simulator: Line(),
        missing=lambda simulator: "",
        install="",
    )
    monkeypatch.setitem(registry.ENVIRONMENTS, "line", line)
    monkeypatch.setattr(evaluation, "run_jobs", lambda jobs, _, worker: map(worker, jobs))
    drive = ("--verify", "closed-loop", "--drive.environment", "line", "--drive.episodes", 2)
    assert run(mine, "--observations", 4, *drive) == 0
    bundle = load_bundle(mine / "bundle")
    driven = json.loads(bundle.path("parity.json").read_text())["closed_loop"]
    assert (driven["episodes"], driven["tasks"]) == (2, ["walk"])
    assert "policy.onnx" in driven["graphs"]
    assert "less PyTorch" in bundle.path("VERIFICATION.md").read_text()
    assert len(list((mine / "closed-loop").rglob("*.json"))) == 2


def test_a_bundle_cannot_be_driven_against_a_pytorch_it_does_not_hold(mine, capsys):
    assert run(mine / "bundle", "--verify", "closed-loop") == 1
    assert "give the run it was exported from" in capsys.readouterr().err


def test_a_graph_exchanged_by_hand_is_found_by_verifying_again(mine, capsys):
    bundle = load_bundle(mine / "bundle")
    extend_bundle(bundle, {"policy.onnx": b"\x07" * 64})
    with pytest.raises(BundleError, match=r"policy\.onnx is not the file that was compared"):
        Session(load_bundle(mine / "bundle"), "go")
    assert run(mine / "bundle", "--steps", "verify") == 1
    said = capsys.readouterr().err
    assert f"{mine / 'bundle' / 'policy.onnx'}: " in said and "ONNX Runtime refuses it" in said
    assert ".bundle.export" not in said


def test_a_robot_builds_int8_engines_of_the_graphs_it_was_given_without_any_data(mine, capsys):
    pytest.importorskip("tensorrt_rtx_bindings", reason="NO ENGINE IS BUILT")
    bundle = load_bundle(mine / "bundle")
    extend_bundle(bundle, {"policy.int8.onnx": bundle.path("policy.onnx").read_bytes()})
    build = ("--target", "trt", "--builder", "tensorrt-rtx", "--precision", "int8")
    assert run(mine / "bundle", *build, "--steps", "build,verify") == 0
    assert "policy.int8.engine is not compared here: " in capsys.readouterr().err
    files = load_bundle(mine / "bundle").manifest.files
    assert "engines/sm86/policy.int8.engine" in files
