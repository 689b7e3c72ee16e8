"""Bound steps and the cached prefix: the bits of a whole pass, and refusals before and within."""

import gc
import threading
import weakref

import numpy as np
import pytest
from heads import build_weights, calibrate, draw_input
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge import _native

PRECISIONS = ["f32", "bf16", "int8"]
SHAPE = {"inputs": 13, "outputs": 7, "width": 19, "blocks": 2}


def build_head(precision="f32", prefix=0, inputs=13, gated=False):
    weights = build_weights(**SHAPE | {"inputs": inputs}, gated=gated)
    calibration = calibrate(weights, draw_input(4, inputs))
    return _native.ActionHead(weights, precision=precision, calibration=calibration, prefix=prefix)


def bind_rest(head):
    """Its arrays prefix, rest and out, and a step bound to them."""
    sizes = head.prefix, head.input_size - head.prefix, head.output_size
    arrays = [np.zeros(size, np.float32) for size in sizes]
    return *arrays, head.bind_rest(*arrays)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_bound_step_equals_forward(precision):
    head, rows = build_head(precision), draw_input(3, 13)
    x, out = np.empty(13, np.float32), np.empty(7, np.float32)
    bound = head.bind(x, out)
    for row in rows:
        x[:] = row
        assert bound.step() is None
        np.testing.assert_array_equal(out, head.forward(rows[None, 0] * 0 + row)[0])
        assert bound.try_step()
        assert bound.status == "ok"


@pytest.mark.parametrize("precision", PRECISIONS)
@given(
    inputs=st.integers(1, 70), share=st.floats(0, 1), gated=st.booleans(), seed=st.integers(0, 99)
)
def test_a_cached_prefix_changes_no_bit(precision, inputs, share, gated, seed):
    head = build_head(precision, round(share * inputs), inputs, gated)
    prefix, rest, out, bound = bind_rest(head)
    for k, row in enumerate(draw_input(5, inputs, seed)):
        if k in (0, 3):  # the policy has looked
            prefix[:] = row[: head.prefix]
            bound.refresh()
        rest[:] = row[head.prefix :]
        bound.step()
        whole = np.concatenate([prefix, rest])[None]
        np.testing.assert_array_equal(out, head.forward(whole)[0])


def test_the_prefix_is_read_by_refresh_alone():
    prefix, rest, out, bound = bind_rest(head := build_head(prefix=6))
    prefix[:], rest[:] = draw_input(1, 6), draw_input(1, 7)
    bound.refresh()
    expected = head.forward(np.concatenate([prefix, rest])[None])[0]
    prefix[:] = np.nan
    bound.step()
    np.testing.assert_array_equal(out, expected)


def test_a_step_before_refresh_is_refused():
    *_, bound = bind_rest(build_head(prefix=6))
    with pytest.raises(ValueError, match=r"^prefix: .*got none; call refresh\(\) before step\(\)"):
        bound.step()
    assert not bound.try_step()
    assert bound.status == "prefix_not_set"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_prefix_that_is_not_finite_stops_every_step_until_one_is(value):
    prefix, _, _, bound = bind_rest(build_head(prefix=6))
    bound.refresh()
    prefix[4] = value
    with pytest.raises(ValueError, match=r"^prefix: expected finite values, got .* column 4"):
        bound.refresh()
    assert not bound.try_refresh()
    assert bound.status == "input_not_finite"
    assert not bound.try_step()
    prefix[4] = 0
    assert bound.try_refresh()
    assert bound.try_step()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_input_that_is_not_finite_is_refused_in_a_step(precision, value):
    head = build_head(precision, prefix=6)
    x = np.zeros(13, np.float32)
    bound = head.bind(x, np.empty(7, np.float32))
    x[11] = value
    with pytest.raises(ValueError, match=r"^x: expected finite values, got .* column 11"):
        bound.step()
    assert not bound.try_step()
    assert bound.status == "input_not_finite"

    _, rest, _, split = bind_rest(head)
    split.refresh()
    rest[5] = value
    with pytest.raises(ValueError, match=r"^rest: expected finite values, got .* column 5"):
        split.step()


def test_an_overflow_is_refused_in_a_step():
    weights = build_weights(**SHAPE)
    weights["blocks.0.up.weight"][:] = 1e38
    x = draw_input(1, 13)[0]
    bound = _native.ActionHead(weights).bind(x, np.empty(7, np.float32))
    with pytest.raises(ValueError, match=r"^output: expected finite values, got an overflow"):
        bound.step()
    assert not bound.try_step()
    assert bound.status == "output_not_finite"


@pytest.mark.parametrize("prefix", [-1, 14])
def test_a_prefix_out_of_range_is_refused(prefix):
    with pytest.raises(ValueError, match=rf"^prefix: expected 0 to 13 inputs, got {prefix}$"):
        build_head(prefix=prefix)


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
        (np.zeros((1, 13), np.float32), np.zeros(7, np.float32), r"^x: .*got float32 \[1, 13\]"),
    ],
)
def test_bind_refuses_arrays_that_do_not_fit(x, out, message):
    with pytest.raises(ValueError, match=message):
        build_head().bind(x, out)


def test_bind_rest_refuses_arrays_that_do_not_fit():
    head, out = build_head(prefix=6), np.zeros(7, np.float32)
    six, seven = np.zeros(6, np.float32), np.zeros(7, np.float32)
    with pytest.raises(ValueError, match=r"^prefix: expected float32 \[6\], got float32 \[7\]"):
        head.bind_rest(seven, seven, out)
    with pytest.raises(ValueError, match=r"^rest: expected float32 \[7\], got float32 \[6\]"):
        head.bind_rest(six, six, out)
    with pytest.raises(ValueError, match=r"^out: .*writeable"):
        head.bind_rest(six, seven, read_only(out))


def test_a_step_is_made_by_bind_alone():
    with pytest.raises(TypeError, match="cannot create"):
        _native.HeadStep()


def test_a_step_keeps_its_head_and_its_arrays_alive_and_lets_them_go():
    class Array(np.ndarray):
        """What a weak reference can point to."""

    x = draw_input(1, 13)[0].view(Array)
    gone, out = weakref.ref(x), np.zeros(7, np.float32)
    expected = build_head().forward(np.array(x)[None])[0]
    bound = build_head().bind(x, out)
    del x
    gc.collect()
    bound.step()
    np.testing.assert_array_equal(out, expected)
    del bound
    gc.collect()
    assert gone() is None


def test_a_step_in_two_threads_is_refused_or_right_but_never_wrong():
    head = build_head()
    rows = draw_input(4, 13)
    expected = head.forward(rows)
    wrong, refused = [], []

    def run(x, y):
        out = np.empty(7, np.float32)
        bound = head.bind(x, out)
        for _ in range(2000):
            try:
                bound.step()
                wrong.append(not np.array_equal(out, y))
            except RuntimeError as error:
                refused.append(str(error))

    pairs = zip(rows, expected, strict=True)
    threads = [threading.Thread(target=run, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(wrong)
    assert len(wrong) + len(refused) == 8000
    assert all("build one head per thread" in message for message in refused)
