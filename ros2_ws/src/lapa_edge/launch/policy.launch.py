"""Starts one policy node.

    ros2 launch lapa_edge policy.launch.py model_path:=/path/to/bundle instruction:="reach"

The node answers SIGINT with a last stop command, and that is what launch sends first.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

DEFAULT_PARAMS = PathJoinSubstitution([FindPackageShare("lapa_edge"), "config", "policy.yaml"])

# name, default (None: must be given), what it is
ARGUMENTS = (
    ("model_path", None, "Directory of the bundle that lapa-export wrote."),
    ("instruction", "", "What the robot is to do, in words."),
    ("namespace", "", "ROS namespace of the node and its topics."),
    ("use_sim_time", "false", "ROS time from /clock; the watchdogs keep to the monotonic clock."),
    ("params_file", DEFAULT_PARAMS, "YAML file with the node's other parameters."),
    ("autostart", "true", "Configure and activate the node as soon as it runs."),
    ("log_level", "info", "debug, info, warn, error or fatal."),
    ("python", "", "Interpreter that has lapa-edge installed; empty takes python3 from PATH."),
    ("image_topic", "image", "sensor_msgs/Image to look at."),
    ("state_topic", "state", "sensor_msgs/JointState with the robot's measured state."),
    ("command_topic", "command", "std_msgs/Float64MultiArray to drive."),
)


def generate_launch_description() -> LaunchDescription:
    """One node, its parameters from the file first and from the arguments second."""
    value = {name: LaunchConfiguration(name) for name, _, _ in ARGUMENTS}
    node = Node(
        package="lapa_edge",
        executable="policy_node",
        name="policy",
        namespace=value["namespace"],
        prefix=value["python"],
        output="screen",
        arguments=["--ros-args", "--log-level", value["log_level"]],
        parameters=[
            value["params_file"],
            # Typed, or an instruction such as "1" would arrive as a number.
            {
                "model_path": ParameterValue(value["model_path"], value_type=str),
                "instruction": ParameterValue(value["instruction"], value_type=str),
                "autostart": ParameterValue(value["autostart"], value_type=bool),
                "use_sim_time": ParameterValue(value["use_sim_time"], value_type=bool),
            },
        ],
        remappings=[(name, value[f"{name}_topic"]) for name in ("image", "state", "command")],
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, node])
