"""What the node says to controllers: one class per ``output_type``.

Each gives, tick by tick, the messages to publish: a command where one is due, a gripper's command
where the bundle has a gripper that the command's own message has no room for. Whatever is not
finite here is a bug of ours and raises; the publisher's thread then sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import TwistStamped, Vector3
from numpy.typing import NDArray
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from lapa_edge.runtime.motion_gate.facts import Facts
from lapa_edge.runtime.motion_gate.gate import GatedCommand
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning
from lapa_edge_ros.chunks import ChunkPlan, ChunkSource
from lapa_edge_ros.drive import Drive
from lapa_edge_ros.settings import Settings

TRANSLATION = ("translation_x", "translation_y", "translation_z")
ROTATION = ("rotation_x", "rotation_y", "rotation_z")


class Output(Protocol):
    """One way to tell a controller; ``kind`` is the message's class."""

    kind: type

    def forget(self) -> None:
        """A new episode: what was told and where the robot stood are of the last one."""

    def message(self, command: GatedCommand, facts: Facts, stamp: Time) -> object | None:
        """What to publish in this tick; None where nothing is due."""


class TwistOutput:
    """Velocities for moveit_servo, stamped with the time of publishing: it drops older ones."""

    kind = TwistStamped

    def __init__(self, meaning: ActionMeaning, frame_id: str) -> None:
        self._frame_id = frame_id
        self._linear = meaning.dims(*TRANSLATION)
        self._angular = meaning.dims(*ROTATION)

    def forget(self) -> None:
        """Nothing is kept."""

    def message(self, command: GatedCommand, facts: Facts, stamp: Time) -> TwistStamped:
        """m/s and rad/s in ``frame_id``; an axis that no action moves is 0."""
        velocity = _finite(command.velocity)
        message = TwistStamped()
        message.header.stamp, message.header.frame_id = stamp, self._frame_id
        message.twist.linear = _vector(velocity, self._linear)
        message.twist.angular = _vector(velocity, self._angular)
        return message


class JointCommandOutput:
    """Numbers for forward_command_controller, in the order of its joints.

    Positions of "absolute" actions and grippers' commands as they are, rad/s and m/s of what moves
    by velocity or displacement: a controller has no use for a displacement per step.

    A gripper that is commanded, not positioned, cannot be told to stay as it is, and may hold
    something; the message has no room for silence about it alone. So where there is one, nothing is
    said before the robot is told to move.
    """

    kind = Float64MultiArray

    def __init__(self, meaning: ActionMeaning, names: Sequence[str], order: Sequence[int]) -> None:
        self._names, self._order = tuple(names), list(order)
        self._as_is = np.array(
            [
                absolute or moves in ("gripper", "other")
                for moves, absolute in zip(meaning.moves, meaning.absolute, strict=True)
            ]
        )
        self._grips = any(
            meaning.moves[i] == "gripper" and not meaning.absolute[i] for i in self._order
        )
        self.forget()

    def forget(self) -> None:
        """What the gripper was told is of the last episode."""
        self._told = False

    def message(self, command: GatedCommand, facts: Facts, stamp: Time) -> Float64MultiArray | None:
        """One number per joint; the layout's one dimension is labelled with their names."""
        self._told |= command.stopped is None
        if self._grips and not self._told:
            return None
        values = np.where(self._as_is, command.action, command.velocity)[self._order]
        return array_message(self._names, values)


class TrajectoryOutput:
    """The whole chunk for joint_trajectory_controller when a latent brings one, else a hold.

    Args:
        source: plays the chunks.
        plan: brings them into the limits.
        meaning: of the actions.
        names, order: the controller's joints, and the action that moves each.
        step_s: between two points of a chunk.
        warn: told why a chunk is not played although the robot may move.
    """

    kind = JointTrajectory

    def __init__(
        self,
        source: ChunkSource,
        plan: ChunkPlan,
        meaning: ActionMeaning,
        names: Sequence[str],
        order: Sequence[int],
        step_s: float,
        warn: Callable[[str], None],
    ) -> None:
        self._source, self._plan, self._warn = source, plan, warn
        self._names, self._order, self._step_s = list(names), list(order), step_s
        self._measured_by = np.array(meaning.measured_by)[self._order]
        self._position_scale = np.array(meaning.position_scale)[self._order]
        self._sent: object = None
        self.forget()

    def forget(self) -> None:
        """Another controller may have moved the joints since they were measured."""
        self._hold: NDArray[np.float64] | None = None
        self._measured: NDArray[np.float64] | None = None  # the newest that is finite

    def message(self, command: GatedCommand, facts: Facts, stamp: Time) -> JointTrajectory | None:
        """Positions, times from the start of a chunk that begins now; None while one is played."""
        self._see(facts)
        chunk = self._source.chunk
        if command.stopped is None and chunk is not None:
            if chunk is self._sent:
                return None
            positions = self._plan.positions(chunk, facts)
            if not isinstance(positions, str):
                self._sent, self._hold = chunk, None
                return self._trajectory(positions[:, self._order])
            self._warn(f"a chunk is not played: {positions}")
        self._sent = None
        return self._standing_still(follow=command.follows)

    def _see(self, facts: Facts) -> None:
        if facts.state is not None:
            at = facts.state[self._measured_by].astype(np.float64) * self._position_scale
            self._measured = at if np.isfinite(at).all() else self._measured

    def _standing_still(self, *, follow: bool) -> JointTrajectory | None:
        """One point, where the joints were measured when they were first told to stop, or are."""
        if self._hold is None or follow:
            self._hold = self._measured
        return None if self._hold is None else self._trajectory(self._hold[None])

    def _trajectory(self, positions: NDArray[np.float64]) -> JointTrajectory:
        # A header stamp of 0 begins at receipt: no clock of the controller's need agree with ours.
        points = [
            JointTrajectoryPoint(
                positions=row.tolist(), time_from_start=_duration(i * self._step_s)
            )
            for i, row in enumerate(_finite(positions), start=1)
        ]
        return JointTrajectory(joint_names=self._names, points=points)


class GripperOutput:
    """The gripper's command beside a twist or a trajectory, which have no room for it."""

    kind = Float64MultiArray

    def __init__(self, names: Sequence[str], order: Sequence[int]) -> None:
        self._names, self._order = tuple(names), list(order)
        self.forget()

    def forget(self) -> None:
        """It may hold something: it is told nothing before the robot is told to move."""
        self._told = False

    def message(self, command: GatedCommand, facts: Facts, stamp: Time) -> Float64MultiArray | None:
        """As the bundle gives it, within its limits; the last one while the robot stands still."""
        self._told |= command.stopped is None
        return array_message(self._names, command.action[self._order]) if self._told else None


def build_output(settings: Settings, drive: Drive, warn: Callable[[str], None]) -> Output:
    """The output that ``output_type`` names, for what the drive is wired to."""
    wiring = drive.wiring
    if settings.output_type == "twist":
        return TwistOutput(wiring.meaning, settings.frame_id)
    if settings.output_type == "joint_command":
        return JointCommandOutput(wiring.meaning, wiring.names, wiring.order)
    source, plan = drive.source, drive.plan
    assert isinstance(source, ChunkSource), "a trajectory plays chunks"
    assert plan is not None, "a trajectory is planned"
    return TrajectoryOutput(
        source,
        plan,
        wiring.meaning,
        wiring.names,
        wiring.order,
        1 / drive.spec.action.control_hz,
        warn,
    )


def array_message(names: Sequence[str], values: NDArray[np.floating]) -> Float64MultiArray:
    """Values ``[a]``, and their names in the layout."""
    label = MultiArrayDimension(label=",".join(names), size=len(names), stride=len(names))
    return Float64MultiArray(
        layout=MultiArrayLayout(dim=[label]), data=_finite(values).astype(np.float64).tolist()
    )


def _finite(values: NDArray[np.floating]) -> NDArray[np.floating]:
    if not np.isfinite(values).all():
        raise ArithmeticError(f"the gate let {values.tolist()} through")
    return values


def _vector(velocity: NDArray[np.floating], dims: Sequence[int]) -> Vector3:
    x, y, z = (float(velocity[dim]) if dim >= 0 else 0.0 for dim in dims)
    return Vector3(x=x, y=y, z=z)


def _duration(seconds: float) -> Duration:
    whole, nanoseconds = divmod(round(seconds * 1e9), 10**9)
    return Duration(sec=whole, nanosec=nanoseconds)
