"""A packed codebook: what it tells of itself, its bound steps, and what both refuse."""

import gc
import sys
import threading

import numpy as np
import pytest

from lapa_edge import _native
from lapa_edge.runtime import reference


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def buffers(n, d):
    """x, codes and latents, as `bind` takes them."""
    return draw(n, d, seed=1), np.full(n, -1, np.int32), np.full((n, d), np.nan, np.float32)


def test_a_codebook_tells_its_size_and_width():
    codebook = _native.Codebook(draw(8, 32))
    assert (codebook.size, codebook.width) == (8, 32)


@pytest.mark.parametrize(("n", "k", "d"), [(0, 8, 32), (4, 8, 32), (7, 100, 5), (600, 64, 32)])
def test_a_step_fills_the_codes_and_their_vectors(n, k, d):
    codes_of = draw(k, d)
    x, codes, latents = buffers(n, d)
    step = _native.Codebook(codes_of).bind(x, codes, latents)
    for seed in (1, 2):  # x is read anew by each step
        x[:] = draw(n, d, seed=seed)
        assert step() is None
        np.testing.assert_array_equal(codes, reference.nearest_code(x, codes_of))
        np.testing.assert_array_equal(latents, codes_of[codes])


def test_a_codebook_keeps_its_own_copy():
    codes_of = draw(8, 4)
    codebook, x = _native.Codebook(codes_of), draw(5, 4, seed=1)
    expected = reference.nearest_code(x, codes_of)
    codes_of[:] = 0
    np.testing.assert_array_equal(codebook.nearest(x), expected)


def test_a_step_keeps_what_it_uses_alive():
    codebook = _native.Codebook(draw(8, 4))
    x, codes, latents = buffers(5, 4)
    references = sys.getrefcount(x)
    step = codebook.bind(x, codes, latents)
    assert sys.getrefcount(x) > references
    del codebook
    gc.collect()
    step()
    assert codes.min() >= 0
    del step
    gc.collect()
    assert sys.getrefcount(x) == references


def test_a_step_that_meets_nan_raises_and_leaves_the_latents():
    x, codes, latents = buffers(5, 4)
    step = _native.Codebook(draw(8, 4)).bind(x, codes, latents)
    step()
    before = latents.copy()
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"^x: expected finite values, .* in row 3$"):
        step()
    np.testing.assert_array_equal(latents, before)
    x[3, 1] = 0.0
    step()


def test_one_codebook_serves_several_threads():
    codes_of = draw(64, 32)
    codebook, x = _native.Codebook(codes_of), draw(3000, 32, seed=1)
    expected = codebook.nearest(x)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(codebook.nearest(x))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == len(threads)
    assert all(np.array_equal(codes, expected) for codes in results)


def test_a_codebook_keeps_the_instruction_set_it_was_built_for(instruction_set):
    """Its panels are as wide as that set's vectors."""
    codes_of, x = draw(70, 9), draw(20, 9, seed=1)
    codebook = _native.Codebook(codes_of)
    for other in _native.instruction_sets():
        _native.choose_instruction_set(other)
        np.testing.assert_array_equal(codebook.nearest(x), reference.nearest_code(x, codes_of))
    _native.choose_instruction_set(instruction_set)


@pytest.mark.parametrize(
    ("codebook", "message"),
    [
        (np.zeros((0, 5), np.float32), r"^codebook: expected .* at least 1, got float32 \[0, 5\]"),
        (np.zeros((3, 0), np.float32), r"^codebook: expected .* at least 1, got float32 \[3, 0\]"),
        (np.zeros(3, np.float32), r"^codebook: expected float32 \[k, d\] .*, got float32 \[3\]"),
        (np.zeros((3, 5)), r"^codebook: expected float32 \[k, d\] .*, got float64 \[3, 5\]"),
    ],
)
def test_what_is_no_codebook_is_refused(codebook, message):
    with pytest.raises(ValueError, match=message):
        _native.Codebook(codebook)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5), np.float32), r"^x: expected float32 \[m, 4\], got float32 \[2, 5\]"),
        (np.zeros(4, np.float32), r"^x: expected float32 \[m, 4\], got float32 \[4\]"),
        (np.zeros((2, 4)), r"^x: expected float32 \[m, 4\], got float64 \[2, 4\]"),
    ],
)
def test_rows_that_do_not_fit_the_codebook_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        _native.Codebook(draw(8, 4)).nearest(x)


def frozen(array):
    array.flags.writeable = False
    return array


def unaligned(array):
    shifted = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype)
    return shifted.reshape(array.shape)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("x", lambda x: x[:, :3], r"^x: expected float32 \[5, 4\], got float32 \[5, 3\]"),
        ("x", lambda x: x[0], r"^x: expected float32 \[n, 4\], got float32 \[4\]"),
        ("x", lambda x: x.astype(np.float64), r"^x: expected float32 \[5, 4\], got float64"),
        ("x", np.asfortranarray, r"^x: expected a contiguous array, got one with strides"),
        ("x", unaligned, r"^x: expected a contiguous array"),
        ("codes", lambda c: c[:4], r"^codes: expected int32 \[5\], got int32 \[4\]"),
        ("codes", lambda c: c.astype(np.int64), r"^codes: expected int32 \[5\], got int64 \[5\]"),
        ("codes", lambda c: np.repeat(c, 2)[::2], r"^codes: expected a contiguous array"),
        ("codes", frozen, r"^codes: expected a writeable array, got a read-only one"),
        ("latents", lambda v: v[:4], r"^latents: expected float32 \[5, 4\], got float32 \[4, 4\]"),
        ("latents", lambda v: v.ravel(), r"^latents: expected float32 \[5, 4\], got float32 \[20"),
        ("latents", np.asfortranarray, r"^latents: expected a contiguous array"),
        ("latents", frozen, r"^latents: expected a writeable array, got a read-only one"),
    ],
)
def test_buffers_that_a_step_cannot_use_in_place_are_refused(name, change, message):
    arrays = dict(zip(("x", "codes", "latents"), buffers(5, 4), strict=True))
    arrays[name] = change(arrays[name])
    with pytest.raises(ValueError, match=message):
        _native.Codebook(draw(8, 4)).bind(**arrays)


def test_a_list_is_no_buffer():
    x, codes, latents = buffers(5, 4)
    with pytest.raises(TypeError):
        _native.Codebook(draw(8, 4)).bind(x, codes.tolist(), latents)


def test_bound_arrays_that_overlap_are_refused():
    """A code read back from memory that latents overwrite would index anything."""
    codebook = _native.Codebook(np.eye(4, dtype=np.float32))
    memory = np.zeros(40, np.float32)
    x, latents, codes = (
        np.zeros((4, 4), np.float32),
        memory[24:].reshape(4, 4),
        np.zeros(4, np.int32),
    )
    codebook.bind(x, codes, latents)()
    with pytest.raises(ValueError, match=r"^latents: .*overlaps codes"):
        codebook.bind(x, memory[30:34].view(np.int32), latents)
    with pytest.raises(ValueError, match=r"^latents: .*overlaps x"):
        codebook.bind(memory[8:24].reshape(4, 4), codes, memory[23:39].reshape(4, 4))
