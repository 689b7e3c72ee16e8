"""Where actions come from, and chunks with their limits; no ROS."""

import time

import msgspec
import numpy as np
import pytest
from bundles import tiny_files, tiny_spec
from lapa_edge_ros.chunks import ChunkPlan, ChunkSource
from lapa_edge_ros.sources import READY_S, LoopSource, SessionSource, build_source
from node_parts import PIXELS

from lapa_edge.artifact import write_bundle
from lapa_edge.runtime.loop_options import LoopOptions
from lapa_edge.runtime.motion_gate.facts import AgeLimits, Facts
from lapa_edge.runtime.motion_gate.gate import MotionGate
from lapa_edge.runtime.motion_gate.limits import MotionLimits
from lapa_edge.runtime.motion_gate.meaning import read_meaning
from lapa_edge.runtime.policy import Policy

JOINTS = ("joint_0", "joint_1", "joint_2")
STATE = np.float32([0.1, 0.2, 0.3])
OPTIONS = LoopOptions(max_state_age_s=0.2)


def write(root, units, *, control_hz=50.0, **action):
    spec = tiny_spec(a=3, chunk=5, control_hz=control_hz)
    replaced = msgspec.structs.replace(spec.action, names=JOINTS, units=units, **action)
    spec = msgspec.structs.replace(spec, action=replaced)
    return write_bundle(root, spec, tiny_files(spec), {"made_by": "tests/ros/test_sources.py"})


@pytest.fixture
def speeds(tmp_path):
    return write(tmp_path / "speeds", ("rad/s",) * 3)


@pytest.fixture
def positions(tmp_path):
    return write(tmp_path / "at", ("rad",) * 3, kinds=("absolute",) * 3, hold=(0, 1, 2))


def test_the_native_loop_drives_what_it_can(speeds):
    source, why_not = build_source(speeds, Policy(speeds, ""), OPTIONS, 50.0)
    assert isinstance(source, LoopSource)
    assert why_not is None


def test_commands_are_fetched_right_after_the_ticks_that_make_them(speeds):
    source, _ = build_source(speeds, Policy(speeds, ""), OPTIONS, 50.0)
    before_s = time.monotonic()
    source.start()
    try:
        tick_s = source.ready_s - READY_S
        assert before_s + 0.02 <= tick_s <= time.monotonic() + 0.02
    finally:
        source.end()


def test_a_rate_that_the_loop_refuses_is_driven_in_python_and_said(tmp_path):
    bundle = write(tmp_path / "slow", ("rad/s",) * 3, control_hz=10.0)
    source, why_not = build_source(bundle, Policy(bundle, ""), OPTIONS, 10.0)
    assert isinstance(source, SessionSource)
    assert "rate_hz" in why_not


def test_a_session_needs_a_latent_and_a_fresh_state_as_the_loop_does(speeds):
    policy = Policy(speeds, "")
    source = SessionSource(speeds, policy, 50.0, 0.2)
    assert source.command(0.0).stopped == "the robot has not told its state yet"
    source.set_state(STATE, 0.0)
    assert source.command(0.1).stopped == "the policy has not looked yet"
    source.set_latent(policy.look(PIXELS, 0.0))
    assert source.command(0.1).stopped is None
    assert source.command(0.3).stopped == "state is 0.300 s old, more than 0.200 s"
    source.set_state(STATE, 0.3)
    assert source.command(0.3).stopped is None
    source.start()
    assert source.command(0.3).stopped == "the robot has not told its state yet"


def test_the_loop_forgets_what_drove_the_last_episode(speeds):
    source, _ = build_source(speeds, policy := Policy(speeds, ""), OPTIONS, 50.0)
    for _ in range(2):
        source.start()
        assert source.command(time.monotonic()).stopped
        now_s = time.monotonic()
        source.set_state(STATE, now_s)
        source.set_latent(policy.look(PIXELS, now_s))
        while source.command(now_s).stopped and time.monotonic() < now_s + 0.15:
            time.sleep(0.005)
        assert source.command(now_s).stopped is None
        source.end()
    source.end()  # twice is once


@pytest.fixture
def playing(positions):
    """A source that begins a chunk at 1 s."""
    source = ChunkSource(positions, 50.0, 10.0)
    source.set_state(STATE, 1.0)
    source.set_latent(Policy(positions, "").look(PIXELS, 1.0))
    assert source.command(1.0).stopped is None
    return source


def test_one_chunk_is_played_per_latent(playing, positions):
    chunk = playing.chunk
    assert chunk.actions.shape == (5, 3)
    for step in range(5):
        command = playing.command(1.0 + step / 50 + 0.001)
        low, high = positions.spec.action.low, positions.spec.action.high
        assert command.action.tolist() == np.clip(chunk.actions[step], low, high).tolist()
    assert playing.chunk is chunk
    playing.set_latent(Policy(positions, "").look(PIXELS, 1.1))
    playing.command(1.1)
    assert playing.chunk is not chunk
    assert playing.chunk.began_s == 1.1


def test_a_head_that_overflows_begins_no_chunk(positions):
    source = ChunkSource(positions, 50.0, 10.0)
    source.set_state(np.float32([3e38, 0, 0]), 1.0)
    source.set_latent(Policy(positions, "").look(PIXELS, 1.0))
    assert source.command(1.0).stopped
    assert source.chunk is None


def planned(bundle, chunk, **limits):
    meaning = read_meaning(bundle.spec)
    ages = AgeLimits(max_latent_age_s=bundle.spec.timing.max_latent_age_s)
    gate = MotionGate(
        bundle.spec, meaning, ages, MotionLimits(**limits), rate_hz=50.0, enabled=True
    )
    facts = Facts(
        now_s=1.0, ros_now_s=1000.0, image_received_s=1.0, image_stamp_s=1000.0, latent_age_s=0.0,
        state=STATE, state_age_s=0.0,
    )  # fmt: skip
    return ChunkPlan(gate, meaning, 1 / 50).positions(chunk, facts)


def test_a_plan_without_limits_is_the_chunk_within_the_bundles(playing, positions):
    action = positions.spec.action
    expected = np.clip(playing.chunk.actions, action.low, action.high)
    assert planned(positions, playing.chunk) == pytest.approx(expected, abs=1e-6)


def test_every_waypoint_keeps_the_limits_from_where_the_robot_is(playing, positions):
    plan = planned(
        positions, playing.chunk, max_joint_step_rad=0.01, joint_position_max_rad={"joint_2": 0.305}
    )
    steps = np.diff(np.vstack((STATE, plan)), axis=0)
    assert np.abs(steps).max() <= 0.01 + 1e-6
    assert np.abs(steps).max() > 0.005, "there was something to hold"
    assert plan[:, 2].max() <= 0.305 + 1e-6


def test_speeds_become_positions_from_where_the_robot_is(speeds):
    source = ChunkSource(speeds, 50.0, 10.0)
    source.set_state(STATE, 1.0)
    source.set_latent(Policy(speeds, "").look(PIXELS, 1.0))
    source.command(1.0)
    moved = np.clip(source.chunk.actions, speeds.spec.action.low, speeds.spec.action.high) / 50
    assert planned(speeds, source.chunk) == pytest.approx(STATE + moved.cumsum(0), abs=1e-5)
