"""Instruction to an embedding: trained with the policy, or a frozen sentence encoder's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapa_edge.errors import ConfigError
from lapa_edge.model.sentence import read_sentence_encoder
from lapa_edge.tokenizer import PAD

TRAINED = "trained"


class TextEncoder(nn.Module):
    """Token ids ``[b, max_tokens]`` to ``[b, d]``.

    Each word meets its position in a small MLP before the mean, so that order counts
    ("a onto b" is not "b onto a") at the price of a bag of words.
    """

    def __init__(self, vocabulary_size: int, max_tokens: int, d: int) -> None:
        super().__init__()
        self.max_tokens, self.d = max_tokens, d
        self.embedding = nn.Embedding(vocabulary_size, d)
        self.position = nn.Parameter(0.02 * torch.randn(1, max_tokens, d))
        self.mlp = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, ids: Tensor) -> Tensor:
        words = self.mlp(self.embedding(ids) + self.position)  # [b, max_tokens, d]
        present = (ids != PAD).to(words.dtype)[..., None]
        return (words * present).sum(1) / present.sum(1).clamp_min(1.0)

    def whole(self) -> nn.Module:
        """The network from ids to embedding, for export."""
        return self


class FrozenText(nn.Module):
    """Token ids ``[b, max_tokens]`` to ``[b, d]``: a frozen encoder and a trained projection.

    The encoder reads an instruction once, on the CPU; what it said is kept. It is no part of the
    weights of a run, only its SHA-256 is, which is checked when it is used.
    """

    fingerprint: Tensor

    def __init__(self, source: str, max_tokens: int, d: int) -> None:
        super().__init__()
        self.source, self.max_tokens, self.d = source, max_tokens, d
        encoder, sha256 = read_sentence_encoder(source)
        # In a tuple, where nn.Module doesn't look: not saved, moved, averaged or trained.
        self._frozen = (encoder, torch.tensor(list(sha256), dtype=torch.uint8))
        self.register_buffer("fingerprint", self._frozen[1].clone())
        self.projection = _Projection(encoder.width, d)
        self._rows: dict[bytes, int] = {}
        self._said = torch.zeros(0, encoder.width)

    def forward(self, ids: Tensor) -> Tensor:
        return self.projection(self._encode(ids).to(ids.device))

    def whole(self) -> nn.Module:
        """The network from ids to embedding, the frozen encoder in it, for export."""
        self._check()
        return nn.Sequential(self._frozen[0], self.projection)

    @torch.no_grad()
    def _encode(self, ids: Tensor) -> Tensor:
        """Sentence vectors ``[b, width]``, on the CPU."""
        table = ids.cpu()
        keys = [row.tobytes() for row in table.numpy()]
        new = {key: i for i, key in enumerate(keys) if key not in self._rows}
        if new:
            self._check()
            with torch.autocast("cpu", enabled=False):
                said = torch.cat([self._frozen[0](table[i : i + 1]) for i in new.values()])
            self._rows |= {key: len(self._said) + i for i, key in enumerate(new)}
            self._said = torch.cat([self._said, said])
        return self._said[[self._rows[key] for key in keys]]

    def _check(self) -> None:
        if not self.fingerprint.cpu().equal(self._frozen[1]):
            raise ConfigError(
                f"text {self.source!r}",
                "is not the encoder that the policy was trained with: its weights differ",
                "put back the one it was, or train again",
            )


class _Projection(nn.Module):
    """A linear map of unit vectors, brought to a size that layers are made for first."""

    def __init__(self, width: int, d: int) -> None:
        super().__init__()
        self.scale = width**0.5
        self.linear = nn.Linear(width, d)

    def forward(self, sentence: Tensor) -> Tensor:
        return self.linear(sentence * self.scale)


def build_text(
    source: str, vocabulary_size: int, max_tokens: int, d: int
) -> TextEncoder | FrozenText:
    """The encoder that a policy's ``text`` names: trained with it, or a folder or package."""
    if source == TRAINED:
        return TextEncoder(vocabulary_size, max_tokens, d)
    return FrozenText(source, max_tokens, d)
