"""Codes one after another: each is chosen knowing those before it.

All codes in one pass are independent given the frame; where one frame allows two motions, their
codes may mix into neither. A few causal blocks over `n` tokens cost little beside the trunk.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapa_edge.model.blocks import Block

CLOSED = -1e4  # a score that softmax rounds to 0; a -inf in a graph makes NaN of a whole row


class CodeDecoder(nn.Module):
    """What the trunk read for each code ``[b, n, d]`` to logits ``[b, n, k]``.

    Token ``i`` is the trunk's ``i``-th reading and the embedding of code ``i - 1``; it attends to
    the tokens up to itself. Given `codes` ``[b, n]`` every token is told the true code before it
    (teacher forcing); without them, the best one, found step by step. The loop has a fixed length,
    so that an exported graph has none.
    """

    closed: Tensor

    def __init__(self, d: int, heads: int, layers: int, n: int, k: int) -> None:
        super().__init__()
        self.n = n
        self.before = nn.Embedding(k, d)
        self.start = nn.Parameter(0.02 * torch.randn(1, 1, d))
        self.position = nn.Parameter(0.02 * torch.randn(1, n, d))
        self.blocks = nn.ModuleList(Block(d, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(d)
        self.to_logits = nn.Linear(d, k)
        closed = torch.full((n, n), CLOSED).triu(1)
        self.register_buffer("closed", closed, persistent=False)

    def forward(self, read: Tensor, codes: Tensor | None = None) -> Tensor:
        before = self.start.expand(len(read), -1, -1)  # [b, tokens so far, d]
        if codes is not None:
            told = torch.cat([before, self.before(codes[:, :-1])], dim=1)
            return self._decode(read, told)
        logits: list[Tensor] = []
        for i in range(self.n):
            # The whole prefix again: at these lengths a cache costs more than it saves.
            logits.append(self._decode(read[:, : i + 1], before)[:, -1])
            before = torch.cat([before, self.before(logits[-1].argmax(-1))[:, None]], dim=1)
        return torch.stack(logits, dim=1)

    def _decode(self, read: Tensor, before: Tensor) -> Tensor:
        t = before.shape[1]
        x = read + before + self.position[:, :t]  # [b, t, d]
        for block in self.blocks:
            x = block(x, mask=self.closed[:t, :t])
        logits: Tensor = self.to_logits(self.norm(x))
        return logits
