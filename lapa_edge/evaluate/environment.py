"""What a rollout needs of an environment, and where environments are found by name."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec


class Environment(Protocol):
    """One task of a simulator. Time advances by ``1 / robot.control_hz`` seconds a step."""

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
        """What the scripted expert would do now, within the action's limits ``[a]``."""

    def close(self) -> None:
        """Free the simulator and its renderer."""
