"""Does the robot jerk when a new latent takes over? Asked of a trained head, on the demos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from msgspec.structs import replace as replace_fields
from numpy.typing import NDArray
from torch import Tensor

from lapa_edge.data.episode import Dataset, Episode
from lapa_edge.data.frame_store import FrameStore
from lapa_edge.evaluate.motion_quality import HandOver, hand_over_jump
from lapa_edge.model.action_head import head_input
from lapa_edge.model.agent import Agent
from lapa_edge.model.decoding import decode_chunk
from lapa_edge.model.policy import state_input
from lapa_edge.runtime.hand_over import HandOver as LatentHandOver
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.standstill import standing_still
from lapa_edge.spec import HeadPart, PolicySpec, TimingSpec
from lapa_edge.tokenizer import Tokenizer
from lapa_edge.train.batches import frames_to_tensor
from lapa_edge.train.demo_spec import normalise, steps_of
from lapa_edge.train.policy_state import newest_step

MOST_DEMOS = 16  # spread evenly; a mean over some hundred hand-overs


def measure_hand_over(
    spec: PolicySpec, tokenizer: Tokenizer, agent: Agent, dataset: Dataset, store: FrameStore
) -> dict[str, float]:
    """The head's change from tick to tick along the demos, normalised actions.

    The policy looks at ``policy_hz`` and answers one of its periods later, or the half of
    ``max_latent_age_s`` where that is less; state and last action are the demo's own.

    Returns:
        ``hand_over_at`` and ``hand_over_between``, the mean change of the action at a tick where a
        new latent takes over and at the other ticks, and ``hand_over_ratio`` of the two, as the
        robot will be driven; where the spec's ``blend_s`` is above 0, the same with every latent
        taking over at once, ``at_once_...``. Empty where the demos are too short for any.
    """
    demos = [e for e in dataset.labelled.episodes if e.name in store.spans]
    chosen = demos[:: -(-len(demos) // MOST_DEMOS)]
    driven = [d for demo in chosen if (d := _drive(spec, tokenizer, agent, demo, store))]
    found = _summarise("hand_over", [_jump(spec, agent, d, spec.timing) for d in driven])
    if spec.timing.blend_s:
        at_once = replace_fields(spec.timing, blend_s=0.0)
        found |= _summarise("at_once", [_jump(spec, agent, d, at_once) for d in driven])
    return found


def _summarise(name: str, found: list[HandOver]) -> dict[str, float]:
    found = [one for one in found if np.isfinite([one.at, one.between]).all()]
    if not found:
        return {}
    at = np.average([one.at for one in found], weights=[one.count for one in found])
    between = np.mean([one.between for one in found])
    if not between > 0:
        return {}  # it never moves, and JSON has no infinity
    return {
        f"{name}_at": float(at),
        f"{name}_between": float(between),
        f"{name}_ratio": float(at / between),
    }


@dataclass(frozen=True)
class _Driven:
    """The ticks of a demo that a latent drives.

    parts: by tick, what the head is told but the latents; latents: by look, and `which` drives each
    tick; took_over, since: as `_schedule`; time_s: of each tick.
    """

    parts: dict[HeadPart, Tensor]
    latents: list[Latent]
    which: NDArray[np.int64]
    took_over: NDArray[np.bool_]
    since: NDArray[np.int64]
    time_s: NDArray[np.float64]


@torch.no_grad()
def _drive(
    spec: PolicySpec, tokenizer: Tokenizer, agent: Agent, demo: Episode, store: FrameStore
) -> _Driven | None:
    """The demo as the policy sees it; None where no look is answered in time."""
    steps, device = steps_of(demo), agent.codebook.device
    look, took_over, since = _schedule(spec, demo, store.count(demo.name), steps.time_s)
    driven = np.flatnonzero(look >= 0)  # ticks that have a latent by then
    if not len(driven):
        return None
    look, time_s = look[driven], steps.time_s[driven]
    frames, which = np.unique(look, return_inverse=True)
    image = frames_to_tensor(store.gather(store.offset(demo.name) + frames), spec.frame, device)
    ids = torch.from_numpy(tokenizer.encode(demo.instruction)).to(device)
    seen_with = None
    if spec.policy_state:
        step = newest_step(steps, frames / demo.fps)
        state = torch.from_numpy(steps.state[np.maximum(step, 0)])
        seen_with = state_input(state, torch.from_numpy(step >= 0)).to(device)
    _, latent, context = agent.look(image, ids.expand(len(frames), -1), seen_with)
    vectors, contexts = latent.cpu().numpy(), context.cpu().numpy()
    none = np.zeros(0, np.int32)  # the codes play no part
    rest = standing_still(spec.action, steps.state[0])[None]
    last = np.concatenate([rest, steps.action[:-1]])[driven]
    longest_s = spec.timing.max_latent_age_s
    age = (time_s - frames[which] / demo.fps) / longest_s
    index = since[driven] / (longest_s * spec.action.control_hz)
    told: dict[HeadPart, NDArray[np.float32]] = {
        "state": normalise(steps.state[driven], spec.state.mean, spec.state.std),
        "last_action": normalise(last, spec.action.mean, spec.action.std),
        "latent_age": age.astype(np.float32),
        "chunk_index": index.astype(np.float32),
    }
    return _Driven(
        parts={name: torch.from_numpy(values).to(device) for name, values in told.items()},
        latents=[
            Latent(none, vectors[i], contexts[i], float(frame / demo.fps))
            for i, frame in enumerate(frames)
        ],
        which=which,
        took_over=took_over[driven],
        since=since[driven],
        time_s=time_s,
    )


@torch.no_grad()
def _jump(spec: PolicySpec, agent: Agent, driven: _Driven, timing: TimingSpec) -> HandOver:
    """How the head goes through these ticks, its latents led over as `timing` says."""
    device = agent.codebook.device
    lead = LatentHandOver(timing, spec.action.control_hz)
    told: list[Latent] = []
    for tick, look in enumerate(driven.which):
        if driven.took_over[tick] or not told:
            lead.accept(driven.latents[look])
        told.append(lead.mix(int(driven.since[tick]), float(driven.time_s[tick])))
        lead.note(moved=True)
    latents: dict[HeadPart, Tensor] = {
        "latent": torch.from_numpy(np.stack([one.vector for one in told])).to(device),
        "context": torch.from_numpy(np.stack([one.context for one in told])).to(device),
    }
    x = head_input(spec, latents | driven.parts)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(len(driven.latents), spec.chunk_dim, generator=generator).to(device)
    chunk = decode_chunk(spec.action, agent, x, agent.bins, noise[driven.which]).cpu().numpy()
    return hand_over_jump(chunk[:, : len(spec.action.names)], driven.took_over)


def _schedule(
    spec: PolicySpec, demo: Episode, frame_count: int, time_s: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """By tick: the frame whose latent drives (-1 before any), whether it is its first tick, and
    how many ticks it has driven before."""
    look_every_s = 1 / spec.timing.policy_hz
    latency_s = min(look_every_s, spec.timing.max_latent_age_s / 2)
    answered = np.floor((time_s - latency_s) / look_every_s + 1e-6)  # the newest look, by number
    frame = np.minimum(np.floor(answered * look_every_s * demo.fps + 1e-6), frame_count - 1)
    look = np.where(answered >= 0, frame, -1).astype(np.int64)
    # Past the last frame a latent would grow too old to drive.
    look[time_s - look / demo.fps > spec.timing.max_latent_age_s] = -1
    took_over = np.diff(look, prepend=-1) != 0
    started = np.maximum.accumulate(np.where(took_over, np.arange(len(look)), 0))
    return look, took_over, np.arange(len(look)) - started
