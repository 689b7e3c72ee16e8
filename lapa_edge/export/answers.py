"""What a bundle answers: the robot's own way from the camera frame to the actions. Needs no torch.

The other side, what the trained agent answers, is `export.reference`. Nothing but the frame's
resizing kernel is shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError
from lapa_edge.export.observations import Observations
from lapa_edge.runtime.backends.graph import Graph
from lapa_edge.runtime.decoding import FlowHead, Head, decode_head
from lapa_edge.runtime.head import HeadInput, NativeHead, OnnxHead, has_calibration, read_bins
from lapa_edge.runtime.policy import Latent, Policy
from lapa_edge.spec import PolicySpec

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Answers:
    """One side's answers to the same `m` observations, row by row.

    image ``[m, 3 v, h, w]``, or None where it is not compared; codes ``[m, n]``, context
    ``[m, c]``, chunks ``[m, p * a]`` by head; margin ``[m, n]``: best logit less the second best,
    PyTorch's only. Of a head of bins, outputs ``[m, p * a * bins]`` are the logits by head, and
    bin_margin ``[m, p * a]`` PyTorch's.
    """

    image: Float32 | None
    codes: NDArray[np.int32]
    context: Float32
    chunks: dict[str, Float32]
    margin: Float32 | None = None
    outputs: dict[str, Float32] = field(default_factory=dict)
    bin_margin: Float32 | None = None


def bundle_heads(bundle: Bundle) -> dict[str, Head]:
    """Every network that can be the bundle's action head, by name."""
    networks: dict[str, Head] = {
        "native": NativeHead(bundle),
        "onnx": OnnxHead(bundle),
        "bf16": NativeHead(bundle, "bf16"),
    }
    if has_calibration(bundle):
        networks["int8"] = NativeHead(bundle, "int8")
    return networks


class GraphHead:
    """The head's network as a graph of its own, in another precision or an engine."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def forward(self, x: Float32) -> Float32:
        """``f32 [in] -> f32 [out]``."""
        return self._graph.run(x=x[None])["chunk"][0].astype(np.float32)


def ask_bundle(
    bundle: Bundle,
    observations: Observations,
    networks: dict[str, Head],
    policy_graph: Graph | str = "policy",
) -> Answers:
    """The runtime, by the path of the robot: `Policy.look`, `HeadInput`, each of `networks`.

    `policy_graph` looks in place of ``policy.onnx``.

    Raises:
        BundleError: what the policy says is of another shape than the spec's, or not finite.
    """
    spec = bundle.spec
    policy = Policy(bundle, observations.instructions[0], graph=policy_graph or "policy")
    heads = {name: _decoded(network, bundle) for name, network in networks.items()}
    head_inputs = HeadInput(spec)
    images, latents = [], list[Latent]()
    ticks = observations.ticks(spec.action.control_hz)
    chunks: dict[str, list[Float32]] = {name: [] for name in heads}
    outputs: dict[str, list[Float32]] = {name: [] for name in heads}
    for i, frame in enumerate(observations.frames):
        if observations.instructions[i] != policy.instruction:
            policy.set_instruction(observations.instructions[i])
        latent = policy.look(frame, seen_at_s=0.0, state=observations.state_told(i))
        _check_latent(bundle, latent, i)
        x = head_inputs.fill(
            latent,
            observations.states[i],
            observations.last_actions[i],
            float(observations.latent_ages_s[i]),
            int(ticks[i]),
        )
        images.append(policy.preprocess(frame)[0])
        latents.append(latent)
        for name, head in heads.items():
            chunks[name].append(head.forward(x).copy())
            if spec.action.decoding == "bins":
                outputs[name].append(networks[name].forward(x).copy())
    return Answers(
        np.stack(images),
        np.stack([latent.codes for latent in latents]),
        np.stack([latent.context for latent in latents]),
        {name: np.stack(values) for name, values in chunks.items()},
        outputs={name: np.stack(values) for name, values in outputs.items() if values},
    )


def _check_latent(bundle: Bundle, latent: Latent, observation: int) -> None:
    """Before the head, which would stumble over either in words of its own."""
    spec, thing = bundle.spec, f"parity of {bundle.root.name}"
    expected = (spec.latent.n if spec.latent else 0,), (spec.context_dim,)
    if (got := (latent.codes.shape, latent.context.shape)) != expected:
        problem = f"codes and context: expected {list(expected)}, got {list(got)}"
        raise BundleError(thing, problem, "its graphs are another run's; export it again")
    if not (np.isfinite(latent.vector).all() and np.isfinite(latent.context).all()):
        raise BundleError(
            thing,
            f"the policy gives NaN or infinity at observation {observation}",
            "leave out the precision that does, or train again, from earlier",
        )


def parity_noise(spec: PolicySpec) -> Float32:
    """What a flow starts from on both sides, ``[p * a]``.

    A robot draws it by the latent's bits, in which two right answers may differ.
    """
    return np.random.default_rng(0).standard_normal(spec.chunk_dim, np.float32)


def _decoded(network: Head, bundle: Bundle) -> Head:
    if bundle.spec.action.decoding == "flow":
        noise = parity_noise(bundle.spec)
        return FlowHead(network, bundle.spec, lambda _: noise)
    return decode_head(network, bundle.spec, read_bins(bundle))
