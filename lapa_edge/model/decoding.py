"""The head's decodings in torch: what each is trained by, and the chunk its numbers become.

`runtime.decoding` is the same in numpy, for the robot; the export compares the two.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.spec import ActionSpec

Network = Callable[[Tensor], Tensor]

NEAR = 8
"""The first steps of a chunk, which count for as much as all of it: a robot that acts anew at every
tick needs no others, and in a long chunk they would be few among many."""


class ActionBins(nn.Module):
    """Equal-frequency bins of each action dimension (LAPA, section 3.3), measured on the demos.

    Buffers: edges ``f32 [a, bins - 1]``, ascending, where bin i ends and i + 1 begins; means
    ``f32 [a, bins]``, of the actions within; count ``i32 [a]``, bins there are. Past the count,
    edges are as large as a float32 can be and means repeat the last.
    """

    edges: Tensor
    means: Tensor
    count: Tensor

    def __init__(self, actions: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.full((actions, bins - 1), torch.finfo().max))
        self.register_buffer("means", torch.zeros(actions, bins))
        self.register_buffer("count", torch.ones(actions, dtype=torch.int32))

    def index(self, chunk: Tensor) -> Tensor:
        """The bins ``int64 [b, p, a]`` of normalised chunks ``[b, p * a]``."""
        by_action = chunk.view(len(chunk), -1, len(self.edges)).movedim(-1, 0).contiguous()
        edges = self.edges.view(len(self.edges), 1, -1).expand(-1, len(chunk), -1).contiguous()
        return torch.searchsorted(edges, by_action, right=True).movedim(0, -1)

    def logits(self, output: Tensor) -> Tensor:
        """The network's output ``[b, p * a * bins]`` as logits ``[b, p, a, bins]``.

        Bins that are not there get -infinity: nothing is learned of them, and none is chosen.
        """
        a, bins = self.means.shape
        there = torch.arange(bins, device=output.device) < self.count[:, None]  # [a, bins]
        return output.view(len(output), -1, a, bins).masked_fill(~there, -torch.inf)

    def chunk(self, logits: Tensor) -> Tensor:
        """The likeliest chunk ``[b, p * a]`` of logits ``[b, p, a, bins]``."""
        index = logits.argmax(-1)  # [b, p, a]
        means = self.means.expand(*index.shape[:2], -1, -1)  # [b, p, a, bins]
        return means.gather(-1, index[..., None]).flatten(1)


def chunk_loss(
    spec: ActionSpec, network: Network, x: Tensor, wanted: Tensor, bins: ActionBins | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """What the head is trained by, and the first step's error in the decoding's own measure.

    direct: ``|y - c|``. bins: cross-entropy. flow: ``|v - (c - z)|^2`` at ``(1 - t) z + t c``,
    ``z ~ N(0, I)`` and ``t ~ U(0, 1)`` drawn from torch's generator.

    Args:
        spec: says which decoding.
        network: the head's, ``[b, head_input_dim] -> [b, head_output_dim]``.
        x: what the head is told, ``[b, in]``.
        wanted: normalised chunks c, ``[b, p * a]``.
        bins: of a head of bins.
    """
    a = len(spec.names)
    if spec.decoding == "bins":
        assert bins is not None
        logits, index = bins.logits(network(x)), bins.index(wanted)
        error = F.cross_entropy(logits.movedim(-1, 1), index, reduction="none")  # [b, p, a]
        right = (logits[:, 0].argmax(-1) == index[:, 0]).float()
        return _mean(error), {"first_step": error[:, 0].mean(), "bin_accuracy": right.mean()}
    if spec.decoding == "flow":
        noise, time = torch.randn_like(wanted), torch.rand_like(wanted[:, :1])
        noisy = torch.lerp(noise, wanted, time)
        error = (network(flow_input(x, noisy, time)) - (wanted - noise)).square()
    else:
        error = (network(x) - wanted).abs()
    error = error.view(len(error), -1, a)  # [b, p, a]
    return _mean(error), {"first_step": error[:, 0].mean()}


def _mean(error: Tensor) -> Tensor:
    """Of errors ``[b, p, a]``, half by all steps and half by the near ones."""
    return (error.mean() + error[:, :NEAR].mean()) / 2


def decode_chunk(
    spec: ActionSpec, network: Network, x: Tensor, bins: ActionBins | None, noise: Tensor
) -> Tensor:
    """Normalised chunks ``[b, p * a]``: the likeliest bins, or where a flow leads from `noise`.

    Args:
        spec: says which decoding.
        network: as for `chunk_loss`.
        x: what the head is told, ``[b, in]``.
        bins: of a head of bins.
        noise: ``[b, p * a]``, of a flow head.
    """
    if spec.decoding == "bins":
        assert bins is not None
        return bins.chunk(bins.logits(network(x)))
    if spec.decoding == "direct":
        return network(x)
    chunk = noise
    for step in range(spec.flow_steps):
        time = torch.full_like(chunk[:, :1], step / spec.flow_steps)
        chunk = chunk + network(flow_input(x, chunk, time)) / spec.flow_steps
    return chunk


def flow_input(x: Tensor, chunk: Tensor, time: Tensor) -> Tensor:
    """What a flow's network is told: ``[b, in]``, ``[b, p * a]`` and ``[b, 1]``, side by side."""
    return torch.cat([x, chunk, time], dim=1)
