"""Closed loop from a bundle: the policy looks at its rate, the head acts at the robot's.

Everything runs on simulated time. A look takes `latency_s` of it: its answer drives the arm only
that much later, and the head is told how old it is. The runtime used here is the robot's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec
from lapa_edge.data.robot_match import find_mismatch
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.disturbance import Disturbance, LateCamera, Troubles
from lapa_edge.evaluate.environment import Environment, score
from lapa_edge.evaluate.execution import Execution, TwoRate
from lapa_edge.evaluate.motion_quality import hand_over_jump, path_jerk
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.safety import Command
from lapa_edge.runtime.session import Session
from lapa_edge.spec import PolicySpec


class Episode(msgspec.Struct, kw_only=True):
    """How one rollout went.

    codes: what each look said; look_s: when it began, seconds; lost: looks whose frame was lost.
    reasons: stops by reason, numbers in it left out; clamped: commands that had to be bounded.
    jerk: `path_jerk` of the normalised actions, per s^2; jump, between: the mean change of the
    normalised action where a new latent took over, and elsewhere. None: nothing to measure.
    unknown: words of the instruction that training never met. score: the environment's success
    proxy at the end, None where it defines none.
    """

    seed: int
    instruction: str = ""
    unknown: list[str] = []
    success: bool = False
    steps: int = 0
    stops: int = 0
    reasons: dict[str, int] = {}
    clamped: int = 0
    lost: int = 0
    latent_age_s: list[float] = []
    codes: list[tuple[int, ...]] = []
    look_s: list[float] = []
    jerk: float | None = None
    jump: float | None = None
    between: float | None = None
    score: float | None = None


Watcher = Callable[[NDArray[np.uint8], Latent | None], None]


@runtime_checkable
class Instructable(Protocol):
    """A policy whose instruction can be changed, as episodes of one task may."""

    def set_instruction(self, instruction: str) -> list[str]:
        """Encode the words; returns those that training never met."""


def run_episode(
    session: Session,
    environment: Environment,
    seed: int,
    latency_s: float,
    watch: Watcher | None = None,
    *,
    disturbance: Disturbance | None = None,
    execution: Execution | None = None,
) -> Episode:
    """Drive one episode until success or the step limit.

    Args:
        session: reset here, and told the environment's instruction.
        environment: reset here from `seed`.
        latency_s: simulated seconds from a frame to its latent.
        watch: called with every frame the policy saw and what it said, and with the last frame and
            what was said last; None where every frame was lost.
        disturbance: what goes wrong on the way; nothing unless given.
        execution: how looks become motion; of this session. Two-rate unless given.
    """
    drive = execution or TwoRate(session)
    drive.reset()
    environment.reset(seed)
    episode = Episode(seed=seed, instruction=environment.instruction)
    if isinstance(session.policy, Instructable):
        episode.unknown = list(session.policy.set_instruction(environment.instruction))
    wrong = disturbance or Disturbance()
    control_hz = environment.robot.control_hz
    troubles = Troubles(wrong, latency_s, session.spec, seed, environment.max_steps)
    camera = LateCamera(environment, round(wrong.camera_latency_s * control_hz), drive.every)
    looks = _Looks(drive)
    log = _Log(episode)
    latent: Latent | None = None
    for tick in range(environment.max_steps):
        now_s = tick / control_hz
        camera.tick(tick)
        state = troubles.shake(environment.state())
        looks.deliver(tick)
        if (wrong.overlap or looks.answered) and drive.wants_look(tick):
            if troubles.loses(tick):
                episode.lost += 1
            else:
                frame = troubles.blur(camera.frame(tick), tick)
                latent = session.look(frame, now_s, state)
                looks.begin(tick + troubles.delay(tick), latent, state)
                episode.codes.append(tuple(int(code) for code in latent.codes))
                episode.look_s.append(now_s)
                if watch:
                    watch(frame, latent)
        looks.deliver(tick)
        command = drive.act(state, now_s)
        log.note(command, looks.take_over())
        if environment.step(command.action):
            episode.success = True
            break
    log.close(session.spec)
    episode.score = score(environment)
    if watch:
        watch(environment.frame(), latent)
    return episode


class _Looks:
    """Looks that were begun, and are answered when their time has come."""

    def __init__(self, drive: Execution) -> None:
        self._drive = drive
        self._begun: list[tuple[int, Latent, NDArray[np.float32]]] = []
        self._newest_s = -np.inf
        self._took_over = False

    @property
    def answered(self) -> bool:
        return not self._begun

    def begin(self, due: int, latent: Latent, state: NDArray[np.float32]) -> None:
        self._begun.append((due, latent, state))

    def deliver(self, tick: int) -> None:
        due = [look for look in self._begun if look[0] <= tick]
        self._begun = [look for look in self._begun if look[0] > tick]
        for _, latent, state in due:
            if latent.seen_at_s > self._newest_s:  # jitter lets an older look come after a newer
                self._newest_s, self._took_over = latent.seen_at_s, True
                self._drive.accept(latent, state)

    def take_over(self) -> bool:
        """Whether a latent took over since this was asked last."""
        took_over, self._took_over = self._took_over, False
        return took_over


class _Log:
    """What the commands of an episode amount to."""

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self._actions: list[NDArray[np.float32]] = []
        self._took_over: list[bool] = []
        self._first_moving: int | None = None

    def note(self, command: Command, took_over: bool) -> None:
        episode = self._episode
        episode.steps += 1
        episode.clamped += command.clamped > 0
        self._actions.append(command.action.copy())
        self._took_over.append(took_over)
        if command.stopped is None:
            if self._first_moving is None:
                self._first_moving = episode.steps - 1
            episode.latent_age_s.append(command.latent_age_s)
        else:
            episode.stops += 1
            reason = _without_numbers(command.stopped)
            episode.reasons[reason] = episode.reasons.get(reason, 0) + 1

    def close(self, spec: PolicySpec) -> None:
        # Setting out from a standstill is no hand-over from one latent to the next.
        begin = self._first_moving or 0
        normalised = (np.array(self._actions[begin:]) - spec.action.mean) / spec.action.std
        hand_over = hand_over_jump(normalised, np.array(self._took_over[begin:]))
        self._episode.jerk = _known(path_jerk(normalised, spec.action.control_hz))
        self._episode.jump, self._episode.between = _known(hand_over.at), _known(hand_over.between)


def _without_numbers(reason: str) -> str:
    """``latent is 0.412 s old`` and ``latent is 0.425 s old`` are one reason."""
    return re.sub(r"-?\d+(\.\d+)?", "..", reason)


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def check_fits(spec: PolicySpec, name: str, robot: RobotSpec) -> None:
    """Raise `ConfigError` where the bundle was made for another robot than the environment's."""
    if found := find_mismatch(spec, robot):
        raise ConfigError(
            f"environment {name}",
            f"{found.what}: the bundle expects {found.expected}, the environment has {found.got}",
            found.remedy,
        )
    if len(spec.cameras) > 1:
        raise ConfigError(
            f"environment {name}",
            f"the bundle looks through {', '.join(spec.cameras)}, the environment has one camera",
            "evaluate it offline, with --data",
        )
