"""The parameters as another process sees them: names, defaults, ranges, when they count."""

import pytest
from dds import OVER_DDS

pytestmark = OVER_DDS

DEFAULTS = {
    "device": "cpu", "backend": "onnx", "instruction": "", "policy_rate": 0.0, "control_rate": 0.0,
    "image_transport": "raw", "image_timeout": 0.2, "state_timeout": 0.2,
    "max_observation_age": 0.5, "max_future_stamp": 0.05, "max_latent_age": 0.0,
    "max_linear_velocity": 0.0, "max_angular_velocity": 0.0, "max_acceleration": 0.0,
    "max_joint_step": 0.0, "workspace_min": [], "workspace_max": [], "joint_position_min": [],
    "joint_position_max": [], "joint_names": [], "gripper_joint": "", "action_meaning": [],
    "stale_action": "stop",
    "start_enabled": False, "dry_run": False, "inference_threads": 1, "real_time_priority": 0,
    "cpu": -1, "expected_image_rate": 0.0, "estop_timeout": 0.0,
}  # fmt: skip
STRUCTURAL = ("device", "backend", "output_type", "image_transport", "autostart", "dry_run")
OTHERS = {"model_path", "frame_id", "chunk_timeout", "action_meaning"}
OF_RCLPY = {"use_sim_time", "start_type_description_service"}


@pytest.fixture(scope="module")
def shared(shared_rigs, bundle):
    """A node that is told its bundle and no more: every other value is its own."""
    return shared_rigs.start(output="joint_command", model_path=bundle.root)


@pytest.fixture(scope="module")
def driving(shared_rigs, bundle):
    return shared_rigs.start(model_path=bundle.root, instruction="push left", autostart=True)


def test_the_node_has_these_parameters_and_no_others(shared):
    names = {name for name in shared.robot.parameter_names() if "." not in name}
    assert names - OF_RCLPY == {*DEFAULTS, *STRUCTURAL, *OTHERS}


def test_defaults_are_those_that_are_promised(shared):
    told = shared.robot.parameters(DEFAULTS)
    assert {name: _plain(value) for name, value in told.items()} == DEFAULTS


def _plain(value):
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value


def test_every_parameter_is_described_and_every_number_has_a_range(shared):
    names = [*DEFAULTS, *STRUCTURAL, *OTHERS]
    for name, told in shared.robot.descriptors(names).items():
        assert len(told.description) > 10, name
        if isinstance(DEFAULTS.get(name), float):
            assert told.floating_point_range, name
        elif type(DEFAULTS.get(name)) is int:
            assert told.integer_range, name


@pytest.mark.parametrize("name", STRUCTURAL)
def test_what_is_structural_is_read_only(shared, name):
    value = shared.robot.parameters([name])[name]
    assert shared.robot.descriptors([name])[name].read_only
    other = (not value) if isinstance(value, bool) else "twist"
    assert not shared.robot.set_parameter(name, other).successful
    assert shared.robot.parameters([name])[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_timeout", 0.0),
        ("image_timeout", -1.0),
        ("image_timeout", float("nan")),
        ("max_acceleration", -0.1),
        ("policy_rate", 1e9),
        ("inference_threads", 0),
        ("stale_action", "panic"),
        ("workspace_min", [0.0, 0.0]),
        ("image_timeout", "soon"),
    ],
)
def test_a_value_outside_its_range_is_refused(driving, name, value):
    before = driving.robot.parameters([name])[name]
    answer = driving.robot.set_parameter(name, value)
    assert not answer.successful
    assert answer.reason
    after = driving.robot.parameters([name])[name]
    assert _plain(after) == _plain(before)


def test_what_counts_at_configuring_is_refused_until_the_node_is_cleaned_up(shared, bundle):
    robot = shared.robot
    assert robot.set_parameter("control_rate", 200.0).successful
    assert robot.change_state("configure")
    for name, value in {"control_rate": 50.0, "model_path": "elsewhere"}.items():
        answer = robot.set_parameter(name, value)
        assert not answer.successful
        assert "clean up" in answer.reason
    assert robot.change_state("cleanup")
    assert robot.set_parameter("control_rate", 100.0).successful


def test_a_timeout_changed_while_driving_counts_at_once(driving):
    robot = driving.robot
    driving.drive()
    assert robot.set_parameter("image_timeout", 2.0).successful
    assert robot.set_parameter("max_observation_age", 2.0).successful
    stalled_s = robot.stop_feed("image")
    robot.listen(1.0)
    assert robot.commands[-1].moves, "an image of 1 s is fresh now"
    assert robot.set_parameter("image_timeout", 0.2).successful
    assert robot.set_parameter("max_observation_age", 0.5).successful
    stopped = robot.wait_for_command(moving=False)
    assert stopped.arrived_s - stalled_s < 2.0


def test_a_limit_changed_while_driving_counts_at_once(driving):
    robot = driving.robot
    driving.drive()
    fastest = max(max(map(abs, command.action)) for command in robot.listen(0.5))
    step_rad = fastest / 100.0 / 4
    assert robot.set_parameter("max_joint_step", step_rad).successful
    slower = max(max(map(abs, command.action)) for command in robot.listen(0.5))
    assert 0 < slower <= step_rad * 100.0 * 1.0001
    assert robot.set_parameter("max_joint_step", 0.0).successful


@pytest.mark.parametrize(
    "wrong", [{"image_timeout": 0.0}, {"output_type": "smoke"}, {"device": "cuda"}]
)
def test_a_node_started_with_a_wrong_value_ends_and_says_so(rigs, bundle, wrong):
    rig = rigs.start(**{"model_path": bundle.root, "autostart": True, **wrong})
    assert rig.node.wait() == 1
    assert next(iter(wrong)) in rig.node.log
    assert "Traceback" not in rig.node.log
