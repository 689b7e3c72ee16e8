"""What every module that speaks over DDS imports first: it is skipped where rclpy is missing."""

import pytest

pytest.importorskip(
    "rclpy",
    reason="rclpy is missing: pip install ros-jazzy-rclpy ros-jazzy-common-interfaces "
    "ros-jazzy-rmw-fastrtps-cpp",
)
# A parser that rclpy brings along imports sre_parse.
OVER_DDS = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
