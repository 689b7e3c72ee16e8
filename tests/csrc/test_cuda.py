"""The CUDA kernels against the CPU kernels, bit for bit; and their absence, told clearly."""

import numpy as np
import pytest

from lapa_edge import _native

CUDA = _native.cuda_available()
needs_gpu = pytest.mark.skipif(not CUDA, reason="no CUDA device answers: CUDA kernels NOT TESTED")
needs_no_gpu = pytest.mark.skipif(CUDA, reason="a CUDA device answers")

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def head_weights(inputs, outputs, width, blocks):
    layers = {"input": (width, inputs), "output": (outputs, width)}
    for block in range(blocks):
        layers[f"blocks.{block}.up"] = layers[f"blocks.{block}.down"] = (width, width)
    weights = {f"{name}.weight": normal(*shape) / shape[1] for name, shape in layers.items()}
    return weights | {f"{name}.bias": normal(shape[0]) for name, shape in layers.items()}


def test_asking_for_cuda_never_raises():
    assert isinstance(_native.built_with_cuda(), bool)
    assert _native.cuda_available() in (False, _native.built_with_cuda())


@needs_no_gpu
def test_without_a_gpu_cuda_is_refused_with_the_way_out():
    frame = np.zeros((4, 4, 3), np.uint8)
    calls = [
        lambda: _native.nearest_code(normal(2, 3), normal(4, 3), device="cuda"),
        lambda: _native.ActionHead(head_weights(3, 2, 5, 1), device="cuda"),
        lambda: _native.resize_frame(frame, 2, 2, device="cuda"),
        lambda: _native.preprocess_frame(frame, 2, 2, MEAN, STD, device="cuda"),
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match=r'^device: .*pass device="cpu"$'):
            call()


@needs_gpu
@pytest.mark.parametrize(
    ("m", "k", "d"), [(0, 8, 32), (1, 1, 1), (4, 8, 32), (129, 33, 7), (1024, 1000, 32)]
)
def test_nearest_code_on_cuda_equals_the_cpu(m, k, d):
    x, codebook = normal(m, d), normal(k, d, seed=1)
    codes = _native.nearest_code(x, codebook, device="cuda")
    np.testing.assert_array_equal(codes, _native.nearest_code(x, codebook), strict=True)


@needs_gpu
def test_a_tie_on_cuda_goes_to_the_lowest_index():
    rng = np.random.default_rng(0)
    x, codebook = (rng.integers(0, 2, (rows, 5)).astype(np.float32) for rows in (200, 300))
    codes = _native.nearest_code(x, codebook, device="cuda")
    np.testing.assert_array_equal(codes, _native.nearest_code(x, codebook))


@needs_gpu
@pytest.mark.parametrize("value", [np.nan, 1e30])
def test_nearest_code_on_cuda_refuses_what_the_cpu_refuses(value):
    x = normal(5, 6)
    x[3, 2] = value
    with pytest.raises(ValueError, match="row 3"):
        _native.nearest_code(x, normal(4, 6), device="cuda")


@needs_gpu
@pytest.mark.parametrize(
    ("inputs", "outputs", "width", "blocks"), [(1, 1, 1, 0), (13, 7, 19, 2), (256, 56, 700, 3)]
)
def test_the_head_on_cuda_equals_the_cpu(inputs, outputs, width, blocks):
    weights = head_weights(inputs, outputs, width, blocks)
    cpu, gpu = _native.ActionHead(weights), _native.ActionHead(weights, device="cuda")
    for b in (1, 0, 9, 3):  # grows its buffers, then reuses them
        x = normal(b, inputs, seed=b)
        np.testing.assert_array_equal(gpu.forward(x), cpu.forward(x), strict=True)
    out = np.empty(outputs, np.float32)
    gpu.forward_into(normal(inputs), out)
    np.testing.assert_array_equal(out, cpu.forward(normal(1, inputs))[0])


@needs_gpu
def test_the_head_on_cuda_refuses_what_the_cpu_refuses():
    weights = head_weights(13, 7, 19, 1)
    x = normal(4, 13)
    x[2, 5] = np.nan
    with pytest.raises(ValueError, match="row 2, column 5"):
        _native.ActionHead(weights, device="cuda").forward(x)
    weights["blocks.0.up.weight"][:] = 1e38
    with pytest.raises(ValueError, match=r"^output: expected finite values"):
        _native.ActionHead(weights, device="cuda").forward(normal(1, 13))


@needs_gpu
def test_a_head_too_wide_for_cuda_is_refused():
    with pytest.raises(ValueError, match="at most 12288 on CUDA, got 14002"):
        _native.ActionHead(head_weights(2, 1, 7000, 0), device="cuda")


@needs_gpu
@pytest.mark.parametrize("source", [(480, 640), (97, 131), (224, 224), (1, 9)])
def test_preprocessing_on_cuda_equals_the_cpu(source):
    frame = np.random.default_rng(0).integers(0, 256, (*source, 3), dtype=np.uint8)
    on_cuda = _native.resize_frame(frame, 224, 224, device="cuda")
    np.testing.assert_array_equal(on_cuda, _native.resize_frame(frame, 224, 224), strict=True)
    on_cuda = _native.preprocess_frame(frame, 224, 200, MEAN, STD, device="cuda")
    expected = _native.preprocess_frame(frame, 224, 200, MEAN, STD)
    np.testing.assert_array_equal(on_cuda, expected, strict=True)
