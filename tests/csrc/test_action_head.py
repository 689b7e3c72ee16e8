"""The action head's kernel against its reference, bit for bit, and against torch."""

import threading

import numpy as np
import pytest
from heads import build_weights, draw_input
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge import _native
from lapa_edge.runtime import reference

# torch adds the same products in another order and may fuse them. Over 256 inputs and seven
# layers float32 leaves a few 1e-7 of the output's scale; 1e-5 is one decimal digit of room.
TORCH_RTOL = 1e-5

SHAPE = {"inputs": 13, "outputs": 7, "width": 19, "blocks": 2}


@given(
    sizes=st.tuples(*[st.integers(1, 37)] * 3, st.integers(0, 3)),
    gated=st.booleans(),
    b=st.integers(0, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_forward_equals_the_reference_at_any_size(sizes, gated, b, seed):
    weights = build_weights(*sizes, seed=seed, gated=gated)
    head, x = _native.ActionHead(weights), draw_input(b, sizes[0], seed)
    assert (head.input_size, head.output_size, head.width, head.blocks) == sizes
    assert head.gated == (gated and sizes[3] > 0)
    y = head.forward(x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, reference.ActionHead(weights).forward(x))


@pytest.mark.parametrize("gated", [False, True])
def test_forward_is_what_torch_computes(gated):
    torch = pytest.importorskip("torch")
    weights = build_weights(inputs=256, outputs=56, width=256, blocks=3, gated=gated)
    x = draw_input(8, 256)

    def dense(layer, value):
        weight, bias = (torch.from_numpy(weights[f"{layer}.{part}"]) for part in ("weight", "bias"))
        return torch.nn.functional.linear(value, weight, bias)

    hidden = dense("input", torch.from_numpy(x)).relu()
    for block in range(3):
        raised = dense(f"blocks.{block}.up", hidden)
        gate = dense(f"blocks.{block}.gate", hidden).relu() if gated else None
        raised = raised * gate if gated else raised.relu()
        hidden = hidden + dense(f"blocks.{block}.down", raised)
    expected = dense("output", hidden).numpy()

    y = _native.ActionHead(weights).forward(x)
    np.testing.assert_allclose(y, expected, rtol=0, atol=TORCH_RTOL * np.abs(expected).max())


def test_forward_into_equals_forward():
    head, x = _native.ActionHead(build_weights(**SHAPE)), draw_input(3, 13)
    out = np.empty(7, np.float32)
    for row in range(3):
        head.forward_into(x[row], out)
        np.testing.assert_array_equal(out, head.forward(x)[row])


def test_the_head_keeps_its_own_copy_of_the_weights():
    weights, x = build_weights(**SHAPE), draw_input(2, 13)
    head = _native.ActionHead(weights)
    before = head.forward(x)
    for value in weights.values():
        value[:] = np.nan
    np.testing.assert_array_equal(head.forward(x), before)


def test_weights_and_inputs_that_are_not_contiguous_are_read_right():
    weights, x = build_weights(**SHAPE), draw_input(6, 26)[::2, ::2]
    expected = reference.ActionHead(weights).forward(x)
    strided = {name: np.asfortranarray(value) for name, value in weights.items()}
    np.testing.assert_array_equal(_native.ActionHead(strided).forward(x), expected)


GATES = [f"blocks.1.gate.{part}" for part in ("weight", "bias")]  # of block 0 they decide


@pytest.mark.parametrize("name", [*build_weights(**SHAPE), *GATES])
def test_a_missing_weight_is_named(name):
    weights = build_weights(**SHAPE, gated=name in GATES)
    del weights[name]
    with pytest.raises(ValueError, match=f"^weights: expected an array named {name}, got none$"):
        _native.ActionHead(weights)


def test_a_weight_left_over_is_named():
    weights = build_weights(**SHAPE) | {"blocks.5.up.bias": np.zeros(19, np.float32)}
    with pytest.raises(ValueError, match=r"got blocks\.5\.up\.bias"):
        _native.ActionHead(weights)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("input.bias", np.zeros(18, np.float32), r"expected float32 \[19\], got float32 \[18\]"),
        ("blocks.1.up.weight", np.zeros((19, 18), np.float32), r"expected float32 \[19, 19\]"),
        ("output.weight", np.zeros((7, 20), np.float32), r"expected float32 \[7, 19\]"),
        ("output.weight", np.zeros((0, 19), np.float32), r"none of them 0"),
        ("input.weight", np.zeros(19, np.float32), r"expected float32 \[outputs, inputs\]"),
        ("output.bias", np.zeros(7), r"expected float32 \[7\], got float64 \[7\]"),
        ("blocks.0.down.bias", np.full(19, np.nan, np.float32), r"expected finite values"),
        ("blocks.0.down.bias", [0.0] * 19, r"expected a float32 array, got list"),
    ],
)
def test_a_wrong_weight_is_named_with_expected_and_got(name, value, message):
    with pytest.raises(ValueError, match=rf"^{name}: .*{message}".replace(".bias", r"\.bias")):
        _native.ActionHead(build_weights(**SHAPE) | {name: value})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_input_that_is_not_finite_is_refused_with_row_and_column(value):
    head, x = _native.ActionHead(build_weights(**SHAPE)), draw_input(4, 13)
    x[2, 11] = value
    with pytest.raises(ValueError, match=r"^x: expected finite values, got .* row 2, column 11"):
        head.forward(x)
    with pytest.raises(ValueError, match=r"row 0, column 11"):
        head.forward_into(x[2], np.empty(7, np.float32))


@pytest.mark.parametrize("sign", [1, -1])  # relu would make 0 of what is below
def test_an_overflow_inside_the_network_is_refused(sign):
    weights = build_weights(**SHAPE)
    weights["blocks.0.up.weight"][:] = sign * 1e38
    with pytest.raises(ValueError, match=r"^output: expected finite values, got an overflow"):
        _native.ActionHead(weights).forward(draw_input(1, 13))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 12), np.float32), r"expected float32 \[b, 13\], got float32 \[2, 12\]"),
        (np.zeros(13, np.float32), r"expected float32 \[b, 13\], got float32 \[13\]"),
        (np.zeros((2, 13)), r"expected float32 \[b, 13\], got float64 \[2, 13\]"),
    ],
)
def test_forward_refuses_a_wrong_input(x, message):
    with pytest.raises(ValueError, match=f"^x: {message}"):
        _native.ActionHead(build_weights(**SHAPE)).forward(x)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("x", "out", "message"),
    [
        (np.zeros(26, np.float32)[::2], np.zeros(7, np.float32), r"^x: expected a contiguous"),
        (np.zeros(13, np.float32), np.zeros(14, np.float32)[::2], r"^out: expected a contiguous"),
        (np.zeros(13, np.float32), read_only(np.zeros(7, np.float32)), r"^out: .*writeable"),
        (np.zeros(13, np.float32), np.zeros(7), r"^out: expected float32 \[7\], got float64 \[7\]"),
        (np.zeros(12, np.float32), np.zeros(7, np.float32), r"^x: expected float32 \[13\]"),
    ],
)
def test_forward_into_refuses_what_would_need_a_copy(x, out, message):
    with pytest.raises(ValueError, match=message):
        _native.ActionHead(build_weights(**SHAPE)).forward_into(x, out)


def test_a_head_in_two_threads_is_refused_or_right_but_never_wrong():
    head = _native.ActionHead(build_weights(inputs=64, outputs=8, width=256, blocks=3))
    inputs = [draw_input(200, 64, seed) for seed in range(4)]
    expected = [head.forward(x) for x in inputs]
    wrong, refused = [], []

    def run(x, y):
        for _ in range(5):
            try:
                wrong.append(not np.array_equal(head.forward(x), y))
            except RuntimeError as error:
                refused.append(str(error))

    threads = [
        threading.Thread(target=run, args=pair) for pair in zip(inputs, expected, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(wrong)
    assert len(wrong) + len(refused) == 20
    assert all("build one head per thread" in message for message in refused)
