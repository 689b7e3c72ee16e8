"""Nearest codes against numpy, torch and faiss. Imports: faiss, numpy, torch."""

from __future__ import annotations

from collections.abc import Callable

import faiss
import numpy as np
import torch

from bench.contest import Claim, Contest, Result
from bench.native import bind_codebook
from bench.probe import Probe
from bench.tables import show_count
from bench.targets import CodebookTarget, TokensTarget
from lapa_edge.runtime.reference.arrays import Float32

OURS, PEERS = "native", ("numpy", "torch.cdist", "faiss")


def build_codebook_contest(
    target: CodebookTarget, probe: Probe, rng: np.random.Generator
) -> Contest:
    """The codes of many vectors; ours also writes the latents, the others do not."""
    x, codebook = draw(target, rng)
    contest = Contest("code", target.title, build_error(x, codebook))
    codes, latents = np.zeros(target.n, np.int32), np.zeros_like(x)
    contest.add_ours(OURS, bind_codebook(codebook, x, codes, latents), codes, "codes")
    add_peers(contest, x, codebook)
    products = target.n * target.k * target.d
    floor = f"{show_count(products)} multiply-adds"
    contest.add_floor(floor, probe.multiply(products))
    contest.claims.append(Claim(OURS, PEERS, floor, target.must, target.aim))
    return contest


def build_tokens_contest(target: TokensTarget, rng: np.random.Generator) -> Contest:
    """The codes of one latent action, and their rows of the codebook."""
    x, codebook = draw(target, rng)
    contest = Contest("code", target.title, build_error(x, codebook))
    codes, latents = np.zeros(target.n, np.int32), np.zeros_like(x)
    contest.add_ours(OURS, bind_codebook(codebook, x, codes, latents), codes, "codes")
    add_peers(contest, x, codebook, gather=True)
    contest.claims.append(Claim(OURS, PEERS, must_us=target.must_us, aim_us=target.aim_us))
    return contest


def add_peers(contest: Contest, x: Float32, codebook: Float32, *, gather: bool = False) -> None:
    """Each at its best: norms and transposes once, results into the same arrays each time."""
    n, d = x.shape
    latents = np.empty((n, d), np.float32)

    def take(codes: Result) -> Result:
        if gather:
            np.take(codebook, codes, axis=0, out=latents, mode="clip")
        return codes

    doubled, norms = np.ascontiguousarray(-2 * codebook.T), (codebook**2).sum(axis=1)
    distances = np.empty((n, len(codebook)), np.float32)

    def by_numpy() -> Result:
        np.matmul(x, doubled, out=distances)
        np.add(distances, norms, out=distances)
        return take(distances.argmin(axis=1))

    vectors, rows = torch.from_numpy(x), torch.from_numpy(codebook)

    def by_torch() -> torch.Tensor:
        codes = torch.cdist(vectors, rows).argmin(dim=1)
        return (codes, rows[codes])[0] if gather else codes

    index = faiss.IndexFlatL2(d)
    index.add(codebook)
    nearest, labels = np.empty((n, 1), np.float32), np.empty((n, 1), np.int64)

    def by_faiss() -> Result:
        index.search(x, 1, D=nearest, I=labels)
        return take(labels[:, 0])

    for name, call in zip(PEERS, (by_numpy, by_torch, by_faiss), strict=True):
        contest.add_peer(name, call, "codes")


def draw(
    target: CodebookTarget | TokensTarget, rng: np.random.Generator
) -> tuple[Float32, Float32]:
    """Vectors [n, d] and codes [k, d]."""
    x = rng.standard_normal((target.n, target.d), np.float32)
    return x, rng.standard_normal((target.k, target.d), np.float32)


def build_error(x: Float32, codebook: Float32) -> Callable[[Result], float]:
    """How much farther than the nearest code the given codes are, at worst, as a share."""
    x, codebook = x.astype(np.float64), codebook.astype(np.float64)
    squares = (x**2).sum(axis=1)[:, None] + (codebook**2).sum(axis=1)
    nearest = (squares - 2 * x @ codebook.T).min(axis=1)  # [n]

    def error(codes: Result) -> float:
        chosen = ((x - codebook[codes]) ** 2).sum(axis=1)
        return float((chosen / nearest - 1).max())

    return error
