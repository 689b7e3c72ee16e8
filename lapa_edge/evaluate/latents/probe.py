"""How much of the robot's true motion can be read out of latents and codes.

    r2 = 1 - sum (y - prediction)^2 / sum (y - mean y)^2     on episodes that the probe never met

Several random splits by episode; never by frame, for the frames of an episode resemble each
other. What counts is the distance to the observation-only control: a first frame alone foretells
much of the motion, as the arm goes where the blocks are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import ConfigError, DataError
from lapa_edge.evaluate.latents.estimate import (
    Array,
    Estimate,
    clip_weights,
    sum_by_clip,
    summarise,
)
from lapa_edge.evaluate.latents.extra import import_extra
from lapa_edge.evaluate.latents.features import CODES, FIRST_FRAME, LATENTS, Features
from lapa_edge.evaluate.latents.motion import Motion
from lapa_edge.evaluate.latents.regressors import fit_network, fit_ridge
from lapa_edge.evaluate.latents.sample import Indices, Tick, no_tick

Kind = Literal["linear", "mlp"]

KINDS: tuple[Kind, ...] = ("linear", "mlp")
TEST_SHARE = 0.3  # of the clips, per split
MIN_PAIRS = 50


@dataclass(frozen=True)
class ProbeScore:
    """One probe of one kind of features.

    Attributes:
        r2: mean over the dimensions, mean over the splits; its interval draws episodes anew.
        by_dim: the same for each dimension.
        by_split: mean over the dimensions, for each split.
        over_first_frame: r2 minus that of the observation-only control, or minus 0 where the
            control does worse than guessing the mean; None for controls.
    """

    features: str
    probe: Kind
    r2: Estimate
    by_dim: tuple[Estimate, ...]
    by_split: tuple[float, ...]
    over_first_frame: Estimate | None


@dataclass(frozen=True)
class ProbeResult:
    """All probes of one model.

    Attributes:
        dims: the action dimensions that were probed.
        constant: those left out, for they never change.
        pairs, clips: with known motion; test_clips of them were held out in each split.
    """

    dims: tuple[str, ...]
    constant: tuple[str, ...]
    pairs: int
    clips: int
    test_clips: int
    scores: tuple[ProbeScore, ...]

    def score(self, features: str, probe: Kind = "linear") -> ProbeScore:
        """The score of one pairing."""
        return next(s for s in self.scores if (s.features, s.probe) == (features, probe))


def probe_motion(
    features: Mapping[str, Features],
    motion: Motion,
    clip: Indices,
    *,
    splits: int = 3,
    seed: int = 0,
    kinds: Sequence[Kind] = KINDS,
    tick: Tick = no_tick,
) -> ProbeResult:
    """Fit every probe on every kind of features.

    Args:
        features: by name, as `probe_features` gives them; m pairs each.
        motion: of the same pairs; those without known motion are left out.
        clip: int64 [m], which clip each pair is of.
        splits: random splits of the episodes, seeded `seed`, `seed` + 1 and so on.
        kinds: ``linear`` is ridge regression, ``mlp`` a small network; both keep some of the
            training episodes apart to choose how far to go.
        tick: called with 1 after each fit.

    Raises:
        ConfigError: no split, or no kind of probe.
        DataError: too few pairs or episodes, or nothing moves.
        MissingDependencyError: scikit-learn is not installed.
    """
    if splits < 1 or not kinds:
        raise ConfigError("splits and kinds", f"expected at least one, got {splits} and {kinds}")
    moving, constant = _moving(motion)
    target = motion.value[motion.known][:, moving]  # [r, a]
    there, group = np.unique(clip[motion.known], return_inverse=True)
    clips, test_clips = len(there), max(1, round(TEST_SHARE * len(there)))
    if clips < 2 or len(target) < MIN_PAIRS:
        raise DataError(
            "probe of motion",
            f"expected {MIN_PAIRS} pairs with known motion in two episodes or more, "
            f"got {len(target)} in {clips}",
        )
    tests = [
        np.isin(group, np.random.default_rng(seed + i).permutation(clips)[:test_clips])
        for i in range(splits)
    ]
    weights = clip_weights(clips, seed)  # shared, so that differences are paired
    draws = {}
    for kind in kinds:
        for name, feature in features.items():
            x = feature.values[motion.known].astype(np.float64)
            by_split = []
            for i, test in enumerate(tests):
                train = x[~test], target[~test], group[~test]
                predicted = _predict(kind, feature.components, train, x[test], seed + i)
                by_split.append(_r2_draws(target[test], predicted, group[test], weights))
                tick(1)
            draws[name, kind] = np.stack(by_split)  # [splits, 1 + draws, a]
    return ProbeResult(
        dims=tuple(name for name, moves in zip(motion.names, moving, strict=True) if moves),
        constant=constant,
        pairs=len(target),
        clips=clips,
        test_clips=test_clips,
        scores=tuple(_score(key, draws, test_clips) for key in draws),
    )


def _moving(motion: Motion) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which dimensions change, and the names of those that do not."""
    spread = np.ptp(motion.value[motion.known], axis=0)
    moving: NDArray[np.bool_] = spread > 1e-9
    constant = tuple(name for name, moves in zip(motion.names, moving, strict=True) if not moves)
    if not moving.any():
        raise DataError("probe of motion", f"none of {', '.join(constant)} ever changes")
    return moving, constant


def _predict(
    kind: Kind, components: int, train: tuple[Array, Array, Indices], x: Array, seed: int
) -> Array:
    """Fit on training rows (x, y, episode) and predict for rows `x`, float64 [r, a]."""
    known, target, group = train
    inputs, x = _prepared(known, x, components, seed)
    scale = target.std(0)
    scale[scale == 0] = 1.0  # a dimension that rests in the training part alone
    outputs = (target - target.mean(0)) / scale
    if outputs.shape[1] == 1:
        outputs = outputs[:, 0]
    fit = fit_ridge if kind == "linear" else fit_network
    predicted = fit(inputs, outputs, group, seed).predict(x)
    return np.asarray(predicted.reshape(len(x), -1) * scale + target.mean(0))


def _r2_draws(truth: Array, predicted: Array, group: Indices, weights: Array) -> Array:
    """r2 [1 + draws, a] under weights [1 + draws, clips] of the episodes."""
    columns = np.stack([np.ones_like(truth), truth, truth**2, (truth - predicted) ** 2], axis=1)
    sums = sum_by_clip(group, columns, weights.shape[1])  # [clips, 4, a]
    count, total, squares, error = np.moveaxis(np.tensordot(weights, sums, axes=1), 1, 0)
    spread = squares - total**2 / count
    return np.asarray(1 - error / np.where(spread > 1e-12 * squares, spread, np.nan))


def _score(
    key: tuple[str, Kind], draws: Mapping[tuple[str, Kind], Array], clips: int
) -> ProbeScore:
    name, kind = key
    by_dim = draws[key].mean(0)  # [1 + draws, a]
    over = None
    control = draws.get((FIRST_FRAME, kind))
    if control is not None and name in (LATENTS, CODES):
        over = summarise(by_dim.mean(1) - control.mean(0).mean(1).clip(min=0), clips)
    return ProbeScore(
        features=name,
        probe=kind,
        r2=summarise(by_dim.mean(1), clips),
        by_dim=tuple(summarise(column, clips) for column in by_dim.T),
        by_split=tuple(draws[key][:, 0].mean(1).tolist()),
        over_first_frame=over,
    )


def _prepared(known: Array, x: Array, components: int, seed: int) -> tuple[Array, Array]:
    """Training rows and new rows, centred and scaled by what the training rows show.

    Wide features are reduced by PCA and divided by one number: to give each component unit
    variance would blow up those that hardly vary, and with them what a rare code adds to them.
    """
    most = min(len(known) - 1, components)
    if known.shape[1] > most:
        prepare = import_extra("sklearn.decomposition").PCA(most, random_state=seed)
        known, x = prepare.fit_transform(known), prepare.transform(x)
        spread = known.std(0).max()
        return (known / spread, x / spread) if spread > 0 else (known, x)
    scaler = import_extra("sklearn.preprocessing").StandardScaler()
    return scaler.fit_transform(known), scaler.transform(x)
