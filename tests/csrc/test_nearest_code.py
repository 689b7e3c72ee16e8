"""The nearest-code kernel against its reference, bit for bit, and against float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge import _native
from lapa_edge.runtime import reference

SIZES = st.tuples(st.integers(0, 40), st.integers(1, 70), st.integers(1, 37))  # m, k, d


def draw(m, k, d, *, seed=0, mean=0.0, sigma=1.0):
    """x [m, d] and a codebook [k, d] from one normal distribution."""
    rng = np.random.default_rng(seed)
    x = rng.normal(mean, sigma, (m, d)).astype(np.float32)
    return x, rng.normal(mean, sigma, (k, d)).astype(np.float32)


@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1), mean=st.sampled_from([0.0, 1.0, 1000.0]))
def test_codes_equal_the_reference_at_any_size(sizes, seed, mean):
    x, codebook = draw(*sizes, seed=seed, mean=mean)
    codes = _native.nearest_code(x, codebook)
    assert codes.dtype == np.int32
    np.testing.assert_array_equal(codes, reference.nearest_code(x, codebook))


@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1))
def test_codes_equal_the_reference_where_most_distances_tie(sizes, seed):
    m, k, d = sizes
    rng = np.random.default_rng(seed)
    x, codebook = (rng.integers(0, 2, (rows, d)).astype(np.float32) for rows in (m, k))
    codes = _native.nearest_code(x, codebook)
    np.testing.assert_array_equal(codes, reference.nearest_code(x, codebook))


def test_a_tie_goes_to_the_lowest_index():
    codebook = np.array([[9], [1], [-1], [1]], np.float32)
    assert _native.nearest_code(np.zeros((1, 1), np.float32), codebook).tolist() == [1]


def test_no_rows_give_no_codes():
    codes = _native.nearest_code(np.empty((0, 5), np.float32), np.ones((3, 5), np.float32))
    assert codes.shape == (0,)
    assert codes.dtype == np.int32


def test_a_codebook_far_from_the_origin_gives_no_wrong_code():
    """Mean 100, sigma 0.1: the expanded form |x|^2 - 2 x.c + |c|^2 fails here."""
    x, codebook = draw(500, 64, 32, mean=100.0, sigma=0.1)
    exact = np.square(x.astype(np.float64)[:, None] - codebook.astype(np.float64)).sum(axis=-1)
    codes = _native.nearest_code(x, codebook)

    # x - c is exact in float32 here (Sterbenz); what is left are d roundings of 2^-24 each, so
    # two codes closer than 32 * 2^-23 in relative distance may change places, and no others.
    slack = 32 * 2.0**-23
    chosen = np.take_along_axis(exact, codes[:, None], axis=1)[:, 0]
    assert np.all(chosen <= exact.min(axis=1) * (1 + slack))

    near, far = x @ x.T, 2 * x @ codebook.T
    expanded = np.diag(near)[:, None] - far + np.square(codebook).sum(axis=-1)
    assert np.mean(expanded.argmin(axis=1) != exact.argmin(axis=1)) > 0.01  # the case is hard


def test_arrays_that_are_not_contiguous_are_read_right():
    x, codebook = draw(12, 9, 10)
    expected = reference.nearest_code(x[::2, ::2], codebook[:, ::2])
    codes = _native.nearest_code(x[::2, ::2], np.asfortranarray(codebook[:, ::2]))
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_row(value):
    x, codebook = draw(6, 4, 5)
    x[3, 4] = value
    with pytest.raises(ValueError, match=r"^x: expected finite values, got .* in row 3"):
        _native.nearest_code(x, codebook)
    x, codebook = draw(6, 4, 5)
    codebook[2, 0] = value
    with pytest.raises(ValueError, match=r"^codebook: expected finite values, got .* in row 2"):
        _native.nearest_code(x, codebook)


def test_a_distance_beyond_float32_is_refused_with_its_row():
    x, codebook = draw(3, 4, 5)
    x[1] = 1e30
    with pytest.raises(ValueError, match=r"row 1 at a distance beyond float32"):
        _native.nearest_code(x, codebook)


@pytest.mark.parametrize(
    ("x_shape", "codebook_shape", "message"),
    [
        ((2, 5), (0, 5), r"^codebook: expected float32 \[k, 5\].*, got float32 \[0, 5\]"),
        ((2, 5), (3, 4), r"^codebook: expected float32 \[k, 5\].*, got float32 \[3, 4\]"),
        ((2, 0), (3, 0), r"^codebook: expected .* at least 1.*, got float32 \[3, 0\]"),
        ((5,), (3, 5), r"^x: expected float32 \[m, d\], got float32 \[5\]"),
        ((2, 5), (5,), r"^codebook: expected float32 \[k, 5\].*, got float32 \[5\]"),
    ],
)
def test_wrong_shapes_are_refused_with_both_shapes(x_shape, codebook_shape, message):
    with pytest.raises(ValueError, match=message):
        _native.nearest_code(np.zeros(x_shape, np.float32), np.zeros(codebook_shape, np.float32))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, ">f4"])
def test_other_dtypes_are_refused_not_converted(dtype):
    x, codebook = draw(2, 3, 4)
    with pytest.raises(ValueError, match=r"^x: expected float32 \[m, d\], got "):
        _native.nearest_code(x.astype(dtype), codebook)


def test_an_unknown_device_is_refused():
    x, codebook = draw(2, 3, 4)
    with pytest.raises(ValueError, match=r'^device: expected "cpu" or "cuda", got "tpu"'):
        _native.nearest_code(x, codebook, device="tpu")
