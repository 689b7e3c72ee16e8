"""Bins of the demos' actions, as many actions in each: what a head of bins chooses from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lapa_edge.model.decoding import ActionBins
from lapa_edge.spec import ActionSpec


def fill_bins(bins: ActionBins, spec: ActionSpec, actions: NDArray[np.float32]) -> None:
    """Measure the bins on the demos' normalised actions ``[t, a]``.

    A gripper has two, below and above the middle of its range (LAPA, section 3.3). Elsewhere the
    edges are quantiles; where a value repeats so often that quantiles coincide, such as standing
    still, it has a bin of its own. Fewer bins remain then, and none is empty.
    """
    width = bins.means.shape[1]
    for i, values in enumerate(actions.astype(np.float32).T):
        if spec.kinds and spec.kinds[i] == "gripper":
            edges = np.zeros(1, np.float32)  # the middle of the range, normalised
        else:
            edges = _quantiles(values, width)
        edges = edges[(edges > values.min()) & (edges <= values.max())]
        inside = np.searchsorted(edges, values, side="right")  # [t]
        means = np.bincount(inside, values) / np.bincount(inside)
        bins.edges[i, : len(edges)] = torch.from_numpy(edges)
        bins.means[i] = float(means[-1])
        bins.means[i, : len(means)] = torch.from_numpy(means)
        bins.count[i] = len(means)


def _quantiles(values: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """At most ``bins - 1`` edges, ascending; each is a value, and begins its bin."""
    shares = np.arange(1, bins) / bins
    edges, times = np.unique(np.quantile(values, shares, method="higher"), return_counts=True)
    distinct = np.unique(values)
    after = np.searchsorted(distinct, edges[times > 1], side="right")
    # The rare values beyond a frequent one must not move its mean.
    return np.union1d(edges, distinct[after[after < len(distinct)]])
