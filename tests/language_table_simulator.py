"""A package of the Language Table simulator's shape, small enough to read, that can be stepped.

Its environment notes what it was imported with, and where it lies; a push of 0.2 m solves it.
"""

from __future__ import annotations

from pathlib import Path

ENVIRONMENT = """
import gym, tensorflow
import numpy as np
from gym import spaces

class Client:
    def disconnect(self):
        LanguageTable.clients -= 1

class LanguageTable(gym.Env):
    seen = 'stand-ins' if not hasattr(tensorflow, '__file__') else 'real'
    file, clients = __file__, 0

    def __init__(self, block_mode, reward_factory, seed, render_text_in_image):
        self.pybullet_client, self.place = Client(), np.array([seed % 7 / 10, 0.0])
        LanguageTable.clients += 1

    def observe(self):
        rgb = np.full((180, 320, 3), 100, np.uint8)
        return {'rgb': rgb, 'effector_translation': self.place.copy(), 'instruction': [3, 1]}

    def reset(self):
        self.start = self.place.copy()
        return self.observe()

    def decode_instruction(self, ids):
        return f'push block {ids[0]} to {ids[1]}'

    def compute_state(self):
        return {'effector_target_to_task_target_translation': self.start + [0.2, 0] - self.place,
                'effector_target_to_start_block_translation': np.zeros(2)}

    def step(self, action):
        self.place = self.place + action
        return self.observe(), float(self.place[0] >= self.start[0] + 0.2 - 1e-9), False, {}
"""
ORACLE = """
from matplotlib import patches, pyplot
from tf_agents.policies import py_policy

class ObstacleOrientedPushOracleBoard2dRRT(py_policy.PyPolicy):
    def get_plan(self, state):
        return True
"""
SOURCES = {
    "language_table": ENVIRONMENT,
    "blocks": "class LanguageTableBlockVariants:\n    BLOCK_8 = 8\n",
    "rewards/block2block": "class BlockToBlockReward: ...\n",
    "rewards/block2absolutelocation": "class BlockToAbsoluteLocationReward: ...\n",
    "rewards/block2block_relative_location": "class BlockToBlockRelativeLocationReward: ...\n",
    "rewards/block2relativelocation": "class BlockToRelativeLocationReward: ...\n",
    "rewards/separate_blocks": "class SeparateBlocksReward: ...\n",
    "oracles/push_oracle_rrt_slowdown": ORACLE,
}


def write_simulator(root: Path) -> Path:
    """Write the package below `root`, as a checkout has it and as an install does."""
    folder = root / "language_table" / "environments"
    for package in (folder.parent, folder, folder / "rewards", folder / "oracles"):
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
    for name, source in SOURCES.items():
        (folder / f"{name}.py").write_text(source)
    return root
