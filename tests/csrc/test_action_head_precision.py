"""The action head with bf16 and int8 weights: its reference's bits, and near float32."""

import numpy as np
import pytest
from heads import build_weights, calibrate, draw_input
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge import _native
from lapa_edge.runtime import reference
from lapa_edge.runtime.reference.action_head import to_bf16

# Root mean square error of one pass over that of its result. bf16 keeps 8 bits: each weight is off
# by up to 0.4 %, 0.2 % on average, and what is off by chance grows with the root of seven layers.
# int8 has steps of 1/127 of the largest value, of which a normal one reaches a third: weights and
# activations are each off by about 1 %, and over seven layers by 3.5 %.
RELATIVE_RMS = {"bf16": 0.006, "int8": 0.035}
GATED = 1.5  # a gate multiplies two of them: the root of two, and some room

SHAPE = {"inputs": 13, "outputs": 7, "width": 19, "blocks": 2}


def build_heads(weights, precision, x, **options):
    """The kernel and its reference, calibrated on `x`."""
    calibration = calibrate(weights, x) if precision == "int8" else None
    head = _native.ActionHead(weights, precision=precision, calibration=calibration, **options)
    return head, reference.ActionHead(weights, precision, calibration)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@given(
    sizes=st.tuples(*[st.integers(1, 37)] * 3, st.integers(0, 3)),
    gated=st.booleans(),
    b=st.integers(0, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_forward_equals_the_reference_at_any_size(precision, sizes, gated, b, seed):
    weights = build_weights(*sizes, seed=seed, gated=gated)
    head, twin = build_heads(weights, precision, draw_input(4, sizes[0], seed + 1))
    x = 2 * draw_input(b, sizes[0], seed)  # some of it beyond what was calibrated
    assert head.precision == precision
    np.testing.assert_array_equal(head.forward(x), twin.forward(x), strict=True)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_wide_head_equals_the_reference(precision):
    weights = build_weights(inputs=261, outputs=57, width=259, blocks=1, gated=True)
    x = draw_input(3, 261)
    head, twin = build_heads(weights, precision, x)
    np.testing.assert_array_equal(head.forward(x), twin.forward(x), strict=True)


def test_the_bf16_head_is_the_float32_head_on_rounded_weights():
    weights, x = build_weights(**SHAPE, gated=True), draw_input(5, 13)
    rounded = {n: to_bf16(v) if n.endswith("weight") else v for n, v in weights.items()}
    np.testing.assert_array_equal(
        _native.ActionHead(weights, precision="bf16").forward(x),
        _native.ActionHead(rounded).forward(x),
    )


def test_weights_between_two_bf16_go_to_the_even_one():
    steps = np.array([0.0, 0.499, 0.5, 0.501, 1.0, 1.5, -0.5, -1.5], np.float32)
    weight = (1 + steps * 2**-7).astype(np.float32)
    expected = (1 + np.rint(steps) * 2**-7).astype(np.float32)
    expected[6:] = [1 - 2**-8, 1 - 3 * 2**-8]  # below 1 the steps are half as wide
    np.testing.assert_array_equal(to_bf16(weight), expected)
    torch = pytest.importorskip("torch")
    wide = draw_input(64, 64)
    as_torch = torch.from_numpy(wide).bfloat16().float().numpy()
    np.testing.assert_array_equal(to_bf16(wide), as_torch)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("precision", RELATIVE_RMS)
def test_a_head_of_few_bits_stays_near_float32(precision, gated):
    weights = build_weights(inputs=265, outputs=56, width=256, blocks=3, gated=gated)
    # As a robot's: latents and context of order 1, states a little larger, an age from 0 to 1.
    scale = np.concatenate([np.full(256, 1), np.full(8, 2), [0.5]]).astype(np.float32)
    seen, x = scale * draw_input(512, 265, 1), scale * draw_input(256, 265, 2)
    head, _ = build_heads(weights, precision, seen)
    expected, got = _native.ActionHead(weights).forward(x), head.forward(x)
    error = np.sqrt(((got - expected) ** 2).mean() / (expected**2).mean())
    assert 0 < error < RELATIVE_RMS[precision] * (GATED if gated else 1)


def test_inputs_of_other_units_cost_int8_little():
    weights = build_weights(inputs=64, outputs=8, width=64, blocks=1)
    units = np.ones(64, np.float32)
    units[[5, 40]] = 100, 0.01  # millimetres among metres, say
    weights["input.weight"] /= units
    seen, x = units * draw_input(256, 64, 1), units * draw_input(128, 64, 2)
    head, _ = build_heads(weights, "int8", seen)
    expected, got = _native.ActionHead(weights).forward(x), head.forward(x)
    error = np.sqrt(((got - expected) ** 2).mean() / (expected**2).mean())
    assert error < RELATIVE_RMS["int8"]  # one scale for all inputs would lose most of them


def test_what_lies_beyond_the_calibration_saturates():
    weights = build_weights(**SHAPE)
    head, _ = build_heads(weights, "int8", draw_input(4, 13))
    far = np.full((1, 13), 1e6, np.float32)
    np.testing.assert_array_equal(head.forward(far), head.forward(1e30 * far))


def test_sums_of_the_widest_layer_are_exact():
    inputs = 133144
    weights = build_weights(inputs, 1, 1, 0) | {"input.weight": np.ones((1, inputs), np.float32)}
    x = np.ones((2, inputs), np.float32)
    x[1] = -1
    head, twin = build_heads(weights, "int8", x)
    np.testing.assert_array_equal(head.forward(x), twin.forward(x))
    wider = build_weights(inputs + 1, 1, 1, 0)
    with pytest.raises(ValueError, match=r"expected at most 133144 inputs .* int32, got 133145"):
        build_heads(wider, "int8", draw_input(1, inputs + 1))


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("sign", [1, -1])
def test_an_overflow_inside_the_network_is_refused(precision, sign):
    weights = build_weights(**SHAPE)
    weights["blocks.0.up.weight"][:] = sign * 1e37
    weights["blocks.0.up.bias"][:] = sign * 3.4e38
    calibration = calibrate(build_weights(**SHAPE), draw_input(8, 13))
    head = _native.ActionHead(weights, precision=precision, calibration=calibration)
    with pytest.raises(ValueError, match=r"^output: expected finite values, got an overflow"):
        head.forward(draw_input(1, 13))


def test_int8_without_calibration_says_to_export_again():
    with pytest.raises(ValueError, match=r"^calibration: .*got none; export the bundle again$"):
        _native.ActionHead(build_weights(**SHAPE), precision="int8")


def test_an_unknown_precision_is_refused():
    with pytest.raises(
        ValueError, match=r'^precision: expected "f32", "bf16" or "int8", got "f16"'
    ):
        _native.ActionHead(build_weights(**SHAPE), precision="f16")


@pytest.mark.parametrize(
    ("layer", "value", "message"),
    [
        ("blocks.1.down", None, r"^calibration: expected an array named blocks\.1\.down, got none"),
        ("blocks.7.up", np.ones(19, np.float32), r"^calibration: expected only .* blocks\.7\.up"),
        ("input", np.ones(12, np.float32), r"^calibration\.input: expected float32 \[13\]"),
        ("input", np.ones(13), r"^calibration\.input: .*got float64 \[13\]"),
        ("output", np.full(19, np.nan, np.float32), r"^calibration\.output: expected finite"),
        ("output", np.zeros(19, np.float32), r"expected values of 1e-30 to 1e30, got 0\.0 at"),
        ("output", np.full(19, -1, np.float32), r"got -1\.0 at index 0; export the bundle again$"),
        ("input", [1.0] * 13, r"^calibration\.input: expected a float32 array, got list"),
    ],
)
def test_a_wrong_calibration_is_named(layer, value, message):
    weights = build_weights(**SHAPE)
    calibration = calibrate(weights, draw_input(4, 13))
    calibration.pop(layer, None)
    if value is not None:
        calibration[layer] = value
    with pytest.raises(ValueError, match=message):
        _native.ActionHead(weights, precision="int8", calibration=calibration)
