"""Every parameter of the node: name, default, unit, range, and when a change counts.

``fixed`` parameters are read-only for as long as the process lives, ``configure`` ones count at the
next configure and are refused until the node is cleaned up, ``live`` ones count at once. 0 and an
empty list mean: no limit beyond the bundle's own, or the bundle's own value. No ROS in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, get_args

from lapa_edge.runtime.backends.names import Backend, Device

Change = Literal["fixed", "configure", "live"]


class Empty(Enum):
    """An empty list, which says nothing of what it would hold."""

    STRINGS = "string[]"
    DOUBLES = "double[]"


STRINGS, DOUBLES = Empty.STRINGS, Empty.DOUBLES


@dataclass(frozen=True)
class Row:
    """One parameter.

    default: its type is the parameter's; `STRINGS` and `DOUBLES` are empty lists; unit: "" for
    words and counts; bounds: lowest and highest, both allowed; choices: of words.
    """

    name: str
    default: str | bool | int | float | Empty
    unit: str
    text: str
    change: Change
    bounds: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """What ``ros2 param describe`` tells."""
        choices = f" One of {', '.join(self.choices)}." if self.choices else ""
        return f"{self.text}{choices}" + (f" [{self.unit}]" if self.unit else "")


_AGE = (0.001, 10.0)
_SPEED = (0.0, 1000.0)
TABLE: tuple[Row, ...] = (
    Row("model_path", "", "", "Directory of the bundle that lapa-export wrote.", "configure"),
    Row("device", "cpu", "", "What runs the policy.", "fixed", choices=get_args(Device)),
    Row(
        "backend",
        "onnx",
        "",
        "What executes the policy's graph; tensorrt needs the device cuda.",
        "fixed",
        choices=get_args(Backend),
    ),
    Row("instruction", "", "", "What the robot is to do, in words.", "configure"),
    Row(
        "policy_rate",
        0.0,
        "Hz",
        "Looks per second at most; 0: the bundle's.",
        "configure",
        (0.0, 1000.0),
    ),
    Row(
        "control_rate",
        0.0,
        "Hz",
        "Commands per second, at least 1; 0: the bundle's.",
        "configure",
        (0.0, 1000.0),
    ),
    Row(
        "output_type",
        "joint_command",
        "",
        "What `command` carries.",
        "fixed",
        choices=("twist", "joint_trajectory", "joint_command"),
    ),
    Row("frame_id", "base_link", "", "Frame that a twist is given in.", "configure"),
    Row(
        "joint_names",
        STRINGS,
        "",
        "Order of the joints in commands; empty: the bundle's.",
        "configure",
    ),
    Row(
        "gripper_joint",
        "",
        "",
        "Action that is the gripper's; empty: the bundle says.",
        "configure",
    ),
    Row(
        "action_meaning",
        STRINGS,
        "",
        'What actions move where their names do not tell, e.g. "hand: translation_x m/s".',
        "configure",
    ),
    Row(
        "image_transport",
        "raw",
        "",
        "Which image topic is read.",
        "fixed",
        choices=("raw", "compressed"),
    ),
    Row(
        "expected_image_rate",
        0.0,
        "Hz",
        "Fewer images are a warning; 0: the policy's rate.",
        "live",
        (0.0, 1000.0),
    ),
    Row(
        "image_timeout",
        0.2,
        "s",
        "Age since receipt at which the newest image stops the robot.",
        "live",
        _AGE,
    ),
    Row(
        "state_timeout",
        0.2,
        "s",
        "Age since receipt at which the oldest joint stops the robot.",
        "configure",
        _AGE,
    ),
    Row(
        "max_observation_age",
        0.5,
        "s",
        "Age by header stamp at which an image stops the robot.",
        "live",
        _AGE,
    ),
    Row(
        "max_future_stamp",
        0.05,
        "s",
        "How far a header stamp may lie ahead of the clock.",
        "live",
        (0.0, 10.0),
    ),
    Row(
        "max_latent_age",
        0.0,
        "s",
        "Age at which a latent stops the robot; 0: the bundle's, never more.",
        "live",
        (0.0, 10.0),
    ),
    Row(
        "estop_timeout",
        0.0,
        "s",
        "Silence on `~/estop` that stops the robot; 0: it need not say anything.",
        "live",
        (0.0, 10.0),
    ),
    Row("chunk_timeout", 0.5, "s", "Age at which a published chunk stops the robot.", "live", _AGE),
    Row("max_linear_velocity", 0.0, "m/s", "Highest speed; 0: not limited.", "live", _SPEED),
    Row(
        "max_angular_velocity",
        0.0,
        "rad/s",
        "Highest turning speed; 0: not limited.",
        "live",
        _SPEED,
    ),
    Row(
        "max_acceleration",
        0.0,
        "m/s^2",
        "Highest change of velocity (rad/s^2 where it turns); 0: not limited.",
        "live",
        _SPEED,
    ),
    Row(
        "max_joint_step",
        0.0,
        "rad",
        "Farthest a joint's target moves in one control step; 0: not limited.",
        "live",
        _SPEED,
    ),
    Row(
        "workspace_min",
        DOUBLES,
        "m",
        "x, y, z of the box's lower corner; empty: not limited.",
        "live",
    ),
    Row(
        "workspace_max",
        DOUBLES,
        "m",
        "x, y, z of the box's upper corner; empty: not limited.",
        "live",
    ),
    Row(
        "joint_position_min",
        DOUBLES,
        "rad",
        "Lowest position of each joint; empty: not limited.",
        "live",
    ),
    Row(
        "joint_position_max",
        DOUBLES,
        "rad",
        "Highest position of each joint; empty: not limited.",
        "live",
    ),
    Row(
        "stale_action",
        "stop",
        "",
        "How the robot comes to rest.",
        "live",
        choices=("stop", "decelerate", "hold"),
    ),
    Row(
        "autostart",
        False,
        "",
        "Configure and activate at once; exit with status 1 if refused.",
        "fixed",
    ),
    Row(
        "start_enabled",
        False,
        "",
        "Whether activation enables motion without ~/enable.",
        "configure",
    ),
    Row("dry_run", False, "", "Publish on ~/command instead of command.", "fixed"),
    Row("inference_threads", 1, "", "ONNX Runtime threads of the policy.", "configure", (1, 64)),
    Row(
        "real_time_priority",
        0,
        "",
        "SCHED_FIFO priority of the control loop; 0: ordinary.",
        "configure",
        (0, 99),
    ),
    Row("cpu", -1, "", "The only core of the control loop; -1: any.", "configure", (-1, 1023)),
)
ROWS = {row.name: row for row in TABLE}
