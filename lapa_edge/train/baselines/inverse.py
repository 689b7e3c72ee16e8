"""The inverse dynamics of VPT and UniPi: which actions led from one frame to another.

A tenth of the demos is held out to say how well it reads them (``val_r2`` in its metrics); the
weights that did best there are the ones used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lapa_edge.data.episode import Dataset
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.model.latent_action import LatentActionConfig, LatentActionModel
from lapa_edge.spec import ActionSpec
from lapa_edge.train.action_pairs import ActionChunks, frames_apart
from lapa_edge.train.inverse_dynamics import train_inverse_dynamics
from lapa_edge.train.latents import LabelledPairs, LatentsConfig, read_latent_model
from lapa_edge.train.loop import LoopConfig
from lapa_edge.train.run_directory import RunDirectory

HELD_OUT = 0.1


@dataclass(frozen=True, eq=False)
class Inverse:
    """A trained inverse dynamics, ready to read frames.

    Attributes:
        config: of its run.
        model: frames ``[b, 3, h, w]`` twice to ``[b, steps * a]`` by ``read_actions``.
        gap_s: time between the two frames, seconds: whole frames of the demos.
        steps: control steps in it.
        fingerprint: of its weights.
    """

    config: LatentsConfig
    model: LatentActionModel
    gap_s: float
    steps: int
    fingerprint: str


def train_inverse(
    demos: Dataset,
    store: FrameStore,
    action: ActionSpec,
    size: LatentActionConfig,
    gap_s: float,
    loop: LoopConfig,
    run: RunDirectory,
) -> Inverse:
    """Train on the demos, or read the run where that was done.

    Args:
        demos: labelled episodes.
        store: their frames.
        action: their normalisation.
        size: of the network; it needs no decoder, and gets none.
        gap_s: wanted; rounded to whole frames of the demos.
        loop: the training loop.
        run: where it goes.
    """
    gap_s = _in_frames(gap_s, demos)
    steps = max(1, round(gap_s * action.control_hz))
    model = replace(size, action_dim=steps * len(action.names), decoder_layers=0)
    config = LatentsConfig(model=model, loop=loop, gap_s=(gap_s,), held_out=HELD_OUT)
    training, held_out = (
        LabelledPairs(ActionChunks(part, store, gap_s, steps, action), store) if part else None
        for part in _split(demos, store, config.held_out)
    )
    assert training
    train_inverse_dynamics(config, training, run, held_out)
    best = run.best.is_file()
    _, trained = read_latent_model(run, best)
    assert isinstance(trained, LatentActionModel)
    return Inverse(config, trained, gap_s, steps, run.fingerprint(best))


def _in_frames(gap_s: float, demos: Dataset) -> float:
    fps = float(np.median(list(demos.fps.values())))
    return frames_apart(gap_s, fps) / fps


def _split(demos: Dataset, store: FrameStore, share: float) -> tuple[Dataset, Dataset | None]:
    """Demos to learn from, and an evenly spread share held out: one at least, of several."""
    episodes = [e for e in demos.episodes if e.name in store.spans]
    if len(episodes) < 2:
        return demos, None
    every = len(episodes) // max(1, round(share * len(episodes)))
    kept_out = {e.name for e in episodes[every // 2 :: every]}
    parts = ([e for e in episodes if (e.name in kept_out) == out] for out in (False, True))
    training, held_out = (replace(demos, episodes=tuple(part)) for part in parts)
    return training, held_out
