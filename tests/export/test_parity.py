"""The gate: what passes, what does not, and that a failure names the part at fault."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from agents import tiny_agent
from onnx import numpy_helper
from safetensors.numpy import load_file, save

from lapa_edge.artifact import extend_bundle
from lapa_edge.errors import BundleError, RuntimeInputError
from lapa_edge.export.limits import LIMITS, Limit
from lapa_edge.export.observations import random_observations
from lapa_edge.export.reference import build_reference
from lapa_edge.export.verification import record_verification, verify
from lapa_edge.runtime.head import build_head


def compare(config, agent, bundle, observations):
    return verify(bundle, build_reference(config, agent, observations))


@pytest.fixture
def observations():
    config, _ = tiny_agent()
    return random_observations(config.spec, config.tokenizer, 12)


def test_the_report_in_the_bundle_says_what_was_measured_on_what(checked_bundle):
    report = json.loads(checked_bundle.path("parity.json").read_text())
    assert report["measured"].keys() == report["limits"].keys()
    assert report["measured"]["native_head_over_floor"] < 32
    assert (report["failures"], report["unfit"]) == ([], {})
    assert (
        report["measured"]["int8_head_relative_rms"]
        > report["measured"]["bf16_head_relative_rms"]
        > 0
    )
    assert report["measured"]["code_match_percent"] == 100
    assert "no data was given" in report["source"]
    assert report["files"]["policy.onnx"] == checked_bundle.manifest.files["policy.onnx"].sha256


def test_every_limit_has_a_reason_and_refuses_nan():
    for limit in (limit for limits in LIMITS.values() for limit in limits.values()):
        assert len(limit.reason) > 20
        assert not limit.holds(float("nan"))
    assert Limit(None, 1.0, "").holds(1.0)
    assert not Limit(99.0, None, "").holds(98.9)


def test_another_agent_fails_with_each_broken_limit_and_every_wrong_code(
    checked_bundle, observations
):
    config, agent = tiny_agent(seed=7)
    report = compare(config, agent, checked_bundle, observations)
    assert not report.passed
    assert report.measured["code_match_percent"] < 99
    count = round((1 - report.measured["code_match_percent"] / 100) * 12 * 3)
    assert len(report.mismatches) == count
    assert all(x.margin > 0 and x.expected != x.got for x in report.mismatches)
    assert any("context_max_abs is" in x and "at most 0.0001" in x for x in report.failures)


def test_a_stale_native_head_is_told_apart_from_the_onnx_head(checked_bundle_copy, observations):
    config, agent = tiny_agent()
    weights = load_file(checked_bundle_copy.path("weights.safetensors"))
    weights["action_head.output.bias"] += np.float32(0.01)
    bundle = extend_bundle(checked_bundle_copy, {"weights.safetensors": save(weights)})
    report = compare(config, agent, bundle, observations)
    assert report.measured["native_head_max_abs"] > 0.009
    assert report.measured["onnx_head_max_abs"] < 1e-5
    assert all(failure.startswith("native_head") for failure in report.failures)


def test_a_head_too_coarse_in_int8_keeps_its_bundle_and_loses_int8(
    checked_bundle_copy, observations
):
    config, agent = tiny_agent()
    weights = load_file(checked_bundle_copy.path("weights.safetensors"))
    weights["action_head.calibration.output"] *= np.float32(1000)  # as if one value had been huge
    bundle = extend_bundle(checked_bundle_copy, {"weights.safetensors": save(weights)})
    report = compare(config, agent, bundle, observations)
    assert report.passed
    assert report.unfit.keys() == {"int8"}
    bundle = record_verification(bundle, report)
    with pytest.raises(BundleError, match=r'loses too much in int8: int8_head_.*; run it in "f32"'):
        build_head(bundle, precision="int8")
    build_head(bundle, precision="bf16")


def test_a_graph_that_gives_nan_is_refused(checked_bundle_copy, observations):
    config, agent = tiny_agent()
    name = "action_head.onnx"
    model = onnx.load(checked_bundle_copy.path(name))
    bias = next(x for x in model.graph.initializer if x.name == "output.bias")
    spoiled = np.full_like(numpy_helper.to_array(bias), np.nan)
    bias.CopyFrom(numpy_helper.from_array(spoiled, bias.name))
    bundle = extend_bundle(checked_bundle_copy, {name: model.SerializeToString()})
    with pytest.raises(BundleError, match="onnx head: the bundle gives NaN"):
        compare(config, agent, bundle, observations)


def test_a_tie_may_fall_either_way_and_a_clear_choice_may_not(checked_bundle, observations):
    config, agent = tiny_agent()
    for margin, passes in ((1e-5, True), (0.5, False)):
        with torch.no_grad():
            # Two codes as one but for the bias, which lifts them above the rest.
            head = agent.instructed.policy.to_logits
            head.weight[1] = head.weight[0]
            head.bias[:] = torch.tensor([100.0, 100.0 + margin, 0, 0])
        report = compare(config, agent, checked_bundle, observations)
        assert report.mismatches
        holds = LIMITS["fp32"]["mismatch_margin_max"].holds(report.measured["mismatch_margin_max"])
        assert holds == passes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o: replace(o, frames=[]), "expected at least 1, got 0"),
        (lambda o: replace(o, instructions=["go"]), r"expected 12, one per frame, got 1"),
        (
            lambda o: replace(o, states=o.states[:, :2]),
            r"states: expected \[12, 3\], got \[12, 2\]",
        ),
        (lambda o: replace(o, states=o.states * np.float32("nan")), "states: expected finite"),
    ],
)
def test_observations_that_do_not_fit_are_refused(checked_bundle, observations, change, message):
    config, agent = tiny_agent()
    with pytest.raises(RuntimeInputError, match=message):
        compare(config, agent, checked_bundle, change(observations))
