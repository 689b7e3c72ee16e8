"""Engines: real ones are refused in words, an emulated one runs through the driver."""

import threading

import numpy as np
import pytest
from bundles import write_tiny_bundle
from emulated_engines import ALLOCATED, ENTERED, LAUNCHES, WAITS

from lapa_edge.artifact import extend_bundle
from lapa_edge.errors import BundleError, LapaError, MissingDependencyError, RuntimeInputError
from lapa_edge.runtime.backends.cuda_driver import CudaDriver
from lapa_edge.runtime.backends.tensorrt_graph import WARM_UP, TensorrtGraph
from lapa_edge.runtime.backends.tensorrt_library import find_tensorrt
from lapa_edge.runtime.backends.tensorrt_loading import read_engine

X = np.array([[1, 2, 3]], np.float32)


@pytest.fixture
def engine_file(tmp_path):
    path = tmp_path / "policy.engine"
    path.write_bytes(b"engine")
    return path


def test_an_engine_runs_on_pinned_buffers_and_one_captured_graph(emulated, library, engine_file):
    driver = emulated.start()
    graph = TensorrtGraph(engine_file, library, driver)
    assert graph.inputs == {"x": ((1, 3), np.dtype(np.float32))} and [*graph.outputs] == ["y"]
    assert graph.name == "tensorrt 10.3.0, CUDA graph"
    assert emulated.count(LAUNCHES) == 0 and emulated.count(WAITS) == WARM_UP
    first = graph.run(x=X)["y"]
    assert graph.run(x=10 * X)["y"].tolist() == [[20, 40, 60]]
    assert first.tolist() == [[2, 4, 6]]  # an answer of its own, not the buffer's
    assert emulated.count(LAUNCHES) == 2 and emulated.count(WAITS) == WARM_UP + 2


def test_its_stages_are_told_by_the_gpus_clock(emulated, library, engine_file):
    graph = TensorrtGraph(engine_file, library, emulated.start())
    answer, stages = graph.run_staged(x=X)
    assert answer["y"].tolist() == [[2, 4, 6]] and tuple(stages) == graph.stages
    assert [stages[name] for name in ("host_to_device", "gpu", "device_to_host")] == [250_000] * 3
    assert stages["enqueue"] > 0


@pytest.mark.parametrize("cuda_graph", [True, False])
def test_without_a_graph_it_runs_as_well(emulated, library, engine_file, caplog, cuda_graph):
    driver = emulated.start(fail_capture=True)
    graph = TensorrtGraph(engine_file, library, driver, cuda_graph)
    assert graph.run(x=X)["y"].tolist() == [[2, 4, 6]]
    assert graph.name == "tensorrt 10.3.0" and emulated.count(LAUNCHES) == 0
    assert ("CAPTURE_INVALIDATED" in caplog.text) == cuda_graph


def test_every_thread_that_runs_it_enters_the_gpu_first(emulated, library, engine_file):
    graph = TensorrtGraph(engine_file, library, emulated.start())
    before = emulated.count(ENTERED)
    thread = threading.Thread(target=lambda: graph.run(x=X))
    thread.start()
    thread.join()
    assert emulated.count(ENTERED) == before + 1


def test_its_memory_goes_with_it(emulated, library, engine_file):
    graph = TensorrtGraph(engine_file, library, emulated.start())
    assert emulated.count(ALLOCATED) == 4
    driver = CudaDriver(str(emulated.path))
    taken = driver.used_bytes()
    del graph
    assert emulated.count(ALLOCATED) == 0
    assert taken - driver.used_bytes() >= 2 * X.nbytes


def test_its_layers_are_timed_without_the_graph(emulated, library, engine_file):
    graph = TensorrtGraph(engine_file, library, emulated.start())
    layers = graph.time_layers(3, x=X)
    assert [(layer.name, layer.p50_ms) for layer in layers] == [("double", 0.5), ("reformat", 0.25)]
    launches = emulated.count(LAUNCHES)
    graph.run(x=X)
    assert emulated.count(LAUNCHES) == launches + 1


def test_wrong_inputs_and_a_run_that_fails_are_refused(emulated, library, engine_file):
    graph = TensorrtGraph(engine_file, library, emulated.start(), cuda_graph=False)
    with pytest.raises(RuntimeInputError, match=r"x: expected float32 \[1, 3\], got float64"):
        graph.run(x=X.astype(np.float64))
    emulated.engine.accepts = False
    with pytest.raises(RuntimeInputError, match="TensorRT could not run it"):
        graph.run(x=X)


def test_an_engine_of_dynamic_shapes_is_refused(emulated, library, engine_file):
    emulated.engine.tensors["x"] = (-1, 3), np.dtype(np.float32)
    with pytest.raises(BundleError, match=r"x: expected a static shape, got \[-1, 3\]"):
        TensorrtGraph(engine_file, library, emulated.start())


def test_what_tensorrt_refuses_is_told_in_its_words(emulated, library, engine_file):
    engine_file.write_bytes(b"broken")
    with pytest.raises(BundleError, match=r"tensorrt 10\.3\.0 refuses it \(magicTag failed\)"):
        TensorrtGraph(engine_file, library, emulated.start())


def test_no_driver_no_gpu_and_no_memory_are_told_apart(emulated):
    with pytest.raises(MissingDependencyError, match=r"CUDA driver: libnone\.so\.1 is not there"):
        CudaDriver("libnone.so.1")
    with pytest.raises(MissingDependencyError, match=r"GPU: none answers .*CUDA_ERROR_NO_DEVICE"):
        emulated.start(devices=0)
    driver = emulated.start()
    with pytest.raises(LapaError, match=r"cuMemAlloc_v2: CUDA_ERROR_OUT_OF_MEMORY; free GPU mem"):
        driver.allocate(2**41)


@pytest.fixture(scope="module")
def real_engine(tmp_path_factory):
    """An engine for compute capability 8.6, built without a GPU."""
    pytest.importorskip(
        "tensorrt_rtx_bindings",
        reason="NO ENGINE IS REFUSED: pip install 'lapa-edge[trt-rtx]'",
    )
    from lapa_edge.export.tensorrt_api import build_engine, find_builder

    bundle = write_tiny_bundle(tmp_path_factory.mktemp("engine") / "bundle")
    data = bundle.path("action_head.onnx").read_bytes()
    return build_engine(find_builder("tensorrt-rtx"), data, "head", "8.6", ("fp32",)).data


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data[: len(data) // 2], r"refuses it \(.*(blobSize|size)"),
        (lambda data: b"\x13" * 5000, "says that it is not valid here: it is damaged"),
        (lambda data: b"", "says that it is not valid here: it is damaged"),
    ],
    ids=["truncated", "random", "empty"],
)
def test_real_tensorrt_refuses_a_spoilt_engine_and_the_reason_is_told(
    real_engine, tmp_path, spoil, words
):
    path = tmp_path / "policy.engine"
    path.write_bytes(spoil(real_engine))
    with pytest.raises(BundleError, match=rf"tensorrt-rtx .* {words}"):
        read_engine(path, find_tensorrt("tensorrt-rtx"))


def test_a_whole_engine_without_a_gpu_is_refused_for_that(real_engine, tmp_path):
    from lapa_edge.runtime.backends.tensorrt_library import gpu_capability

    if gpu_capability():
        pytest.skip("NOT CHECKED: this machine has a GPU")
    path = tmp_path / "policy.engine"
    path.write_bytes(real_engine)
    with pytest.raises(BundleError, match=r"refuses it .*CUDA driver"):
        read_engine(path, find_tensorrt("tensorrt-rtx"))
    bundle = write_tiny_bundle(tmp_path / "bundle")
    bundle = extend_bundle(bundle, {"engines/sm86/policy.engine": real_engine})
    from lapa_edge.runtime.backends.opening import open_graph

    with pytest.raises(MissingDependencyError, match='choose the device "cpu"'):
        open_graph(bundle, backend="tensorrt")
