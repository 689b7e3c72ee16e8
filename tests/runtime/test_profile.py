"""The profiler: every part, on the given clock, interleaved, after a warm-up, without torch."""

import subprocess
import sys
import time

import numpy as np
import pytest
from bundles import write_tiny_bundle

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.profile import (
    build_parts,
    describe_machine,
    measure_latency,
    measure_parts,
    summarise,
)

PARTS = {"preprocess", "text_encoder", "policy", "look", "head_native", "head_onnx", "act"}


@pytest.mark.parametrize("n", [2, 0])
def test_every_part_is_measured_in_order_of_percentiles(tmp_path, n):
    bundle = write_tiny_bundle(tmp_path / "bundle", n=n)
    latency = measure_latency(bundle, 5, warm_up=1, camera_size=(24, 32))
    assert latency.keys() == PARTS
    for row in latency.values():
        assert row.repeats == 5
        assert 0 < row.p50_ms <= row.p95_ms <= row.p99_ms <= row.max_ms


def test_parts_take_turns_and_warm_up_is_not_counted():
    calls = []
    # The clock advances one microsecond per reading; the first two rounds cost more.
    cost = iter([100] * 4 + [0] * 6)
    now = 0

    def clock():
        nonlocal now
        now += 1000
        return now

    def part(name):
        def run():
            nonlocal now
            calls.append(name)
            now += next(cost) * 1000

        return run

    latency = measure_parts({"a": part("a"), "b": part("b")}, 3, 2, clock=clock)
    assert calls == ["a", "b"] * 5
    assert latency["a"].max_ms == latency["b"].max_ms == 0.001


def test_percentiles_are_times_that_occurred():
    latency = summarise(np.array([1, 2, 3, 4, 1000]) * 1_000_000)
    assert (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms) == (3, 1000, 1000, 1000)


def test_paced_rounds_keep_the_period():
    starts = []
    measure_parts({"part": lambda: starts.append(time.monotonic())}, 5, 0, period_s=0.02)
    assert starts[-1] - starts[0] >= 4 * 0.02 - 0.005


def test_the_control_tick_that_is_measured_is_not_a_stopped_one(tmp_path):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    act = build_parts(bundle, (24, 32), threads=1, seed=0)["act"]
    assert [act().stopped for _ in range(3)] == [None] * 3


@pytest.mark.parametrize(("repeats", "warm_up"), [(0, 1), (1, -1)])
def test_no_rounds_are_refused(tmp_path, repeats, warm_up):
    bundle = write_tiny_bundle(tmp_path / "bundle")
    with pytest.raises(ConfigError, match="repeats and warm_up"):
        measure_latency(bundle, repeats, warm_up=warm_up)


def test_the_machine_is_described_with_its_versions():
    machine = describe_machine()
    assert machine.cpu and machine.cores >= 1
    assert {"lapa-edge", "onnxruntime", "numpy", "python"} == machine.versions.keys()


def test_profiling_imports_no_torch(tmp_path):
    code = "import sys, lapa_edge.runtime.profile as _; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
