"""Instruction to an embedding: small, trained with the policy, exported beside it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapa_edge.tokenizer import PAD


class TextEncoder(nn.Module):
    """Token ids ``[b, max_tokens]`` to ``[b, d]``.

    Each word meets its position in a small MLP before the mean, so that order counts
    ("a onto b" is not "b onto a") at the price of a bag of words.
    """

    def __init__(self, vocabulary_size: int, max_tokens: int, d: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, d)
        self.position = nn.Parameter(0.02 * torch.randn(1, max_tokens, d))
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, ids: Tensor) -> Tensor:
        words = self.mlp(self.embedding(ids) + self.position)  # [b, max_tokens, d]
        present = (ids != PAD).to(words.dtype)[..., None]
        return (words * present).sum(1) / present.sum(1).clamp_min(1.0)
