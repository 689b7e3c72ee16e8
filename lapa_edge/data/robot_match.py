"""A policy's spec and a robot in, the first thing out by which their numbers differ in meaning.

Compared are names, rate, kinds, units and a gripper's range, for its ends are open and shut. Other
limits are not: a dataset's are often no more than what was recorded. A unit that one side leaves
unsaid ("") is taken for the other's.
"""

from __future__ import annotations

from dataclasses import dataclass

from lapa_edge.data.episode import RobotSpec
from lapa_edge.spec import PolicySpec

# Share of a gripper's range by which its ends may differ: recordings seldom reach them.
GRIPPER_SLACK = 0.05
SAY_IT = (
    "say in the robot.json beside the training data what each action is (action_kinds, "
    "action_units, limits) and train again, or take a robot that means the same"
)


@dataclass(frozen=True)
class Mismatch:
    """What differs, what the policy expects of it, what the robot has; how to mend that."""

    what: str
    expected: str
    got: str
    remedy: str = "take the robot that the policy was trained for"


def find_mismatch(spec: PolicySpec, robot: RobotSpec) -> Mismatch | None:
    """The first difference in meaning between the policy's numbers and the robot's, if any."""
    for what, expected, got in (
        ("state", spec.state.names, robot.state_names),
        ("action", spec.action.names, robot.action_names),
    ):
        if expected != got:
            missing = ", ".join(name for name in expected if name not in got)
            lacks = f" (no {missing})" if missing else ""
            return Mismatch(what, ", ".join(expected), (", ".join(got) or "none") + lacks)
    if spec.action.control_hz != robot.control_hz:
        return Mismatch("control rate", f"{spec.action.control_hz:g} Hz", f"{robot.control_hz:g}")
    each = (_other_action(spec, robot, i) for i in range(len(robot.kinds)))
    return next((found for found in each if found), None)


def _other_action(spec: PolicySpec, robot: RobotSpec, i: int) -> Mismatch | None:
    """How action `i` differs, if it does."""
    action = spec.action
    what, kind = f"action {action.names[i]}", action.kinds[i] if action.kinds else "delta"
    if kind != robot.kinds[i]:
        return Mismatch(f"{what}, kind", kind, robot.kinds[i], SAY_IT)
    ours, theirs = action.units[i], robot.action_units[i]
    if ours and theirs and ours != theirs:
        return Mismatch(f"{what}, unit", ours, theirs, SAY_IT)
    low, high = robot.action_low[i], robot.action_high[i]
    apart = max(abs(action.low[i] - low), abs(action.high[i] - high))
    if kind == "gripper" and apart > GRIPPER_SLACK * (high - low):
        expected = f"{action.low[i]:g} to {action.high[i]:g}"
        return Mismatch(f"{what}, range", expected, f"{low:g} to {high:g}", SAY_IT)
    return None
