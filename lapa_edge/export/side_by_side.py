"""Networks of one bundle beside PyTorch's in one process: the same moments, the same limits.

A bundle's recorded observations, or random ones where it carries none, go through the robot's own
way to what a policy and an action head are given. What each then answers is held against PyTorch by
the table of `export.limits`; nothing here knows what runs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import Bundle
from lapa_edge.export.answers import Answers, parity_noise
from lapa_edge.export.comparison import compare_actions, compare_looks
from lapa_edge.export.limits import broken_limits
from lapa_edge.export.observations import Observations, random_observations
from lapa_edge.export.recorded import RECORDED, read_reference
from lapa_edge.runtime.backends.graph import Arrays
from lapa_edge.runtime.head import HeadInput
from lapa_edge.runtime.policy import Policy, read_tokenizer


@dataclass(frozen=True, eq=False)
class Moment:
    """What a policy is given, by name, and what a head's network is, ``f32 [1, in]``."""

    inputs: Arrays
    x: NDArray[np.float32]


def read_observations(bundle: Bundle, count: int) -> Observations:
    """The first `count` that the bundle was verified on; random ones where it carries none."""
    if RECORDED in bundle.manifest.files:
        return read_reference(bundle).first(count).observations
    return random_observations(bundle.spec, read_tokenizer(bundle), count)


def read_moments(bundle: Bundle, seen: Observations) -> Iterator[Moment]:
    """Each observation as the robot's own `Policy` and `HeadInput` hand it on.

    A flow's network is asked for its first step, from the same noise each time.
    """
    policy, told = Policy(bundle, seen.instructions[0]), HeadInput(bundle.spec)
    ticks = seen.ticks(bundle.spec.action.control_hz)
    for i, views in enumerate(seen.frames):
        policy.set_instruction(seen.instructions[i])
        inputs = {k: v.copy() for k, v in policy.inputs(views, seen.state_told(i)).items()}
        x = told.fill(
            policy.look(views, 0.0, seen.state_told(i)),
            seen.states[i],
            seen.last_actions[i],
            float(seen.latent_ages_s[i]),
            int(ticks[i]),
        )
        asked = np.zeros((1, bundle.spec.head_input_dim), np.float32)
        asked[0, : len(x)] = x
        if bundle.spec.action.decoding == "flow":
            asked[0, bundle.spec.head_slices()["noisy_chunk"]] = parity_noise(bundle.spec)
        yield Moment(inputs, asked)


def hold_policy(
    expected: Sequence[Arrays], got: Sequence[Arrays], table: str, chained: bool
) -> tuple[dict[str, float], list[str]]:
    """A policy's ``logits`` (where there are any) and ``context`` against PyTorch's.

    Args:
        expected, got: by moment.
        table: of `limits.LIMITS`.
        chained: whether each code follows from those before it.

    Returns:
        What was measured, and the limits that it breaks, in words; NaN breaks every one.
    """
    if odd := _other_shapes(expected, got):
        return {}, odd
    measured = compare_looks(_answers(expected), _answers(got), chained)
    return measured, broken_limits(table, measured)


def hold_head(
    expected: Sequence[Arrays], got: Sequence[Arrays], table: str
) -> tuple[dict[str, float], list[str]]:
    """A head's ``chunk`` against PyTorch's; as `hold_policy`."""
    if odd := _other_shapes(expected, got):
        return {}, odd
    chunks = [np.stack([one["chunk"].ravel() for one in side]) for side in (expected, got)]
    measured = compare_actions(chunks[0].astype(np.float32), chunks[1].astype(np.float32))
    return measured, broken_limits(table, measured)


def _answers(side: Sequence[Arrays]) -> Answers:
    context = np.stack([one["context"].ravel() for one in side]).astype(np.float32)  # [m, c]
    if "logits" not in side[0]:
        return Answers(None, np.zeros((len(side), 0), np.int32), context, {})
    logits = np.stack([one["logits"][0] for one in side]).astype(np.float32)  # [m, n, k]
    margin = None
    if logits.shape[-1] > 1:
        best = np.sort(logits, axis=-1)
        margin = best[..., -1] - best[..., -2]
    # argmax of NaN is an ordinary code: it must not pass for one.
    codes = np.where(np.isfinite(logits).all(-1), logits.argmax(-1), -1)
    return Answers(None, codes.astype(np.int32), context, {}, margin)


def _other_shapes(expected: Sequence[Arrays], got: Sequence[Arrays]) -> list[str]:
    wanted, found = ({k: v.shape for k, v in side[0].items()} for side in (expected, got))
    return [] if wanted == found else [f"shapes: expected {wanted}, got {found}"]
