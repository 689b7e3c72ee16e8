"""A bundle small enough for any test: random weights, real files, no torch.

``write_tiny_bundle(root)`` gives a directory that `lapa_edge.runtime.session.Session` drives, in
milliseconds. Its ONNX graphs are linear maps of a mean-pooled image and of the summed words; its
action head is written twice, as ``action_head.onnx`` and as ``weights.safetensors``, from the same
arrays, as the exporter does.
"""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
from safetensors.numpy import save

from lapa_edge.artifact import Bundle, write_bundle
from lapa_edge.spec import (
    ActionSpec,
    FrameSpec,
    LatentSpec,
    PolicySpec,
    StateSpec,
    TextSpec,
    TimingSpec,
)
from lapa_edge.tokenizer import build_tokenizer

WORDS = "reach the red block and push it left right away"
IR_VERSION, OPSET = 9, 17  # read by every ONNX Runtime the project supports
Weights = dict[str, NDArray[np.float32]]


def tiny_spec(
    *,
    n: int = 2,
    k: int = 4,
    d: int = 3,
    a: int = 2,
    s: int = 3,
    chunk: int = 2,
    context_dim: int = 4,
    height: int = 16,
    width: int = 16,
    policy_hz: float = 20.0,
    control_hz: float = 50.0,
    max_latent_age_s: float = 0.5,
    blend_s: float = 0.0,
) -> PolicySpec:
    """A spec whose every length can be chosen; ``n=0`` is a policy that predicts no codes.

    Actions are velocities between -1 and 1 m/s whose stop is 0; the state is joint angles in rad.
    """
    return PolicySpec(
        frame=FrameSpec(height=height, width=width),
        latent=LatentSpec(n=n, k=k, d=d, gap_s=0.5) if n else None,
        context_dim=context_dim,
        state=StateSpec(
            names=tuple(f"joint_{i}" for i in range(s)), mean=(0.1,) * s, std=(0.5,) * s
        ),
        action=ActionSpec(
            names=tuple(f"velocity_{i}" for i in range(a)),
            units=("m/s",) * a,
            low=(-1.0,) * a,
            high=(1.0,) * a,
            mean=(0.05,) * a,
            std=(0.4,) * a,
            stop=(0.0,) * a,
            chunk=chunk,
            control_hz=control_hz,
        ),
        text=TextSpec(max_tokens=6, d=5),
        timing=TimingSpec(policy_hz=policy_hz, max_latent_age_s=max_latent_age_s, blend_s=blend_s),
    )


def write_tiny_bundle(
    root: Path, *, seed: int = 0, head_width: int = 8, head_blocks: int = 2, **lengths: float
) -> Bundle:
    """Write a bundle with random weights at `root`; `lengths` are those of `tiny_spec`."""
    return write_bundle(
        root,
        spec := tiny_spec(**lengths),
        tiny_files(spec, seed=seed, head_width=head_width, head_blocks=head_blocks),
        {"made_by": "tests/bundles.py", "seed": str(seed)},
    )


def tiny_files(
    spec: PolicySpec, *, seed: int = 0, head_width: int = 8, head_blocks: int = 2
) -> dict[str, bytes]:
    """Every file of a bundle but the manifest, for a test that wants to spoil one."""
    rng = np.random.default_rng(seed)
    head = head_weights(rng, spec.head_input_dim, spec.head_output_dim, head_width, head_blocks)
    weights = {f"action_head.{name}": array for name, array in head.items()}
    if spec.latent:
        weights["codebook"] = _normal(rng, spec.latent.k, spec.latent.d)
    tokenizer = build_tokenizer([WORDS], max_tokens=spec.text.max_tokens)
    graphs = {
        "policy.onnx": policy_graph(rng, spec),
        "text_encoder.onnx": text_graph(rng, spec, tokenizer.vocabulary_size),
        "action_head.onnx": head_graph(head),
    }
    return {
        **{name: graph.SerializeToString() for name, graph in graphs.items()},
        "weights.safetensors": save(weights),
        "tokenizer.json": msgspec.json.encode(tokenizer),
    }


def head_weights(
    rng: np.random.Generator, inputs: int, outputs: int, width: int, blocks: int
) -> Weights:
    """The action head's arrays under the names of ``lapa_edge.model.action_head``."""
    shapes = {"input": (width, inputs)}
    for block in range(blocks):
        shapes |= {f"blocks.{block}.up": (width, width), f"blocks.{block}.down": (width, width)}
    shapes["output"] = (outputs, width)
    weights: Weights = {}
    for layer, (rows, columns) in shapes.items():
        weights[f"{layer}.weight"] = _normal(rng, rows, columns) / np.float32(math.sqrt(columns))
        weights[f"{layer}.bias"] = _normal(rng, rows)
    return weights


def head_graph(weights: Weights) -> ModelProto:
    """``x f32 [1, in] -> chunk f32 [1, out]``, the residual MLP of `head_weights`."""
    nodes = _dense("input", "x", "input_sum", weights)
    nodes.append(helper.make_node("Relu", ["input_sum"], ["h"]))
    hidden = "h"
    for block in range(sum(name.endswith(".up.weight") for name in weights)):
        name = f"blocks.{block}"
        nodes += _dense(f"{name}.up", hidden, f"{name}.sum", weights)
        nodes.append(helper.make_node("Relu", [f"{name}.sum"], [f"{name}.raised"]))
        nodes += _dense(f"{name}.down", f"{name}.raised", f"{name}.change", weights)
        nodes.append(helper.make_node("Add", [hidden, f"{name}.change"], [f"{name}.h"]))
        hidden = f"{name}.h"
    nodes += _dense("output", hidden, "chunk", weights)
    inputs = {"x": (TensorProto.FLOAT, [1, weights["input.weight"].shape[1]])}
    return _model(nodes, inputs, {"chunk": [1, len(weights["output.bias"])]}, weights)


def policy_graph(rng: np.random.Generator, spec: PolicySpec) -> ModelProto:
    """``image f32 [1, 3 v, h, w], text f32 [1, text_dim] -> logits f32 [1, n, k], context``.

    A linear map of the image's mean colours, the text and, where the policy is told it, ``state
    f32 [1, s + 1]``; logits are absent without codes.
    """
    inputs = {
        "image": (TensorProto.FLOAT, [1, 3 * len(spec.cameras), *_size(spec)]),
        "text": (TensorProto.FLOAT, [1, spec.text.d]),
    }
    if spec.policy_state:
        inputs["state"] = (TensorProto.FLOAT, [1, len(spec.state.names) + 1])
    context = spec.context_dim
    codes = spec.latent.n * spec.latent.k if spec.latent else 0
    weights = {
        "all.weight": _normal(rng, context + codes, sum(shape[1] for _, shape in inputs.values())),
        "all.bias": _normal(rng, context + codes),
    }
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["colour"], axes=[2, 3], keepdims=0),
        helper.make_node("Concat", ["colour", *list(inputs)[1:]], ["seen"], axis=1),
        *_dense("all", "seen", "answer", weights),
    ]
    outputs = {"context": [1, context]}
    constants: dict[str, NDArray[np.generic]] = dict(weights)
    if spec.latent:
        outputs["logits"] = [1, spec.latent.n, spec.latent.k]
        constants["widths"] = np.array([context, codes], np.int64)
        constants["logits_shape"] = np.array(outputs["logits"], np.int64)
        nodes += [
            helper.make_node("Split", ["answer", "widths"], ["context", "flat"], axis=1),
            helper.make_node("Reshape", ["flat", "logits_shape"], ["logits"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["answer"], ["context"]))
    return _model(nodes, inputs, outputs, constants)


def _size(spec: PolicySpec) -> tuple[int, int]:
    return spec.frame.height, spec.frame.width


def text_graph(rng: np.random.Generator, spec: PolicySpec, vocabulary_size: int) -> ModelProto:
    """``ids int64 [1, max_tokens] -> text f32 [1, d]``: the sum of the words' vectors."""
    table = _normal(rng, vocabulary_size, spec.text.d)
    table[0] = 0.0  # padding says nothing
    constants = {"table": table, "tokens": np.array([1], np.int64)}
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["vectors"]),
        helper.make_node("ReduceSum", ["vectors", "tokens"], ["text"], keepdims=0),
    ]
    inputs = {"ids": (TensorProto.INT64, [1, spec.text.max_tokens])}
    return _model(nodes, inputs, {"text": [1, spec.text.d]}, constants)


def _normal(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.standard_normal(shape).astype(np.float32)


def _dense(layer: str, source: str, target: str, weights: Weights) -> list[NodeProto]:
    """``W x + b`` with torch's [outputs, inputs] weights."""
    assert f"{layer}.weight" in weights
    arguments = [source, f"{layer}.weight", f"{layer}.bias"]
    return [helper.make_node("Gemm", arguments, [target], transB=1)]


def _model(
    nodes: list[NodeProto],
    inputs: dict[str, tuple[int, list[int]]],
    outputs: dict[str, list[int]],
    constants: dict[str, NDArray[np.generic]] | Weights,
) -> ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph, ir_version=IR_VERSION, opset_imports=[helper.make_opsetid("", OPSET)]
    )
    checker.check_model(model)
    return model
