"""The five steps on the tiny agent: what comes of them, what is kept, what is refused."""

import errno
import hashlib
import json

import pytest
from agents import tiny_agent

from lapa_edge.artifact import load_bundle
from lapa_edge.errors import BundleError, ConfigError, DataError
from lapa_edge.export import pipeline as pipeline_module
from lapa_edge.export.limits import LIMITS, Limit
from lapa_edge.export.observations import random_observations
from lapa_edge.export.pipeline import Pipeline, Run, Source, Wish, parse_steps
from lapa_edge.export.tensorrt_api import find_builder


def observations(count, seed=0):
    config, _ = tiny_agent()
    return random_observations(config.spec, config.tokenizer, count, seed)


@pytest.fixture
def export(tmp_path, graphs_at_hand):
    """Runs the pipeline of the tiny agent at one place."""
    config, agent = tiny_agent()

    def go(steps="", seed=0, wish=None, read=observations):
        source = Run("fingerprint", config, agent, observations(4, seed), {"run": "tiny"})
        wish = wish or Wish(precisions=("fp32", "fp16", "int8"), calibration=8)
        pipeline = Pipeline(source, wish, tmp_path / "bundle", read)
        return pipeline.run(parse_steps(steps, board=wish.board is not None))

    return go


def test_a_run_becomes_a_bundle_in_every_precision_and_all_of_it_is_hashed(export, tmp_path):
    bundle = load_bundle(export().root)
    assert {
        "policy.onnx", "policy.fp16.onnx", "policy.int8.onnx", "action_head.fp16.onnx",
        "action_head.onnx", "text_encoder.onnx", "calibration.json", "parity.json",
        "VERIFICATION.md",
    } <= bundle.manifest.files.keys()  # fmt: skip
    calibration = json.loads(bundle.path("calibration.json").read_text())
    assert calibration["sha256"] == observations(8).sha256()
    parity = json.loads(bundle.path("parity.json").read_text())
    assert parity["graphs"].keys() == {
        "policy.fp16.onnx",
        "policy.int8.onnx",
        "action_head.fp16.onnx",
    }
    for name, entry in bundle.manifest.files.items():
        assert hashlib.sha256(bundle.path(name).read_bytes()).hexdigest() == entry.sha256
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_stopped_export_goes_on_with_the_same_command(export, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "verified", stop)
        with pytest.raises(KeyboardInterrupt):
            export()
    assert not (tmp_path / "bundle").exists()
    monkeypatch.setattr(pipeline_module, "calibrate_policy", None)  # done, and not done again
    assert export() is not None


def test_other_observations_redo_the_export(export, monkeypatch):
    assert export("export") is None
    with pytest.raises(
        ConfigError, match="goes on from export, which was done from something else"
    ):
        export("verify", seed=1)
    assert export("verify") is not None


def test_a_failed_verification_publishes_nothing_and_leaves_the_old_bundle(
    export, tmp_path, monkeypatch
):
    before = export(wish=Wish()).manifest
    monkeypatch.setitem(LIMITS["fp32"], "context_max_abs", Limit(None, -1.0, "nothing passes"))
    with pytest.raises(BundleError, match="context_max_abs is"):
        export(wish=Wish())
    assert load_bundle(tmp_path / "bundle").manifest == before


def test_8_bits_without_data_or_with_too_little_of_it_are_refused(export):
    with pytest.raises(ConfigError, match="need the ranges of real observations"):
        export(read=None)
    with pytest.raises(DataError, match="expected at least 8 observations, got 5"):
        export(read=lambda count: observations(5))


def test_a_full_disk_while_publishing_keeps_every_step(export, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "bundle")

    write = pipeline_module.write_bundle
    with monkeypatch.context() as patch:
        patch.setattr(
            pipeline_module,
            "write_bundle",
            lambda root, *rest: full() if root == tmp_path / "bundle" else write(root, *rest),
        )
        with pytest.raises(OSError, match="No space left"):
            export(wish=Wish())
    assert not (tmp_path / "bundle").exists()
    monkeypatch.setattr(Run, "verified", None)
    assert export(wish=Wish()) is not None


def test_a_bundle_gains_a_precision_and_engines_without_its_run(checked_bundle_copy):
    pytest.importorskip("tensorrt_rtx_bindings", reason="NO ENGINE IS BUILT: no TensorRT for RTX")
    wish = Wish(("fp32", "fp16"), board="orin-nano", builder=find_builder("tensorrt-rtx"))
    place = checked_bundle_copy.root
    bundle = Pipeline(Source(checked_bundle_copy), wish, place, None).run(parse_steps("", True))
    assert {
        "policy.fp16.onnx",
        "engines/sm86/policy.engine",
        "engines/sm86/policy.fp16.engine.json",
        "engines/sm86/action_head.fp16.engine",
    } <= load_bundle(bundle.root).manifest.files.keys()
    parity = json.loads(bundle.path("parity.json").read_text())
    assert "policy.fp16.onnx" in parity["graphs"]
    assert "engines/sm86/policy.engine" in parity["not_run"]


def test_benchmark_adds_latencies_to_a_verified_bundle(checked_bundle_copy):
    pipeline = Pipeline(Source(checked_bundle_copy), Wish(), checked_bundle_copy.root, None)
    bundle = pipeline.run(parse_steps("benchmark", False))
    told = json.loads(load_bundle(bundle.root).path("benchmark.json").read_text())
    assert told["latency"]["policy.onnx"] and told["machine"]["cores"] >= 1


def test_steps_are_taken_in_their_order():
    assert parse_steps("verify,export", board=False) == ("export", "verify")
    assert parse_steps("", board=False) == ("export", "quantize", "verify")
    assert parse_steps("", board=True) == ("export", "quantize", "build", "verify")
