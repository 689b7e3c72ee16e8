"""Whether parameters and bundle fit; no ROS."""

import math

import msgspec
import pytest
from bundles import tiny_spec
from lapa_edge_ros.settings import check_settings
from lapa_edge_ros.wiring import read_ages, read_limits, read_wiring
from node_parts import settings, spec_of

from lapa_edge.errors import ConfigError

JOINTS = ("joint_0", "joint_1", "joint_2")
TWIST = spec_of(("x", "yaw", "gripper"), ("m/s", "rad/s", "1"), kinds=("delta", "delta", "gripper"))
POSITIONS = spec_of(JOINTS, ("rad",) * 3, kinds=("absolute",) * 3, hold=(0, 1, 2))
SPEEDS = spec_of(JOINTS, ("rad/s",) * 3)


def refused(spec, complaint, **changes):
    """Reads everything that configuring reads; it must be refused with these words."""
    said = settings(**changes)
    with pytest.raises(ConfigError, match=complaint):
        check_settings(said)
        wiring = read_wiring(said, spec)
        read_ages(said, spec)
        read_limits(said, spec, wiring)


def test_joints_are_ordered_as_the_controller_wants_them():
    wiring = read_wiring(settings(joint_names=("joint_2", "joint_0", "joint_1")), SPEEDS)
    assert wiring.names == ("joint_2", "joint_0", "joint_1")
    assert wiring.order == (2, 0, 1)


def test_limits_are_by_joint_in_the_controllers_order():
    said = settings(
        joint_names=("joint_2", "joint_0", "joint_1"), joint_position_min=(-2.0, -0.5, -1.0)
    )
    limits = read_limits(said, SPEEDS, read_wiring(said, SPEEDS))
    assert limits.joint_position_min_rad == {"joint_2": -2.0, "joint_0": -0.5, "joint_1": -1.0}


@pytest.mark.parametrize("output", ["twist", "joint_command"])
def test_a_gripper_has_a_topic_of_its_own_where_the_message_has_no_room(output):
    wiring = read_wiring(settings(output_type=output), TWIST)
    assert wiring.grippers == ((2,) if output == "twist" else ())
    assert len(wiring.order) == (2 if output == "twist" else 3)


@pytest.mark.parametrize(
    ("spec", "changes", "complaint"),
    [
        (POSITIONS, {"output_type": "twist"}, "output_type: .* joint_0 is a position"),
        (SPEEDS, {"output_type": "twist"}, 'output_type: .* joint_0 is a "joint"'),
        (TWIST, {"output_type": "joint_trajectory"}, 'output_type: .* x is a "translation_x"'),
        (
            spec_of(("joint_7",), ("rad/s",)),
            {"output_type": "joint_trajectory"},
            "joint_7 is not among the measured states",
        ),
        (TWIST, {"output_type": "twist", "joint_names": ("x",)}, "a twist has no joints"),
        (SPEEDS, {"joint_names": ("joint_0", "elbow")}, "joint_names: .* got joint_0, elbow"),
        (SPEEDS, {"joint_names": ("joint_0",) * 3}, "joint_names: "),
        (SPEEDS, {"gripper_joint": "claw"}, "gripper_joint: .* got claw"),
        (SPEEDS, {"action_meaning": ("joint_0",)}, 'action_meaning: .* got "joint_0"'),
        (SPEEDS, {"max_latent_age": 0.6}, "max_latent_age: expected at most 0.5 s"),
        (SPEEDS, {"workspace_min": (0.0, 0.0)}, "workspace_min: expected x, y, z in m, got 2"),
        (SPEEDS, {"joint_position_max": (1.0,)}, "joint_position_max: .* got 1"),
        (SPEEDS, {"stale_action": "panic"}, 'stale_action: expected "stop" or .*, got "panic"'),
        (SPEEDS, {"device": "gpu"}, 'device: expected "cpu" or "cuda", got "gpu"'),
        (SPEEDS, {"backend": "trt"}, 'backend: expected "onnx" or "tensorrt", got "trt"'),
        (SPEEDS, {"image_timeout": math.nan}, "image_timeout: expected finite numbers"),
        (SPEEDS, {"workspace_min": (0.0, math.inf, 0.0)}, "workspace_min: expected finite"),
        (
            msgspec.structs.replace(SPEEDS, cameras=("front", "wrist")),
            {},
            "cameras: expected one, .* got front, wrist",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(spec, changes, complaint):
    refused(spec, complaint, **changes)


def test_actions_of_unknown_meaning_pass_as_they_are_only_without_limits_and_as_numbers():
    spec = tiny_spec()  # velocity_0, velocity_1
    wiring = read_wiring(settings(), spec)
    assert wiring.meaning.moves == ("other", "other")
    assert "velocity_0" in wiring.assumed
    refused(spec, "action_meaning: .*velocity_0", max_linear_velocity=0.1)
    refused(spec, "action_meaning: .*velocity_0", output_type="twist")


def test_what_is_said_of_an_action_counts():
    said = ("velocity_0: translation_x m/s", "velocity_1: translation_z")
    wiring = read_wiring(settings(action_meaning=said, output_type="twist"), tiny_spec())
    assert wiring.meaning.moves == ("translation_x", "translation_z")
    assert wiring.assumed is None


def test_0_takes_the_bundles_own():
    spec, said = SPEEDS, settings()
    wiring, ages = read_wiring(said, spec), read_ages(said, spec)
    assert (wiring.policy_hz, wiring.control_hz) == (20.0, 50.0)
    assert ages.max_latent_age_s == 0.5
    assert math.isinf(ages.chunk_timeout_s), "no chunks are played"


def test_a_chunk_is_never_older_than_it_lasts():
    said = settings(output_type="joint_trajectory", chunk_timeout=10.0)
    assert read_ages(said, SPEEDS).chunk_timeout_s == SPEEDS.action.chunk / 50.0


def test_a_node_commands_once_a_second_or_more_often():
    assert read_wiring(settings(control_rate=1.0), SPEEDS).control_hz == 1.0
    refused(SPEEDS, "control_rate: expected at least 1 Hz, got 0.5 Hz", control_rate=0.5)
    action = msgspec.structs.replace(SPEEDS.action, control_hz=0.25)
    slow = msgspec.structs.replace(SPEEDS, action=action)
    refused(slow, "control_rate: expected at least 1 Hz, got 0.25 Hz")
    assert read_wiring(settings(control_rate=10.0), slow).control_hz == 10.0


def test_an_estop_that_need_not_say_anything_may_be_silent_for_ever():
    assert read_ages(settings(), SPEEDS).estop_timeout_s == math.inf
    assert read_ages(settings(estop_timeout=0.3), SPEEDS).estop_timeout_s == 0.3
