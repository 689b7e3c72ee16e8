"""The two sides of parity: what the trained agent answers, and what the bundle answers.

Each side goes its own way from the camera frame to the actions: PyTorch as in training, the bundle
as on the robot. Nothing but the frame's resizing kernel is shared.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lapa_edge import _native
from lapa_edge.artifact import Bundle
from lapa_edge.export.observations import Observations
from lapa_edge.model.action_head import head_input
from lapa_edge.model.agent import Agent
from lapa_edge.model.decoding import decode_chunk
from lapa_edge.model.policy import state_input
from lapa_edge.runtime.decoding import FlowHead, Head, decode_head
from lapa_edge.runtime.head import HeadInput, NativeHead, OnnxHead, has_calibration, read_bins
from lapa_edge.runtime.policy import Latent, Policy
from lapa_edge.runtime.senses import Views
from lapa_edge.spec import PolicySpec
from lapa_edge.train.actions import ActionsConfig
from lapa_edge.train.batches import frames_to_tensor

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Answers:
    """One side's answers to the same `m` observations, row by row.

    image ``[m, 3 v, h, w]``, codes ``[m, n]``, context ``[m, c]``, chunks ``[m, p * a]`` by head;
    margin ``[m, n]``: best logit less the second best, PyTorch's only. Of a head of bins, outputs
    ``[m, p * a * bins]`` are the logits by head, and bin_margin ``[m, p * a]`` PyTorch's.
    """

    image: Float32
    codes: NDArray[np.int32]
    context: Float32
    chunks: dict[str, Float32]
    margin: Float32 | None = None
    outputs: dict[str, Float32] = field(default_factory=dict)
    bin_margin: Float32 | None = None


@torch.no_grad()
def ask_agent(config: ActionsConfig, agent: Agent, observations: Observations) -> Answers:
    """PyTorch, by the path of training: resized frames, `frames_to_tensor`, `head_input`."""
    agent = copy.deepcopy(agent).cpu().float().eval()
    seen = look(config, agent, observations)
    margin = None
    if config.spec.latent and config.spec.latent.k > 1:
        best = seen.logits.topk(2, dim=-1).values
        margin = (best[..., 0] - best[..., 1]).numpy()
    outputs, bin_margin = dict[str, Float32](), None
    if agent.bins is not None:
        output = agent(seen.x)
        top = agent.bins.logits(output).topk(2, dim=-1).values  # [m, p, a, 2]
        outputs["torch"] = output.numpy()
        bin_margin = (top[..., 0] - top[..., 1]).flatten(1).numpy()
    noise = torch.from_numpy(parity_noise(config.spec)).expand(len(observations), -1)
    chunk = decode_chunk(config.spec.action, agent, seen.x, agent.bins, noise)
    return Answers(
        seen.image.numpy(),
        seen.logits.argmax(-1).int().numpy(),
        seen.context.numpy(),
        {"torch": chunk.numpy()},
        margin,
        outputs,
        bin_margin,
    )


@dataclass(frozen=True, eq=False)
class Seen:
    """What an agent on the CPU makes of `m` observations, up to its head.

    image ``[m, 3 v, h, w]``, logits ``[m, n, k]``, context ``[m, c]``, x ``[m, in]``.
    """

    image: Tensor
    logits: Tensor
    context: Tensor
    x: Tensor


@torch.no_grad()
def look(config: ActionsConfig, agent: Agent, observations: Observations) -> Seen:
    """The head's inputs by the path of training."""
    spec, cpu = config.spec, torch.device("cpu")
    size = spec.frame.height, spec.frame.width
    frames = np.stack([_resize_views(f, size) for f in observations.frames])
    image = frames_to_tensor(frames, spec.frame, cpu)
    told = _states_told(observations) if spec.policy_state else None
    words = np.concatenate([config.tokenizer.encode(text) for text in observations.instructions])
    logits, latent, context = agent.look(image, torch.from_numpy(words), told)
    longest_s, hz = spec.timing.max_latent_age_s, spec.action.control_hz
    x = head_input(
        spec,
        {
            "latent": latent,
            "context": context,
            "state": _normalise(observations.states, spec.state.mean, spec.state.std),
            "last_action": _normalise(observations.last_actions, spec.action.mean, spec.action.std),
            "latent_age": torch.from_numpy(observations.latent_ages_s / longest_s).float(),
            "chunk_index": torch.from_numpy(observations.ticks(hz) / (longest_s * hz)).float(),
        },
    )
    return Seen(image, logits, context, x)


def ask_bundle(spec: PolicySpec, bundle: Bundle, observations: Observations) -> Answers:
    """The runtime, by the path of the robot: `Policy.look`, `HeadInput`, every head it can run."""
    policy = Policy(bundle, observations.instructions[0])
    networks: dict[str, Head] = {
        "native": NativeHead(bundle),
        "onnx": OnnxHead(bundle),
        "bf16": NativeHead(bundle, "bf16"),
    }
    if has_calibration(bundle):
        networks["int8"] = NativeHead(bundle, "int8")
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


def _resize_views(views: Views, size: tuple[int, int]) -> NDArray[np.uint8]:
    """``u8 [h, w, 3 v]``."""
    each = [views] if isinstance(views, np.ndarray) else views
    return np.concatenate([_native.resize_frame(view, *size) for view in each], axis=-1)


def _states_told(observations: Observations) -> Tensor:
    """``[m, s + 1]``, as in training."""
    known = [observations.state_told(i) is not None for i in range(len(observations))]
    return state_input(torch.from_numpy(observations.states), torch.tensor(known))


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


def _normalise(x: Float32, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    return torch.from_numpy(((x - np.array(mean)) / np.array(std)).astype(np.float32))
