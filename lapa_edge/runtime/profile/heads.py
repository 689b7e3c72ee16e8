"""The same action head in every way that this machine runs it, and the text encoder beside it."""

from __future__ import annotations

from functools import partial

import numpy as np

from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError
from lapa_edge.runtime.backends.names import HeadPrecision
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph
from lapa_edge.runtime.head import build_head, has_calibration
from lapa_edge.runtime.profile.latency import Part

NATIVE: dict[str, HeadPrecision] = {
    "head_native": "f32", "head_bf16": "bf16", "head_int8": "int8"
}  # fmt: skip


def build_heads(bundle: Bundle, seed: int = 0) -> tuple[dict[str, Part], dict[str, str]]:
    """Heads and text encoder as calls without arguments, and why a head is not among them.

    A head of bf16 or int8 is left out where the export found that it loses too much, or where the
    bundle has no calibration: the robot would not run it either.
    """
    x = np.random.default_rng(seed).standard_normal(bundle.spec.head_told_dim).astype(np.float32)
    parts: dict[str, Part] = {}
    absent: dict[str, str] = {}
    for name, precision in NATIVE.items():
        if precision == "int8" and not has_calibration(bundle):
            absent[name] = "this bundle carries no calibration"
            continue
        try:
            parts[name] = partial(build_head(bundle, "native", precision).forward, x)
        except BundleError as error:
            absent[name] = error.args[1]
    parts["head_onnx"] = partial(build_head(bundle, "onnx").forward, x)
    ids = np.ones((1, bundle.spec.text.max_tokens), np.int64)
    parts["text_encoder"] = partial(OnnxGraph(bundle.path("text_encoder.onnx")).run, ids=ids)
    return parts, absent
