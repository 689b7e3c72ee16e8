"""This machine's own ceiling, measured: how fast it reads weights, and how fast it multiplies.

Both on as many threads as the policy has. Products are ONNX Runtime's, which runs the policy too:
in float32, or of 8-bit integers for a graph in int8. Weights are read where they would lie: a block
as large as they are stays in the same cache. A busy machine takes time away and never gives any, so
the best of many tries counts, and tries go on until the best has settled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from lapa_edge.runtime.backends.onnx_graph import session_options
from lapa_edge.runtime.profile.latency import Clock
from lapa_edge.runtime.profile.roofline import Ceiling

_SIDE = 384  # of a square product: large enough to be fast, small enough for a core's caches
# Below, calling would be measured rather than reading; above, no cache holds it anyway.
_LEAST_READ_BYTES, _MOST_READ_BYTES = 2**20, 2**28
_FLOAT, _UINT8, _INT8, _INT32 = 1, 2, 3, 6  # ONNX's numbers
# By precision: the operator, ONNX's type of its inputs and its output, and numpy's of the inputs.
_PRODUCTS = {
    "fp32": ("MatMul", (_FLOAT, _FLOAT, _FLOAT), (np.float32, np.float32)),
    "int8": ("MatMulInteger", (_UINT8, _INT8, _INT32), (np.uint8, np.int8)),
}


def measure_ceiling(threads: int, precision: str, weights_bytes: int) -> Ceiling:
    """What this machine does at most with `threads`, in about 2 s or less.

    Args:
        threads: of the policy.
        precision: of its graph; `gflop_s` is None for one that is not measured here.
        weights_bytes: read per look.
    """
    product = f"ONNX Runtime's {precision} product"
    if precision not in _PRODUCTS:
        product = f"no product, as {precision} is not measured here"
    return Ceiling(
        name="this machine",
        source=f"measured on {threads} threads: reading as much, {product}",
        bandwidth_gb_s=_read_gb_s(threads, weights_bytes),
        gflop_s=_product_gflop_s(threads, precision) if precision in _PRODUCTS else None,
        measured=True,
    )


def best_s(
    call: Callable[[], object],
    settle_s: float = 0.3,
    limit_s: float = 1.0,
    clock: Clock = time.perf_counter_ns,
) -> float:
    """The least time of `call`: until none is 1 % faster for `settle_s`, or for `limit_s`."""
    began = improved = before = clock()
    best = float("inf")
    while True:
        call()
        now = clock()
        took, before = now - before, now
        if took < 0.99 * best:
            improved = now
        best = min(best, took)
        if now - improved >= 1e9 * settle_s or now - began >= 1e9 * limit_s:
            return best / 1e9


def _read_gb_s(threads: int, weights_bytes: int) -> float:
    """Every thread reads its share, over and over, beside the others."""
    size = min(max(weights_bytes, _LEAST_READ_BYTES), _MOST_READ_BYTES)
    block = np.ones(size // 4, np.float32)

    def read(share: NDArray[np.float32]) -> float:
        return share.nbytes / best_s(share.max) / 1e9

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(read, np.array_split(block, threads)))


def _product_gflop_s(threads: int, precision: str) -> float:
    operator, kinds, dtypes = _PRODUCTS[precision]
    session = onnxruntime.InferenceSession(
        _encode_product(operator, *kinds),
        session_options(threads),
        providers=["CPUExecutionProvider"],
    )
    told = {name: np.ones((_SIDE, _SIDE), dtype) for name, dtype in zip("ab", dtypes, strict=True)}
    return 2e-9 * _SIDE**3 / best_s(lambda: session.run(None, told))


def _encode_product(operator: str, a: int, b: int, y: int) -> bytes:
    """An ONNX model of one node, ``y = operator(a, b)``, of matrices of these types.

    Field numbers are those of onnx.proto; the package `onnx` is none of the runtime's.
    """
    node = _field(1, b"a") + _field(1, b"b") + _field(2, b"y") + _field(4, operator.encode())
    graph = _field(1, node) + _field(2, b"product")
    for number, name, kind in ((11, b"a", a), (11, b"b", b), (12, b"y", y)):
        # A tensor type: its element type, and two dimensions without a size.
        tensor = bytes([1 << 3, kind]) + _field(2, 2 * _field(1, b""))
        graph += _field(number, _field(1, name) + _field(2, _field(1, tensor)))
    ir_version, opset = bytes([1 << 3, 8]), bytes([2 << 3, 17])
    return ir_version + _field(8, opset) + _field(7, graph)


def _field(number: int, value: bytes) -> bytes:
    """A protobuf field of bytes, which may be a message."""
    assert len(value) < 128, "a longer one has a length of several bytes"
    return bytes([number << 3 | 2, len(value)]) + value
