"""How far each activation reaches on real observations: what its 8-bit scale is made from.

Two passes over the observations through the float32 graph itself: the largest magnitude, then a
histogram up to it. Of all places to clip, the one with the least squared error is taken: a few
large numbers are cut off where that buys finer steps for all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from lapa_edge.errors import DataError

Feed = Mapping[str, NDArray[np.generic]]
Feeds = Callable[[], Iterable[Feed]]
"""Gives the inputs of every observation, each time it is called."""

BINS = 2048
STEPS = 127  # of int8 on either side of 0
_CLIPS = np.arange(64, BINS + 1, 16)  # candidates, in bins


def measure_ranges(model: ModelProto, tensors: Iterable[str], feeds: Feeds) -> dict[str, float]:
    """By tensor, the magnitude at which int8 should end; above 0.

    Raises:
        DataError: a tensor is not finite, or 0, on every observation.
    """
    names = list(dict.fromkeys(tensors))
    session = _session_with_outputs(model, names)
    largest = dict.fromkeys(names, 0.0)
    for feed in feeds():
        for name, values in zip(names, session.run(names, dict(feed)), strict=True):
            found = float(np.abs(values).max())
            if not np.isfinite(found):
                raise DataError(f"activation {name}", "is NaN or infinite", "train the run again")
            largest[name] = max(largest[name], found)
    if silent := [name for name, found in largest.items() if found == 0]:
        raise DataError(f"activation {silent[0]}", "is 0 in every observation", "check the data")
    counts = {name: np.zeros(BINS, np.int64) for name in names}
    for feed in feeds():
        for name, values in zip(names, session.run(names, dict(feed)), strict=True):
            counts[name] += np.histogram(np.abs(values), BINS, (0, largest[name]))[0]
    return {name: best_clip(counts[name], largest[name]) for name in names}


def best_clip(counts: NDArray[np.int64], largest: float) -> float:
    """The end of an int8 range with the least squared error.

    Args:
        counts: ``[BINS]``, how many magnitudes lie in each equal share of ``[0, largest]``.
        largest: the magnitude where the last bin ends.
    """
    centres = (np.arange(BINS) + 0.5) * largest / BINS
    ends = _CLIPS * largest / BINS
    errors = []
    for end in ends:
        step = end / STEPS
        kept = np.minimum(np.rint(centres / step), STEPS) * step
        # Inside the range a number is anywhere within its step, whatever its bin's centre is.
        squared = np.where(centres <= end, step**2 / 12, (centres - kept) ** 2)
        errors.append(float((counts * squared).sum()))
    return float(ends[int(np.argmin(errors))])


def _session_with_outputs(model: ModelProto, names: list[str]) -> onnxruntime.InferenceSession:
    """The graph with `names` as outputs; optimised no further than keeps those tensors alive."""
    watched = ModelProto.FromString(model.SerializeToString())
    del watched.graph.output[:]
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
