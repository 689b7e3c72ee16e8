"""VPT: an inverse dynamics watches the video and writes down which actions must have led to it.

    frames of a clip, a gap apart -> chunks of actions, mean of those that cover a step -> steps

The pseudo-labels lie beside no clips but in a folder of their own, as ``steps.parquet`` and
``robot.json``; the folder appears in one rename.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset, Episode, Steps
from lapa_edge.data.folders.steps import read_steps, write_labels
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.progress import progress_bar
from lapa_edge.spec import PolicySpec
from lapa_edge.train.action_pairs import frames_apart
from lapa_edge.train.baselines.inverse import Inverse
from lapa_edge.train.batches import frames_to_tensor
from lapa_edge.train.device import pick_device
from lapa_edge.train.run_directory import read_json, write_text

BATCH = 128  # pairs; bounds the memory
SAME_GAP = 0.1  # how far the gap in a clip's own frames may be off, as a share
MADE_OF = "made_of.json"


def pseudo_labelled(
    inverse: Inverse,
    video: Dataset,
    store: FrameStore,
    demos: Dataset,
    spec: PolicySpec,
    root: Path,
) -> Dataset:
    """The video with the actions that `inverse` sees in it; read from `root` where that was done.

    There is no robot's state in a video: every step carries the mean state, which normalises to
    zero. Actions are cut to the robot's limits. A clip shorter than the gap is left out, and steps
    after its last pair of frames are.

    Raises:
        DataError: a clip's frame rate does not know the gap, or no clip is long enough.
        ConfigError: `root` holds pseudo-labels of another model, video or gap.
    """
    assert demos.robot is not None
    wanted = {
        "model": inverse.fingerprint,
        "video": store.fingerprint(),
        "gap": f"{inverse.gap_s:g} s, {inverse.steps} steps",
    }
    if (root / MADE_OF).is_file():
        found = read_json(root / MADE_OF, dict[str, str])
        changed = [name for name in wanted if found.get(name) != wanted[name]]
        if changed:
            raise ConfigError(
                f"pseudo-labels {root}", f"were made with another {', '.join(changed)}",
                "remove them, or choose another --out",
            )  # fmt: skip
    else:
        steps = _label(inverse, video, store, spec)
        staging = root.with_name(f"{root.name}.new")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        write_labels(staging, demos.robot, steps)
        write_text(staging / MADE_OF, json.dumps(wanted, indent=1))
        staging.rename(root)
    robot, steps = read_steps(root)
    named = {e.name: e for e in video.episodes}
    episodes = tuple(replace(named[name], steps=one) for name, one in steps.items())
    return Dataset(root, episodes, robot)


def _label(
    inverse: Inverse, video: Dataset, store: FrameStore, spec: PolicySpec
) -> dict[str, Steps]:
    """Steps by clip name."""
    steps: dict[str, Steps] = {}
    with progress_bar() as bar:
        task = bar.add_task("label video with actions", total=len(video.episodes))
        for episode in video.episodes:
            bar.advance(task)
            count = store.count(episode.name) if episode.name in store.spans else 0
            gap = _gap_frames(episode, inverse.gap_s)
            if count > gap:
                first = store.offset(episode.name) + np.arange(count - gap)
                chunks = _read(inverse, store, first, first + gap)
                steps[episode.name] = _steps(chunks, episode, spec)
    if not steps:
        raise DataError(
            f"video {video.root}", f"no clip is longer than {inverse.gap_s:g} s",
            "choose a shorter gap or longer clips",
        )  # fmt: skip
    return steps


def _gap_frames(episode: Episode, gap_s: float) -> int:
    gap = frames_apart(gap_s, episode.fps)
    if abs(gap / episode.fps / gap_s - 1) > SAME_GAP:
        raise DataError(
            f"clip {episode.name}",
            f"at {episode.fps:g} Hz its frames lie {gap / episode.fps:g} s apart, and those that "
            f"the inverse dynamics knows {gap_s:g} s",
            "choose a gap that is whole frames of the video and of the demos",
        )
    return gap


@torch.inference_mode()
def _read(
    inverse: Inverse, store: FrameStore, first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Normalised actions ``[m, steps, a]`` between the frames `first` and `second` ``[m]``."""
    device, found = pick_device(), []
    for start in range(0, len(first), BATCH):
        pair = (
            frames_to_tensor(store.gather(i[start : start + BATCH]), inverse.config.frame, device)
            for i in (first, second)
        )
        found.append(inverse.model.read_actions(*pair).float().cpu().numpy())
    return np.concatenate(found).reshape(len(first), inverse.steps, -1)


def _steps(chunks: NDArray[np.float32], episode: Episode, spec: PolicySpec) -> Steps:
    """One clip's steps at control rate, from a chunk ``[steps, a]`` per frame."""
    count, length, a = chunks.shape
    hz = spec.action.control_hz
    begin = np.ceil(np.arange(count) * hz / episode.fps - 1e-6).astype(np.int64)
    at = begin[:, None] + np.arange(length)  # [count, steps]
    total, read = np.zeros((at.max() + 1, a)), np.zeros(at.max() + 1)
    np.add.at(total, at, chunks)
    np.add.at(read, at, 1)
    covered = np.flatnonzero(read)
    mean = total[covered] / read[covered, None]
    action = mean * np.array(spec.action.std) + np.array(spec.action.mean)
    return Steps(
        covered / hz,
        np.tile(np.array(spec.state.mean, np.float32), (len(covered), 1)),
        np.clip(action, spec.action.low, spec.action.high),
    )
