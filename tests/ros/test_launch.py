"""The launch file: run for real where ROS 2's launch is installed, read with stand-ins elsewhere.

The stand-ins only check that the file runs, what it declares and what it hands to the node; that
the node then starts is for a machine with ``ros2 launch``.
"""

import importlib.util
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

PACKAGE = Path(__file__).parents[2] / "ros2_ws/src/lapa_edge"
LAUNCH_FILE = PACKAGE / "launch/policy.launch.py"
DECLARED = {
    "model_path", "instruction", "namespace", "use_sim_time", "params_file", "autostart",
    "log_level", "python", "image_topic", "state_topic", "command_topic",
}  # fmt: skip


class Call:
    """Stands in for any class of launch: remembers what it was made with."""

    def __init__(self, *arguments, **named):
        self.arguments, self.named = arguments, named


@pytest.fixture
def described(monkeypatch):
    """The launch description, made with stand-ins for launch and launch_ros."""
    classes = {
        "launch": ["LaunchDescription"],
        "launch.actions": ["DeclareLaunchArgument"],
        "launch.substitutions": ["LaunchConfiguration", "PathJoinSubstitution"],
        "launch_ros": [],
        "launch_ros.actions": ["Node"],
        "launch_ros.parameter_descriptions": ["ParameterValue"],
        "launch_ros.substitutions": ["FindPackageShare"],
    }
    for module_name, names in classes.items():
        module = ModuleType(module_name)
        for name in names:
            setattr(module, name, type(name, (Call,), {}))
        monkeypatch.setitem(sys.modules, module_name, module)
    description = runpy.run_path(str(LAUNCH_FILE))["generate_launch_description"]()
    return description.arguments[0]


def test_every_argument_is_declared_and_only_the_model_must_be_given(described):
    declared = {a.arguments[0]: a.named for a in described if "description" in a.named}
    assert declared.keys() == DECLARED
    required = [name for name, named in declared.items() if named["default_value"] is None]
    assert required == ["model_path"]


def test_every_argument_reaches_the_node(described):
    node = described[-1]

    def configurations(value):
        if type(value).__name__ == "LaunchConfiguration":
            return {value.arguments[0]}
        if isinstance(value, Call):
            value = [*value.arguments, *value.named.values()]
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            return set().union(*map(configurations, value))
        return set()

    assert configurations(node) == DECLARED
    assert node.named["package"] == "lapa_edge"
    assert node.named["executable"] == "policy_node"


@pytest.mark.skipif(
    importlib.util.find_spec("launch_ros") is None,
    reason="launch_ros is not installed: the launch file was only read with stand-ins",
)
def test_launch_accepts_the_file():
    sources = importlib.import_module("launch.launch_description_sources")
    description = sources.get_launch_description_from_python_launch_file(str(LAUNCH_FILE))
    assert {a.name for a in description.get_launch_arguments()} == DECLARED


def test_the_parameter_file_names_only_parameters_that_exist():
    pytest.importorskip("rclpy", reason="rclpy is missing: the table of parameters needs it")
    table = importlib.import_module("lapa_edge_ros.parameters").TABLE
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with rclpy")
    file = yaml.safe_load((PACKAGE / "config/policy.yaml").read_text())["/**"]["ros__parameters"]
    defaults = {name: default for name, default, _, _ in table}
    assert file == {name: defaults[name] for name in file}
