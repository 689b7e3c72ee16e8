"""Statistics of added columns, by episode and over all, in the form that LeRobot keeps.

Over all, quantiles are the mean of the episodes' quantiles weighted by their frames, as LeRobot
itself joins them; the rest is exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lapa_edge.data.lerobot.feature import Columns

Stats = dict[str, list[Any]]  # by statistic: one number per number of the column


def column_stats(values: NDArray[Any], quantiles: Sequence[str]) -> Stats:
    """Statistics over the rows of a column [rows] or [rows, width].

    Args:
        values: at least one row.
        quantiles: such as ``q01`` and ``q50``.
    """
    rows = values.reshape(len(values), -1)
    numbers = rows.astype(np.float64)
    stats = {
        "min": rows.min(axis=0).tolist(),
        "max": rows.max(axis=0).tolist(),
        "mean": numbers.mean(axis=0).tolist(),
        "std": numbers.std(axis=0).tolist(),
        "count": [len(rows)],
    }
    for name in quantiles:
        stats[name] = np.quantile(numbers, int(name[1:]) / 100, axis=0).tolist()
    return stats


def episode_stats(columns: Columns, quantiles: Sequence[str]) -> dict[str, Stats]:
    """Statistics of each column of one episode."""
    return {key: column_stats(values, quantiles) for key, values in columns.items()}


def join_stats(one: Stats | None, other: Stats) -> Stats:
    """Statistics of one column over what both were taken of; None stands for nothing yet."""
    if one is None:
        return other
    a, b = one["count"][0], other["count"][0]
    share = b / (a + b)  # of the other
    shift = np.subtract(other["mean"], one["mean"])
    mean = one["mean"] + shift * share
    variance = np.square(one["std"]) * (1 - share) + np.square(other["std"]) * share
    stats = {
        "min": np.minimum(one["min"], other["min"]).tolist(),
        "max": np.maximum(one["max"], other["max"]).tolist(),
        "mean": mean.tolist(),
        "std": np.sqrt(variance + np.square(shift) * share * (1 - share)).tolist(),
        "count": [a + b],
    }
    for name in quantile_names(one):
        quantile = np.multiply(one[name], 1 - share) + np.multiply(other[name], share)
        stats[name] = quantile.tolist()
    return stats


def quantile_names(names: Iterable[str]) -> list[str]:
    """Those of the names of statistics that are quantiles, sorted."""
    return sorted({name for name in names if re.fullmatch(r"q\d{1,2}", name)})


def stat_type(statistic: str, kind: pa.DataType) -> pa.DataType:
    """How a table of episodes keeps a statistic of a column of this type."""
    value = kind.value_type if pa.types.is_fixed_size_list(kind) else kind
    if statistic == "count":
        return pa.list_(pa.int64())
    if statistic in ("min", "max") and not pa.types.is_floating(value):
        return pa.list_(value)
    return pa.list_(pa.float64())
