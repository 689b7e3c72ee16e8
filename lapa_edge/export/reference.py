"""What the trained agent answers, in PyTorch and float32: the side that everything is held against.

An agent and observations in; a `Reference` out, which `export.recorded` keeps in the bundle.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lapa_edge.export.answers import Answers, parity_noise
from lapa_edge.export.comparison import compare_head, compare_looks
from lapa_edge.export.observations import Observations, check_observations, resize_views
from lapa_edge.export.recorded import Reference
from lapa_edge.export.reordered import ORDERS, Reordered
from lapa_edge.model.action_head import head_input
from lapa_edge.model.agent import Agent
from lapa_edge.model.decoding import decode_chunk
from lapa_edge.model.policy import state_input
from lapa_edge.train.actions import ActionsConfig
from lapa_edge.train.batches import frames_to_tensor

Float32 = NDArray[np.float32]


def build_reference(config: ActionsConfig, agent: Agent, observations: Observations) -> Reference:
    """PyTorch's answers to `observations`, and how far they move when sums are reordered.

    Raises:
        RuntimeInputError: the observations are none, ragged or not finite.
    """
    check_observations(observations, config.spec)
    answers = ask_agent(config, agent, observations)
    chained = config.policy.decoder == "autoregressive"
    return Reference(
        observations=observations,
        sha256=observations.sha256(),
        answers=answers,
        chained=chained,
        noise_floor=_noise_floor(config, agent, observations, answers),
        versions={name: version(name) for name in ("torch", "numpy")},
    )


def _noise_floor(
    config: ActionsConfig, agent: Agent, observations: Observations, answers: Answers
) -> dict[str, float]:
    """The worst of a few random orders, measure by measure, under the names of `limits`."""
    found: list[dict[str, float]] = []
    for seed in range(ORDERS):
        with Reordered(seed):
            other = ask_agent(config, agent, observations)
        found.append({**compare_looks(answers, other), **compare_head(answers, other, "torch")})
    best_is_most = ("cosine_min", "code_match_percent")
    return {
        name: (min if name in best_is_most else max)(each[name] for each in found)
        for name in found[0]
    }


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
    frames = np.stack([np.concatenate(resize_views(f, size), -1) for f in observations.frames])
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


def _states_told(observations: Observations) -> Tensor:
    """``[m, s + 1]``, as in training."""
    known = [observations.state_told(i) is not None for i in range(len(observations))]
    return state_input(torch.from_numpy(observations.states), torch.tensor(known))


def _normalise(x: Float32, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    return torch.from_numpy(((x - np.array(mean)) / np.array(std)).astype(np.float32))
