"""``benchmark.json``: every graph and engine has its latency, or the reason why not."""

import msgspec
import pytest
from bundles import write_tiny_bundle
from emulated_engines import add_engine

from lapa_edge.artifact import extend_bundle
from lapa_edge.export import benchmark
from lapa_edge.export.benchmark import Benchmark, measure_bundle
from lapa_edge.runtime.backends.tensorrt_library import gpu_capability
from lapa_edge.runtime.profile import measure_latency

ENGINE = "engines/orin-nano/policy.engine"


@pytest.fixture(autouse=True)
def briefly(monkeypatch):
    """Few repeats: what is claimed here is no time."""
    monkeypatch.setattr(
        benchmark, "measure_latency", lambda *x, **y: measure_latency(*x, 3, warm_up=1, **y)
    )


def test_an_engine_that_runs_is_measured_beside_the_graph_it_was_built_of(
    tmp_path, emulated, library, monkeypatch
):
    bundle = write_tiny_bundle(tmp_path / "b")
    bundle = add_engine(bundle, emulated, library, monkeypatch)
    found = measure_bundle(bundle)
    assert found.latency.keys() == {"policy.onnx", ENGINE} and found.not_run == {}
    # The emulated GPU's clock goes on by 0.25 ms from mark to mark.
    assert found.latency[ENGINE]["gpu"].p50_ms == pytest.approx(0.25)
    assert "cpu" in found.latency["policy.onnx"] and "cpu" not in found.latency[ENGINE]
    assert msgspec.json.decode(msgspec.json.encode(found), type=Benchmark) == found


def test_an_engine_for_another_machine_says_so_without_naming_a_passing_place(
    tmp_path, emulated, library, monkeypatch
):
    bundle = write_tiny_bundle(tmp_path / "b")
    bundle = add_engine(bundle, emulated, library, monkeypatch)
    beside = bundle.path(f"{ENGINE}.json").read_bytes().replace(b'"8.7"', b'"8.9"')
    found = measure_bundle(extend_bundle(bundle, {f"{ENGINE}.json": beside}))
    assert found.not_run == {ENGINE: "compute capability: it was built for 8.9, here is 8.7"}


def test_a_machine_without_a_gpu_and_a_bundle_without_an_engine_say_why(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "b")
    assert measure_bundle(bundle).not_run == {"engines": benchmark.NO_ENGINE}
    if gpu_capability():
        pytest.skip("NOT CHECKED: this machine has a GPU")
    bundle = extend_bundle(bundle, {ENGINE: b"engine", f"{ENGINE}.json": b"{}"})
    reason = measure_bundle(bundle).not_run[ENGINE]
    assert "not installed" in reason or "is not there" in reason or "none answers" in reason


def test_every_graph_is_timed_whichever_were_asked_for_or_says_why_it_is_not(in_every_precision):
    found = measure_bundle(in_every_precision)
    assert found.latency.keys() == {"policy.onnx", "policy.fp16.onnx", "policy.int8.onnx"}
    assert found.not_run.keys() == {"policy.bf16.onnx", "policy.fp8.onnx", "engines"}
    for name in ("policy.bf16.onnx", "policy.fp8.onnx"):
        assert "ONNX Runtime refuses it" in found.not_run[name]


def test_no_word_is_said_that_training_never_met(tmp_path, caplog):
    measure_bundle(write_tiny_bundle(tmp_path / "b"))
    assert "training never met" not in caplog.text
