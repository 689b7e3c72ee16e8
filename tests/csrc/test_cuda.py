"""The CUDA kernels against the CPU kernels, bit for bit; and their absence, told clearly.

Without a GPU the first half runs, and the second against a build with -DLAPA_EDGE_CUDA=EMULATED:
see tests/csrc/emulated_cuda/run.
"""

import re
import shutil
import subprocess
import threading
import time

import numpy as np
import pytest
from heads import build_weights, draw_input

from lapa_edge import _native

CUDA = _native.cuda_available()
needs_gpu = pytest.mark.skipif(not CUDA, reason="no CUDA device answers: CUDA kernels NOT TESTED")
needs_no_gpu = pytest.mark.skipif(CUDA, reason="a CUDA device answers")

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHAPES = [(1, 1, 1, 0), (13, 7, 19, 2), (40, 130, 64, 1)]  # inputs, outputs, width, blocks
PATIENCE_S = 30.0  # an emulated GPU takes its time


@pytest.fixture(autouse=True, scope="module")
def instruction_set():
    """Once is enough here: the CPU's sets agree, as the other tests show."""


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def cuda_head(weights, *, persistent=False):
    return _native.ActionHead(weights, device="cuda", persistent=persistent, timeout_s=PATIENCE_S)


# Without a GPU.


def test_asking_for_cuda_never_raises():
    assert isinstance(_native.built_with_cuda(), bool)
    assert _native.cuda_available() in (False, _native.built_with_cuda())


@needs_no_gpu
def test_without_a_gpu_cuda_is_refused_with_the_way_out():
    frame, weights = pixels(4, 4, 3), build_weights(3, 2, 5, 1)
    calls = [
        lambda: _native.nearest_code(normal(2, 3), normal(4, 3), device="cuda"),
        lambda: _native.Codebook(normal(4, 3), device="cuda"),
        lambda: _native.ActionHead(weights, device="cuda"),
        lambda: _native.ActionHead(weights, device="cuda", persistent=True),
        lambda: _native.resize_frame(frame, 2, 2, device="cuda"),
        lambda: _native.preprocess_frame(frame, 2, 2, MEAN, STD, device="cuda"),
        lambda: _native.CudaPreprocessor(4, 4, 2, 2, MEAN, STD),
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match=r'^device: .*pass device="cpu"$'):
            call()


def test_a_persistent_head_on_the_cpu_is_refused():
    with pytest.raises(ValueError, match=r'^persistent: expected False on device="cpu"'):
        _native.ActionHead(build_weights(3, 2, 5, 1), persistent=True)


def test_the_module_carries_code_for_every_promised_gpu():
    lister = shutil.which("cuobjdump")
    if lister is None:
        pytest.skip("no cuobjdump: the module's architectures NOT TESTED")
    listed = subprocess.run(
        [lister, "--list-elf", "--list-ptx", _native.__file__],
        capture_output=True,
        check=False,
        text=True,
    )
    if "sm_" not in listed.stdout:
        pytest.skip("this build has no CUDA kernels: the module's architectures NOT TESTED")
    release = re.search(r"release (\d+)", subprocess.check_output([lister, "--version"], text=True))
    assert release
    newest = ("sm_110", "sm_120") if int(release[1]) >= 13 else ()  # Thor, Blackwell
    for architecture in ("sm_80", "sm_87", "sm_90", *newest):
        assert f"{architecture}.cubin" in listed.stdout
    assert ".ptx" in listed.stdout


# The action head.


@needs_gpu
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_head_on_cuda_equals_the_cpu(shape, gated, persistent):
    weights = build_weights(*shape, gated=gated)
    cpu, gpu = _native.ActionHead(weights), cuda_head(weights, persistent=persistent)
    for b in (1, 0, 5, 3):  # grows its buffers, then reuses them
        x = draw_input(b, shape[0], seed=b)
        np.testing.assert_array_equal(gpu.forward(x), cpu.forward(x), strict=True)


@needs_gpu
@pytest.mark.parametrize("persistent", [False, True])
def test_a_bound_step_on_cuda_reads_what_x_holds_now(persistent):
    weights = build_weights(13, 7, 19, 2)
    cpu, gpu = _native.ActionHead(weights), cuda_head(weights, persistent=persistent)
    x, out = np.empty(13, np.float32), np.empty(7, np.float32)
    step = gpu.bind(x, out)
    for seed in range(5):
        x[:] = normal(13, seed=seed)
        assert step.try_step()
        np.testing.assert_array_equal(out, cpu.forward(x[None])[0])
    assert step.status == "ok"


@needs_gpu
@pytest.mark.parametrize("persistent", [False, True])
def test_the_head_on_cuda_refuses_what_the_cpu_refuses(persistent):
    weights = build_weights(13, 7, 19, 1)
    x = draw_input(4, 13)
    x[2, 5] = np.nan
    head = cuda_head(weights, persistent=persistent)
    with pytest.raises(ValueError, match="row 2, column 5"):
        head.forward(x)
    assert np.all(np.isfinite(head.forward(x[:2])))  # and goes on
    weights["blocks.0.up.weight"][:] = 1e38
    with pytest.raises(ValueError, match=r"^output: expected finite values"):
        cuda_head(weights, persistent=persistent).forward(draw_input(1, 13))


@needs_gpu
def test_a_head_too_wide_for_cuda_is_refused():
    with pytest.raises(ValueError, match=r'^weights: .* on CUDA, got 80002; pass device="cpu"$'):
        cuda_head(build_weights(2, 1, 40000, 0))


@needs_gpu
def test_a_head_that_does_not_fit_into_shared_memory_cannot_stay_there():
    weights = build_weights(40, 1, 8, 0)
    weights["input.weight"] = np.zeros((20000, 5000), np.float32)
    weights |= {"input.bias": np.zeros(20000, np.float32)}
    weights["output.weight"] = np.zeros((1, 20000), np.float32)
    with pytest.raises(ValueError, match="pass persistent=False"):
        cuda_head(weights, persistent=True)


@needs_gpu
def test_a_persistent_head_that_left_for_a_while_comes_back():
    weights, x = build_weights(13, 7, 19, 1), draw_input(1, 13)
    head = cuda_head(weights, persistent=True)
    expected = _native.ActionHead(weights).forward(x)
    for _ in range(2):
        np.testing.assert_array_equal(head.forward(x), expected)
        time.sleep(0.8)  # longer than its kernel stays


@needs_gpu
def test_other_work_goes_on_beside_a_persistent_head():
    weights, x = build_weights(13, 7, 19, 1), draw_input(1, 13)
    head = cuda_head(weights, persistent=True)
    stop, failures = threading.Event(), []

    def keep_busy():
        expected = head.forward(x)
        while not stop.is_set():
            if not np.array_equal(head.forward(x), expected):
                failures.append("another answer")

    thread = threading.Thread(target=keep_busy)
    thread.start()
    try:
        rows, codebook = normal(3, 5), normal(9, 5, seed=1)
        codes = _native.nearest_code(rows, codebook, device="cuda")  # allocates and frees
    finally:
        stop.set()
        thread.join()
    np.testing.assert_array_equal(codes, _native.nearest_code(rows, codebook))
    assert not failures


@needs_gpu
def test_two_persistent_heads_answer_each_their_own():
    weights = [build_weights(13, 7, 19, 1, seed=seed) for seed in (0, 1)]
    heads = [cuda_head(each, persistent=True) for each in weights]
    x = draw_input(1, 13)
    for each, head in zip(weights, heads, strict=True):
        np.testing.assert_array_equal(head.forward(x), _native.ActionHead(each).forward(x))


@needs_gpu
def test_a_gpu_that_takes_too_long_is_told_and_forgiven():
    weights, x, out = build_weights(64, 8, 256, 2), normal(64), np.empty(8, np.float32)
    head = _native.ActionHead(weights, device="cuda", timeout_s=1e-7)
    step = head.bind(x, out)
    assert not step.try_step()
    assert step.status == "device_silent"
    with pytest.raises(RuntimeError, match=r"^action head: expected an answer of the GPU in time"):
        step.step()


@needs_gpu
@pytest.mark.parametrize("timeout_s", [0.0, -1.0, np.nan, 61.0])
def test_a_timeout_that_is_none_is_refused(timeout_s):
    with pytest.raises(ValueError, match=r"^timeout_s: expected seconds above 0, at most 60, got"):
        _native.ActionHead(build_weights(3, 2, 5, 1), device="cuda", timeout_s=timeout_s)


# The codebook.


@needs_gpu
@pytest.mark.parametrize(
    ("m", "k", "d"), [(0, 8, 32), (1, 1, 1), (4, 8, 32), (9, 33, 7), (70, 300, 33)]
)
def test_codes_on_cuda_equal_the_cpu(m, k, d):
    x, codebook = normal(m, d), normal(k, d, seed=1)
    expected = _native.nearest_code(x, codebook)
    codes = _native.nearest_code(x, codebook, device="cuda")
    np.testing.assert_array_equal(codes, expected, strict=True)


@needs_gpu
@pytest.mark.parametrize(
    ("scale", "shift"), [(0.1, 100.0), (1e-22, 0.0), (1e30, 0.0), (1e-7, 1.0), (0.0, 1.0)]
)
def test_codes_on_cuda_are_right_where_float32_cannot_tell(scale, shift):
    """Far from the origin, below the normal range, beyond float32's squares, all but equal."""
    x, codebook = (
        normal(*shape, seed=s) * scale + shift for s, shape in [(0, (40, 12)), (1, (70, 12))]
    )
    x, codebook = x.astype(np.float32), codebook.astype(np.float32)
    codes = _native.nearest_code(x, codebook, device="cuda")
    np.testing.assert_array_equal(codes, _native.nearest_code(x, codebook))


@needs_gpu
def test_ties_on_cuda_go_to_the_lowest_index():
    rng = np.random.default_rng(0)
    x, codebook = (rng.integers(0, 2, (rows, 5)).astype(np.float32) for rows in (50, 300))
    codes = _native.nearest_code(x, codebook, device="cuda")
    np.testing.assert_array_equal(codes, _native.nearest_code(x, codebook))


@needs_gpu
def test_a_codebook_on_cuda_serves_many_lookups():
    codebook = normal(33, 7, seed=1)
    on_cpu, on_gpu = _native.Codebook(codebook), _native.Codebook(codebook, device="cuda")
    assert (on_gpu.size, on_gpu.width) == (33, 7)
    for seed, m in enumerate((4, 4, 9, 1, 0, 4)):
        x = normal(m, 7, seed=seed)
        np.testing.assert_array_equal(on_gpu.nearest(x), on_cpu.nearest(x), strict=True)

    x, codes, latents = normal(4, 7), np.empty(4, np.int32), np.empty((4, 7), np.float32)
    on_gpu.bind(x, codes, latents)()
    np.testing.assert_array_equal(latents, codebook[codes])
    np.testing.assert_array_equal(codes, on_cpu.nearest(x))


@needs_gpu
def test_codes_on_cuda_refuse_what_the_cpu_refuses():
    x, codebook = normal(5, 6), normal(4, 6)
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"^x: .*row 3"):
        _native.nearest_code(x, codebook, device="cuda")
    with pytest.raises(ValueError, match=r"^x: .*row 3"):
        _native.Codebook(codebook, device="cuda").nearest(x)
    with pytest.raises(ValueError, match=r"^codebook: .*row 3"):
        _native.Codebook(x, device="cuda")


# Camera frames.


@needs_gpu
@pytest.mark.parametrize("source", [(48, 64), (97, 31), (22, 20), (1, 9)])
def test_preprocessing_on_cuda_equals_the_cpu(source):
    frame = pixels(*source, 3)
    on_cuda = _native.resize_frame(frame, 22, 20, device="cuda")
    np.testing.assert_array_equal(on_cuda, _native.resize_frame(frame, 22, 20), strict=True)
    on_cuda = _native.preprocess_frame(frame, 22, 20, MEAN, STD, device="cuda")
    expected = _native.preprocess_frame(frame, 22, 20, MEAN, STD)
    np.testing.assert_array_equal(on_cuda, expected, strict=True)


@needs_gpu
@pytest.mark.parametrize("planes", ["float32", "float16"])
@pytest.mark.parametrize("order", ["rgb", "bgr", "nv12"])
def test_a_preprocessor_takes_what_cameras_give(order, planes):
    preprocessor = _native.CudaPreprocessor(48, 64, 22, 24, MEAN, STD, pixels=order, planes=planes)
    image = np.empty((72, 64) if order == "nv12" else (48, 64, 3), np.uint8)
    out = np.empty((3, 22, 24), planes)
    step = preprocessor.bind(image, out)
    for seed in range(3):
        frame = pixels(72, 64, seed=seed) if order == "nv12" else pixels(48, 64, 3, seed=seed)
        rgb = {"rgb": frame, "bgr": frame[..., ::-1]}.get(order)
        rgb = _native.nv12_to_rgb(frame) if rgb is None else np.ascontiguousarray(rgb)
        expected = _native.preprocess_frame(rgb, 22, 24, MEAN, STD).astype(planes)
        np.testing.assert_array_equal(preprocessor.run(frame), expected, strict=True)
        image[:] = frame
        step()
        np.testing.assert_array_equal(out, expected)


@needs_gpu
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pixels": "yuyv"}, r'^pixels: expected one of "rgb", "bgr", "nv12", got "yuyv"'),
        ({"planes": "float64"}, r'^planes: expected one of "float32", "float16"'),
        ({"source_height": 0}, r"^source_height: expected 1 to 16384, got 0"),
        ({"source_width": 5, "pixels": "nv12"}, r"^source_width: expected an even .* got 5"),
        ({"std": (0.0, 1.0, 1.0)}, r"^std: "),
        ({"mean": (np.nan, 1.0, 1.0)}, r"^mean: "),
    ],
)
def test_a_preprocessor_refuses_what_it_cannot_do(arguments, message):
    given = {"source_height": 4, "source_width": 4, "height": 2, "width": 2}
    given |= {"mean": MEAN, "std": STD} | arguments
    with pytest.raises(ValueError, match=message):
        _native.CudaPreprocessor(**given)


@needs_gpu
def test_a_preprocessor_refuses_other_frames_and_planes():
    preprocessor = _native.CudaPreprocessor(4, 6, 2, 2, MEAN, STD)
    with pytest.raises(
        ValueError, match=r"^image: expected uint8 \[4, 6, 3\], got uint8 \[6, 4, 3\]"
    ):
        preprocessor.run(pixels(6, 4, 3))
    with pytest.raises(ValueError, match=r"^planes: expected float32 \[3, 2, 2\], got float16"):
        preprocessor.bind(pixels(4, 6, 3), np.empty((3, 2, 2), np.float16))
    with pytest.raises(ValueError, match=r"^image: expected a contiguous array"):
        preprocessor.bind(pixels(4, 12, 3)[:, ::2], np.empty((3, 2, 2), np.float32))
