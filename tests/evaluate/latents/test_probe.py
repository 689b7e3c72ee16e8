"""Probes of motion: what they may find, and what they must not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lapa_edge.errors import ConfigError, DataError, MissingDependencyError
from lapa_edge.evaluate.latents.features import (
    CODES,
    FIRST_FRAME,
    LATENTS,
    SHUFFLED,
    Features,
    probe_features,
)
from lapa_edge.evaluate.latents.motion import Motion, true_motion
from lapa_edge.evaluate.latents.probe import ProbeResult, probe_motion
from lapa_edge.evaluate.latents.sample import draw_pairs, encode_pairs


@pytest.fixture(scope="module")
def probed(make_world: Callable[..., Any], oracle: Any) -> ProbeResult:
    world = make_world(24)
    sample = draw_pairs(world.store, world.dataset.fps, 0.4, 500)
    encoded = encode_pairs(oracle, world.store.all, sample)
    motion = true_motion(world.dataset, world.store, sample)
    assert motion is not None
    features = probe_features(encoded, 3, world.store.all, sample)
    return probe_motion(features, motion, sample.clip, splits=2)


def test_exact_latents_tell_the_motion_and_the_controls_do_not(probed: ProbeResult) -> None:
    for kind in ("linear", "mlp"):
        assert probed.score(LATENTS, kind).r2.low > 0.9
        assert 0.6 < probed.score(CODES, kind).r2.value < probed.score(LATENTS, kind).r2.value
        for control in (FIRST_FRAME, SHUFFLED):
            assert probed.score(control, kind).r2.value < 0.15
        over = probed.score(LATENTS, kind).over_first_frame
        assert over is not None
        assert over.low > 0.5


def test_a_dimension_that_never_moves_is_named_and_left_out(probed: ProbeResult) -> None:
    assert probed.dims == ("dx", "dy")
    assert probed.constant == ("grip",)
    assert len(probed.score(LATENTS).by_dim) == 2


def test_intervals_hold_their_values(probed: ProbeResult) -> None:
    for score in probed.scores:
        assert len(score.by_split) == 2
        assert score.r2.value == pytest.approx(np.mean(score.by_split))
        assert score.r2.low <= score.r2.value <= score.r2.high


def motion_of(value: np.ndarray) -> Motion:
    return Motion(("dx",), ("m",), value[:, None], np.ones(len(value), np.bool_))


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_knowing_the_episode_is_worth_nothing(kind: Any) -> None:
    # Were frames split and not episodes, the episode's number would give its motion away.
    clip = np.arange(20).repeat(20)
    rng = np.random.default_rng(0)
    way = rng.normal(size=20)[clip] + 0.01 * rng.normal(size=400)
    number = Features(np.eye(20, dtype=np.float32)[clip], 64)
    found = probe_motion({"number": number}, motion_of(way), clip, kinds=[kind])
    assert found.score("number", kind).r2.value < 0.1


def test_pairs_without_known_motion_take_no_part() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 1)).astype(np.float32)
    known = np.arange(300) % 3 > 0
    value = np.where(known, x[:, 0], 1e6)
    motion = Motion(("dx",), ("m",), value[:, None].astype(np.float64), known)
    found = probe_motion({LATENTS: Features(x, 8)}, motion, np.arange(300) // 30, kinds=["linear"])
    assert found.pairs == 200
    assert found.score(LATENTS).r2.value > 0.99


def test_wide_features_are_reduced() -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(400, 3))
    wide = (hidden @ rng.normal(size=(3, 2000))).astype(np.float32)
    found = probe_motion(
        {LATENTS: Features(wide, 16)}, motion_of(hidden[:, 0]), np.arange(400) // 20,
        kinds=["linear"], splits=1,
    )  # fmt: skip
    assert found.score(LATENTS).r2.value > 0.99


def test_too_little_data_says_what_is_missing() -> None:
    x = {LATENTS: Features(np.zeros((60, 1), np.float32), 8)}
    way = np.arange(60.0)
    with pytest.raises(DataError, match="two episodes or more, got 60 in 1"):
        probe_motion(x, motion_of(way), np.zeros(60, np.int64))
    with pytest.raises(DataError, match="none of dx ever changes"):
        probe_motion(x, motion_of(way * 0), np.arange(60))
    with pytest.raises(ConfigError, match="at least one"):
        probe_motion(x, motion_of(way), np.arange(60), splits=0)


def test_two_episodes_suffice() -> None:
    x = np.random.default_rng(0).normal(size=(60, 1)).astype(np.float32)
    found = probe_motion(
        {LATENTS: Features(x, 8)}, motion_of(x[:, 0].astype(np.float64)), np.arange(60) // 30
    )
    assert found.score(LATENTS, "linear").r2.value > 0.9
    assert found.test_clips == 1


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.preprocessing", None)
    x = np.random.default_rng(0).normal(size=(60, 1)).astype(np.float32)
    with pytest.raises(MissingDependencyError, match=r"lapa-edge\[inspect\]"):
        probe_motion({LATENTS: Features(x, 8)}, motion_of(np.arange(60.0)), np.arange(60) // 6)


def test_codes_that_the_training_part_never_showed_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 512, 400)
    onehot = np.eye(512, dtype=np.float32)[codes]
    value = (codes / 512 + 0.1 * rng.normal(size=400)).astype(np.float64)
    found = probe_motion(
        {LATENTS: Features(onehot, 256)}, motion_of(value), np.arange(400) // 20, splits=2
    )
    assert -0.5 < found.score(LATENTS, "linear").r2.value < 1
