"""What `colcon test` runs: the installed package, its files, and a replay over real DDS.

The tests that start something want the workspace installed and sourced, as `colcon test` has it,
and an interpreter with lapa-edge. Bundles are written by a helper in the repository's tests.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
REPOSITORY_TESTS = PACKAGE.parents[2] / "tests"
sys.path[:0] = [str(PACKAGE), str(Path(__file__).parent), str(REPOSITORY_TESTS)]


@pytest.fixture(scope="session")
def package() -> Path:
    """The package's sources."""
    return PACKAGE


@pytest.fixture(scope="session")
def share() -> Path:
    """The installed package's share folder."""
    index = pytest.importorskip("ament_index_python.packages", reason="NOT CHECKED: no ROS 2 here")
    try:
        return Path(index.get_package_share_directory("lapa_edge"))
    except index.PackageNotFoundError:
        pytest.skip("NOT CHECKED: the workspace is not sourced; run it through colcon test")


@pytest.fixture(scope="session")
def ros_environment() -> dict[str, str]:
    """Environment in which nothing leaves this machine and no other session is heard."""
    os.environ |= {
        "ROS_DOMAIN_ID": str(random.randint(1, 100)),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        # `python3` is the interpreter that runs the tests, as in an activated environment.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    os.environ.pop("ROS_LOCALHOST_ONLY", None)
    return dict(os.environ)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """A bundle of three joints and two velocities, 20 Hz looks, 50 Hz commands."""
    if not (REPOSITORY_TESTS / "bundles.py").is_file():
        pytest.skip("NOT CHECKED: the repository's tests, which write bundles, are not here")
    pytest.importorskip("lapa_edge", reason="NOT CHECKED: lapa-edge is not installed")
    pytest.importorskip("onnx", reason="NOT CHECKED: onnx is not installed")
    from bundles import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("ros") / "tiny").root
