"""The node as its users run it: a process of its own, spoken to over real DDS on loopback."""

import os
import random
import sys
from pathlib import Path

import pytest
from bundles import write_tiny_bundle

PACKAGE = Path(__file__).parents[2] / "ros2_ws/src/lapa_edge"
sys.path[:0] = [str(PACKAGE), str(Path(__file__).parent)]


@pytest.fixture(scope="session")
def ros_environment():
    """Environment in which nothing leaves this machine and no other session is heard."""
    os.environ |= {
        "ROS_DOMAIN_ID": str(random.randint(1, 100)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "PYTHONPATH": str(PACKAGE),
    }
    os.environ.pop("ROS_LOCALHOST_ONLY", None)
    return dict(os.environ)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of three joints and two velocities, 20 Hz looks, 50 Hz commands.

    Its latents may be 10 s old, so that a test of the node's own watchdogs tests those.
    """
    return write_tiny_bundle(tmp_path_factory.mktemp("ros") / "tiny", max_latent_age_s=10.0)


@pytest.fixture
def robot(ros_environment):
    """The other side of the topics: camera, joints, and ears for commands."""
    pytest.importorskip("rclpy", reason="rclpy is missing: pip install ros-jazzy-rclpy ...")
    from fake_robot import FakeRobot

    with FakeRobot() as fake:
        yield fake


@pytest.fixture
def start_node(ros_environment):
    """A function that starts the node with parameters; whatever still runs is ended."""
    from node_process import NodeProcess

    started = []

    def start(**parameters):
        started.append(NodeProcess(ros_environment, parameters))
        return started[-1]

    yield start
    for process in started:
        process.kill()
