"""Whatever stops the robot, and how fast, as a motor driver hears it."""

import time

import pytest
from dds import OVER_DDS
from robot_bundles import write_joint_bundle

pytestmark = OVER_DDS

IMAGE_TIMEOUT_S = STATE_TIMEOUT_S = 0.2
ESTOP_S, STALL_MARGIN_S, WITHIN_TICK_S = 0.05, 0.1, 0.15


@pytest.fixture(scope="module")
def shared(shared_rigs, bundle):
    return shared_rigs.start(
        model_path=bundle.root, instruction="push left", autostart=True,
        image_timeout=IMAGE_TIMEOUT_S, state_timeout=STATE_TIMEOUT_S,
    )  # fmt: skip


@pytest.fixture
def robot(shared):
    """The module's robot, moving, whatever the test before left behind."""
    shared.drive()
    return shared.robot


def last_move_s(robot):
    """When the last command that moves arrived, monotonic seconds."""
    return max(command.arrived_s for command in robot.commands if command.moves)


def assert_stands_still(robot, since_s, within_s):
    """Only stop commands later than this, at control rate."""
    heard = robot.listen(max(0.5, since_s + within_s + 0.3 - time.monotonic()))
    late_s = last_move_s(robot) - since_s
    assert late_s < within_s, f"still moving {late_s * 1000:.0f} ms later"
    stops = [command for command in heard if command.arrived_s > since_s + within_s]
    assert len(stops) > 10, "stop must be repeated: a driver may have missed the first"


def test_an_estop_is_zero_at_the_driver_within_50_ms(robot, machine):
    def press():
        pressed_s = time.monotonic()
        robot.send_estop(True)
        assert_stands_still(robot, pressed_s, ESTOP_S)

    for _ in range(5):
        machine.undisturbed(press, before=robot.drive)


def test_an_estop_latches_until_it_is_let_go_and_reset(robot):
    robot.send_estop(True)
    robot.wait_for_command(moving=False)
    assert not robot.reset_stop().success, "it is still pressed"
    assert not any(command.moves for command in robot.listen(0.3))
    robot.send_estop(False)
    assert not any(command.moves for command in robot.listen(0.3)), "letting go is no start"
    assert robot.reset_stop().success
    robot.drive()


def test_an_estop_that_is_pressed_and_let_go_at_once_is_heard(robot, machine):
    def press():
        robot.send_estop(True)
        robot.send_estop(False)
        robot.listen(0.1)
        assert not any(command.moves for command in robot.listen(0.1))

    for _ in range(10):
        machine.undisturbed(press, before=robot.drive)


@pytest.mark.parametrize("feed", ["image", "state"])
def test_a_feed_that_stalls_stops_the_robot_within_its_timeout(robot, machine, feed):
    timeout_s = {"image": IMAGE_TIMEOUT_S, "state": STATE_TIMEOUT_S}[feed]

    def stall():
        sent_s = robot.stop_feed(feed)
        assert_stands_still(robot, sent_s, timeout_s + STALL_MARGIN_S)

    for _ in range(3):
        machine.undisturbed(stall, before=robot.drive)
    robot.feed()
    robot.wait_for_command(moving=True)  # and goes on by itself


def test_the_stop_service_latches_until_it_is_reset(robot, machine):
    def stop():
        assert robot.stop().success
        assert_stands_still(robot, time.monotonic(), ESTOP_S)

    machine.undisturbed(stop, before=robot.drive)
    assert not robot.enable(True).success, "a stop is latched"
    assert robot.reset_stop().success
    robot.drive()


def test_disabling_stops_and_enabling_goes_on(robot, machine):
    def disable():
        assert robot.enable(False).success
        assert_stands_still(robot, time.monotonic(), ESTOP_S)

    machine.undisturbed(disable, before=robot.drive)
    assert robot.enable(True).success
    robot.wait_for_command(moving=True)


def test_reset_forgets_the_episode_and_goes_on_with_the_next_image(robot):
    robot.stop_feed("image")
    assert robot.reset().success
    robot.wait_for_command(moving=False, count=5)
    robot.feed_image()
    robot.drive()


def test_a_node_starts_disabled_and_moves_once_it_is_enabled(rigs, bundle):
    rig = rigs.start(model_path=bundle.root, instruction="push left", autostart=True)
    rig.robot.feed()
    rig.robot.wait_for_command(moving=False, count=50)
    assert not any(command.moves for command in rig.robot.commands)
    assert rig.robot.enable(True).success
    rig.robot.wait_for_command(moving=True)


def test_an_enabled_node_stands_still_before_the_first_image(rigs, bundle):
    rig = rigs.start(
        model_path=bundle.root, instruction="push left", autostart=True, start_enabled=True
    )
    rig.robot.feed_state()
    rig.robot.wait_for_command(moving=False, count=50)
    assert not any(command.moves for command in rig.robot.commands)
    rig.robot.feed_image()
    rig.robot.wait_for_command(moving=True)


def test_a_dry_run_says_on_its_own_topic_what_it_would_do(rigs, bundle):
    rig = rigs.start(
        model_path=bundle.root, instruction="push left", autostart=True, start_enabled=True,
        dry_run=True,
    )  # fmt: skip
    rig.robot.feed()
    rig.robot.wait_until(lambda: any(command.moves for command in rig.robot.dry_commands))
    assert not rig.robot.commands


@pytest.fixture(scope="module")
def slow(shared_rigs, tmp_path_factory):
    """A rig whose ticks are 250 ms apart."""
    bundle = write_joint_bundle(tmp_path_factory.mktemp("slow") / "joints", control_hz=4.0)
    return shared_rigs.start(model_path=bundle.root, instruction="push left", autostart=True)


STOPS = {
    "e-stop": lambda robot: robot.send_estop(True),
    "stop": lambda robot: robot.stop(),
    "disable": lambda robot: robot.enable(False),
}


@pytest.mark.parametrize("way", STOPS)
def test_a_stop_does_not_wait_for_its_tick(slow, machine, way):
    robot = slow.robot

    def stop():
        # Anywhere between two ticks; five times, so that most are far from the next.
        asked_s = time.monotonic()
        STOPS[way](robot)
        robot.listen(0.4)
        after = [command for command in robot.commands if command.arrived_s > asked_s]
        first = next(command for command in after if not command.moves)
        assert first.arrived_s - asked_s < WITHIN_TICK_S
        assert not any(command.moves for command in after if command.arrived_s > first.arrived_s)

    for phase in range(5):
        slow.drive()
        robot.listen(phase * 0.055)
        machine.undisturbed(stop, before=robot.drive)


def test_an_estop_that_may_not_be_silent_stops_the_robot_until_it_speaks(slow):
    robot = slow.robot
    slow.drive()
    assert robot.set_parameter("estop_timeout", 0.3).successful
    robot.wait_for_command(moving=False)
    robot.feed_with("estop", lambda: robot.send_estop(False))
    robot.wait_for_command(moving=True, count=5)  # no reset is needed
    robot.stop_feed("estop")
    robot.wait_for_command(moving=False)
    assert robot.set_parameter("estop_timeout", 0.0).successful
    robot.wait_for_command(moving=True)
