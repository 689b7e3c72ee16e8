"""A recorded bag through the installed node, by the installed launch file, over real DDS."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="NOT CHECKED: rclpy is not installed")
pytest.importorskip("rosbags", reason="NOT CHECKED: rosbags is not installed")
from bags import CAMERA, COMMANDS, JOINTS, POSITIONS, frames, write_bag
from lapa_edge_ros.replay_bag import choose_topics, read_actions
from launched import Launched

from lapa_edge.data.bags.file import opened_bag
from lapa_edge.errors import ConfigError, DataError

# A parser that rclpy brings along imports sre_parse.
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
REPLAY_S = 60.0  # two seconds of bag, two starting processes, one slow shared machine


@pytest.fixture(scope="module")
def demonstrated(bundle):
    """What the bundle itself does at each image: f64 [images, a]."""
    from lapa_edge.artifact import load_bundle
    from lapa_edge.runtime.session import Session

    session = Session(load_bundle(bundle), "push")
    actions = []
    for i, frame in enumerate(frames()):
        session.accept(session.look(frame, i / 20))
        actions.append(session.act(np.array(POSITIONS, np.float32), i / 20 + 0.01).action)
    assert np.ptp(actions, axis=0).min() > 0.01, "a bundle that does not look shows nothing here"
    return np.array(actions, np.float64)


@pytest.fixture
def replay(share, ros_environment, bundle, tmp_path):
    """A function that replays a bag with arguments: exit status, report or None, output."""
    started = []

    def run(bag, **values):
        report = tmp_path / "report.json"
        log = tmp_path / "log"
        file = share / "launch" / "replay.launch.py"
        values = {"instruction": "push", "report": report, **values}
        started.append(Launched(file, log, ros_environment, bag=bag, model_path=bundle, **values))
        status = started[-1].wait(REPLAY_S)
        told = json.loads(report.read_text()) if report.is_file() else None
        return status, told, log.read_text()

    yield run
    for launched in started:
        launched.kill()


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_the_node_does_again_what_it_demonstrated(replay, demonstrated, tmp_path, transport):
    if transport == "compressed":
        pytest.importorskip("cv2", reason="NOT CHECKED: OpenCV is not installed")
    spread = np.ptp(demonstrated, axis=0).max()
    bag = write_bag(tmp_path / "bag", demonstrated, compressed=transport == "compressed")
    status, told, output = replay(bag, max_error=spread / 4, image_transport=transport)
    assert status == 0, output
    assert told["images"] == len(frames())
    assert told["matched"] > len(demonstrated) / 2
    for dimension in told["dimensions"]:
        assert dimension["correlation"] > 0.9
        assert dimension["mean_error"] <= dimension["max_error"]


def test_errors_above_the_limit_fail_the_launch(replay, demonstrated, tmp_path):
    bag = write_bag(tmp_path / "bag", demonstrated + 5.0)
    status, told, output = replay(bag, max_error=1.0, rate=2.0)
    assert status == 1
    assert min(dimension["mean_error"] for dimension in told["dimensions"]) > 3.0
    assert "is off by" in output


def test_without_a_node_the_replay_says_who_is_missing(
    share, ros_environment, demonstrated, tmp_path
):
    program = share.parents[1] / "lib" / "lapa_edge" / "replay"
    bag = write_bag(tmp_path / "bag", demonstrated)
    done = subprocess.run(
        [program, bag, "--wait", "0.5"], env=ros_environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "nobody reads image after 0.5 s; start the node" in done.stderr


def test_topics_are_found_by_type(demonstrated, tmp_path):
    with opened_bag(write_bag(tmp_path / "bag", demonstrated)) as bag:
        topics = choose_topics(bag, "", "", "")
        assert (topics.image, topics.joint_states, topics.actions) == (CAMERA, JOINTS, COMMANDS)
        leader = choose_topics(bag, "", "", JOINTS)  # a leader arm's joints are commands too
        assert read_actions(bag, leader.actions).names == ("joint_0", "joint_1", "joint_2")
        recorded = read_actions(bag, topics.actions)
    np.testing.assert_array_equal(recorded.values, demonstrated)
    np.testing.assert_allclose(recorded.times_s, np.arange(len(frames())) / 20, atol=1e-6)


@pytest.mark.parametrize("flag", ["image", "joint_states", "actions"])
def test_a_topic_that_the_bag_lacks_is_named_with_those_it_has(flag, demonstrated, tmp_path):
    wanted = {"image": "", "joint_states": "", "actions": "", flag: "/wrong"}
    known = {"image": CAMERA, "joint_states": JOINTS, "actions": COMMANDS}[flag]
    refused = pytest.raises(ConfigError, match=f"^{flag}: .*got /wrong; use .*{known}")
    with opened_bag(write_bag(tmp_path / "bag", demonstrated)) as bag, refused:
        choose_topics(bag, **wanted)


def test_recorded_actions_that_are_not_finite_are_refused(demonstrated, tmp_path):
    broken = demonstrated.copy()
    broken[3, 0] = np.nan
    refused = pytest.raises(DataError, match=r"not finite 0\.150 s")
    with opened_bag(write_bag(tmp_path / "bag", broken)) as bag, refused:
        read_actions(bag, COMMANDS)
