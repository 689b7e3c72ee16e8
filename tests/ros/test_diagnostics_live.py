"""What the running node tells of itself on /diagnostics, and what it makes of a lossy camera."""

import subprocess
import sys
from pathlib import Path

import pytest
from dds import OVER_DDS
from environment import PACKAGE
from rclpy.qos import QoSProfile, ReliabilityPolicy

pytestmark = OVER_DDS

CAMERA = Path(__file__).with_name("camera.py")
PROFILE = PACKAGE / "config/fastdds_images.xml"
FRAMES = 150  # five seconds
OK, WARN, ERROR = 0, 1, 2


@pytest.fixture(scope="module")
def shared(shared_rigs, bundle):
    return shared_rigs.start(model_path=bundle.root, instruction="push left", autostart=True)


def test_a_node_that_drives_is_well_and_tells_its_rates_ages_and_counts(shared):
    shared.drive()
    shared.robot.listen(2.0)
    told = shared.robot.wait_for_diagnosis(lambda told: told.level == OK)
    assert told.message == "moving"
    numbers = {name: float(value) for name, value in told.values.items() if _is_number(value)}
    assert numbers["image rate (Hz)"] == pytest.approx(30, rel=0.15)  # as our camera is
    assert numbers["control rate (Hz)"] == pytest.approx(100, rel=0.05)
    assert 0 <= numbers["image age (ms)"] < 200
    assert 0 <= numbers["policy p50 (ms)"] <= numbers["policy p99 (ms)"]
    assert 0 <= numbers["control jitter p50 (ms)"] <= numbers["control jitter p99 (ms)"]
    assert 0 < numbers["latent age (ms)"] < 500
    assert 0 < numbers["observation to command p50 (ms)"] < 500
    assert numbers["images received"] > 30
    assert "onnx" in told.values["backend"]


def _is_number(text):
    return text.replace(".", "", 1).replace("-", "", 1).isdigit()


def test_diagnostics_come_once_a_second(shared):
    start = len(shared.robot.diagnostics)
    shared.robot.listen(4.0)
    assert len(shared.robot.diagnostics) - start == pytest.approx(4, abs=1)


def test_stops_are_counted_by_their_reason(shared):
    shared.drive()
    before = shared.robot.wait_for_diagnosis(lambda told: told.level == OK).values
    shared.robot.send_estop(True)
    told = shared.robot.wait_for_diagnosis(lambda told: told.level == WARN)
    assert "stop" in told.message
    assert int(told.values["stops: estop"]) > int(before["stops: estop"])
    assert told.values["stops: image_age"] == before["stops: image_age"]


def test_a_joint_of_which_there_is_no_news_is_an_error_that_names_it(shared):
    shared.drive()
    shared.robot.feed_state((0.1, 0.3), ("joint_0", "joint_2"))
    told = shared.robot.wait_for_diagnosis(lambda told: told.level == ERROR)
    assert "joint_1" in told.message
    shared.robot.feed_state()


def run_camera(rigs, ros_environment, bundle, profile):
    """A rig that a 640x480 camera of its own feeds, and what of the camera a listener got."""
    rig = rigs.start(
        model_path=bundle.root, instruction="push left", autostart=True, start_enabled=True
    )
    rig.robot.feed_state()
    # As deep as the whole film: what is missing was lost on the way, not here.
    film = QoSProfile(depth=FRAMES, reliability=ReliabilityPolicy.BEST_EFFORT)
    numbers = rig.robot.note_frames(film)
    rig.robot.wait_for_command(moving=False)
    variables = ros_environment | profile
    camera = subprocess.Popen(
        [sys.executable, CAMERA, rig.robot.namespace, str(FRAMES)], env=variables
    )
    return rig, numbers, camera


def test_a_640x480_camera_with_the_profile_loses_nothing(rigs, ros_environment, bundle):
    profile = {"FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE)}
    profile["FASTDDS_DEFAULT_PROFILES_FILE"] = str(PROFILE)  # the same, since Kilted
    rig, numbers, camera = run_camera(rigs, ros_environment, bundle, profile)
    told = rig.robot.wait_for_diagnosis(lambda told: told.level == OK)
    assert float(told.values["image rate (Hz)"]) > 27
    assert camera.wait(30) == 0
    assert numbers == list(range(FRAMES))


def test_without_the_profile_the_diagnostics_name_the_cause(rigs, ros_environment, bundle):
    # Its segment is as small as Fast DDS makes it, and none of the machine's settings helps.
    plain = {"FASTRTPS_DEFAULT_PROFILES_FILE": "", "FASTDDS_DEFAULT_PROFILES_FILE": ""}
    rig, numbers, camera = run_camera(rigs, ros_environment, bundle, plain)
    told = rig.robot.wait_for_diagnosis(lambda told: "fastdds_images.xml" in told.message)
    assert told.level in {WARN, ERROR}
    assert "shared-memory" in told.message
    assert camera.wait(30) == 0
    assert len(numbers) < FRAMES, "nothing was lost, so nothing was shown"
