"""Starts one policy node.

    ros2 launch lapa_edge policy.launch.py model_path:=/path/to/bundle instruction:="reach"

What an argument leaves empty is as the parameter file has it. The node answers SIGINT, which is
what launch sends first, with stop commands.
"""

import shlex
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

# Arguments that are parameters of the node. Typed, or an instruction "1" would come as a number.
PARAMETERS = {
    "model_path": (str, "", "Directory of the bundle that lapa-export wrote."),
    "instruction": (str, "", "What the robot is to do, in words."),
    "image_transport": (str, "", "raw or compressed."),
    "autostart": (bool, "true", "Configure and activate the node as soon as it runs."),
    "start_enabled": (bool, "", "Let it move without a call of ~/enable."),
    "dry_run": (bool, "", "Publish on ~/command instead of command."),
    "use_sim_time": (bool, "false", "ROS time from /clock; time-outs keep to the monotonic clock."),
}
TOPICS = {
    "image_topic": ("image", "Camera image; its compressed form is looked for below it."),
    "joint_states_topic": ("joint_states", "sensor_msgs/JointState as measured."),
    "command_topic": ("command", "What drives the robot."),
}
OTHERS = {
    "namespace": ("", "ROS namespace of the node and its topics."),
    "params_file": ("policy.yaml", "Parameters; a path, or a file of the package's config folder."),
    "log_level": ("info", "debug, info, warn, error or fatal."),
    "python": ("", "Interpreter that has lapa-edge installed; empty: python3 from PATH."),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the node is made once their values are known."""
    parameters = {name: rest for name, (_, *rest) in PARAMETERS.items()}
    return LaunchDescription(
        [
            DeclareLaunchArgument(name, default_value=default, description=description)
            for name, (default, description) in {**parameters, **TOPICS, **OTHERS}.items()
        ]
        + [OpaqueFunction(function=make_node)]
    )


def make_node(context) -> list[Node]:
    """The node: its parameters from the file first, from the arguments second."""

    def said(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, (kind, _, _) in PARAMETERS.items()
        if said(name)
    }
    image = said("image_topic")
    return [
        Node(
            package="lapa_edge",
            executable="policy_node",
            name="policy",
            namespace=said("namespace"),
            prefix=shlex.quote(said("python")) if said("python") else None,
            output="screen",
            ros_arguments=["--log-level", said("log_level")],
            parameters=[str(find_config(said("params_file"))), given],
            remappings=[
                ("image", image),
                ("image/compressed", f"{image}/compressed"),
                ("joint_states", said("joint_states_topic")),
                ("command", said("command_topic")),
            ],
        )
    ]


def find_config(name: str) -> Path:
    """A parameter file by its path, or one of the package by its name.

    launch only warns of a file that is missing, and would start the node without its limits.
    """
    packaged = Path(get_package_share_directory("lapa_edge")) / "config" / name
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if packaged.is_file():
        return packaged
    raise FileNotFoundError(f"params_file: neither {path} nor {packaged} is there")
