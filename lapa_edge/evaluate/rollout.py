"""Closed loop from a bundle: the policy looks at its rate, the head acts at the robot's.

Everything runs on simulated time. A look takes `latency_s` of it: its answer drives the arm only
that much later, and the head is told how old it is. The runtime used here is the robot's own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.environment import Environment
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.session import Session
from lapa_edge.spec import PolicySpec


class Episode(msgspec.Struct, kw_only=True):
    """How one rollout went. ``codes`` holds what each look said."""

    seed: int
    success: bool = False
    steps: int = 0
    stops: int = 0
    latent_age_s: list[float] = []
    codes: list[tuple[int, ...]] = []


Watcher = Callable[[NDArray[np.uint8], Latent], None]


def run_episode(
    session: Session,
    environment: Environment,
    seed: int,
    latency_s: float,
    watch: Watcher | None = None,
) -> Episode:
    """Drive one episode until success or the step limit.

    Args:
        session: reset here; its instruction is the caller's choice.
        environment: reset here from `seed`.
        latency_s: simulated seconds from a frame to its latent.
        watch: called with every frame the policy saw and what it said.
    """
    session.reset()
    environment.reset(seed)
    episode = Episode(seed=seed)
    control_hz = environment.robot.control_hz
    look_every = max(1, round(control_hz / session.spec.timing.policy_hz))
    delay = round(latency_s * control_hz)
    pending: deque[tuple[int, Latent]] = deque()
    for step in range(environment.max_steps):
        now_s = step / control_hz
        if step % look_every == 0:
            frame = environment.frame()
            latent = session.look(frame, now_s)
            pending.append((step + delay, latent))
            episode.codes.append(tuple(int(code) for code in latent.codes))
            if watch:
                watch(frame, latent)
        while pending and pending[0][0] <= step:
            session.accept(pending.popleft()[1])
        command = session.act(environment.state(), now_s)
        if command.stopped is None:
            episode.latent_age_s.append(command.latent_age_s)
        else:
            episode.stops += 1
        episode.steps = step + 1
        if environment.step(command.action):
            episode.success = True
            break
    if watch:
        watch(environment.frame(), latent)
    return episode


def check_fits(spec: PolicySpec, environment: Environment) -> None:
    """Raise `ConfigError` where the bundle was made for another robot than the environment's."""
    for what, wanted, found in (
        ("state", spec.state.names, environment.robot.state_names),
        ("action", spec.action.names, environment.robot.action_names),
        ("control rate, Hz", spec.action.control_hz, environment.robot.control_hz),
    ):
        if wanted != found:
            raise ConfigError(
                f"environment {environment.name}",
                f"{what}: the bundle expects {wanted}, the environment has {found}",
                "evaluate the bundle on the robot it was trained for",
            )
