"""Plays a recorded bag through the policy node and compares its actions with those recorded.

    ros2 launch lapa_edge replay.launch.py bag:=run.mcap model_path:=/path/to/bundle \
        instruction:="reach" actions:=/servo/delta_twist_cmds report:=replay.json

The node runs `dry_run`: nothing is published where a robot listens. The launch ends with the bag;
it fails where the replay does, or finds errors above `max_error`.
"""

import shlex
from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

# Flags of the program `replay` that are given on where they are not empty.
REPLAY = {
    "image": "Image topic in the bag; empty: the first by name.",
    "joint_states": "JointState topic in the bag; empty: the first that ends in joint_states.",
    "actions": "Topic in the bag with the recorded commands; empty: the first that could be.",
    "rate": "Speed; 1 is the bag's own pace.",
    "max_error": "Mean absolute error of any dimension from which on the replay fails.",
    "report": "JSON file to write.",
}
NODE = {
    "model_path": "Directory of the bundle that lapa-export wrote.",
    "instruction": "What the robot is to do, in words.",
    "image_transport": "raw or compressed, as in the bag.",
    "params_file": "Parameters of the node; a path, or a file of the package's config folder.",
    "namespace": "ROS namespace of the node and its topics.",
    "log_level": "debug, info, warn, error or fatal.",
    "python": "Interpreter that has lapa-edge installed; empty: python3 from PATH.",
}
# The player is the camera here, whose process needs room for its images.
PROFILE = Path(__file__).parents[1] / "config" / "fastdds_images.xml"
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
DEFAULTS = {"params_file": "policy.yaml", "log_level": "info"}


def generate_launch_description() -> LaunchDescription:
    """The policy node without hands, and the player, whose end ends both."""
    node = {name: LaunchConfiguration(name) for name in NODE}
    node |= {"dry_run": "true", "start_enabled": "true", "autostart": "true"}
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="An .mcap file or a rosbag2 folder."),
            *(
                DeclareLaunchArgument(
                    name, default_value=DEFAULTS.get(name, ""), description=description
                )
                for name, description in {**REPLAY, **NODE}.items()
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(Path(__file__).with_name("policy.launch.py"))),
                launch_arguments=node.items(),
            ),
            OpaqueFunction(function=make_replay),
        ]
    )


def make_replay(context) -> list[Node]:
    """The player, with what was said of it."""

    def said(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    flags = [
        word
        for name in REPLAY
        if said(name)
        for word in (f"--{name.replace('_', '-')}", said(name))
    ]
    return [
        Node(
            package="lapa_edge",
            executable="replay",
            name="replay",
            namespace=said("namespace"),
            prefix=shlex.quote(said("python")) if said("python") else None,
            output="screen",
            arguments=[said("bag"), *flags],
            additional_env=dict.fromkeys(PROFILE_VARIABLES, str(PROFILE)),
            on_exit=end_launch,
        )
    ]


def end_launch(event, context) -> list[Shutdown]:
    """End the node with the replay; an exception is what makes launch itself fail."""
    if event.returncode:
        raise RuntimeError(f"replay failed with exit status {event.returncode}")
    return [Shutdown(reason="the bag is played")]
