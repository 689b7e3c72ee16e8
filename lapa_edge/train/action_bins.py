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
    edges are quantiles; where values repeat so often that quantiles coincide, fewer bins remain,
    and none is empty.
    """
    width = bins.means.shape[1]
    for i, values in enumerate(actions.astype(np.float32).T):
        if spec.kinds and spec.kinds[i] == "gripper":
            edges = np.zeros(1, np.float32)  # the middle of the range, normalised
        else:
            shares = np.arange(1, width) / width
            # "higher" takes edges that are values: each bin holds the one that it begins with.
            edges = np.unique(np.quantile(values, shares, method="higher"))
        edges = edges[(edges > values.min()) & (edges <= values.max())]
        inside = np.searchsorted(edges, values, side="right")  # [t]
        means = np.bincount(inside, values) / np.bincount(inside)
        bins.edges[i, : len(edges)] = torch.from_numpy(edges)
        bins.means[i] = float(means[-1])
        bins.means[i, : len(means)] = torch.from_numpy(means)
        bins.count[i] = len(means)
