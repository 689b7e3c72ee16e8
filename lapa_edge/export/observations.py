"""What a robot might see and feel: the inputs on which a bundle is compared with its agent.

Real ones come from a dataset, spread evenly over its clips; without one they are drawn at random,
which exercises the arithmetic but not the range of values that real frames reach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lapa_edge import _native
from lapa_edge.errors import ConfigError, RuntimeInputError
from lapa_edge.runtime.mark import NO_DATA
from lapa_edge.runtime.senses import Views
from lapa_edge.spec import PolicySpec
from lapa_edge.tokenizer import Tokenizer

if TYPE_CHECKING:
    from lapa_edge.data.episode import Dataset

CAMERA_SIZE = (120, 160)  # of random frames, so that resizing takes part
UNKNOWN_EVERY = 4


@dataclass(frozen=True, eq=False)
class Observations:
    """`m` moments, in physical units.

    frames: m times what the cameras see, RGB ``u8 [H, W, 3]``, any size each, of several cameras a
    tuple in the order of ``spec.cameras``; instructions: m sentences;
    states ``f32 [m, s]``; last_actions ``f32 [m, a]``; latent_ages_s ``f32 [m]``, seconds;
    source: where they came from, in words.
    """

    frames: Sequence[Views]
    instructions: Sequence[str]
    states: NDArray[np.float32]
    last_actions: NDArray[np.float32]
    latent_ages_s: NDArray[np.float32]
    source: str

    def __len__(self) -> int:
        return len(self.frames)

    def state_told(self, i: int) -> NDArray[np.float32] | None:
        """What a policy is told of state `i`; at every fourth moment it is not known."""
        return None if i % UNKNOWN_EVERY == UNKNOWN_EVERY - 1 else self.states[i]

    def resized(self, height: int, width: int) -> Observations:
        """The same moments with every frame as the network sees it, by the robot's own kernel."""
        each = (resize_views(views, (height, width)) for views in self.frames)
        frames = [views[0] if len(views) == 1 else tuple(views) for views in each]
        return replace(self, frames=frames)

    def sha256(self) -> str:
        """The hash of everything in them, hex: equal sets are equal to the last bit."""
        digest = hashlib.sha256()
        for views, words in zip(self.frames, self.instructions, strict=True):
            for view in [views] if isinstance(views, np.ndarray) else views:
                digest.update(f"{view.dtype} {view.shape}".encode())
                digest.update(np.ascontiguousarray(view).tobytes())
            digest.update(words.encode() + b"\0")
        for numbers in (self.states, self.last_actions, self.latent_ages_s):
            digest.update(np.ascontiguousarray(numbers, np.float32).tobytes())
        return digest.hexdigest()

    def ticks(self, control_hz: float) -> NDArray[np.int64]:
        """``int64 [m]``: chunk indices that go with the ages, every other latent half as long."""
        share = np.where(np.arange(len(self)) % 2, 0.5, 1.0)
        return np.floor(share * self.latent_ages_s * control_hz).astype(np.int64)


def check_observations(observations: Observations, spec: PolicySpec) -> None:
    """Raise `RuntimeInputError` for observations that are none, ragged, or not finite."""
    m = len(observations)
    if m == 0:
        raise RuntimeInputError("observations", "expected at least 1, got 0")
    if len(observations.instructions) != m:
        raise RuntimeInputError(
            "instructions", f"expected {m}, one per frame, got {len(observations.instructions)}"
        )
    numbers = {
        "states": (observations.states, (m, len(spec.state.names))),
        "last_actions": (observations.last_actions, (m, len(spec.action.names))),
        "latent_ages_s": (observations.latent_ages_s, (m,)),
    }
    for name, (values, shape) in numbers.items():
        if values.shape != shape:
            raise RuntimeInputError(name, f"expected {list(shape)}, got {list(values.shape)}")
        if not np.isfinite(values).all():
            raise RuntimeInputError(name, "expected finite numbers, got NaN or infinity")


def resize_views(views: Views, size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """``u8 [h, w, 3]`` of each camera."""
    each = [views] if isinstance(views, np.ndarray) else views
    return [_native.resize_frame(view, *size) for view in each]


def random_observations(
    spec: PolicySpec, tokenizer: Tokenizer, count: int, seed: int = 0
) -> Observations:
    """`count` observations of noise: frames, known words in any order, states, actions, ages."""
    rng = np.random.default_rng(seed)
    words = tokenizer.words or ("go",)
    return Observations(
        frames=[_random_views(rng, len(spec.cameras)) for _ in range(count)],
        instructions=[" ".join(rng.choice(words, size=4)) for _ in range(count)],
        states=_random_states(rng, spec, count),
        last_actions=rng.uniform(
            spec.action.low, spec.action.high, (count, len(spec.action.names))
        ).astype(np.float32),
        latent_ages_s=_random_ages(rng, spec, count),
        source=f"{count} random observations, seed {seed}: {NO_DATA}",
    )


def read_observations(
    data: Path,
    spec: PolicySpec,
    count: int,
    seed: int = 0,
    *,
    camera: str = "",
    fps: float | None = None,
) -> Observations:
    """`count` observations from a dataset: real frames, instructions and, where labelled, states.

    Clips without steps lend their frames and words; state and last action are then drawn around
    the spec's mean, and the stop action. Latent ages are drawn up to the spec's oldest. `camera`
    (of a policy that has one) and `fps` are as for `data.dataset.ReadOptions`.

    Raises:
        DataError: no known dataset, or a clip that cannot be decoded.
        ConfigError: the dataset's robot is not the spec's.
    """
    # Looked up late: drawing random observations needs no video decoder.
    from lapa_edge.data.dataset import ReadOptions, read_dataset

    # The one camera of a policy may go by any name in its data.
    names = spec.cameras if len(spec.cameras) > 1 else (camera,)
    dataset, *others = (
        read_dataset(data, ReadOptions(split="all", camera=name, fps=fps)) for name in names
    )
    by_name = [{e.name: e for e in other.episodes} for other in others]
    _check_robot(dataset, spec)
    rng = np.random.default_rng(seed)
    whole = [e for e in dataset.episodes if all(e.name in other for other in by_name)]
    clips = [e for e in whole if e.steps is not None] or whole
    clips = [clips[i] for i in _spread(len(clips), min(len(clips), -(-count // 4)))]
    states, last_actions = _random_states(rng, spec, count), _stops(spec, count)
    frames: list[Views] = []
    words: list[str] = []
    for number, clip in enumerate(clips):
        share = (number + 1) * count // len(clips) - number * count // len(clips)
        wanted = set(_spread(clip.frame_count, min(share, clip.frame_count)))
        videos = [clip.video, *(other[clip.name].video for other in by_name)]
        for index, views in enumerate(zip(*(video.read() for video in videos), strict=False)):
            if index not in wanted:
                continue
            if clip.steps is not None:
                step = int(np.searchsorted(clip.step_frames(), index))
                step = min(step, len(clip.steps) - 1)
                states[len(frames)] = clip.steps.state[step]
                if step:
                    last_actions[len(frames)] = clip.steps.action[step - 1]
            frames.append(views[0] if len(views) == 1 else views)
            words.append(clip.instruction)
            if index >= max(wanted):
                break
    m = len(frames)
    return Observations(
        frames=frames,
        instructions=words,
        states=states[:m],
        last_actions=last_actions[:m],
        latent_ages_s=_random_ages(rng, spec, m),
        source=f"{m} frames from {len(clips)} clip{'s' if len(clips) > 1 else ''} of {data.name}",
    )


def _check_robot(dataset: Dataset, spec: PolicySpec) -> None:
    from lapa_edge.data.robot_match import find_mismatch

    if dataset.robot and (found := find_mismatch(spec, dataset.robot)):
        raise ConfigError(
            f"dataset {dataset.root}",
            f"{found.what}: expected {found.expected} as in the run, got {found.got}",
            "give the data the run was trained on",
        )


def _spread(length: int, count: int) -> list[int]:
    """`count` indices below `length`, evenly spread."""
    return [int((i + 0.5) * length / count) for i in range(count)]


def _random_views(rng: np.random.Generator, cameras: int) -> Views:
    views = [rng.integers(0, 256, (*CAMERA_SIZE, 3), np.uint8) for _ in range(cameras)]
    return views[0] if cameras == 1 else tuple(views)


def _random_states(rng: np.random.Generator, spec: PolicySpec, count: int) -> NDArray[np.float32]:
    noise = rng.standard_normal((count, len(spec.state.names)))
    states: NDArray[np.float32] = (noise * spec.state.std + spec.state.mean).astype(np.float32)
    return states


def _random_ages(rng: np.random.Generator, spec: PolicySpec, count: int) -> NDArray[np.float32]:
    return rng.uniform(0, spec.timing.max_latent_age_s, count).astype(np.float32)


def _stops(spec: PolicySpec, count: int) -> NDArray[np.float32]:
    return np.tile(np.array(spec.action.stop, np.float32), (count, 1))
