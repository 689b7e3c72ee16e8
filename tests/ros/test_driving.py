"""Image in, command out: the running node and what it is fed, right and wrong."""

import numpy as np
import pytest
from dds import OVER_DDS
from pictures import compressed, cut_short, picture
from sensor_msgs.msg import Image

pytestmark = OVER_DDS


@pytest.fixture(scope="module")
def shared(shared_rigs, bundle):
    return shared_rigs.start(model_path=bundle.root, instruction="push left", autostart=True)


@pytest.fixture
def robot(shared):
    """The module's robot, moving, whatever the test before left behind."""
    shared.drive()
    return shared.robot


@pytest.fixture
def log(shared):
    """What the node has logged since the test began."""
    start = len(shared.node.log)
    return lambda: shared.node.log[start:]


def test_images_at_30_hz_give_bounded_commands_at_100_hz(robot, bundle, machine):
    def listen():
        heard = robot.listen(3.0)
        assert all(command.moves for command in heard), "every input was fresh"
        sent = np.array([command.sent_s for command in heard])
        assert (len(sent) - 1) / (sent[-1] - sent[0]) == pytest.approx(100.0, rel=0.01)
        return heard

    heard = machine.undisturbed(listen)
    actions = np.array([command.action for command in heard])
    spec = bundle.spec.action
    assert np.isfinite(actions).all()
    assert ((actions >= spec.low) & (actions <= spec.high)).all()


def test_latents_tell_codes_age_and_instruction(robot):
    robot.latents.clear()
    robot.wait_until(lambda: len(robot.latents) > 20)
    assert all(len(latent["codes"]) == 2 for latent in robot.latents)
    assert all(0 <= latent["age_s"] < 1 for latent in robot.latents)
    assert {latent["instruction"] for latent in robot.latents} == {"push left"}


@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8"])
def test_these_encodings_drive(robot, encoding, padding):
    robot.stop_feed("image")
    robot.wait_for_command(moving=False)
    robot.feed_image(picture(encoding, padding=padding))
    robot.wait_for_command(moving=True)


@pytest.mark.parametrize("size", [(1, 1), (17, 5), (240, 320)])
def test_an_image_of_any_size_drives(robot, size):
    robot.stop_feed("image")
    robot.wait_for_command(moving=False)
    robot.feed_image(picture(height=size[0], width=size[1]))
    robot.wait_for_command(moving=True)


def wrong_step():
    image = picture()
    image.step -= 1
    return image


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: picture("16UC1"), "got '16UC1'"),
        (lambda: cut_short(picture()), "got 2303"),
        (wrong_step, "step"),
        (lambda: Image(encoding="rgb8"), "expected pixels"),
    ],
    ids=["depth", "cut short", "wrong step", "no pixels"],
)
def test_a_spoiled_image_is_refused_and_stops_the_robot(robot, log, build, complaint):
    robot.feed_image(build())
    robot.wait_for_command(moving=False, count=20)
    robot.wait_until(lambda: complaint in log())
    robot.feed_image()
    robot.wait_for_command(moving=True)


@pytest.mark.parametrize("stamp_s", [0.5, -2.0], ids=["future", "past"])
def test_an_image_stamped_in_the_future_or_long_ago_stops_the_robot(robot, log, stamp_s):
    robot.feed_image(stamp_s=stamp_s)
    robot.wait_for_command(moving=False, count=20)
    robot.wait_until(lambda: "stamp" in log())
    robot.feed_image()
    robot.wait_for_command(moving=True)


def test_a_joint_that_is_missing_stops_the_robot(robot):
    robot.feed_state((0.1, 0.3), ("joint_0", "joint_2"))
    robot.wait_for_command(moving=False, count=20)
    robot.feed_state()
    robot.wait_for_command(moving=True)


def test_joints_may_come_in_any_order_in_several_messages_among_others(robot):
    robot.stop_feed("state")
    robot.wait_for_command(moving=False)

    def send_parts():
        robot.send_state((0.3, 9.0), ("joint_2", "wheel"))
        robot.send_state((0.2, 0.1), ("joint_1", "joint_0"))

    robot.feed_with("state", send_parts)
    robot.wait_for_command(moving=True, count=30)


@pytest.mark.parametrize(
    ("positions", "names"),
    [
        ((0.1, float("nan"), 0.3), ("joint_0", "joint_1", "joint_2")),
        ((0.1, float("inf"), 0.3), ("joint_0", "joint_1", "joint_2")),
        ((0.1, 0.2), ("joint_0", "joint_1", "joint_2")),
    ],
    ids=["NaN", "infinite", "too few"],
)
def test_a_state_that_means_nothing_stops_the_robot(robot, positions, names):
    robot.feed_state(positions, names)
    robot.wait_for_command(moving=False, count=20)
    robot.feed_state()
    robot.wait_for_command(moving=True)


def test_an_instruction_changed_in_flight_is_followed_without_a_stop(robot, machine, log):
    def change():
        start = len(robot.commands)
        for words in ("reach right zebra", "push left"):
            robot.send_instruction(words)
            robot.wait_until(lambda words=words: robot.latents[-1]["instruction"] == words)
        assert all(command.moves for command in robot.commands[start:])

    machine.undisturbed(change)
    robot.wait_until(lambda: "zebra" in log())


def test_an_instruction_that_cannot_be_read_leaves_the_old_one(robot, log):
    robot.send_instruction("push\x07 right")
    robot.wait_until(lambda: "still following 'push left'" in log())
    robot.wait_for_command(moving=True, count=30)
    assert robot.latents[-1]["instruction"] == "push left"


@pytest.fixture(scope="module")
def shared_compressed(shared_rigs, bundle):
    return shared_rigs.start(
        model_path=bundle.root, instruction="push left", autostart=True, start_enabled=True,
        image_transport="compressed",
    )  # fmt: skip


def test_compressed_images_drive_and_a_broken_one_is_refused(shared_compressed):
    robot, node = shared_compressed.robot, shared_compressed.node
    robot.feed_state()
    for form in ("jpeg", "png"):
        robot.feed_image(compressed(form))
        robot.wait_for_command(moving=True, count=20)
        robot.feed_image(compressed(form, kept=0.5))
        robot.wait_for_command(moving=False, count=20)
    robot.feed_image()  # a raw one, which nobody listens to
    robot.feed_image(compressed("jpeg"))
    robot.wait_for_command(moving=True)
    assert "is cut off" in node.log
