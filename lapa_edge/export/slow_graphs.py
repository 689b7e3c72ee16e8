"""Graphs that no CPU kernel runs at speed, run anyway: to be judged, not to drive a robot.

fp8     ONNX Runtime has its Q and DQ, and products that read them; it is only when it fuses
        them that it writes a graph which it then refuses. Unfused it runs.
bf16    ONNX Runtime has few of its kernels; ONNX's own reference evaluator has all of them, in
        numpy. It takes tenths of a second a look, so only the first observations are asked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator

from lapa_edge.errors import RuntimeInputError
from lapa_edge.export.precision.known_graph import read_graph
from lapa_edge.runtime.backends.graph import Arrays
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph

FIRST = 64  # observations for the reference evaluator


class EvaluatedGraph:
    """A graph of ours in ONNX's reference evaluator.

    Raises:
        BundleError: none of ours.
    """

    def __init__(self, path: Path) -> None:
        self._evaluator = ReferenceEvaluator(read_graph(path.read_bytes(), path.name))

    def run(self, **arrays: NDArray[np.generic]) -> Arrays:
        """See `Graph.run`."""
        try:
            found = self._evaluator.run(None, arrays)
        except Exception as error:  # numpy's and onnx's own, whatever an operator meets
            problem = f"ONNX's reference evaluator failed on them ({error})"
            raise RuntimeInputError(", ".join(arrays), problem) from error
        return dict(zip(self._evaluator.output_names, map(np.asarray, found), strict=True))


def open_unfused(path: Path) -> OnnxGraph:
    """A graph in ONNX Runtime that runs its operators one by one.

    Raises:
        BundleError: it is refused all the same.
    """
    return OnnxGraph(path, fuse=False)
