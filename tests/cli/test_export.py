"""``lapa-export`` from a run on disk to a bundle, and from a bundle to engines."""

import json
import subprocess
import sys

import numpy as np
import pytest
from agents import write_tiny_run
from bundles import write_tiny_bundle
from missing_modules import without

from lapa_edge.artifact import load_bundle
from lapa_edge.cli.command import run_command
from lapa_edge.cli.export import ExportFlags, export
from lapa_edge.data.video import write_video
from lapa_edge.export import bundle as bundle_module
from lapa_edge.export import engines
from lapa_edge.export.limits import LIMITS, Limit
from lapa_edge.runtime.backends import tensorrt_library


def run(*arguments):
    return run_command(export, ExportFlags, "lapa-export", "", [str(x) for x in arguments])


def test_engines_are_built_without_torch(tmp_path):
    pytest.importorskip("tensorrt_rtx_bindings", reason="NO ENGINE IS BUILT: no TensorRT for RTX")
    bundle = write_tiny_bundle(tmp_path / "b").root
    code = without(
        ("torch", "onnxscript"), "from lapa_edge.cli.export import main; sys.exit(main())"
    )
    flags = ["--target", "trt", "--board", "orin-nano", "--steps", "build"]
    command = [sys.executable, "-c", code, str(bundle), *flags]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("engines/sm86/policy.engine"))


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    return write_tiny_run(tmp_path_factory.mktemp("run") / "actions").root


def test_a_run_becomes_a_bundle_that_passed_and_says_on_what(tiny_run, tmp_path, capsys):
    out = tmp_path / "bundle"
    assert run(tiny_run, "--out", out, "--observations", 5, "--seed", 3) == 0
    bundle = load_bundle(out)
    parity = json.loads(bundle.path("parity.json").read_text())
    assert parity["observations"] == 5
    assert bundle.manifest.provenance["run"] == "actions"
    assert "seed 3: no data was given" in bundle.manifest.provenance["compared_on"]
    captured = capsys.readouterr()
    assert "policy.onnx" in captured.out
    assert "no --data" in captured.err and "parity passed" in captured.err


def test_how_long_a_latent_takes_over_may_be_told_at_export(tiny_run, tmp_path, capsys):
    out = tmp_path / "bundle"
    assert run(tiny_run, "--out", out, "--observations", 2, "--blend-s", 0.03) == 0
    assert load_bundle(out).spec.timing.blend_s == 0.03
    assert run(tiny_run, "--out", out, "--blend-s", 99) == 1
    assert "timing.blend_s: expected 0 to" in capsys.readouterr().err


def test_with_data_the_bundle_is_compared_on_its_frames(tiny_run, tmp_path, capsys):
    (tmp_path / "clips").mkdir()
    shades = (np.full((32, 48, 3), 30 * i, np.uint8) for i in range(6))
    write_video(tmp_path / "clips" / "a.mp4", shades, 10.0)
    assert run(tiny_run, "--out", tmp_path / "b", "--data", tmp_path / "clips") == 0
    captured = capsys.readouterr()
    assert "parity passed on 6 frames from 1 clip of clips" in captured.err
    assert "no --data" not in captured.err


def test_failed_parity_exits_1_and_publishes_nothing(tiny_run, tmp_path, capsys, monkeypatch):
    impossible = Limit(None, -1.0, "nothing can pass this one")
    monkeypatch.setitem(LIMITS["fp32"], "context_max_abs", impossible)
    out = tmp_path / "bundle"
    assert run(tiny_run, "--out", out, "--observations", 2) == 1
    assert "context_max_abs is" in capsys.readouterr().err
    assert not out.exists()


def test_engines_of_a_bundle_wait_beside_it_until_they_are_verified(tmp_path, capsys):
    pytest.importorskip("tensorrt_rtx_bindings", reason="NO ENGINE IS BUILT: no TensorRT for RTX")
    root = write_tiny_bundle(tmp_path / "bundle").root
    to_engines = ("--target", "trt", "--board", "agx-orin", "--builder", "tensorrt-rtx")
    assert run(root, *to_engines, "--steps", "build") == 0
    said = capsys.readouterr().err
    assert "stands in for the 8.7 of Jetson AGX Orin" in said
    assert ".bundle.export; --steps verify publishes it" in said
    assert not [name for name in load_bundle(root).manifest.files if name.endswith(".engine")]


@pytest.fixture
def nothing_done(tmp_path, capsys, monkeypatch):
    """A refusal, in words, for which nothing was exported, built or kept."""
    monkeypatch.setattr(bundle_module, "export_graphs", None)
    monkeypatch.setattr(engines, "build_engine", None)

    def refused(message, *flags):
        before = sorted(tmp_path.iterdir())
        to_engines = ("--target", "trt", "--builder", "tensorrt-rtx", *flags)
        assert run(*to_engines) == 1
        assert message in capsys.readouterr().err
        assert sorted(tmp_path.iterdir()) == before

    return refused


def test_a_board_that_is_not_built_for_here_is_refused_before_any_export(
    tiny_run, tmp_path, nothing_done
):
    pytest.importorskip("tensorrt_rtx_bindings", reason="NOT CHECKED: no TensorRT for RTX")
    root = write_tiny_bundle(tmp_path / "bundle").root
    for source, flags in ((tiny_run, ("--out", tmp_path / "b")), (root, ("--precision", "fp16"))):
        message = "needs compute capability 9.0"
        nothing_done(message, source, "--board", "h200", *flags)


def test_engines_beyond_the_boards_memory_are_refused_before_any_graph_is_made(
    tmp_path, nothing_done
):
    pytest.importorskip("tensorrt_rtx_bindings", reason="NOT CHECKED: no TensorRT for RTX")
    root = write_tiny_bundle(tmp_path / "bundle").root
    (tmp_path / "small.toml").write_text(
        'name = "small"\ncompute_capability = "8.6"\nprecisions = ["fp32", "fp16"]\n'
        "memory_gb = 0.5\nbandwidth_gb_s = 1\n"
        'system = "any"\ntensorrt = "1.0"\ncuda = "12"\n'
    )
    flags = ("--board", tmp_path / "small.toml", "--precision", "fp16")
    nothing_done("would not build policy.onnx", root, *flags, "--steps", "quantize,build")


def test_engines_that_could_not_be_verified_are_not_built(tmp_path, nothing_done):
    pytest.importorskip("tensorrt_rtx_bindings", reason="NOT CHECKED: no TensorRT for RTX")
    root = write_tiny_bundle(tmp_path / "bundle").root
    nothing_done("carries no verification.safetensors", root, "--steps", "build,verify")


def test_no_tensorrt_exits_1_with_the_pip_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tensorrt_library, "_import", lambda name: None)
    root = write_tiny_bundle(tmp_path / "bundle").root
    assert run(root, "--target", "trt") == 1
    assert "pip install 'lapa-edge[trt-rtx]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--target", "onnx"), "for engines add --target trt"),
        (("--target", "trt", "--blend-s", "0.1"), "a bundle keeps what it was exported with"),
        (("--precision", "int4"), "'int4' is none of fp32, fp16, bf16, int8, fp8"),
        (("--precision", "int8"), "8 bits need the ranges of real observations; give a dataset"),
        (("--target", "trt", "--precision", "fp8"), "use --precision int8"),
        (("--steps", "deploy"), "'deploy' is none of export, quantize, build, verify, benchmark"),
        (("--steps", "build"), "add --target trt"),
        (("--precision", "int8", "--calibration", "0"), "--calibration: expected at least 1"),
        (("--target", "trt", "--out", "elsewhere"), "a bundle is extended in place"),
        (("--target", "trt", "--board", "toaster"), "one of: agx-orin"),
    ],
)
def test_flags_that_do_not_go_together_exit_1(tmp_path, capsys, flags, message):
    root = write_tiny_bundle(tmp_path / "bundle").root
    assert run(root, *flags) == 1
    assert message in capsys.readouterr().err


def test_an_unfinished_run_and_a_bad_place_are_refused_before_any_export(
    tiny_run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(bundle_module, "export_graphs", None)
    assert run(tmp_path / "nowhere") == 1
    assert "no config.json" in capsys.readouterr().err
    (tmp_path / "notes.txt").touch()
    assert run(tiny_run, "--out", tmp_path) == 1
    assert "is not a bundle" in capsys.readouterr().err
    assert run(tiny_run, "--observations", 0) == 1
    assert "--observations: expected at least 1" in capsys.readouterr().err
