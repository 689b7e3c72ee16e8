"""A whole profile of a tiny bundle, its parts, and how it reads."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import msgspec
import numpy as np
import pytest
from bundles import tiny_files, tiny_spec, write_tiny_bundle
from msgspec.structs import replace

from lapa_edge.artifact import write_bundle
from lapa_edge.errors import BundleError, ConfigError, MissingDependencyError
from lapa_edge.runtime.profile import Profile, measure_latency, profile, profiling
from lapa_edge.runtime.profile.page import render_page
from lapa_edge.runtime.profile.pipeline import Pipeline
from lapa_edge.runtime.profile.plots import draw_latency
from lapa_edge.runtime.profile.roofline import Ceiling, other_mode, place_under
from lapa_edge.runtime.profile.tables import LABELS, sentences, tables
from lapa_edge.runtime.profiling_plan import Choice, ProfilePlan

SMALL = Choice(camera=(24, 32))
PLAN = ProfilePlan(
    repeats=5, warm_up=1, noise_repeats=5, paced_s=0.02, rates_hz=(100.0, 200.0), layer_runs=2
)
CPU_PARTS = {"preprocess", "cpu", "codes", "head", "safety", "total"}
OTHERS = {"head_native", "head_bf16", "head_onnx", "text_encoder"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("profile") / "bundle")
    return profile(bundle.root, SMALL, PLAN)


@pytest.mark.parametrize("n", [2, 0])
def test_every_part_is_measured_in_order_of_percentiles(tmp_path, n):
    bundle = write_tiny_bundle(tmp_path / "bundle", n=n)
    latency = measure_latency(bundle, 5, warm_up=1, choice=SMALL)
    assert latency.keys() == CPU_PARTS | OTHERS
    for row in latency.values():
        assert row.repeats == 5
        assert 0 < row.p50_ms <= row.p95_ms <= row.p99_ms <= row.p99_9_ms <= row.max_ms


def test_the_parts_are_the_whole_and_nothing_is_between_them(tmp_path):
    pipeline = Pipeline(write_tiny_bundle(tmp_path / "bundle"), SMALL)
    ticks = iter(range(100))
    took = pipeline.run_timed(clock=lambda: next(ticks))
    assert tuple(took) == pipeline.parts
    # Six readings of this clock, at equal distances; the graph reads another.
    ours = [took[name] for name in ("preprocess", "codes", "head", "safety", "total")]
    assert ours == [1, 1, 1, 1, 5]


def test_the_command_that_is_measured_is_not_a_stopped_one(tmp_path):
    pipeline = Pipeline(write_tiny_bundle(tmp_path / "bundle"), SMALL)
    assert [pipeline.run().stopped for _ in range(3)] == [None] * 3


def test_a_camera_of_nv12_is_decoded_and_one_of_rgb_is_not(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    decoded = Pipeline(bundle, Choice(camera=(24, 32), camera_format="nv12"))
    assert decoded.parts[0] == "decode" and decoded.run_timed().keys() == set(decoded.parts)
    assert decoded.seen[0].shape == (36, 32) and decoded.seen_rgb()[0].shape == (24, 32, 3)
    assert "decode" not in Pipeline(bundle, SMALL).parts


@pytest.mark.parametrize("camera", [(23, 32), (24, 31), (0, 32)])
def test_an_nv12_frame_of_odd_size_is_refused(tmp_path, camera):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    with pytest.raises(ConfigError, match="camera: expected rows and columns even"):
        Pipeline(bundle, Choice(camera=camera, camera_format="nv12"))


def test_the_record_says_why_a_part_is_not_there(found):
    assert found.latency.keys() == CPU_PARTS | OTHERS
    assert found.absent["gpu"] == "the policy runs on the CPU"
    assert found.absent["decode"] == "the camera gives RGB"
    assert "no calibration" in found.absent["head_int8"]
    assert not found.absent.keys() & found.latency.keys()


def test_the_record_holds_deadlines_start_memory_noise_and_roofline(found):
    assert [pace.rate_hz for pace in found.whole] == [100.0, 200.0]
    assert [pace.released for pace in found.tick] == [2, 4]
    assert min(found.start.verify_ms, found.start.open_ms, found.start.first_ms) > 0
    assert 0 < found.memory.before_mib <= found.memory.peak_mib
    assert found.noise is not None and found.noise.low <= found.noise.high
    roof = found.roofline
    assert roof is not None and roof.ceiling.measured and roof.floor_ms > 0
    assert roof.distance is None or roof.distance >= 1
    assert {"Gemm", "ReduceMean"} <= {layer.kind for layer in found.layers}


def test_the_record_survives_its_file(found):
    assert msgspec.json.decode(msgspec.json.encode(found), type=Profile) == found


def test_what_is_left_out_is_not_in_the_tables(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    plan = ProfilePlan(repeats=1, warm_up=0, noise_repeats=0, paced_s=0, layer_runs=0)
    bare = profile(bundle.root, SMALL, plan)
    assert (bare.noise, bare.whole, bare.layers, bare.roofline) == (None, [], [], None)
    assert len(tables(bare)) == 2
    assert "<svg" in render_page(bare) and "Deadlines" not in render_page(bare)


def test_the_page_is_whole_and_names_every_part(found):
    page = render_page(found)
    for name in found.latency:
        assert LABELS[name] in page
    assert page.count("<svg") == 2 and "http" not in page.replace("http://www.w3.org", "")
    for line in sentences(found):
        assert line.split(":")[0] in page


def test_the_plot_is_well_formed_and_slower_parts_have_longer_bars(found):
    latency = dict(sorted(found.latency.items(), key=lambda item: item[1].p50_ms))
    root = ET.fromstring(draw_latency(latency))
    bars = [x for x in root.iter("{http://www.w3.org/2000/svg}rect") if x.get("fill") == "#1f4e79"]
    widths = [float(bar.get("width", 0)) for bar in bars]
    assert len(widths) == len(latency) and widths == sorted(widths)


def test_the_floor_is_the_larger_of_memory_and_arithmetic():
    ceiling = Ceiling(name="board", source="its sheet", bandwidth_gb_s=100, gflop_s=1000)
    bound = place_under(ceiling, weights_bytes=10**9, gflop=2.0, measured_ms=30.0)
    assert (bound.memory_ms, bound.compute_ms, bound.floor_ms) == (10.0, 2.0, 10.0)
    assert bound.distance == 3.0
    assert place_under(ceiling, 10**6, 50.0, 100.0).floor_ms == 50.0
    assert place_under(ceiling, 10**6, None, 1.0).compute_ms is None


@pytest.mark.parametrize(
    ("says", "warned"),
    [
        ("NV Power Mode: MAXN; 0", False),
        ("NV Power Mode: MAXN_SUPER; 2", True),
        ("NV Power Mode: 15W; 1", True),
        (None, False),
    ],
)
def test_a_board_in_another_power_mode_than_its_numbers_are_of_is_warned_of(says, warned):
    ceiling = Ceiling(name="board", source="its sheet", bandwidth_gb_s=1, power_mode="MAXN")
    found = other_mode(ceiling, says)
    assert bool(found) == warned
    assert all("power mode MAXN, this machine says" in line for line in found)
    assert other_mode(replace(ceiling, power_mode=""), "NV Power Mode: 15W") == []


@pytest.mark.parametrize(
    ("measured", "reason"), [(True, "measure again on an idle one"), (False, "another machine")]
)
def test_a_policy_faster_than_its_floor_has_no_distance_and_is_told_why(found, measured, reason):
    ceiling = Ceiling(name="it", source="s", bandwidth_gb_s=100, gflop_s=1000, measured=measured)
    at, below = (place_under(ceiling, 10**9, 2.0, ms) for ms in (10.0, 9.9))
    assert (at.distance, below.distance) == (1.0, None)
    said = " ".join(sentences(replace(found, roofline=below)))
    assert "measured are 9.900 ms, less than the longest" in said and reason in said
    assert "times the longest" not in said
    assert "measured are 1.0 times the longest" in " ".join(sentences(replace(found, roofline=at)))


def test_the_graph_that_is_measured_is_held_against_a_ceiling_in_its_own_precision(
    tmp_path, monkeypatch
):
    asked = []

    def ceiling(*arguments):
        asked.append(arguments)
        return Ceiling(name="it", source="s", bandwidth_gb_s=1)

    monkeypatch.setattr(profiling, "measure_ceiling", ceiling)
    spec = tiny_spec()
    files = tiny_files(spec)
    bundle = write_bundle(
        tmp_path / "tiny", spec, {**files, "policy.int8.onnx": files["policy.onnx"]}, {}
    )
    plan = ProfilePlan(repeats=1, noise_repeats=0, paced_s=0, layer_runs=1)
    for graph in ("policy", "policy.int8"):
        profile(bundle.root, Choice(camera=(24, 32), graph=graph, threads=2), plan)
    size = len(files["policy.onnx"])
    assert asked == [(2, "fp32", size), (2, "int8", size)]


def test_a_graph_that_the_bundle_lacks_and_a_gpu_that_is_not_there_are_refused(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match=r"has no file 'policy\.int8\.onnx'"):
        Pipeline(bundle, Choice(graph="policy.int8"))
    with pytest.raises(BundleError, match=r"has no engine of policy\.onnx"):
        Pipeline(bundle, Choice(backend="tensorrt"))
    with pytest.raises(ConfigError, match="TensorRT has no CPU"):
        Pipeline(bundle, Choice(backend="tensorrt", device="cpu"))
    with pytest.raises(MissingDependencyError, match="CUDAExecutionProvider"):
        Pipeline(bundle, Choice(device="cuda"))


def test_profiling_imports_no_torch(tmp_path):
    code = "import sys, lapa_edge.runtime.profile as _; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_policy_that_is_told_the_state_is_profiled_too(tmp_path):
    spec = replace(tiny_spec(), policy_state=True, cameras=("front", "wrist"))
    bundle = write_bundle(tmp_path / "tiny", spec, tiny_files(spec), {})
    pipeline = Pipeline(bundle, SMALL)
    assert len(pipeline.seen) == 2 and np.isfinite(pipeline.run().action).all()
