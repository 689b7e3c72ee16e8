"""A profile of an engine, on an emulated driver whose engine answers what ``policy.onnx`` does."""

import msgspec
import numpy as np
import pytest
from bundles import write_tiny_bundle
from emulated_engines import add_engine

from lapa_edge.errors import LapaError
from lapa_edge.runtime.backends import opening
from lapa_edge.runtime.profile import profile, profiling, starting
from lapa_edge.runtime.profile.page import render_page
from lapa_edge.runtime.profile.pipeline import Pipeline
from lapa_edge.runtime.profile.roofline import Ceiling
from lapa_edge.runtime.profile.tables import sentences
from lapa_edge.runtime.profiling_plan import Choice, ProfilePlan

CHOICE = Choice(backend="tensorrt", camera=(24, 32))
PLAN = ProfilePlan(repeats=4, warm_up=1, noise_repeats=4, paced_s=0, layer_runs=3)
GPU_PARTS = {"host_to_device", "enqueue", "gpu", "device_to_host"}
CEILING = Ceiling(name="a board", source="its sheet", bandwidth_gb_s=1e-3, gflop_s=1e-3)


@pytest.fixture
def bundle(tmp_path, emulated, library, monkeypatch):
    """A bundle with an engine of its policy for the emulated machine."""
    return add_engine(write_tiny_bundle(tmp_path / "bundle"), emulated, library, monkeypatch)


def test_the_whole_way_through_an_engine_is_that_through_the_graph(bundle):
    on_gpu, on_cpu = (Pipeline(bundle, choice) for choice in (CHOICE, Choice(camera=(24, 32))))
    looks = [pipeline.look() for pipeline in (on_gpu, on_cpu)]
    np.testing.assert_array_equal(looks[0].codes, looks[1].codes)
    np.testing.assert_array_equal(looks[0].context, looks[1].context)


def test_the_stages_of_a_gpu_its_memory_and_both_roofs_are_in_the_record(bundle):
    found = profile(bundle.root, CHOICE, PLAN, CEILING)
    assert found.runs_on == "tensorrt 10.3.0, CUDA graph"
    assert found.latency.keys() > GPU_PARTS
    assert found.absent["cpu"] == "the policy runs on the GPU"
    # The emulated GPU's clock goes on by 0.25 ms from mark to mark.
    assert found.latency["gpu"].p50_ms == pytest.approx(0.25)
    assert [layer.name for layer in found.layers] == ["double", "reformat"]
    assert found.memory.gpu_mib is not None and 0 < found.memory.gpu_mib < 1
    roof = found.roofline
    assert roof is not None and roof.measured_ms == pytest.approx(0.25)
    # An engine tells no arithmetic: it is that of the graph, which is one Gemm.
    gemm = 2e-9 * (3 + bundle.spec.text.d) * (4 + 2 * 4)
    assert roof.gflop == pytest.approx(gemm)
    assert roof.compute_ms == pytest.approx(1e6 * gemm)
    said = " ".join(sentences(found))
    assert "of the GPU's 0 MiB" in said and "ms to compute" in said
    assert "<svg" in render_page(found)
    assert msgspec.json.decode(msgspec.json.encode(found), type=type(found)) == found


def test_an_engine_whose_board_is_not_told_has_no_roofline_and_says_so(bundle):
    found = profile(bundle.root, CHOICE, PLAN)
    assert found.layers and found.roofline is None
    assert any("no roofline" in line and "--board" in line for line in found.warnings)


def test_memory_that_the_driver_does_not_tell_is_not_measured(bundle, monkeypatch):
    def silent():
        raise LapaError("CUDA", "cuMemGetInfo_v2: CUDA_ERROR_UNKNOWN")

    monkeypatch.setattr(starting, "CudaDriver", silent)
    found = profile(bundle.root, CHOICE, PLAN)
    assert found.memory.gpu_mib is None
    assert "of the GPU's not measured" in " ".join(sentences(found))


def test_an_engine_that_is_open_already_is_measured_in_place_of_the_chosen_graph(bundle):
    engine = opening.open_engine(bundle, "orin-nano", "policy")
    latency = profiling.measure_latency(bundle, 3, warm_up=1, graph=engine)
    assert latency.keys() > GPU_PARTS and "cpu" not in latency
