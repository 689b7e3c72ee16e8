"""Whether parameters and bundle fit each other, and what follows: order, meaning, ages, limits.

Everything is checked when the node is configured, before anything can move; each refusal is one
line that names the parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.loop_options import LoopOptions
from lapa_edge.runtime.motion_gate.facts import AgeLimits
from lapa_edge.runtime.motion_gate.limits import MotionLimits, StaleAction, Vector3
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning, read_meaning
from lapa_edge.spec import PolicySpec
from lapa_edge_ros.settings import Settings

_LIMITS = (
    "max_linear_velocity", "max_angular_velocity", "max_acceleration", "max_joint_step",
    "workspace_min", "workspace_max", "joint_position_min", "joint_position_max",
)  # fmt: skip
MIN_CONTROL_HZ = 1.0
HUNG_S = 0.05  # a native loop that has not ticked for so long hangs; less is a busy machine


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What configuring settles.

    names, order: what a command's message carries, and the action that each comes from; grippers:
    the actions that have a topic of their own; assumed: why an action's meaning is taken for
    "other", None where all are known.
    """

    meaning: ActionMeaning
    names: tuple[str, ...]
    order: tuple[int, ...]
    grippers: tuple[int, ...]
    policy_hz: float
    control_hz: float
    assumed: str | None


def read_wiring(settings: Settings, spec: PolicySpec) -> Wiring:
    """Raises `ConfigError` where bundle and parameters do not fit."""
    control_hz = settings.control_rate or spec.action.control_hz
    if control_hz < MIN_CONTROL_HZ:
        raise ConfigError(
            "control_rate", f"expected at least {MIN_CONTROL_HZ:g} Hz, got {control_hz:g} Hz"
        )
    if len(spec.cameras) > 1:
        raise ConfigError(
            "cameras",
            f"expected one, since the node reads one image topic, got {', '.join(spec.cameras)}",
            "train a policy of one camera",
        )
    meaning, assumed = _read_meaning(settings, spec)
    check = {"twist": _check_twist, "joint_trajectory": _check_trajectory}.get(settings.output_type)
    if check:
        check(meaning, spec)
    grippers = tuple(i for i, moves in enumerate(meaning.moves) if moves == "gripper")
    apart = grippers if check else ()
    order = tuple(i for i in range(len(meaning.moves)) if i not in apart)
    order = _reorder(settings, spec.action.names, order)
    return Wiring(
        meaning=meaning,
        names=tuple(spec.action.names[i] for i in order),
        order=order,
        grippers=apart,
        policy_hz=settings.policy_rate or spec.timing.policy_hz,
        control_hz=control_hz,
        assumed=assumed,
    )


def read_ages(settings: Settings, spec: PolicySpec) -> AgeLimits:
    """How old inputs may be; raises `ConfigError` where the bundle allows less."""
    bundle_s = spec.timing.max_latent_age_s
    if settings.max_latent_age > bundle_s:
        raise ConfigError(
            "max_latent_age",
            f"expected at most {bundle_s:g} s, the oldest the policy was trained with, "
            f"got {settings.max_latent_age:g} s",
        )
    lasts_s = spec.action.chunk / spec.action.control_hz
    chunks = settings.output_type == "joint_trajectory"
    return AgeLimits(
        image_timeout_s=settings.image_timeout,
        max_observation_age_s=settings.max_observation_age,
        max_future_stamp_s=settings.max_future_stamp,
        max_latent_age_s=settings.max_latent_age or bundle_s,
        state_timeout_s=settings.state_timeout,
        estop_timeout_s=settings.estop_timeout or float("inf"),
        chunk_timeout_s=min(settings.chunk_timeout, lasts_s) if chunks else float("inf"),
    )


def read_limits(settings: Settings, spec: PolicySpec, wiring: Wiring) -> MotionLimits:
    """How fast and far; raises `ConfigError` where lists are of another length."""
    joints = [n for n, i in zip(wiring.names, wiring.order, strict=True)
              if wiring.meaning.moves[i] == "joint"]  # fmt: skip
    stale: dict[str, StaleAction] = {"stop": "stop", "decelerate": "decelerate", "hold": "hold"}
    return MotionLimits(
        max_linear_velocity_m_s=settings.max_linear_velocity,
        max_angular_velocity_rad_s=settings.max_angular_velocity,
        max_acceleration=settings.max_acceleration,
        workspace_min_m=_corner("workspace_min", settings.workspace_min),
        workspace_max_m=_corner("workspace_max", settings.workspace_max),
        joint_position_min_rad=_by_joint("joint_position_min", settings.joint_position_min, joints),
        joint_position_max_rad=_by_joint("joint_position_max", settings.joint_position_max, joints),
        max_joint_step_rad=settings.max_joint_step,
        stale_action=stale[settings.stale_action],
    )


def read_loop_options(settings: Settings, control_hz: float) -> LoopOptions:
    """How the native loop runs, its rate aside."""
    return LoopOptions(
        max_state_age_s=settings.state_timeout,
        max_command_age_s=max(HUNG_S, 3 / control_hz),
        priority=settings.real_time_priority,
        cpu=None if settings.cpu < 0 else settings.cpu,
    )


def _read_meaning(settings: Settings, spec: PolicySpec) -> tuple[ActionMeaning, str | None]:
    said = dict(_said(entry) for entry in settings.action_meaning)
    gripper = settings.gripper_joint
    if gripper and gripper not in spec.action.names:
        names = ", ".join(spec.action.names)
        raise ConfigError("gripper_joint", f"expected one of {names}, got {gripper}")
    if gripper:
        said[gripper] = "gripper"
    try:
        return read_meaning(spec, said), None
    except ConfigError as error:
        limited = any(getattr(settings, name) for name in _LIMITS)
        if settings.output_type != "joint_command" or limited:
            raise ConfigError("action_meaning", str(error)) from error
        # Passed on as they are, they mean what the bundle and the controller agree on.
        kinds = spec.action.kinds or ("delta",) * len(spec.action.names)
        unknown = {
            name: "other"
            for name, kind in zip(spec.action.names, kinds, strict=True)
            if kind == "delta"
        }
        return read_meaning(spec, unknown | said), str(error)


def _said(entry: str) -> tuple[str, str]:
    name, colon, moves = entry.partition(":")
    if not colon:
        raise ConfigError("action_meaning", f'expected "action: meaning unit", got "{entry}"')
    return name.strip(), moves.strip()


def _check_twist(meaning: ActionMeaning, spec: PolicySpec) -> None:
    for name, moves, absolute in zip(
        spec.action.names, meaning.moves, meaning.absolute, strict=True
    ):
        if moves == "gripper":
            continue
        if absolute or not moves.startswith(("translation", "rotation")):
            what = "a position" if absolute else f'a "{moves}"'
            raise ConfigError(
                "output_type",
                f"a twist is made of velocities of a frame; {name} is {what}",
                "choose joint_command or joint_trajectory",
            )


def _check_trajectory(meaning: ActionMeaning, spec: PolicySpec) -> None:
    for name, moves, state in zip(
        spec.action.names, meaning.moves, meaning.measured_by, strict=True
    ):
        if moves == "gripper":
            continue
        if moves != "joint" or state < 0:
            what = f'a "{moves}"' if moves != "joint" else "not among the measured states"
            raise ConfigError(
                "output_type",
                f"a trajectory is made of positions of measured joints; {name} is {what}",
                "choose twist or joint_command",
            )


def _reorder(settings: Settings, names: Sequence[str], order: tuple[int, ...]) -> tuple[int, ...]:
    if not settings.joint_names:
        return order
    ours = [names[i] for i in order]
    if settings.output_type == "twist":
        raise ConfigError("joint_names", "expected none, since a twist has no joints")
    if sorted(settings.joint_names) != sorted(ours):
        raise ConfigError(
            "joint_names",
            f"expected the bundle's {', '.join(ours)} in any order, "
            f"got {', '.join(settings.joint_names)}",
        )
    return tuple(names.index(name) for name in settings.joint_names)


def _corner(name: str, values: Sequence[float]) -> Vector3 | None:
    if not values:
        return None
    if len(values) != 3:
        raise ConfigError(name, f"expected x, y, z in m, got {len(values)} numbers")
    x, y, z = values
    return x, y, z


def _by_joint(name: str, values: Sequence[float], joints: Sequence[str]) -> dict[str, float]:
    if values and len(values) != len(joints):
        raise ConfigError(
            name,
            f"expected one position for each of {', '.join(joints) or 'no joints'}, "
            f"got {len(values)}",
        )
    return dict(zip(joints, values, strict=True)) if values else {}
