"""Whether a command may move the robot now: the first reason why not, in a fixed order.

People come first (e-stop, stop, enable), then what was seen (image, latent, state), then the
numbers themselves. All of it is a function of a snapshot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from lapa_edge.runtime.motion_gate.facts import AgeLimits, Facts
from lapa_edge.runtime.motion_gate.latches import LatchState
from lapa_edge.runtime.motion_gate.reasons import Stop, StopReason
from lapa_edge.runtime.safety import Command


def first_stop(
    latch: LatchState,
    facts: Facts,
    command: Command,
    ages: AgeLimits,
    *,
    a: int,
    s: int,
    outside: str | None = None,
) -> Stop | None:
    """Why the robot may not move; None where it may.

    Args:
        latch: of this moment.
        facts, ages: what is known, and how old it may be.
        command: what the policy wants; one that is stopped already stays so.
        a, s: how many values an action and a state have. Without states none is asked for.
        outside: which position an arm that was sent nothing has beyond its range, see `place`.
    """
    return (
        _people(latch)
        or _silence(facts, ages)
        or _clock(facts, command, s)
        or _image(facts, ages)
        or _latent(facts, command, ages)
        or (state_stop(facts, ages) if s else None)
        or (Stop(StopReason.STATE_OUT_OF_RANGE, outside) if outside else None)
        or _numbers(facts, command, a, s)
        or _chunk(facts, ages)
    )


def state_stop(facts: Facts, ages: AgeLimits) -> Stop | None:
    """Why what is known of the robot's state does not let it move."""
    if facts.state is None:
        return Stop(StopReason.NO_STATE, "the robot has not told its state yet")
    if facts.state_age_s > ages.state_timeout_s:
        return _late(StopReason.STATE_AGE, "state is", facts.state_age_s, ages.state_timeout_s)
    if not all(map(math.isfinite, facts.state.ravel().tolist())):
        return Stop(StopReason.STATE_NOT_FINITE, "state is not finite")
    return None


def _people(latch: LatchState) -> Stop | None:
    if latch.estop:
        return Stop(StopReason.ESTOP, "the e-stop is pressed")
    if latch.estop_latched:
        return Stop(StopReason.ESTOP, "the e-stop was pressed; reset the stop to move on")
    if latch.stopped:
        return Stop(StopReason.STOPPED, "a stop was asked for; reset the stop to move on")
    if not latch.enabled:
        return Stop(StopReason.NOT_ENABLED, "motion is not enabled")
    return None


def _silence(facts: Facts, ages: AgeLimits) -> Stop | None:
    age_s, limit_s = facts.estop_age_s, ages.estop_timeout_s
    if age_s is None or age_s <= limit_s:  # NaN is not
        return None
    what = "the e-stop is silent: it was heard"
    return _late(StopReason.ESTOP_SILENT, what, age_s, limit_s, "ago")


def _clock(facts: Facts, command: Command, s: int) -> Stop | None:
    for name, age_s in _monotonic_ages(facts, command, s):
        if not 0 <= age_s < math.inf:  # NaN included
            return Stop(StopReason.CLOCK, f"{name} age {age_s:.3f} s is not a time in the past")
    return None


def _monotonic_ages(facts: Facts, command: Command, s: int) -> Iterator[tuple[str, float]]:
    if facts.image_received_s is not None:
        yield "image", facts.now_s - facts.image_received_s
    if command.stopped is None:  # else there may be no latent, and the command says so
        yield "latent", facts.latent_age_s
    if s and facts.state is not None:
        yield "state", facts.state_age_s
    if facts.chunk_age_s is not None:
        yield "chunk", facts.chunk_age_s


def _image(facts: Facts, ages: AgeLimits) -> Stop | None:
    if facts.image_received_s is None:
        return Stop(StopReason.NO_IMAGE, "no image since activation")
    age_s = facts.now_s - facts.image_received_s
    if age_s > ages.image_timeout_s:
        return _late(StopReason.IMAGE_AGE, "image is", age_s, ages.image_timeout_s)
    if facts.image_stamp_s is None:
        return None
    stamp_age_s = facts.ros_now_s - facts.image_stamp_s
    if not stamp_age_s >= -ages.max_future_stamp_s:  # NaN included
        text = f"image is stamped {-stamp_age_s:.3f} s ahead of the clock, "
        text += f"more than {ages.max_future_stamp_s:.3f} s"
        return Stop(StopReason.STAMP_FUTURE, text)
    if stamp_age_s > ages.max_observation_age_s:
        limit_s = ages.max_observation_age_s
        return _late(StopReason.STAMP_AGE, "image, by its stamp, is", stamp_age_s, limit_s)
    return None


def _latent(facts: Facts, command: Command, ages: AgeLimits) -> Stop | None:
    if facts.latent_age_s > ages.max_latent_age_s:  # NaN is not: the command is stopped
        return _late(StopReason.LATENT_AGE, "latent is", facts.latent_age_s, ages.max_latent_age_s)
    return None


def _numbers(facts: Facts, command: Command, a: int, s: int) -> Stop | None:
    if command.stopped is not None:
        return Stop(StopReason.POLICY, command.stopped)
    if not all(map(math.isfinite, command.action.ravel().tolist())):
        return Stop(StopReason.NOT_FINITE, "action is not finite")
    if command.action.shape != (a,):
        text = f"action: expected {a} values, got {list(command.action.shape)}"
        return Stop(StopReason.WRONG_SIZE, text)
    if s and facts.state is not None and facts.state.shape != (s,):
        text = f"state: expected {s} values, got {list(facts.state.shape)}"
        return Stop(StopReason.WRONG_SIZE, text)
    return None


def _chunk(facts: Facts, ages: AgeLimits) -> Stop | None:
    if facts.chunk_age_s is not None and facts.chunk_age_s > ages.chunk_timeout_s:
        reason, limit_s = StopReason.CHUNK_EXHAUSTED, ages.chunk_timeout_s
        return _late(reason, "chunk is exhausted: it began", facts.chunk_age_s, limit_s, "ago")
    return None


def _late(reason: StopReason, what: str, age_s: float, limit_s: float, ago: str = "old") -> Stop:
    return Stop(reason, f"{what} {age_s:.3f} s {ago}, more than {limit_s:.3f} s")
