"""What every reader of this room returns: episodes of video, some with a robot's steps.

A clip without steps feeds stages 1 and 2; a clip with them, stage 3 as well. The camera and the
robot keep their own rates: frame ``i`` was taken at ``i / fps`` seconds of its clip, and a step
sees the newest frame at or before its ``time_s``, as it would on the robot.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.source import FrameSource
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.spec import ActionKind

# How far steps may run past the last frame before clip and steps cannot belong together.
MAX_OVERHANG_S = 1.0


@dataclass(frozen=True, eq=False)
class Steps:
    """What the robot felt and did during one clip.

    Attributes:
        time_s: float64 [t], seconds since the clip's first frame, strictly increasing.
        state: float32 [t, s], as ``RobotSpec.state_names`` lists it.
        action: float32 [t, a], as ``RobotSpec.action_names`` lists it.
        source: where the steps came from, for messages.

    Raises:
        DataError: lengths differ, a value is not finite, or time does not increase.
    """

    time_s: NDArray[np.float64]
    state: NDArray[np.float32]
    action: NDArray[np.float32]
    source: str = field(default="steps", repr=False)

    def __post_init__(self) -> None:
        for name, dtype, ndim in (("time_s", "f8", 1), ("state", "f4", 2), ("action", "f4", 2)):
            value = np.asarray(getattr(self, name), dtype=dtype)
            object.__setattr__(self, name, value)
            if value.ndim != ndim:
                expected = "[t]" if ndim == 1 else f"[t, {name[0]}]"
                raise DataError(self.source, f"{name}: expected {expected}, got {value.shape}")
            if len(value) != len(self.time_s):
                raise DataError(
                    self.source,
                    f"{name}: expected {len(self.time_s)} rows, one per time_s, got {len(value)}",
                )
            bad = np.flatnonzero(~np.isfinite(value).all(axis=tuple(range(1, ndim))))
            if len(bad):
                raise DataError(
                    self.source,
                    f"{name}: expected finite numbers, got {value[bad[0]].tolist()} "
                    f"in step {bad[0]} ({len(bad)} such steps)",
                    "repair the recording or leave the clip's steps out",
                )
        if len(self.time_s) == 0:
            raise DataError(self.source, "no steps", "leave the clip unlabelled instead")
        backward = np.flatnonzero(np.diff(self.time_s) <= 0)
        if len(backward):
            i = int(backward[0])
            raise DataError(
                self.source,
                f"time_s must increase, got {self.time_s[i]:g} then {self.time_s[i + 1]:g} "
                f"at step {i + 1}",
                "sort the steps by time and drop repeated ones",
            )

    def __len__(self) -> int:
        return len(self.time_s)


@dataclass(frozen=True, eq=False)
class Episode:
    """One clip, with its instruction ("" where none is known) and steps (None where unlabelled).

    Raises:
        DataError: the steps begin before the first frame or run far past the last one.
    """

    name: str
    video: FrameSource
    fps: float
    frame_count: int
    instruction: str = ""
    steps: Steps | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0) or self.frame_count < 1:
            raise DataError(
                f"clip {self.name}",
                f"expected a positive frame rate and at least one frame, got {self.fps} fps "
                f"and {self.frame_count} frames",
            )
        if self.steps is None:
            return
        first_s, last_s, end_s = *self.steps.time_s[[0, -1]], self.frame_count / self.fps
        if first_s < 0 or last_s > end_s + MAX_OVERHANG_S:
            raise DataError(
                f"clip {self.name}",
                f"its steps span {first_s:g} to {last_s:g} s, its {self.frame_count} frames at "
                f"{self.fps:g} fps 0 to {end_s:g} s",
                "give time_s in seconds since the clip's first frame",
            )

    def step_frames(self) -> NDArray[np.int64]:
        """int64 [t]: for each step, the newest frame at or before it."""
        if self.steps is None:
            return np.zeros(0, dtype=np.int64)
        # The small shift keeps 0.3 s * 10 fps = 2.9999... in frame 3.
        frames = np.floor(self.steps.time_s * self.fps + 1e-6).astype(np.int64)
        return np.minimum(frames, self.frame_count - 1)


@dataclass(frozen=True)
class RobotSpec:
    """The robot that the steps were recorded on; low and high bound each action in its unit.

    ``action_kinds`` says what each action is, all "delta" where empty: see `spec.ActionKind`. An
    "absolute" one is a target of the state of the same name. ``action_stop`` is the action that
    makes the robot stand still; where empty, it is chosen by kind.
    """

    control_hz: float
    state_names: tuple[str, ...]
    action_names: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    action_units: tuple[str, ...]
    action_kinds: tuple[ActionKind, ...] = ()
    action_stop: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.control_hz) and self.control_hz > 0):
            raise DataError("robot control_hz", f"expected more than 0, got {self.control_hz}")
        a = len(self.action_names)
        for name in ("action_low", "action_high", "action_units"):
            if len(getattr(self, name)) != a:
                raise DataError(
                    f"robot {name}",
                    f"expected {a} entries, one per action, got {len(getattr(self, name))}",
                )
        for name in ("action_kinds", "action_stop"):
            if len(getattr(self, name)) not in (0, a):
                raise DataError(
                    f"robot {name}",
                    f"expected {a} entries, one per action, or none, "
                    f"got {len(getattr(self, name))}",
                )
        for i, action in enumerate(self.action_names):
            low, high = self.action_low[i], self.action_high[i]
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise DataError(
                    f"robot action {action}", f"expected finite low < high, got {low} and {high}"
                )
            if self.action_stop and not low <= self.action_stop[i] <= high:
                raise DataError(
                    f"robot action {action}",
                    f"expected action_stop within {low:g} to {high:g}, got {self.action_stop[i]:g}",
                )
            if self.kinds[i] == "absolute" and action not in self.state_names:
                raise DataError(
                    f"robot action {action}",
                    f"it is absolute, but the states are {', '.join(self.state_names)}",
                    "record the state of the same name: stopping, the robot holds it",
                )

    @property
    def kinds(self) -> tuple[ActionKind, ...]:
        """What each action is, one entry per action."""
        return self.action_kinds or tuple("delta" for _ in self.action_names)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Episodes read from one place; ``robot`` is None where nothing is labelled.

    Attributes:
        skipped: one line per damaged clip that was left out.

    Raises:
        DataError: two clips share a name, or steps do not fit the robot.
    """

    root: Path
    episodes: tuple[Episode, ...]
    robot: RobotSpec | None = None
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        twice = [name for name, n in Counter(e.name for e in self.episodes).items() if n > 1]
        if twice:
            raise DataError(f"clip {twice[0]}", "two videos share this name", "rename one of them")
        for episode in self.episodes:
            if episode.steps is not None:
                check_fits(episode.name, episode.steps, self.robot)

    @property
    def labelled(self) -> Dataset:
        """Only the episodes with steps; none where the dataset has no labels."""
        return replace(self, episodes=tuple(e for e in self.episodes if e.steps is not None))

    @property
    def fps(self) -> dict[str, float]:
        """Camera rate in Hz by clip name."""
        return {e.name: e.fps for e in self.episodes}


def check_fits(name: str, steps: Steps, robot: RobotSpec | None) -> None:
    """Raise DataError unless the steps of clip ``name`` have the robot's widths and limits."""
    if robot is None:
        raise DataError(f"clip {name}", "it has steps but no robot is described")
    for kind, value, names in (
        ("state", steps.state, robot.state_names),
        ("action", steps.action, robot.action_names),
    ):
        if value.shape[1] != len(names):
            raise DataError(
                f"clip {name}",
                f"{kind}: expected {len(names)} numbers ({', '.join(names)}), got {value.shape[1]}",
            )
    low, high = np.array(robot.action_low), np.array(robot.action_high)
    slack = 1e-3 * (high - low)  # recorders round
    outside = np.argwhere((steps.action < low - slack) | (steps.action > high + slack))
    if len(outside):
        row, column = outside[0]
        raise DataError(
            f"clip {name}",
            f"action {robot.action_names[column]} is {steps.action[row, column]:g} in step {row}, "
            f"outside {low[column]:g} to {high[column]:g}",
            "record the action that was sent, or correct the limits of the robot",
        )


def is_labelled(position: int, share: float) -> bool:
    """Whether episode ``position`` (counted from 0) is among an evenly spread ``share`` of them.

    A share of 0.1 picks 0, 10, 20 and so on: the same few demonstrations on every machine.

    Raises:
        ConfigError: ``share`` lies outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ConfigError("labelled_share", f"expected 0 to 1, got {share}")
    return math.ceil((position + 1) * share - 1e-9) > math.ceil(position * share - 1e-9)
