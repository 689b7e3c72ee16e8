"""The two regressors of a probe. Both decide how far to go by episodes they do not train on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapa_edge.evaluate.latents.estimate import Array
from lapa_edge.evaluate.latents.extra import import_extra
from lapa_edge.evaluate.latents.sample import Indices

ALPHAS = tuple(10.0**i for i in range(-1, 6))
FOLDS = 5
HIDDEN = (64,)
EPOCHS, PATIENCE = 100, 8
KEPT_APART = 0.2  # of the training episodes


def fit_ridge(x: Array, y: Array, group: Indices, seed: int) -> Any:
    """Ridge regression, its strength chosen by cross-validation over episodes.

    Args:
        x: [r, f], of unit variance.
        y: [r] or [r, a], of unit variance.
        group: [r], the episode of each row.
        seed: unused, for there is nothing to draw.
    """
    linear, selection = (
        import_extra("sklearn.linear_model"),
        import_extra("sklearn.model_selection"),
    )
    folds = min(FOLDS, len(np.unique(group)))
    parts = None  # one episode: scikit-learn leaves out one row at a time
    if folds > 1:
        parts = list(selection.GroupKFold(folds).split(x, groups=group))
    return linear.RidgeCV(ALPHAS, cv=parts).fit(x, y)


def fit_network(x: Array, y: Array, group: Indices, seed: int) -> Any:
    """A network of one hidden layer, as it was when it did best on the episodes kept apart.

    It starts from guessing the mean, and ends there if no epoch improves on that. Arguments as
    for `fit_ridge`. scikit-learn's own early stopping keeps *rows* apart, whose neighbours it has
    seen, and stops too late.
    """
    apart = _kept_apart(group, seed)
    network = import_extra("sklearn.neural_network").MLPRegressor(
        hidden_layer_sizes=HIDDEN, batch_size=min(128, int((~apart).sum())),
        learning_rate_init=2e-3, alpha=1e-3, random_state=seed,
    )  # fmt: skip
    best, waited = float(np.square(y[apart]).mean()), 0
    weights = None
    for _ in range(EPOCHS):
        network.partial_fit(x[~apart], y[~apart])
        error = float(np.square(network.predict(x[apart]) - y[apart]).mean())
        waited += 1
        if error < best:
            best, waited = error, 0
            weights = [w.copy() for w in network.coefs_], [w.copy() for w in network.intercepts_]
        if waited == PATIENCE:
            break
    if weights is None:
        weights = [w * 0 for w in network.coefs_], [w * 0 for w in network.intercepts_]
    network.coefs_, network.intercepts_ = weights
    return network


def _kept_apart(group: Indices, seed: int) -> NDArray[np.bool_]:
    """Rows of a fifth of the episodes; of the only one, a fifth of its rows."""
    names = np.unique(group)
    if len(names) == 1:
        group, names = np.arange(len(group)), np.arange(len(group))
    drawn = np.random.default_rng(seed).permutation(names)
    return np.isin(group, drawn[: max(1, round(KEPT_APART * len(names)))])
