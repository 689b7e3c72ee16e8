"""``ros2 run lapa_edge replay``: a bag through the running node, its actions beside those recorded.

    bag -> image, joint_states -> [node, dry_run] -> ~/command -> table, JSON, exit status

The node must run already (``replay.launch.py`` starts both) with ``dry_run`` and enabled. Messages
are stamped anew, since the node refuses old images; they keep the distances they were recorded at.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import rclpy
import tyro
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.utilities import remove_ros_args
from std_msgs.msg import String

from lapa_edge.cli.command import run_command
from lapa_edge.data.bags.file import Bag, opened_bag
from lapa_edge.errors import ConfigError, DataError
from lapa_edge_ros.replay_bag import (
    COMMANDS,
    IMAGES,
    JOINTS,
    Topics,
    action_of,
    choose_topics,
    read_actions,
)
from lapa_edge_ros.replay_compare import Comparison, collect_actions, compare_actions

if TYPE_CHECKING:
    from rclpy.node import Node

logger = logging.getLogger("lapa_edge.replay")

DESCRIPTION = """Play a bag's images and joint states through the policy node, and compare.

Each recorded action is compared with the node's nearest in time. The node's own time-outs run in
real time: slower than its image_timeout allows, it stands still."""
LINGER_S = 0.5  # for the commands that the last image brings about


@dataclass(frozen=True)
class ReplayFlags:
    """Flags of replay."""

    bag: Annotated[Path, tyro.conf.Positional]
    """An .mcap or .db3 file, or a rosbag2 folder."""
    image: str = ""
    """Image topic in the bag; the first by name where empty."""
    joint_states: str = ""
    """JointState topic in the bag; the first that ends in joint_states where empty."""
    actions: str = ""
    """Topic of the recorded actions: TwistStamped, JointTrajectory (its first point),
    Float64MultiArray, or JointState; the first of the former three where empty."""
    rate: float = 1.0
    """Speed of the replay; 1 is the bag's own pace."""
    match: float = 0.1
    """Seconds of the bag that two actions may lie apart to be compared."""
    max_error: float | None = None
    """Mean absolute error of any dimension from which on the exit status is 1."""
    report: Path | None = None
    """Also write the comparison to this JSON file."""
    node: str = "policy"
    """Name of the node."""
    wait: float = 30.0
    """Seconds that the node may take to listen."""


def main() -> int:
    """Entry point; the exit status is 1 for errors and above --max-error."""
    words = remove_ros_args()[1:]
    stopped = "stopped; nothing was compared"
    return run_command(replay, ReplayFlags, "replay", DESCRIPTION, words, stopped=stopped)


def replay(flags: ReplayFlags) -> None:
    """Play, compare, print, write.

    Raises:
        ConfigError, DataError: a flag or a bag that does not fit, or errors above the limit.
    """
    if not 0 < flags.rate < float("inf"):
        raise ConfigError("rate", f"expected a positive number, got {flags.rate}")
    rclpy.init()
    try:
        with opened_bag(flags.bag) as bag:
            topics = choose_topics(bag, flags.image, flags.joint_states, flags.actions)
            recorded = read_actions(bag, topics.actions)
            player = Player(rclpy.create_node("replay"), bag, topics, flags)
            player.wait_for_node()
            player.play()
        found = compare_actions(recorded, player.actions(), flags.match)
    except ExternalShutdownException as error:
        raise KeyboardInterrupt from error
    finally:
        rclpy.try_shutdown()
    _tell(found, player, topics, flags)
    if flags.max_error is not None and not found.worst.mean_error < flags.max_error:
        worst = found.worst
        raise DataError(
            f"replay {flags.bag}",
            f"{worst.name} is off by {worst.mean_error:.4g} on average, expected below "
            f"{flags.max_error:g}",
        )


class Player:
    """The bag's camera and joints on the topics that the node reads; notes what it commands."""

    def __init__(self, node: Node, bag: Bag, topics: Topics, flags: ReplayFlags) -> None:
        self._node, self._bag, self._topics, self._flags = node, bag, topics, flags
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._started_s = 0.0  # monotonic, the bag's first message
        self._heard: list[tuple[float, tuple[str, ...], Sequence[float]]] = []
        self._looked = False
        self.images = 0
        self.late_s = 0.0  # at worst

        kind = next(c.msgtype for c in bag.reader.connections if c.topic == topics.image)
        camera = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._image_name = "image" if kind.endswith("/Image") else "image/compressed"
        self._publishers = {
            topics.image: node.create_publisher(IMAGES[kind], self._image_name, camera)
        }
        if topics.joint_states:
            self._publishers[topics.joint_states] = node.create_publisher(
                *JOINTS.values(), "joint_states", 10
            )
        self._command_name = f"{flags.node}/command"

    def wait_for_node(self) -> None:
        """Until the node reads the images and offers its commands.

        Raises:
            ConfigError: it does not, in time.
        """
        camera = self._publishers[self._topics.image]
        self._wait(
            lambda: camera.get_subscription_count() > 0,
            f"nobody reads {self._image_name}",
            "start the node with image_transport:="
            + ("raw" if self._image_name == "image" else "compressed"),
        )
        self._wait(
            lambda: self._command_type() is not None,
            f"nobody writes {self._command_name}",
            "start the node with dry_run:=true",
        )
        self._node.create_subscription(
            COMMANDS[str(self._command_type())], self._command_name, self._note, 1000
        )
        self._node.create_subscription(String, f"{self._flags.node}/latent", self._see, 10)
        self._listen_until(time.monotonic() + LINGER_S)  # until the two have found each other

    def play(self) -> None:
        """Every message at its time, and the node's answers meanwhile."""
        self._started_s = time.monotonic()
        topics = tuple(self._publishers)
        for time_ns, topic, kind, data in self._bag.records(*topics):
            due_s = (time_ns - self._bag.reader.start_time) / 1e9 / self._flags.rate
            self._listen_until(self._started_s + due_s)
            self.late_s = max(self.late_s, time.monotonic() - self._started_s - due_s)
            message = rclpy.serialization.deserialize_message(data, {**IMAGES, **JOINTS}[kind])
            message.header.stamp = self._node.get_clock().now().to_msg()
            self._publishers[topic].publish(message)
            self.images += topic == self._topics.image
        self._listen_until(time.monotonic() + LINGER_S)

    def actions(self) -> Any:
        """What the node commanded, timed in the bag's seconds.

        Raises:
            DataError: it commanded nothing.
        """
        return collect_actions(self._command_name, self._heard)

    def _see(self, latent: String) -> None:
        self._looked = True

    def _note(self, message: Any) -> None:
        if not self._looked:
            return  # it stands still, which is no answer to any image
        time_s = (time.monotonic() - self._started_s) * self._flags.rate
        self._heard.append((time_s, *action_of(message)))

    def _command_type(self) -> str | None:
        wanted = self._node.resolve_topic_name(self._command_name)
        types = dict(self._node.get_topic_names_and_types()).get(wanted, [])
        return next((kind for kind in types if kind in COMMANDS), None)

    def _wait(self, reached: Callable[[], bool], problem: str, fix: str) -> None:
        end_s = time.monotonic() + self._flags.wait
        while not reached():
            if time.monotonic() > end_s:
                raise ConfigError(
                    f"node {self._flags.node}", f"{problem} after {self._flags.wait:g} s", fix
                )
            self._executor.spin_once(timeout_sec=0.1)

    def _listen_until(self, time_s: float) -> None:
        while (left_s := time_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)


def _tell(found: Comparison, player: Player, topics: Topics, flags: ReplayFlags) -> None:
    """The table on the terminal, and the JSON file."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{topics.actions} and the node's actions", title_justify="left")
    table.add_column("dimension")
    for name in ("mean error", "max error", "correlation"):
        table.add_column(name, justify="right")
    for row in found.dimensions:
        alike = "-" if row.correlation is None else f"{row.correlation:.3f}"
        table.add_row(row.name, f"{row.mean_error:.4g}", f"{row.max_error:.4g}", alike)
    Console().print(table)
    logger.info(
        "%d images; %d actions compared, %d without one of the node's within %g s; "
        "at most %.3f s late",
        player.images, found.matched, found.unmatched, flags.match, player.late_s,
    )  # fmt: skip
    if flags.report:
        told = {
            "bag": str(flags.bag),
            "topic": topics.actions,
            "rate": flags.rate,
            "match_s": flags.match,
            "images": player.images,
            "late_s": player.late_s,
            **found.plain(),
        }
        flags.report.write_text(json.dumps(told, indent=2) + "\n")
