"""The node as its users run it: a process of its own, spoken to over real DDS on loopback."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import environment

environment.find_modules()


@pytest.fixture(scope="session")
def ros_environment():
    """Environment of every process that is to hear the others."""
    return environment.enter_domain()


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """A bundle of three joint velocities, see `robot_bundles`."""
    from robot_bundles import write_joint_bundle

    return write_joint_bundle(tmp_path_factory.mktemp("ros") / "joints")


def _open_rigs(variables):
    pytest.importorskip("rclpy", reason="rclpy is missing: pip install ros-jazzy-rclpy ...")
    from rigs import Rigs

    return Rigs(variables, tell=print)  # pytest shows it where a test fails


@pytest.fixture(scope="session")
def machine():
    """What knows whether a measurement of milliseconds is void."""
    from machine import Machine

    with Machine() as watched:
        yield watched


@pytest.fixture
def rigs(ros_environment):
    """Where a test starts robots and nodes of its own."""
    with _open_rigs(ros_environment) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_rigs(ros_environment):
    """Where a module starts robots and nodes that its tests share."""
    with _open_rigs(ros_environment) as opened:
        yield opened
