"""Which files a precision adds to a bundle, and the passes that make them.

    fp16, bf16    policy.fp16.onnx, action_head.fp16.onnx
    int8, fp8     policy.int8.onnx, calibration.json

The head has no graph in 8 bits: it is three layers whose inputs differ by orders of magnitude,
which the native kernel scales column by column; beside an 8-bit policy it stays in float32. The
instruction's encoder runs once per instruction, and stays in float32 with ONNX Runtime.
"""

from __future__ import annotations

import msgspec

from lapa_edge.artifact import Bundle
from lapa_edge.errors import ConfigError
from lapa_edge.export.limits import PRECISIONS, Precision
from lapa_edge.export.precision.calibrate import CALIBRATION, PolicyCalibration
from lapa_edge.export.precision.casts import cast_graph
from lapa_edge.export.precision.quantize import quantize_graph

QUANTIZED: tuple[Precision, ...] = ("int8", "fp8")


def graph_file(graph: str, precision: Precision) -> str:
    """The file of ``policy`` or ``action_head`` that goes with a precision."""
    if precision == "fp32" or (graph == "action_head" and precision in QUANTIZED):
        return f"{graph}.onnx"
    return f"{graph}.{precision}.onnx"


def make_graphs(
    bundle: Bundle, precision: Precision, calibration: PolicyCalibration | None = None
) -> dict[str, bytes]:
    """The files that `precision` adds to `bundle`, by name; none for fp32.

    Raises:
        ConfigError: int8 or fp8 without a calibration.
        BundleError: a graph that is none of ours, or a calibration of another graph.
        DataError: a weight beyond what the precision can hold.
    """
    if precision == "fp32":
        return {}
    policy = bundle.path("policy.onnx").read_bytes()
    if precision == "fp16" or precision == "bf16":  # noqa: PLR1714 - which narrows the type
        head = bundle.path("action_head.onnx").read_bytes()
        return {
            graph_file("policy", precision): cast_graph(policy, "policy.onnx", precision),
            graph_file("action_head", precision): cast_graph(head, "action_head.onnx", precision),
        }
    if calibration is None:
        raise ConfigError(
            f"--precision {precision}",
            "needs ranges of real observations",
            "give a dataset with --data",
        )
    graph = quantize_graph(policy, "policy.onnx", precision, calibration.ranges)
    return {
        graph_file("policy", precision): graph,
        CALIBRATION: msgspec.json.format(msgspec.json.encode(calibration)),
    }


def parse_precisions(words: str) -> tuple[Precision, ...]:
    """``"fp32,int8"`` as precisions, fp32 first: every bundle carries it.

    Raises:
        ConfigError: a word that is no precision.
    """
    asked = [word.strip() for word in words.split(",") if word.strip()]
    if odd := [word for word in asked if word not in PRECISIONS]:
        raise ConfigError("--precision", f"{odd[0]!r} is none of {', '.join(PRECISIONS)}")
    return tuple(p for p in PRECISIONS if p in asked or p == "fp32")
