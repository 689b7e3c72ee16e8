"""Stage 1's few labels: the right actions between the right frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import FRAMES, WAYS, write_clips

from lapa_edge.data.dataset import read_dataset
from lapa_edge.spec import FrameSpec
from lapa_edge.train.action_pairs import ActionPairs
from lapa_edge.train.frames import open_frames


def test_pairs_stay_in_their_clip_and_carry_its_mean_action(tmp_path: Path) -> None:
    dataset = read_dataset(write_clips(tmp_path / "clips", 3, labelled=True))
    store = open_frames(dataset, FrameSpec(height=48, width=48), tmp_path / "cache")
    pairs = ActionPairs(dataset, store, gap_s=(0.2, 0.3))
    first, second, action = pairs.sample(np.random.default_rng(0), 200)
    assert pairs.action_dim == 2
    assert (first // FRAMES == second // FRAMES).all()
    assert set((second - first).tolist()) == {1, 2, 3}  # cut at the clip's end
    # Each clip moves one way at one speed: all of its pairs have one action, unlike the others'.
    by_clip = [np.unique(action[first // FRAMES == clip].round(4), axis=0) for clip in range(3)]
    assert [len(rows) for rows in by_clip] == [1, 1, 1]
    ways = np.array(list(WAYS.values()))
    normalised = (ways - ways.mean(0)) / ways.std(0)
    assert np.concatenate(by_clip) == pytest.approx(normalised, abs=0.15)
