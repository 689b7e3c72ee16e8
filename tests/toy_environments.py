"""An environment small enough to count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec


class Line:
    """A point on a line that its expert walks to the end of; 50 Hz, ten steps to the goal."""

    name, instruction, max_steps = "line", "walk to the end", 40
    robot = RobotSpec(
        control_hz=50.0,
        state_names=("joint_0", "joint_1", "joint_2"),
        action_names=("velocity_0", "velocity_1"),
        action_low=(-1.0, -1.0),
        action_high=(1.0, 1.0),
        action_units=("m/s", "m/s"),
    )

    def __init__(self, goal: float = 10.0) -> None:
        self.goal, self.frames, self.actions = goal, 0, list[NDArray[np.float32]]()

    def reset(self, seed: int) -> None:
        self.place, self.seed, self.steps = 0.0, seed, 0

    def frame(self) -> NDArray[np.uint8]:
        self.frames += 1
        return np.full((16, 16, 3), (self.frames, self.steps, self.seed), np.uint8)

    def state(self) -> NDArray[np.float32]:
        return np.array([self.place, 0, 0], np.float32)

    def step(self, action: NDArray[np.float32]) -> bool:
        self.actions.append(action)
        self.steps += 1
        self.place += float(action[0])
        return self.place >= self.goal

    def expert_action(self) -> NDArray[np.float32]:
        return np.array([1, 0], np.float32)

    def close(self) -> None:
        pass
