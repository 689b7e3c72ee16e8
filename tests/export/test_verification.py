"""What enters the bundle: the report, its page, and PyTorch's answers for the robot to go by."""

import json
import subprocess
import sys
from dataclasses import replace

import msgspec
import numpy as np
import onnx
import pytest
from agents import tiny_agent
from onnx import numpy_helper

from lapa_edge.artifact import extend_bundle, load_bundle
from lapa_edge.errors import BundleError, MissingDependencyError
from lapa_edge.export import verification
from lapa_edge.export.closed_loop import policy_graphs
from lapa_edge.export.graphs import export_graphs
from lapa_edge.export.limits import LIMITS
from lapa_edge.export.observations import random_observations
from lapa_edge.export.precision.calibrate import PolicyCalibration
from lapa_edge.export.precision.casts import cast_graph
from lapa_edge.export.precision.quantize import quantize_graph
from lapa_edge.export.recorded import RECORDED, encode_reference, read_reference
from lapa_edge.export.reference import ask_agent, build_reference
from lapa_edge.export.reordered import ORDERS, Reordered
from lapa_edge.export.verification import record_verification, verify
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph
from lapa_edge.runtime.session import Session


@pytest.fixture(scope="module")
def reference():
    config, agent = tiny_agent()
    observations = random_observations(config.spec, config.tokenizer, 12)
    return build_reference(config, agent, observations)


def spoil_graph(bundle, name, change):
    """`name` with every weight of its matrices changed."""
    model = onnx.load(bundle.path(name))
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.ndim == 2 and array.dtype == np.float32:
            weight.CopyFrom(numpy_helper.from_array(change(array).astype(np.float32), weight.name))
    return model.SerializeToString()


@pytest.mark.parametrize("decoder", ["parallel", "autoregressive"])
def test_reordered_sums_change_the_last_bits_and_nothing_more(decoder):
    config, agent = tiny_agent(decoder=decoder)
    observations = random_observations(config.spec, config.tokenizer, 4)
    usual = ask_agent(config, agent, observations)
    for seed in range(ORDERS):
        with Reordered(seed):
            other = ask_agent(config, agent, observations)
        assert not np.array_equal(other.context, usual.context)
        np.testing.assert_allclose(other.context, usual.context, atol=1e-5)
        np.testing.assert_allclose(other.chunks["torch"], usual.chunks["torch"], atol=1e-5)


def test_the_noise_floor_is_measured_and_far_below_every_limit(reference):
    floor = reference.noise_floor
    assert 0 < floor["relative_rms"] < LIMITS["fp32"]["relative_rms"].at_most / 10
    assert 0 < floor["context_max_abs"] < LIMITS["fp32"]["context_max_abs"].at_most / 10


def test_a_bundle_carries_the_answers_it_was_held_against(checked_bundle, reference):
    assert {"parity.json", "VERIFICATION.md", RECORDED} <= checked_bundle.manifest.files.keys()
    kept = read_reference(checked_bundle)
    config, agent = tiny_agent()
    again = ask_agent(config, agent, kept.observations)
    np.testing.assert_allclose(again.context, kept.answers.context, atol=1e-6)
    np.testing.assert_array_equal(again.codes, kept.answers.codes)
    assert kept.noise_floor["relative_rms"] > 0


def test_the_same_observations_have_the_same_hash_and_one_pixel_more_another(reference):
    same = random_observations(*(getattr(tiny_agent()[0], x) for x in ("spec", "tokenizer")), 12)
    assert same.sha256() == reference.sha256
    frame = same.frames[3].copy()
    frame[0, 0, 0] ^= 1
    assert (
        replace(same, frames=[*same.frames[:3], frame, *same.frames[4:]]).sha256() != same.sha256()
    )
    spec = tiny_agent()[0].spec
    assert encode_reference(reference, spec) == encode_reference(reference, spec)


def test_a_bundle_is_verified_again_from_what_it_carries_without_torch(checked_bundle, tmp_path):
    code = (
        "import sys; from pathlib import Path; from lapa_edge.artifact import load_bundle;"
        "from lapa_edge.export.verification import verify;"
        f"report = verify(load_bundle(Path({str(checked_bundle.root)!r})));"
        "assert report.passed, report.failures; sys.exit('torch' in sys.modules)"
    )
    # Not from the checkout, whose modules would come before the installed ones.
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_graph_in_16_bits_is_compared_with_pytorch_by_its_own_limits(
    checked_bundle_copy, reference
):
    graph = cast_graph(checked_bundle_copy.path("policy.onnx").read_bytes(), "policy.onnx", "fp16")
    bundle = extend_bundle(checked_bundle_copy, {"policy.fp16.onnx": graph})
    found = verify(bundle, reference).graphs["policy.fp16.onnx"]
    assert found.precision == "fp16"
    assert found.failures == []
    assert found.measured["over_floor"] > LIMITS["fp32"]["over_floor"].at_most  # fewer bits
    assert found.measured["code_match_percent"] >= 99


def test_a_wrong_graph_fails_marks_the_bundle_bad_and_the_robot_refuses_it(
    checked_bundle_copy, reference
):
    wrong = spoil_graph(checked_bundle_copy, "policy.onnx", lambda w: 1.5 * w)
    bundle = extend_bundle(checked_bundle_copy, {"policy.fp16.onnx": wrong})
    report = verify(bundle, reference)
    assert any(x.startswith("policy.fp16.onnx: ") for x in report.failures)
    with pytest.raises(BundleError, match=r"does not do what the trained agent does: policy\.fp16"):
        record_verification(bundle, report)
    marked = load_bundle(bundle.root)
    page = marked.path("VERIFICATION.md").read_text()
    assert "FAILED" in page.splitlines()[0] and "**BROKEN**" in page
    with pytest.raises(BundleError, match="its parity failed"):
        Session(marked, "reach the red block")
    # Compared again without the wrong graph, it is good again.
    good = record_verification(marked, verify(without(marked, "policy.fp16.onnx")))
    assert json.loads(good.path("parity.json").read_text())["failures"] == []


def without(bundle, name):
    files = {k: v for k, v in bundle.manifest.files.items() if k != name}
    return type(bundle)(bundle.root, msgspec.structs.replace(bundle.manifest, files=files))


def test_a_bundle_nobody_marked_is_not_marked_by_a_failure(checked_bundle_copy, reference):
    wrong = spoil_graph(checked_bundle_copy, "policy.onnx", lambda w: 1.5 * w)
    bundle = extend_bundle(checked_bundle_copy, {"policy.onnx": wrong})
    unmarked = without(bundle, "parity.json")
    with pytest.raises(BundleError, match="does not do what"):
        record_verification(unmarked, verify(unmarked, reference), reference)


def test_a_graph_of_other_shapes_or_with_nan_is_refused_before_any_value(
    checked_bundle_copy, reference
):
    few = replace(reference, answers=replace(reference.answers, codes=np.zeros((12, 5), np.int32)))
    with pytest.raises(BundleError, match=r"codes: expected \[12, 5\], got \[12, 3\]"):
        verify(checked_bundle_copy, few)
    nan = spoil_graph(checked_bundle_copy, "policy.onnx", lambda w: w * np.nan)
    bundle = extend_bundle(checked_bundle_copy, {"policy.fp16.onnx": nan})
    with pytest.raises(BundleError, match="gives NaN or infinity"):
        verify(bundle, reference)


def test_an_engine_is_compared_where_it_runs_and_said_to_be_unproven_where_not(
    checked_bundle_copy, reference
):
    names = [f"engines/sm86/{graph}.engine" for graph in ("policy", "action_head")]
    files = dict.fromkeys(names, b"machine code")
    files |= {
        f"{name}.json": json.dumps({"onnx": name.split("/")[-1].replace("engine", "onnx")}).encode()
        for name in names
    }
    bundle = extend_bundle(checked_bundle_copy, files)

    def no_gpu(bundle, name):
        raise BundleError(name, "no GPU answers", "run this on the robot")

    def no_driver(bundle, name):
        raise MissingDependencyError("CUDA driver", "libcuda.so.1 is not there", "check the GPU")

    reasons = verify(bundle, reference, no_driver).not_run.values()
    assert set(reasons) == {"CUDA driver: libcuda.so.1 is not there"}
    report = verify(bundle, reference, no_gpu)
    assert report.passed and report.graphs == {}
    assert report.not_run.keys() == set(names)
    page = record_verification(bundle, report).path("VERIFICATION.md").read_text()
    assert "Not compared, and not marked good" in page and "no GPU answers" in page

    def stand_in(bundle, name):
        return OnnxGraph(bundle.path(name.split("/")[-1].replace("engine", "onnx")))

    report = verify(bundle, reference, stand_in)
    assert report.graphs.keys() == set(names) and report.passed
    assert report.graphs[names[0]].measured["code_match_percent"] == 100


def test_the_page_shows_every_mismatch_with_its_margin_and_every_limit_with_its_reason(
    checked_bundle_copy, reference
):
    report = verify(checked_bundle_copy, build_reference(*other_agent(), reference.observations))
    assert report.mismatches
    with pytest.raises(BundleError):
        record_verification(checked_bundle_copy, report)
    page = load_bundle(checked_bundle_copy.root).path("VERIFICATION.md").read_text()
    assert f"{report.mismatches[0].margin:.4g}" in page
    assert LIMITS["fp32"]["code_match_percent"].reason in page
    assert report.observations_sha256[:16] in page


def other_agent():
    return tiny_agent(seed=7)


@pytest.mark.parametrize("data", [b"", b"\x07" * 500])
def test_damaged_answers_and_none_at_all_say_what_to_do(checked_bundle_copy, data):
    damaged = extend_bundle(checked_bundle_copy, {RECORDED: data})
    with pytest.raises(BundleError, match=r"is damaged .*; export the bundle again"):
        verify(damaged)
    with pytest.raises(BundleError, match=r"carries no verification\.safetensors.*lapa-export RUN"):
        verify(without(damaged, RECORDED))


@pytest.mark.parametrize(
    ("precision", "runs_on"),
    [("bf16", "ONNX's reference evaluator, CPU"), ("fp8", "ONNX Runtime unfused, CPU")],
)
def test_what_no_cpu_runs_at_speed_is_compared_as_well_and_the_page_says_by_what(
    in_every_precision, checked_bundle_copy, reference, precision, runs_on
):
    name = f"policy.{precision}.onnx"
    graph = in_every_precision.path(name).read_bytes()
    bundle = extend_bundle(checked_bundle_copy, {name: graph})
    report = verify(bundle, reference)
    found = report.graphs[name]
    assert (found.precision, found.runs_on) == (precision, f"{name}, {runs_on}")
    assert report.not_run == {}
    assert policy_graphs(report) == ["policy.onnx"]  # nothing drives it: no robot runs it so
    # It was computed in fewer bits, and within the limits of those.
    assert found.measured["over_floor"] > LIMITS["fp32"]["over_floor"].at_most
    assert found.failures == []
    page = record_verification(bundle, report).path("VERIFICATION.md").read_text()
    assert f"On {name}, {runs_on}; limits of {precision}." in page


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_a_wrong_graph_in_a_slow_precision_fails(
    in_every_precision, checked_bundle_copy, reference, precision
):
    config, agent = other_agent()
    wrong = export_graphs(agent, config.spec)["policy.onnx"]
    if precision == "bf16":
        wrong = cast_graph(wrong, "policy.onnx", "bf16")
    else:
        kept = in_every_precision.path("calibration.json").read_bytes()
        ranges = msgspec.json.decode(kept, type=PolicyCalibration).ranges
        wrong = quantize_graph(wrong, "policy.onnx", "fp8", ranges)
    name = f"policy.{precision}.onnx"
    report = verify(extend_bundle(checked_bundle_copy, {name: wrong}), reference)
    assert any(x.startswith(f"{name}: code_match_percent is ") for x in report.failures)


@pytest.mark.parametrize("data", [b"\x07" * 500, b""])
def test_a_damaged_graph_in_a_slow_precision_is_not_compared(checked_bundle_copy, reference, data):
    names = ("policy.bf16.onnx", "policy.fp8.onnx")
    report = verify(extend_bundle(checked_bundle_copy, dict.fromkeys(names, data)), reference)
    assert report.not_run.keys() == set(names)


def test_the_slow_evaluator_is_asked_the_first_moments_only(
    in_every_precision, checked_bundle_copy, reference, monkeypatch
):
    monkeypatch.setattr(verification, "FIRST", 5)
    name = "policy.bf16.onnx"
    bundle = extend_bundle(checked_bundle_copy, {name: in_every_precision.path(name).read_bytes()})
    found = verify(bundle, reference).graphs[name]
    assert (
        found.runs_on.endswith("evaluator, CPU, the first 5 of 12 observations")
        and found.failures == []
    )


def test_the_first_moments_have_the_answers_they_had_among_all(reference):
    config, agent = tiny_agent()
    few = reference.first(7)
    again = ask_agent(config, agent, few.observations)
    np.testing.assert_allclose(again.chunks["torch"], few.answers.chunks["torch"], atol=1e-6)
    np.testing.assert_array_equal(again.codes, few.answers.codes)
    assert len(reference.first(1000).observations) == len(reference.observations)
