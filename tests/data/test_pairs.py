from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.data.pairs import FramePairs
from lapa_edge.errors import ConfigError, DataError


def make_store(counts: list[int]) -> FrameStore:
    offsets = np.cumsum([0, *counts]).tolist()
    spans = {f"{i}": (offsets[i], count) for i, count in enumerate(counts)}
    return FrameStore(np.zeros((offsets[-1], 1, 1, 3), np.uint8), spans)


def make_pairs(
    counts: list[int], *gap_s: float, fps: float = 10.0, truncate: bool = True
) -> FramePairs:
    rates = {f"{i}": fps for i in range(len(counts))}
    return FramePairs(make_store(counts), gap_s, rates, truncate)


def listed(pairs: FramePairs, gap_s: float) -> list[tuple[int, int]]:
    first, second = pairs.all_pairs(gap_s)
    assert first.dtype == second.dtype == np.int64
    return list(zip(first.tolist(), second.tolist(), strict=True))


def test_gap_is_truncated_at_the_end_of_the_clip() -> None:
    pairs = make_pairs([4, 0, 1, 3], 0.2)
    assert listed(pairs, 0.2) == [(0, 2), (1, 3), (2, 3), (5, 7), (6, 7)]
    assert len(pairs) == 5


def test_pairs_past_the_end_are_left_out_on_demand() -> None:
    assert listed(make_pairs([4, 1, 3], 0.2, truncate=False), 0.2) == [(0, 2), (1, 3), (5, 7)]


def test_gap_is_rounded_to_frames_of_each_clip() -> None:
    pairs = FramePairs(make_store([9, 9]), (0.3,), {"0": 10.0, "1": 4.0})
    first, second = pairs.all_pairs(0.3)
    assert second[0] - first[0] == 3
    assert second[-8] - first[-8] == 1
    assert listed(make_pairs([3], 0.001), 0.001) == [(0, 1), (1, 2)]


def test_samples_are_pairs_and_reach_all_of_them() -> None:
    pairs = make_pairs([4, 1, 3], 0.1, 0.2)
    first, second = pairs.sample(np.random.default_rng(0), 500)
    assert first.dtype == second.dtype == np.int64
    drawn = set(zip(first.tolist(), second.tolist(), strict=True))
    assert drawn == set(listed(pairs, 0.1)) | set(listed(pairs, 0.2))


def test_gaps_are_drawn_equally_often() -> None:
    # The long gap has 10 of 109 pairs, yet half of the draws.
    pairs = make_pairs([100], 0.1, 9.0, truncate=False)
    first, second = pairs.sample(np.random.default_rng(0), 4000)
    assert abs(np.mean(second - first == 90) - 0.5) < 0.03


def test_same_seed_draws_the_same_pairs() -> None:
    pairs = make_pairs([40, 30], 0.1, 0.3)
    for a, b in zip(
        pairs.sample(np.random.default_rng(7), 64),
        pairs.sample(np.random.default_rng(7), 64),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    gap=st.integers(1, 6),
    truncate=st.booleans(),
)
def test_pairs_are_exactly_those_of_a_plain_loop(
    counts: list[int], gap: int, truncate: bool
) -> None:
    expected, offset = [], 0
    for count in counts:
        for i in range(count - 1):
            if truncate or i + gap < count:
                expected.append((offset + i, offset + min(i + gap, count - 1)))
        offset += count
    if expected:
        assert listed(make_pairs(counts, gap / 10, truncate=truncate), gap / 10) == expected
    else:
        with pytest.raises(DataError, match="frame pairs"):
            make_pairs(counts, gap / 10, truncate=truncate)


def test_clips_too_short_for_any_pair_are_refused() -> None:
    with pytest.raises(DataError, match=r"0.2 s apart: none: the longest of 2 clips lasts 0.1 s"):
        make_pairs([1, 1], 0.2)
    with pytest.raises(DataError, match="choose a shorter gap"):
        make_pairs([5], 0.1, 2.0, truncate=False)
    with pytest.raises(DataError, match="none"):
        make_pairs([], 0.2)


@pytest.mark.parametrize("gap_s", [(), (0.0,), (0.1, -1.0), (float("nan"),)])
def test_impossible_gap_is_refused(gap_s: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="gap_s"):
        make_pairs([5], *gap_s)
