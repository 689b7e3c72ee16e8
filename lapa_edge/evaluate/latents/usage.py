"""How a latent action model uses its codebook: a collapsed one says the same of every motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lapa_edge.data.labels import CodeUsage, count_codes
from lapa_edge.evaluate.latent_codec import Codes
from lapa_edge.evaluate.latents.estimate import sum_by_clip
from lapa_edge.evaluate.latents.sample import Indices


@dataclass(frozen=True)
class UsageResult:
    """Usage over a sample of pairs.

    Attributes:
        overall: active codes, perplexity in [1, k] and share per code, over all positions.
        by_position: the same for each of the n positions alone.
        sequence_entropy_bits: entropy of the code sequences; at most n log2 k, and at most
            log2 of the number of pairs.
        clips: names, in the order of `share_by_clip`.
        share_by_clip: for each clip, the share of each of the k codes.
    """

    overall: CodeUsage
    by_position: tuple[CodeUsage, ...]
    sequence_entropy_bits: float
    clips: tuple[str, ...]
    share_by_clip: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class CommonSequences:
    """The commonest code sequences: codes int32 [c, n], and their pairs in all and as shares."""

    codes: Codes
    counts: tuple[int, ...]
    shares: tuple[float, ...]


def measure_usage(codes: Codes, k: int, clip: Indices, clips: tuple[str, ...]) -> UsageResult:
    """Usage of codes [m, n] out of `k`, by position and by clip (clip: int64 [m])."""
    onehot = np.zeros((len(codes), k))
    np.add.at(onehot, (np.arange(len(codes))[:, None], codes), 1 / codes.shape[1])
    by_clip = sum_by_clip(clip, onehot, len(clips))
    by_clip /= by_clip.sum(1, keepdims=True)
    _, counts = np.unique(codes, axis=0, return_counts=True)
    share = counts / counts.sum()
    return UsageResult(
        overall=count_codes(codes, k),
        by_position=tuple(count_codes(codes[:, i : i + 1], k) for i in range(codes.shape[1])),
        sequence_entropy_bits=max(0.0, -float((share * np.log2(share)).sum())),
        clips=clips,
        share_by_clip=tuple(tuple(row) for row in by_clip.tolist()),
    )


def common_sequences(codes: Codes, top: int) -> CommonSequences:
    """The `top` commonest sequences of codes [m, n], commonest first, ties by their codes."""
    rows, counts = np.unique(codes, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:top]
    return CommonSequences(
        codes=rows[order].astype(np.int32),
        counts=tuple(counts[order].tolist()),
        shares=tuple((counts[order] / len(codes)).tolist()),
    )
