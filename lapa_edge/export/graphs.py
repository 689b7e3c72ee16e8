"""Agent to ONNX: three graphs that run without torch, and build under TensorRT as they are.

    policy.onnx        image f32 [1, 3 v, h, w], text f32 [1, text_dim], and where the policy is
                       told the state: state f32 [1, s + 1], physical, the last 1 where known
                       -> logits f32 [1, n, k] (not for a policy without codes),
                          context f32 [1, context_dim]
    text_encoder.onnx  ids int64 [1, max_tokens] -> text f32 [1, text_dim]
    action_head.onnx   x f32 [1, in] -> chunk f32 [1, p * a]

Shapes are static: a robot has its cameras and one body, and static graphs leave TensorRT nothing
to guess. Precision is what stands in the graph, float32 throughout.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Sequence

import onnx
import torch
from torch import Tensor, nn

from lapa_edge.errors import ConfigError
from lapa_edge.model.agent import Agent
from lapa_edge.spec import PolicySpec

# The newest that TensorRT 10.3 (JetPack 6.2) reads. GELU is one operator in it, which ONNX Runtime
# runs as one kernel and not as six, and Q and DQ know FP8.
OPSET = 20

POLICY, TEXT_ENCODER, ACTION_HEAD = "policy.onnx", "text_encoder.onnx", "action_head.onnx"


def export_graphs(agent: Agent, spec: PolicySpec) -> dict[str, bytes]:
    """The three graphs of `agent` as single ONNX files, by file name.

    The same weights give the same bytes: nothing in them tells where they were made.

    Raises:
        ConfigError: `agent` does not fit `spec`.
    """
    check_fits(agent, spec)
    # A copy, so that the caller's agent keeps its device and its training mode.
    agent = copy.deepcopy(agent).cpu().float().eval()
    image = torch.zeros(1, 3 * len(spec.cameras), spec.frame.height, spec.frame.width)
    text = torch.zeros(1, spec.text.d)
    seen = {"image": image, "text": text}
    if spec.policy_state:
        seen["state"] = torch.zeros(1, len(spec.state.names) + 1)
    ids = torch.zeros(1, spec.text.max_tokens, dtype=torch.int64)
    x = torch.zeros(1, spec.head_input_dim)
    outputs = ["logits", "context"] if spec.latent else ["context"]
    look = _Look(agent, outputs)
    return {
        POLICY: export_graph(look, tuple(seen.values()), list(seen), outputs),
        TEXT_ENCODER: export_graph(agent.instructed.text.whole(), (ids,), ["ids"], ["text"]),
        ACTION_HEAD: export_graph(agent.head, (x,), ["x"], ["chunk"]),
    }


def export_graph(
    module: nn.Module, example: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str]
) -> bytes:
    """One module as one checked ONNX file, its shapes and dtypes those of `example`."""
    # The torch.export path, not the tracer: the tracer is deprecated and goes away, and leaves
    # shape arithmetic (Shape, Where, Expand) in graphs whose every shape is known.
    with _quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            module,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _strip_provenance(model)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def check_fits(agent: Agent, spec: PolicySpec) -> None:
    """Raise `ConfigError` where the agent's networks and the spec name different sizes."""
    policy, text = agent.instructed.policy, agent.instructed.text
    found = {
        "frame height and width": (policy.config.height, policy.config.width),
        "number of cameras": (len(policy.config.cameras),),
        "policy state": (agent.state_dim,),
        "latent n": (policy.n,),
        "context_dim": (agent.context_dim,),
        "text max_tokens and d": (text.max_tokens, text.d),
        "action head input": (agent.head.input.in_features,),
        "action head output": (agent.head.output.out_features,),
    }
    wanted: dict[str, tuple[int, ...]] = {
        "frame height and width": (spec.frame.height, spec.frame.width),
        "number of cameras": (len(spec.cameras),),
        "policy state": (len(spec.state.names) if spec.policy_state else 0,),
        "latent n": (spec.latent.n if spec.latent else 0,),
        "context_dim": (spec.context_dim,),
        "text max_tokens and d": (spec.text.max_tokens, spec.text.d),
        "action head input": (spec.head_input_dim,),
        "action head output": (spec.head_output_dim,),
    }
    if spec.latent:
        found["codebook"] = tuple(agent.codebook.shape)
        wanted["codebook"] = (spec.latent.k, spec.latent.d)
        found["latent k"] = (policy.k,)
        wanted["latent k"] = (spec.latent.k,)
    for name, size in wanted.items():
        if found[name] != size:
            raise ConfigError(
                f"agent's {name}",
                f"expected {list(size)} as in the spec, got {list(found[name])}",
                "export with the config the agent was trained with",
            )


class _Look(nn.Module):
    """A look of the agent; the empty logits of one without codes are no output to bind."""

    def __init__(self, agent: Agent, outputs: Sequence[str]) -> None:
        super().__init__()
        self.agent, self.codes = agent, "logits" in outputs

    def forward(
        self, image: Tensor, text: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        logits, context = self.agent.see(image, text, state)
        return (logits, context) if self.codes else (context,)


def _strip_provenance(model: onnx.ModelProto) -> None:
    """Drop source lines and file paths that the exporter writes beside every node."""
    graph = model.graph
    described = [model, graph, *graph.node, *graph.initializer]
    described += [*graph.input, *graph.output, *graph.value_info]
    for part in described:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's chatter (missing torchvision, its own deprecations) from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
