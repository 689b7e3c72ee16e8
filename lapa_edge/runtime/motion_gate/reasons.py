"""Why a robot stands still, and what may be changed about a command that moves it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class StopReason(Enum):
    """In the order in which they are asked: the first that holds is the one that is told."""

    ESTOP = "estop"
    STOPPED = "stopped"
    NOT_ENABLED = "not_enabled"
    ESTOP_SILENT = "estop_silent"  # where its silence counts; it latches nothing
    CLOCK = "clock"  # an age below zero, or one that is no number
    NO_IMAGE = "no_image"
    IMAGE_AGE = "image_age"
    STAMP_FUTURE = "stamp_future"
    STAMP_AGE = "stamp_age"
    LATENT_AGE = "latent_age"
    NO_STATE = "no_state"
    STATE_AGE = "state_age"
    STATE_NOT_FINITE = "state_not_finite"
    STATE_OUT_OF_RANGE = "state_out_of_range"  # before an arm's first command
    POLICY = "policy"  # the command came as a stop: `Command.stopped` says why
    NOT_FINITE = "not_finite"
    WRONG_SIZE = "wrong_size"
    CHUNK_EXHAUSTED = "chunk_exhausted"
    INTERNAL = "internal"  # a bug of ours, or a command that failed the last check
    ENDED = "ended"  # whoever drives the gate said so: deactivation, shutdown


STALE = frozenset(
    {
        StopReason.NO_IMAGE,
        StopReason.IMAGE_AGE,
        StopReason.STAMP_AGE,
        StopReason.LATENT_AGE,
        StopReason.CHUNK_EXHAUSTED,
    }
)
"""What ``stale_action`` is about: the policy sees or thinks late. Everything else stops at once,
an old state too: whoever does not know where the robot is cannot brake within its workspace."""


class Clamp(Enum):
    """What brought a command into its limits."""

    ACTION_RANGE = "action_range"  # the bundle's low and high
    LINEAR_VELOCITY = "linear_velocity"
    ANGULAR_VELOCITY = "angular_velocity"
    JOINT_STEP = "joint_step"
    ACCELERATION = "acceleration"
    WORKSPACE = "workspace"
    JOINT_POSITION = "joint_position"


@dataclass(frozen=True)
class Stop:
    """A reason and the sentence that tells it, with what was measured and what is allowed."""

    reason: StopReason
    text: str
