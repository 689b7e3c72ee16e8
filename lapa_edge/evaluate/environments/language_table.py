"""Language Table in simulation: a planar arm pushes eight blocks as told (Lynch et al. 2022).

The paper's five reward families of the published simulator (arXiv 2210.06407), its 10 Hz step and
its limit of 200 steps. Camera, state and action are those of the recorded dataset that
`data/language_table.py` reads: recorded actions replayed from an episode's seed give its pictures
and positions again.

Each episode gets a physics client of its own (a reused one drifts) and an instruction of its own.
Scenes that the expert finds no plan for are drawn again, as the published evaluation does; the
words of `separate` then depend on what the planner drew, for both use numpy's global generator.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.language_table import ACTION_LIMIT_M, robot_spec
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.evaluate.environment import Entry, check_task
from lapa_edge.evaluate.environments.language_table_imports import (
    INSTALL,
    find_missing,
    import_simulator,
)

# What stands for the instruction until `reset` draws the episode's own.
FAMILIES = {
    "blocktoblock": "push a block to another block",
    "blocktoabsolutelocation": "push a block to a place on the board",
    "blocktoblockrelativelocation": "push a block to one side of another block",
    "blocktorelativelocation": "push a block in some direction",
    "separate": "separate two blocks",
}
STEP_LIMITS = dict.fromkeys(FAMILIES, 200)
MAX_REDRAWS = 20
MAX_SEED = 2**32 - 1


class LanguageTable:
    """One reward family behind the `Environment` protocol.

    Args:
        task: a key of `FAMILIES`.
        simulator: the checkout; see `language_table_imports.INSTALL` for the ways to have one.
        size: height and width of the picture, the whole 320 x 180 camera frame squeezed.

    Raises:
        ConfigError: an unknown task, or `simulator` is no checkout.
        MissingDependencyError: the simulator or PyBullet is not here.
    """

    robot = robot_spec()

    def __init__(self, task: str, simulator: Path | None = None, size: int = 128) -> None:
        check_task("Language Table", task, FAMILIES)
        self._simulator = import_simulator(simulator)
        self.name, self.instruction, self.max_steps = task, FAMILIES[task], STEP_LIMITS[task]
        self._size = size
        self._env: Any = None

    def reset(self, seed: int) -> None:
        """Start episode `seed`: a new physics client, new blocks, new words.

        Raises:
            ConfigError: a seed that numpy's generator does not take.
            DataError: the expert found no plan in `MAX_REDRAWS` scenes.
        """
        if not 0 <= seed <= MAX_SEED:
            raise ConfigError("seed", f"expected 0 to {MAX_SEED}, got {seed}")
        self.close()
        self._planning = np.random.RandomState(seed).get_state(legacy=True)
        with self._planner_random():
            self._env = self._simulator.table(
                block_mode=self._simulator.block_mode,
                reward_factory=self._simulator.rewards[self.name],
                seed=seed,
                render_text_in_image=False,
            )
            self._env.get_control_frequency = lambda: self.robot.control_hz
            self._env.time_step_spec = self._env.action_spec = lambda: None
            self._oracle = self._simulator.oracle(self._env, use_ee_planner=True)
            for _ in range(MAX_REDRAWS):
                self._observation = self._env.reset()
                if self._oracle.get_plan(self._env.compute_state()):
                    break
            else:
                raise DataError(
                    f"task {self.name}", f"no plan in {MAX_REDRAWS} scenes of seed {seed}"
                )
        self.instruction = self._env.decode_instruction(self._observation["instruction"])
        self._solved = False
        self._first_distance_m = self._distance_m()

    def frame(self) -> NDArray[np.uint8]:
        """The camera's picture squeezed to RGB ``[size, size, 3]``."""
        import cv2

        shape = (self._size, self._size)
        picture = cv2.resize(self._observation["rgb"], shape, interpolation=cv2.INTER_AREA)
        return np.asarray(picture, np.uint8)

    def state(self) -> NDArray[np.float32]:
        """Where the effector is, metres."""
        return np.array(self._observation["effector_translation"], np.float32)

    def step(self, action: NDArray[np.float32]) -> bool:
        """Move the effector's target for 0.1 s; it ends at the workspace's border."""
        self._observation, reward, _, _ = self._env.step(np.asarray(action, np.float64))
        self._solved = reward > 0
        return self._solved

    def score(self) -> float:
        """Share of the way that the block had to go, 1 once the simulator's reward is paid."""
        if self._solved:
            return 1.0
        gone = 1.0 - self._distance_m() / max(self._first_distance_m, 1e-6)
        return float(np.clip(gone, 0.0, 1.0))

    def expert_action(self) -> NDArray[np.float32]:
        """The published RRT* oracle; it takes seconds to plan and its detours are random."""
        with self._planner_random():
            wanted = self._oracle._get_action_for_block_target(self._env.compute_state())
        return np.clip(wanted, -ACTION_LIMIT_M, ACTION_LIMIT_M).astype(np.float32)

    def close(self) -> None:
        """Free the physics client."""
        if self._env is not None:
            self._env.pybullet_client.disconnect()
            self._env = None

    def _distance_m(self) -> float:
        """From the block that is to move to where the expert would bring it."""
        state = self._env.compute_state()
        way = (
            state["effector_target_to_task_target_translation"]
            - state["effector_target_to_start_block_translation"]
        )
        return float(np.linalg.norm(way))

    @contextmanager
    def _planner_random(self) -> Iterator[None]:
        """The planner draws from numpy's global generator: lend it the episode's own."""
        before = np.random.get_state(legacy=True)
        np.random.set_state(self._planning)
        try:
            yield
        finally:
            self._planning = np.random.get_state(legacy=True)
            np.random.set_state(before)


ENTRY = Entry(
    robot=robot_spec(),
    step_limits=STEP_LIMITS,
    build=LanguageTable,
    missing=find_missing,
    install=INSTALL,
    from_checkout=True,
)
