"""TensorRT for RTX: what it says of an engine beforehand, and the kernels it compiled before.

Without a GPU no engine of it runs: the real binding judges spoilt ones (`test_tensorrt_graph`), a
small double with its names and answers does the rest. How long a cache saves is not measured.
"""

import enum
from types import SimpleNamespace

import numpy as np
import pytest
from bundles import write_tiny_bundle
from emulated_engines import RtxRuntime

from lapa_edge.artifact import extend_bundle
from lapa_edge.errors import BundleError
from lapa_edge.runtime.backends.opening import read_cache
from lapa_edge.runtime.backends.tensorrt_graph import TensorrtGraph
from lapa_edge.runtime.backends.tensorrt_library import TensorRT, find_tensorrt
from lapa_edge.runtime.backends.tensorrt_loading import _INVALID, CACHE

X = np.array([[1, 2, 3]], np.float32)


class Reasons(enum.IntFlag):
    VERSION_MISMATCH, UNSUPPORTED_CC, OLD_CUDA_DRIVER, FROM_TOMORROW = 1, 2, 4, 1024


@pytest.fixture
def rtx(emulated, library):
    """The emulated engine behind the names of TensorRT for RTX."""
    runtime = RtxRuntime(emulated.engine)
    module = SimpleNamespace(
        **{**vars(library.module), "Runtime": lambda logger: runtime},
        EngineValidity=RtxRuntime.Validity,
        EngineInvalidityDiagnostics=Reasons,
        CudaGraphStrategy=SimpleNamespace(DISABLED="ours"),
    )
    return SimpleNamespace(library=TensorRT(module, "tensorrt-rtx", "1.7", "13"), runtime=runtime)


@pytest.fixture
def engine(tmp_path):
    path = tmp_path / "policy.engine"
    path.write_bytes(b"engine")
    return path


def test_the_real_binding_has_every_reason_that_is_put_in_words():
    trt = pytest.importorskip("tensorrt_rtx_bindings", reason="NOT CHECKED: no TensorRT for RTX")
    assert find_tensorrt("tensorrt-rtx").module is trt
    assert trt.EngineInvalidityDiagnostics.__members__.keys() == _INVALID.keys()
    for name in ("create_runtime_cache", "set_runtime_cache", "cuda_graph_strategy"):
        assert hasattr(trt.IRuntimeConfig, name)
    assert hasattr(trt.IRuntimeCache, "serialize") and hasattr(trt.IRuntimeCache, "deserialize")


@pytest.mark.parametrize(
    ("reasons", "words", "remedy"),
    [
        (Reasons.VERSION_MISMATCH, "it is of another version", "lapa-export BUNDLE --target trt"),
        (Reasons.OLD_CUDA_DRIVER, "the CUDA driver is too old", "update the GPU's driver"),
        (
            Reasons.UNSUPPORTED_CC | Reasons.OLD_CUDA_DRIVER,
            "another compute capability and the CUDA driver is too old",
            "lapa-export BUNDLE --target trt",
        ),
        (Reasons.FROM_TOMORROW, "FROM_TOMORROW", "lapa-export BUNDLE --target trt"),
    ],
)
def test_an_invalid_engine_is_refused_for_its_reasons_before_it_is_deserialised(
    emulated, rtx, engine, reasons, words, remedy
):
    rtx.runtime.says = RtxRuntime.Validity.INVALID, int(reasons)
    with pytest.raises(BundleError, match=rf"tensorrt-rtx 1\.7 says .* not valid here: .*{words}"):
        TensorrtGraph(engine, rtx.library, emulated.start())
    with pytest.raises(BundleError, match=remedy):
        TensorrtGraph(engine, rtx.library, emulated.start())
    assert rtx.runtime.deserialised == 0


def test_one_that_would_be_faster_built_here_runs_with_a_warning(emulated, rtx, engine, caplog):
    rtx.runtime.says = RtxRuntime.Validity.SUBOPTIMAL, 0
    graph = TensorrtGraph(engine, rtx.library, emulated.start())
    assert graph.run(x=X)["y"].tolist() == [[2, 4, 6]]
    assert "one built here would be faster" in caplog.text


def test_kernels_compiled_once_are_kept_and_the_next_start_compiles_none(
    emulated, rtx, engine, caplog
):
    first = TensorrtGraph(engine, rtx.library, emulated.start())
    kept = first.kernels()
    assert rtx.runtime.compiled == 1 and kept
    second = TensorrtGraph(engine, rtx.library, emulated.start(), cache=kept)
    assert rtx.runtime.compiled == 1 and second.run(x=X)["y"].tolist() == [[2, 4, 6]]
    assert "every start" not in caplog.text


def test_kernels_of_another_machine_are_told_of_and_compiled_anew(emulated, rtx, engine, caplog):
    graph = TensorrtGraph(engine, rtx.library, emulated.start(), cache=b"of another driver")
    assert rtx.runtime.compiled == 1 and graph.run(x=X)["y"].tolist() == [[2, 4, 6]]
    assert "policy.engine.cache is of another GPU, driver or TensorRT" in caplog.text
    assert "--steps build,verify" in caplog.text


def test_full_tensorrt_keeps_no_kernels(emulated, library, engine):
    assert TensorrtGraph(engine, library, emulated.start()).kernels() is None


def test_the_cache_beside_an_engine_is_read_through_the_manifest_alone(tmp_path):
    name = "engines/rtx/policy.engine"
    bundle = extend_bundle(write_tiny_bundle(tmp_path / "b"), {name: b"engine"})
    stray = bundle.root / f"{name}{CACHE}"
    stray.write_bytes(b"nobody vouches for it")
    assert read_cache(bundle, bundle.path(name)) == b""
    stray.unlink()
    kept = extend_bundle(bundle, {f"{name}{CACHE}": b"kernels"})
    assert read_cache(kept, kept.path(name)) == b"kernels"
