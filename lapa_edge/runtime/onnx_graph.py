"""ONNX Runtime behind one small class: named arrays in, named arrays out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from lapa_edge.errors import BundleError, RuntimeInputError

_DTYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8}


class OnnxGraph:
    """One static-shaped ONNX graph, loaded and run on the CPU.

    Args:
        path: a file of a verified bundle.
        threads: threads inside one operator; small graphs are fastest on few.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would steal the core that the control loop runs on.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises classes it does not export
            raise BundleError(f"graph {path}", f"ONNX Runtime refuses it ({error})") from error
        for node in self._session.get_inputs():
            if node.type not in _DTYPES:
                kinds = ", ".join(_DTYPES)
                raise BundleError(
                    f"graph {path}", f"input {node.name}: expected {kinds}, got {node.type}"
                )
        self.inputs = {
            node.name: (tuple(node.shape), np.dtype(_DTYPES[node.type]))
            for node in self._session.get_inputs()
        }
        self.outputs = [node.name for node in self._session.get_outputs()]

    def run(self, **arrays: NDArray[np.generic]) -> dict[str, NDArray[np.generic]]:
        """Run the graph once; shapes and dtypes are those of `inputs`.

        Raises:
            RuntimeInputError: an input is missing, extra, or of another shape or dtype.
        """
        if arrays.keys() != self.inputs.keys():
            raise RuntimeInputError(
                "graph inputs", f"expected {sorted(self.inputs)}, got {sorted(arrays)}"
            )
        for name, (shape, dtype) in self.inputs.items():
            got = arrays[name]
            if got.shape != shape or got.dtype != dtype:
                raise RuntimeInputError(
                    name, f"expected {dtype} {list(shape)}, got {got.dtype} {list(got.shape)}"
                )
        try:
            values = self._session.run(self.outputs, arrays)
        except Exception as error:  # see above
            raise RuntimeInputError(
                ", ".join(arrays), f"ONNX Runtime failed on them ({error})"
            ) from error
        return dict(zip(self.outputs, values, strict=True))
