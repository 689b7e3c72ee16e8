"""The fast half: both backends, and how the head's input is put together."""

import msgspec
import numpy as np
import pytest
from bundles import tiny_spec, write_tiny_bundle
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from lapa_edge.artifact import extend_bundle
from lapa_edge.errors import BundleError, ConfigError
from lapa_edge.runtime.head import HeadInput, build_head, has_calibration
from lapa_edge.runtime.policy import Latent
from lapa_edge.spec import HEAD_PARTS

# The two add some ten float32 products in different orders: a few 1e-7 of the output's scale.
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.mark.parametrize("lengths", [{}, {"n": 0}, {"a": 7, "s": 5, "chunk": 3}])
@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_both_backends_agree(tmp_path, lengths, blocks):
    bundle = write_tiny_bundle(tmp_path / "tiny", head_blocks=blocks, head_width=9, **lengths)
    x = np.random.default_rng(1).standard_normal((20, bundle.spec.head_input_dim), np.float32)
    native, onnx = build_head(bundle, "native"), build_head(bundle, "onnx")
    for row in x:
        answer = native.forward(row)
        assert answer.shape == (bundle.spec.head_output_dim,)
        np.testing.assert_allclose(answer, onnx.forward(row), **TOLERANCE)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_head_of_few_bits_runs_from_the_bundle(tmp_path, precision):
    bundle = write_tiny_bundle(tmp_path / "tiny")

    def calibrate(weights):
        heads = {name for name in weights if name.endswith(".weight")}
        for name in heads:
            layer = name.removeprefix("action_head.").removesuffix(".weight")
            columns = weights[name].shape[1]
            weights[f"action_head.calibration.{layer}"] = np.full(columns, 20, np.float32)

    head = build_head(respelled(bundle, calibrate), precision=precision)
    x = np.random.default_rng(1).standard_normal(bundle.spec.head_input_dim, np.float32)
    expected, answer = build_head(bundle).forward(x), head.forward(x)
    assert not np.array_equal(answer, expected)
    # bf16 is off by 0.4 %; ranges of 20 leave int8 a tenth of its steps.
    np.testing.assert_allclose(answer, expected, atol={"bf16": 0.02, "int8": 0.5}[precision])


def test_an_older_bundle_runs_and_refuses_int8_alone(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "tiny")
    assert not has_calibration(bundle)
    build_head(bundle, precision="bf16")
    with pytest.raises(BundleError, match=r"calibration: .*got none; export the bundle again"):
        build_head(bundle, precision="int8")


def test_onnx_runtime_has_no_other_precision(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "tiny")
    with pytest.raises(ConfigError, match='head precision: expected "f32" for ONNX Runtime'):
        build_head(bundle, "onnx", "int8")


def respelled(bundle, change):
    """The bundle with its arrays changed in place by `change`."""
    weights = load(bundle.path("weights.safetensors").read_bytes())
    change(weights)
    return extend_bundle(bundle, {"weights.safetensors": save(weights)})


def test_a_missing_array_is_named(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "tiny")
    spoilt = respelled(bundle, lambda weights: weights.pop("action_head.blocks.1.down.bias"))
    with pytest.raises(BundleError, match=r"blocks\.1\.down\.bias"):
        build_head(spoilt, "native")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "tiny")
    spoilt = respelled(bundle, lambda weights: weights["action_head.input.bias"].fill(np.nan))
    with pytest.raises(BundleError, match=r"weights\.safetensors"):
        build_head(spoilt, "native")


def test_a_head_of_another_robot_is_refused(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "tiny")
    other = write_tiny_bundle(tmp_path / "other", s=7)
    weights = other.path("weights.safetensors").read_bytes()
    with pytest.raises(BundleError, match="expected 16 inputs and 4 outputs, got 20 and 4"):
        build_head(extend_bundle(bundle, {"weights.safetensors": weights}), "native")


def test_the_input_is_normalised_and_in_the_specs_order():
    spec = tiny_spec()
    latent = Latent(
        np.zeros(2, np.int32), np.arange(6, dtype=np.float32), np.full(4, 9, np.float32), 0.0
    )
    state, last = np.array([0.1, 0.6, 1.1], np.float32), np.array([0.05, 0.45], np.float32)
    x = HeadInput(spec).fill(latent, state, last, 0.25)
    at = spec.head_slices()
    assert x[at["latent"]].tolist() == [0, 1, 2, 3, 4, 5]
    assert x[at["context"]].tolist() == [9] * 4
    assert x[at["state"]] == pytest.approx([0, 1, 2], abs=1e-6)
    assert x[at["last_action"]] == pytest.approx([0, 1], abs=1e-6)
    assert x[at["latent_age"]] == pytest.approx([0.5])


@pytest.mark.parametrize("told", [(), ("latent_age",), HEAD_PARTS[3:]])
def test_only_the_parts_of_the_spec_are_told(told):
    spec = msgspec.structs.replace(tiny_spec(), head_inputs=HEAD_PARTS[:3] + told)
    latent = Latent(np.zeros(2, np.int32), np.ones(6, np.float32), np.ones(4, np.float32), 0.0)
    last = np.array([0.05, 0.45], np.float32)
    x = HeadInput(spec).fill(latent, np.array([0.1] * 3, np.float32), last, 0.25, ticks=5)
    values = {"last_action": [0, 1], "latent_age": [0.5], "chunk_index": [5 / 25]}
    expected = [1] * 10 + [0] * 3 + [value for part in told for value in values[part]]
    assert x == pytest.approx(expected, abs=1e-6)


def test_a_flow_heads_own_inputs_are_not_the_sessions():
    spec = tiny_spec()
    flow = msgspec.structs.replace(spec.action, decoding="flow", flow_steps=4)
    flowing = msgspec.structs.replace(spec, action=flow)
    latent = Latent(np.zeros(2, np.int32), np.ones(6, np.float32), np.ones(4, np.float32), 0.0)
    x = HeadInput(flowing).fill(latent, np.zeros(3, np.float32), np.zeros(2, np.float32), 0.25)
    assert len(x) == spec.head_input_dim < flowing.head_input_dim


@given(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=2))
def test_normalising_an_action_and_back_changes_nothing(values):
    normaliser = HeadInput(tiny_spec()).action
    action = np.array(values, np.float32)
    there_and_back = normaliser.restore(normaliser.normalise(action))
    np.testing.assert_allclose(there_and_back, action, rtol=1e-5, atol=1e-6)
