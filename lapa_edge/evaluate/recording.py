"""Scripted experts to clips on disk: videos without actions, and demos with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Steps
from lapa_edge.data.video import write_video
from lapa_edge.errors import DataError
from lapa_edge.evaluate.environment import Environment

# Frames kept after success, so that the clip shows the thing done.
FRAMES_AFTER_SUCCESS = 4
MAX_TRIES = 5
# Far from the seeds anybody would choose, so that a retried clip never shows an evaluated scene.
RETRY_STRIDE = 100_000_007


@dataclass(frozen=True, eq=False)
class Recording:
    """One successful expert episode."""

    frames: list[NDArray[np.uint8]]
    steps: Steps


def record_episode(
    environment: Environment, seed: int, fps: float, noise: float
) -> Recording | None:
    """Let the expert act from `seed`; None where it fails within the step limit.

    Args:
        environment: reset here.
        seed: of the episode and of the noise.
        fps: camera rate, Hz; must divide the control rate.
        noise: standard deviation of a slow random push on the expert, as a share of the action
            range. Disturbed, it shows how to come back (DART, arXiv 1703.09327). The actions
            kept are those executed.
    """
    rng = np.random.default_rng([seed, 1])
    every = round(environment.robot.control_hz / fps)
    low, high = (np.array(v) for v in (environment.robot.action_low, environment.robot.action_high))
    environment.reset(seed)
    frames, states, actions = [], [], []
    push = np.zeros(len(low))
    solved_at: int | None = None
    for step in range(environment.max_steps):
        if step % every == 0:
            frames.append(environment.frame().copy())
        push = 0.9 * push + noise * np.sqrt(1 - 0.9**2) * rng.standard_normal(len(low))
        wanted = environment.expert_action() + push * (high - low) / 2
        action = np.clip(wanted, low, high).astype(np.float32)
        states.append(environment.state())
        actions.append(action)
        solved = environment.step(action)
        if solved and solved_at is None:
            solved_at = step
        if solved_at is not None and step >= solved_at + FRAMES_AFTER_SUCCESS * every:
            break
    if solved_at is None:
        return None
    time_s = np.arange(len(states)) / environment.robot.control_hz
    return Recording(frames, Steps(time_s, np.array(states), np.array(actions)))


def record_clip(environment: Environment, seed: int, fps: float, noise: float, path: Path) -> Steps:
    """Record one clip to `path`; a failed episode is tried again from another seed.

    Raises:
        DataError: the expert failed `MAX_TRIES` times in a row.
    """
    for attempt in range(MAX_TRIES):
        recording = record_episode(environment, seed + attempt * RETRY_STRIDE, fps, noise)
        if recording is not None:
            write_video(path, recording.frames, fps)
            return recording.steps
    raise DataError(
        f"task {environment.name}", f"the scripted expert failed {MAX_TRIES} times from seed {seed}"
    )
