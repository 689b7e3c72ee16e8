"""How the head's numbers become a chunk: as they are, from bins, or along a short flow.

Numpy around any network that maps the head's input to its output. Whatever is drawn at random is
drawn once per latent, so that consecutive ticks do not jitter, and is a function of the seed and
the latent alone, so that an episode plays again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import ConfigError
from lapa_edge.spec import PolicySpec

Float32 = NDArray[np.float32]


class Head(Protocol):
    """One forward pass, in normalised units: of the whole head, or of the network within."""

    def forward(self, x: Float32) -> Float32:
        """``f32 [in] -> f32 [out]``; for a whole head ``in`` is `HeadInput`'s, ``out`` p * a."""


@dataclass(frozen=True, eq=False)
class BinTable:
    """The bins of each action: what they stand for, and how many there are.

    means ``f32 [a, bins]``, normalised, the last repeated past the end; count ``int32 [a]``, 1 to
    bins: where the demos' actions repeat, quantiles coincide and fewer bins remain.
    """

    means: Float32
    count: NDArray[np.int32]

    def values(self, index: NDArray[np.int64]) -> Float32:
        """The normalised actions ``[p, a]`` of bins ``[p, a]``.

        Raises:
            ValueError: a bin that is not there; it stands for no action.
        """
        outside = (index < 0) | (index >= self.count)
        if outside.any():
            step, action = np.argwhere(outside)[0]
            raise ValueError(
                f"bin {index[step, action]} of action {action} in step {step} is outside 0 to "
                f"{self.count[action] - 1}"
            )
        values: Float32 = self.means[np.arange(len(self.count)), index]
        return values


def decode_head(
    network: Head, spec: PolicySpec, bins: BinTable | None = None, seed: int | None = None
) -> Head:
    """The whole head around its network.

    Args:
        network: ``f32 [head_input_dim] -> f32 [head_output_dim]``.
        spec: says which decoding.
        bins: for a head of bins.
        seed: of what is drawn. None: the likeliest bin; a flow starts from the noise of seed 0.

    Raises:
        ConfigError: bins without a table.
    """
    if spec.action.decoding == "flow":
        return FlowHead(network, spec, LatentDraws(spec, _normal(spec), seed or 0))
    if spec.action.decoding == "bins":
        if bins is None:
            raise ConfigError("action head", "expected a table of bins, got none")
        draws = None if seed is None else LatentDraws(spec, _uniform(spec), seed)
        return BinsHead(network, spec, bins, draws)
    return network


class LatentDraws:
    """Random numbers that stay while one latent drives.

    Args:
        spec: where latent and context lie in the head's input.
        draw: the numbers, from a generator.
        seed: 0 or more.
    """

    def __init__(
        self, spec: PolicySpec, draw: Callable[[np.random.Generator], Float32], seed: int
    ) -> None:
        self._latent = slice(0, spec.head_slices()["context"].stop)
        self._draw, self._seed = draw, seed
        self._key = b""

    def __call__(self, x: Float32) -> Float32:
        """The numbers for a head input ``[in]``."""
        key = x[self._latent].tobytes()
        if key != self._key:
            self._key = key
            self._numbers = self._draw(np.random.default_rng([self._seed, zlib.crc32(key)]))
        return self._numbers


class BinsHead:
    """A network whose output is logits ``[p * a * bins]``, and the bins' mean actions.

    Args:
        network: gives the logits.
        spec: of a head of bins.
        table: what the bins stand for.
        draws: uniform numbers ``[p * a]`` in [0, 1) to choose by; None takes the likeliest bin.
    """

    def __init__(
        self,
        network: Head,
        spec: PolicySpec,
        table: BinTable,
        draws: Callable[[Float32], Float32] | None = None,
    ) -> None:
        self._network, self._table, self._draws = network, table, draws
        self._shape = spec.action.chunk, len(spec.action.names), spec.action.bins
        self._there = np.arange(spec.action.bins) < table.count[:, None]  # [a, bins]

    def forward(self, x: Float32) -> Float32:
        """``f32 [in] -> f32 [p * a]``.

        Raises:
            ValueError: logits that are not finite choose no bin.
        """
        logits = self._network.forward(x).reshape(self._shape)
        if not np.isfinite(logits).all():
            raise ValueError("the logits of its bins are not finite")
        logits = np.where(self._there, logits, -np.inf)
        if self._draws is None:
            index = logits.argmax(-1)
        else:
            index = _choose(logits, self._draws(x).reshape(self._shape[:2]))
        return self._table.values(index).ravel()


class FlowHead:
    """A network whose output is a velocity ``[p * a]``, followed from noise in a few Euler steps.

    ``x_0 ~ N(0, I)``, ``x_{i+1} = x_i + v(x_i, i / m) / m``, and ``x_m`` is the chunk: flow
    matching along straight paths (Lipman et al., arXiv 2210.02747; Liu et al., arXiv 2209.03003).

    Args:
        network: is told the head's input, then the chunk so far, then the time.
        spec: of a flow head.
        draws: the noise ``[p * a]`` for a head input.
    """

    def __init__(
        self, network: Head, spec: PolicySpec, draws: Callable[[Float32], Float32]
    ) -> None:
        at = spec.head_slices()
        self._network, self._draws, self._steps = network, draws, spec.action.flow_steps
        self._chunk_at, self._time_at = at["noisy_chunk"], at["flow_time"]
        self._asked = np.zeros(spec.head_input_dim, np.float32)

    def forward(self, x: Float32) -> Float32:
        """``f32 [in] -> f32 [p * a]``; one thread at a time."""
        asked = self._asked
        asked[: self._chunk_at.start] = x
        chunk = self._draws(x).copy()
        for step in range(self._steps):
            asked[self._chunk_at] = chunk
            asked[self._time_at] = step / self._steps
            with np.errstate(over="ignore", invalid="ignore"):  # the gate stops on what overflows
                chunk += self._network.forward(asked) / np.float32(self._steps)
        return chunk


def _choose(logits: Float32, uniform: Float32) -> NDArray[np.int64]:
    """Bins ``[p, a]`` of logits ``[p, a, bins]``, drawn by their likelihood: inverse transform."""
    weight = np.exp((logits - logits.max(-1, keepdims=True)).astype(np.float64))
    below = weight.cumsum(-1)
    below /= below[..., -1:]
    index: NDArray[np.int64] = (below <= uniform[..., None]).sum(-1)
    return index


def _normal(spec: PolicySpec) -> Callable[[np.random.Generator], Float32]:
    return lambda rng: rng.standard_normal(spec.chunk_dim, np.float32)


def _uniform(spec: PolicySpec) -> Callable[[np.random.Generator], Float32]:
    return lambda rng: rng.random(spec.chunk_dim, np.float32)
