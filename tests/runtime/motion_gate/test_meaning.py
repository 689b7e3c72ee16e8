"""What names, kinds and units tell, and what has to be said."""

import math

import msgspec
import pytest
from bundles import tiny_spec
from motion_gates import arm_robot, hand_robot, robot

from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.environments.libero import ROBOT as LIBERO
from lapa_edge.evaluate.environments.metaworld import ROBOT as METAWORLD
from lapa_edge.runtime.motion_gate.meaning import read_meaning
from lapa_edge.runtime.motion_gate.names import moves_of_name, read_unit, unit_of_name

HAND = ("translation_x", "translation_y", "translation_z")
TURN = ("rotation_x", "rotation_y", "rotation_z")


def spec_of(recorded):
    return robot(
        recorded.action_names,
        recorded.action_units,
        recorded.kinds,
        recorded.action_low,
        recorded.action_high,
        recorded.state_names,
        control_hz=recorded.control_hz,
    )


def one(name="x", unit="m", kind="delta", states=("s",), **changes):
    return robot((name,), (unit,), (kind,), (-1.0,), (1.0,), states, **changes)


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        *((name, "translation_x") for name in ("x", "dx", "vx", "hand_dx", "Hand X", "linear.x")),
        *((name, "translation_z") for name in ("hand_z_m", "target_dz", "effector_z_mm")),
        *((name, "rotation_x") for name in ("roll", "droll", "rx", "drx", "wx", "angular_x")),
        *(
            (name, "rotation_z")
            for name in ("yaw", "axis_angle3", "angular.z", "yaw_rad", "rot_dz")
        ),
        *((name, "joint") for name in ("joint_1", "joint1", "wrist_roll", "shoulder_pan", "elbow")),
        *((name, "gripper") for name in ("gripper", "gripper_effort", "left_finger", "gripper_m")),
        *((name, None) for name in ("", "velocity_0", "shoulder_x", "angular", "xy", "speed", "m")),
    ],
)
def test_a_name_tells_what_it_moves_or_nothing(name, moves):
    assert moves_of_name(name) == moves


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("m", ("length", 1.0, "")),
        ("5 cm/step", ("length", 0.05, "step")),
        ("0.5 rad/step", ("angle", 0.5, "step")),
        ("mm / s", ("length", 0.001, "s")),
        ("1e-3 m", ("length", 0.001, "")),
        ("deg/s", ("angle", math.pi / 180, "s")),
        *((text, None) for text in ("1", "px", "", "N", "m/min", "0 m", "1.2.3 m", "-1 m")),
    ],
)
def test_a_unit_is_a_number_of_metres_or_radians_or_nothing(text, unit):
    read = read_unit(text)
    assert (read and (read.of, pytest.approx(read.si), read.per)) == unit


def test_a_states_unit_ends_its_name():
    assert [unit_of_name(n) for n in ("hand_x_m", "x_cm", "x", "roll_deg")] == pytest.approx(
        [1, 0.01, 1, math.pi / 180]
    )


def test_meta_worlds_hand_moves_centimetres_a_step():
    meaning = read_meaning(spec_of(METAWORLD))
    assert meaning.moves == (*HAND, "gripper")
    assert meaning.scale == pytest.approx((0.01 * 80,) * 3 + (1,))
    assert meaning.measured_by == (0, 1, 2, -1)


def test_liberos_hand_moves_and_turns():
    meaning = read_meaning(spec_of(LIBERO))
    assert meaning.moves == (*HAND, *TURN, "gripper")
    assert meaning.scale == pytest.approx((0.05 * 20,) * 3 + (0.5 * 20,) * 3 + (1,))
    assert meaning.measured_by[:6] == (0, 1, 2, 3, 4, 5)


def test_a_displacement_is_one_per_step_of_the_bundle_and_a_velocity_is_as_it_is():
    assert read_meaning(hand_robot("cm", control_hz=10.0)).scale[0] == pytest.approx(0.1)
    assert read_meaning(hand_robot("cm/s", control_hz=10.0)).scale[0] == pytest.approx(0.01)


def test_an_absolute_action_is_a_position_of_the_state_it_holds():
    meaning = read_meaning(arm_robot())
    assert meaning.moves == ("joint", "joint", "gripper")
    assert meaning.absolute == (True, True, False)
    assert meaning.measured_by == (1, 0, -1)
    assert meaning.scale == (1.0, 1.0, 1.0)


def test_an_absolute_position_in_degrees_is_measured_in_degrees():
    spec = one("joint_1", "deg", "absolute", ("joint_1",))
    meaning = read_meaning(spec)
    assert meaning.scale == meaning.position_scale == (math.pi / 180,)


def test_dims_are_found_by_what_they_move():
    assert read_meaning(hand_robot()).dims("translation_y", "rotation_z", "joint") == (1, 5, -1)


def test_what_a_name_does_not_tell_can_be_said():
    spec = one("forwards", "1", states=("odometry",))
    meaning = read_meaning(spec, {"forwards": "translation_x 2 cm/s"}, {"forwards": "odometry"})
    assert (meaning.moves, meaning.scale, meaning.measured_by) == (
        ("translation_x",),
        (0.02,),
        (0,),
    )


def test_other_needs_no_unit():
    assert read_meaning(one("suction", "1"), {"suction": "other"}).moves == ("other",)


def test_of_two_states_that_might_measure_none_is_taken():
    assert read_meaning(one("dx", states=("left_x", "right_x"))).measured_by == (-1,)


@pytest.mark.parametrize(
    ("spec", "said", "problem"),
    [
        (tiny_spec(), {}, "action velocity_0: expected it to move one of translation_x"),
        (one(), {"y": "translation_y"}, "moves: expected actions of x, got y"),
        (one(), {"x": "sideways"}, "got 'sideways'"),
        (one(), {"x": ""}, "got ''"),
        (one("x", "1"), {}, "expected a unit such as cm, m/s of 'translation_x', got '1'"),
        (one("x", "rad"), {}, "of 'translation_x', got 'rad'"),
        (one("yaw", "m"), {}, "of 'rotation_z', got 'm'"),
        (one("x", "m/s", "absolute", ("x",)), {}, "such as cm of 'translation_x', got 'm/s'"),
        (one("gripper", "1"), {}, 'expected kind "gripper" of a gripper and of nothing else'),
        (one("x", "m", "gripper"), {"x": "translation_x"}, 'got "gripper" of'),
    ],
)
def test_what_stays_unknown_or_contradicts_itself_is_refused(spec, said, problem):
    with pytest.raises(ConfigError) as refusal:
        read_meaning(spec, said)
    assert problem in str(refusal.value)


def test_a_state_that_does_not_exist_measures_nothing():
    with pytest.raises(ConfigError, match="measured_by of x: expected one of s, got t"):
        read_meaning(one(), measured_by={"x": "t"})


def test_two_hands_are_refused():
    spec = robot(("left_x", "right_x"), ("m",) * 2, ("delta",) * 2, (-1.0,) * 2, (1.0,) * 2, ("s",))
    with pytest.raises(ConfigError, match="expected one translation_x, got left_x, right_x"):
        read_meaning(spec)


def test_actions_without_kinds_are_displacements():
    spec = one()
    plain = msgspec.structs.replace(spec.action, kinds=(), hold=())
    assert read_meaning(msgspec.structs.replace(spec, action=plain)).absolute == (False,)
