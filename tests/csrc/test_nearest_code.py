"""Quantizing against its reference, which is exact: not one code may differ, on any data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge import _native
from lapa_edge.runtime import reference

# m, k, d: on both sides of a tile of rows, of a panel of codes, and of where bytes begin to pay.
SIZES = st.tuples(st.integers(0, 40), st.integers(1, 140), st.integers(1, 37))


def normal(rng, m, k, d):
    """One distribution for x and the codebook, around the origin."""
    return rng.normal(size=(m, d)), rng.normal(size=(k, d))


def far_from_the_origin(rng, m, k, d):
    return rng.normal(100, 0.1, (m, d)), rng.normal(100, 0.1, (k, d))


def very_far_from_the_origin(rng, m, k, d):
    """Mean 1e4: float32 keeps few bits of what tells the codes apart, so many distances tie."""
    return rng.normal(1e4, 0.01, (m, d)), rng.normal(1e4, 0.01, (k, d))


def ties(rng, m, k, d):
    return rng.integers(0, 2, (m, d)), rng.integers(0, 2, (k, d))


def duplicates(rng, m, k, d):
    return rng.normal(size=(m, d)), rng.normal(size=(3, d))[rng.integers(0, 3, k)]


def near_duplicates(rng, m, k, d):
    """Codes that differ in the last bits alone: every one is a candidate of any screen."""
    return rng.normal(size=(m, d)), rng.normal(size=d) + 1e-7 * rng.normal(size=(k, d))


def one_code(rng, m, k, d):
    """A centred codebook of zeros."""
    return rng.normal(size=(m, d)), np.repeat(rng.normal(size=(1, d)), k, axis=0)


def heavy_tails(rng, m, k, d):
    return rng.standard_cauchy((m, d)), rng.standard_cauchy((k, d)) ** 3


def one_outlier(rng, m, k, d):
    codebook = rng.normal(size=(k, d))
    codebook[rng.integers(k)] *= 1e6
    return rng.normal(size=(m, d)), codebook


def far_rows(rng, m, k, d):
    """Rows at every distance from the codebook, up to the edge of float32."""
    return rng.normal(size=(m, d)) * 10.0 ** rng.uniform(-37, 37, (m, 1)), rng.normal(size=(k, d))


def on_the_codes(rng, m, k, d):
    codebook = rng.normal(size=(k, d))
    return codebook[rng.integers(0, k, m)], codebook


def on_the_mean(rng, m, k, d):
    half = rng.normal(size=(k, d))
    return np.zeros((m, d)), np.where(np.arange(k)[:, None] % 2, -np.roll(half, 1, axis=0), half)


def between_two_codes(rng, m, k, d):
    codebook = rng.normal(size=(k, d))
    first, second = codebook[rng.integers(0, k, (2, m))]
    return (first + second) / 2, codebook


def denormals(rng, m, k, d):
    return rng.normal(0, 1e-40, (m, d)), rng.normal(0, 1e-40, (k, d))


def tiny(rng, m, k, d):
    """Squares that vanish in float32."""
    return rng.normal(0, 1e-25, (m, d)), rng.normal(0, 1e-25, (k, d))


def small(rng, m, k, d):
    """Norms about the least that are screened by bytes."""
    scale = 10.0 ** rng.uniform(-18, -8)
    return scale * rng.normal(size=(m, d)), scale * rng.normal(size=(k, d))


def huge(rng, m, k, d):
    """Squares, and some differences, that overflow in float32."""
    return rng.uniform(-3e38, 3e38, (m, d)), rng.uniform(-3e38, 3e38, (k, d))


DATA = [
    normal,
    far_from_the_origin,
    very_far_from_the_origin,
    ties,
    duplicates,
    near_duplicates,
    one_code,
    heavy_tails,
    one_outlier,
    far_rows,
    on_the_codes,
    on_the_mean,
    between_two_codes,
    denormals,
    tiny,
    small,
    huge,
]


def draw(data, sizes, seed=0):
    """x float32 [m, d] and a codebook float32 [k, d]."""
    x, codebook = data(np.random.default_rng(seed), *sizes)
    return x.astype(np.float32), codebook.astype(np.float32)


def assert_no_code_differs(x, codebook):
    expected = reference.nearest_code(x, codebook)
    for codes in (_native.nearest_code(x, codebook), _native.Codebook(codebook).nearest(x)):
        np.testing.assert_array_equal(codes, expected, strict=True)


@pytest.mark.parametrize("data", DATA)
@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1))
def test_codes_equal_the_reference_at_any_size(data, sizes, seed):
    assert_no_code_differs(*draw(data, sizes, seed))


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((9, 1100, 12), id="more codes than one block of scores"),
        pytest.param((5, 70, 1024), id="the widest codes that are screened"),
        pytest.param((5, 70, 1025), id="wider codes"),
    ],
)
def test_codes_equal_the_reference_at_the_limits_of_the_screen(data, sizes):
    assert_no_code_differs(*draw(data, sizes))


def test_a_tie_goes_to_the_lowest_index():
    codebook = np.array([[9], [1], [-1], [1]], np.float32)
    assert _native.nearest_code(np.zeros((1, 1), np.float32), codebook).tolist() == [1]


def test_a_codebook_far_from_the_origin_gives_no_wrong_code():
    """Mean 100, sigma 0.1: the expanded form |x|^2 - 2 x.c + |c|^2 fails here."""
    x, codebook = draw(far_from_the_origin, (500, 64, 32))
    exact = np.square(x.astype(np.float64)[:, None] - codebook.astype(np.float64)).sum(axis=-1)
    np.testing.assert_array_equal(_native.nearest_code(x, codebook), exact.argmin(axis=1))

    expanded = np.square(x).sum(axis=1)[:, None] - 2 * x @ codebook.T + np.square(codebook).sum(-1)
    assert np.mean(expanded.argmin(axis=1) != exact.argmin(axis=1)) > 0.01  # the case is hard


def test_no_rows_give_no_codes():
    x, codebook = draw(normal, (0, 3, 5))
    for codes in (_native.nearest_code(x, codebook), _native.Codebook(codebook).nearest(x)):
        assert codes.shape == (0,)
        assert codes.dtype == np.int32


def test_arrays_that_are_not_contiguous_are_read_right():
    x, codebook = draw(normal, (12, 9, 10))
    expected = reference.nearest_code(x[::2, ::2], codebook[:, ::2])
    packed = _native.Codebook(codebook[:, ::2])
    np.testing.assert_array_equal(packed.nearest(x[::2, ::2]), expected)
    codes = _native.nearest_code(x[::2, ::2], np.asfortranarray(codebook[:, ::2]))
    np.testing.assert_array_equal(codes, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("k", [1, 8, 70])
@pytest.mark.parametrize("d", [5, 1025])
def test_values_that_are_not_finite_are_refused_with_their_row(value, k, d):
    x, codebook = draw(normal, (30, k, d))
    packed = _native.Codebook(codebook)
    for row in (29, 3):  # in the rest of a tile, in a whole one
        x[row, 4] = value
        message = rf"^x: expected finite values, got NaN or infinity in row {row}$"
        with pytest.raises(ValueError, match=message):
            packed.nearest(x)
        with pytest.raises(ValueError, match=message):
            _native.nearest_code(x, codebook)

    x, codebook = draw(normal, (6, k, d))
    codebook[k - 1, 0] = value
    message = rf"^codebook: expected finite values, got NaN or infinity in row {k - 1}$"
    with pytest.raises(ValueError, match=message):
        _native.nearest_code(x, codebook)
    with pytest.raises(ValueError, match=message):
        _native.Codebook(codebook)


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
    x, codebook = draw(normal, (2, 3, 4))
    with pytest.raises(ValueError, match=r"^x: expected float32 \[m, d\], got "):
        _native.nearest_code(x.astype(dtype), codebook)


def test_an_unknown_device_is_refused():
    x, codebook = draw(normal, (2, 3, 4))
    with pytest.raises(ValueError, match=r'^device: expected "cpu" or "cuda", got "tpu"'):
        _native.nearest_code(x, codebook, device="tpu")
