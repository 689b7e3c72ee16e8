"""How much of everything the demo does: the full run of ten minutes, and the smoke test of one."""

from __future__ import annotations

from dataclasses import dataclass

from lapa_edge.evaluate.scenes import Use, scene_seeds
from lapa_edge.spec import TimingSpec
from lapa_edge.train.presets import PresetName

ENVIRONMENT = "metaworld"
# The faucet tasks share one scene, in which only the words tell opening from closing.
TASKS = (
    "faucet-open",
    "faucet-close",
    "window-open",
    "window-close",
    "door-close",
    "button-press-topdown",
)
CAMERA_HZ = 20.0
TIMING = TimingSpec(policy_hz=10.0, max_latent_age_s=0.4, blend_s=0.05)
# Half of the videos show a disturbed expert, so that there is something to recover from.
VIDEO_NOISE = 0.2
# Simulated time from a frame to its latent.
POLICY_LATENCY_S = 0.05
CHUNK = 8
BOARD = "orin-nano"


@dataclass(frozen=True)
class Plan:
    """The sizes of one demo."""

    tasks: tuple[str, ...] = TASKS
    videos_per_task: int = 40
    demos_per_task: int = 3
    preset: PresetName = "tiny"
    latent_steps: int = 400
    policy_steps: int = 700
    action_steps: int = 800
    latent_batch: int = 32
    batch: int = 48
    rollouts_per_task: int = 30
    rollouts_per_job: int = 5
    latency_repeats: int = 300
    parity_observations: int = 48

    def scenes(self, use: Use, seed: int) -> dict[str, range]:
        """The seeds of the scenes that the demo with `seed` shows, by task."""
        count = {
            "videos": self.videos_per_task,
            "demos": self.demos_per_task,
            "rollouts": self.rollouts_per_task,
        }[use]
        return {task: scene_seeds(use, i, seed, count) for i, task in enumerate(self.tasks)}


FULL = Plan()
QUICK = Plan(
    tasks=("faucet-open", "faucet-close"),
    videos_per_task=4,
    demos_per_task=2,
    preset="debug",
    latent_steps=20,
    policy_steps=20,
    action_steps=20,
    latent_batch=8,
    batch=8,
    rollouts_per_task=2,
    rollouts_per_job=1,
    latency_repeats=30,
    parity_observations=8,
)
