"""What a rollout needs of an environment, and what is known of a family of them beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import ConfigError


class Environment(Protocol):
    """One task of a simulator. Time advances by ``1 / robot.control_hz`` seconds a step.

    `instruction` is that of the episode under way: read it after `reset`.

    In the manner of Gymnasium's ``Env``, and not one of them: `reset` and `step` return no
    observation, for picture and state are asked for when they are needed, at rates of their own;
    there is no reward and no ``truncated``, for an episode is solved or reaches `max_steps`, which
    the caller counts; `robot` stands in place of the spaces.
    """

    name: str
    instruction: str
    robot: RobotSpec
    max_steps: int

    def reset(self, seed: int) -> None:
        """Start the episode that `seed` names; the same seed gives the same episode."""

    def frame(self) -> NDArray[np.uint8]:
        """The camera's picture now, RGB ``[h, w, 3]``."""

    def state(self) -> NDArray[np.float32]:
        """The robot's measured state ``[s]``, in the order of ``robot.state_names``."""

    def step(self, action: NDArray[np.float32]) -> bool:
        """Apply the action ``[a]`` for one control step; True once the task is solved."""

    def expert_action(self) -> NDArray[np.float32]:
        """What the scripted expert would do now, within the action's limits ``[a]``.

        Raises:
            ConfigError: the simulator has no expert.
        """

    def close(self) -> None:
        """Free the simulator and its renderer."""


@runtime_checkable
class Scored(Protocol):
    """An environment that tells how far its task has come, not only whether it is solved."""

    def score(self) -> float:
        """Success proxy in [0, 1]; 1 where solved. Each environment says what it measures."""


def score(environment: Environment) -> float | None:
    """The environment's success proxy now; None where it defines none."""
    return environment.score() if isinstance(environment, Scored) else None


@dataclass(frozen=True)
class Entry:
    """One family of tasks; reading it neither needs nor imports its simulator.

    Attributes:
        robot: what every task's environment has.
        step_limits: control steps after which an episode of a task has failed, by task.
        build: the environment of a task, from the simulator's checkout where one is given.
        missing: what keeps it from running here, "" where nothing does; a checkout may help.
        install: how to get it.
        unseen: tasks that the simulator's authors hold out of training.
        from_checkout: whether it can run from a checkout; the others are packages.
    """

    robot: RobotSpec
    step_limits: Mapping[str, int]
    build: Callable[[str, Path | None], Environment]
    missing: Callable[[Path | None], str]
    install: str
    unseen: frozenset[str] = frozenset()
    from_checkout: bool = False

    def tasks(self) -> tuple[str, ...]:
        """Every task's name."""
        return tuple(self.step_limits)

    def split(self, task: str) -> str:
        """``seen`` or ``unseen`` where the simulator's authors say so, else ""."""
        if not self.unseen:
            return ""
        return "unseen" if task in self.unseen else "seen"


def check_task(family: str, task: str, known: Mapping[str, object]) -> None:
    """Raise `ConfigError` naming the tasks there are unless `task` is one."""
    if task not in known:
        names = ", ".join(known)
        raise ConfigError(f"task {task!r}", f"not a known {family} task", f"one of: {names}")


def no_expert(family: str) -> ConfigError:
    """What `expert_action` raises where the simulator comes with no expert."""
    return ConfigError(
        family, "it has no scripted expert", "train on its published demonstrations instead"
    )
