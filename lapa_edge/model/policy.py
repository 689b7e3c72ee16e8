"""Stage 2: frames and instruction to codes, and a context vector for the action head.

The slow half of the two rates: it looks at the cameras at 5-30 Hz and says *what* to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from lapa_edge.errors import ConfigError
from lapa_edge.model.backbone import TIMM, TimmStem
from lapa_edge.model.blocks import Block, PatchStem
from lapa_edge.model.code_decoder import CodeDecoder

Decoder = Literal["parallel", "autoregressive"]


@dataclass(frozen=True)
class PolicyConfig:
    """Size and kind of the latent policy."""

    height: int = 96
    """Frame height, pixels."""
    width: int = 96
    """Frame width, pixels."""
    patch: int = 16
    """Patch side, pixels; a power of two. A timm backbone has its own."""
    d: int = 128
    """Width of the trunk."""
    heads: int = 4
    """Attention heads."""
    layers: int = 3
    """Trunk blocks."""
    text_dim: int = 64
    """Width of the instruction's embedding."""
    text: str = "trained"
    """What reads the instruction: trained with the policy, or a frozen sentence encoder, given by
    its folder or by the package that holds it."""
    context_dim: int = 128
    """Width of the context vector handed to the action head; ``n * d`` of the latent space."""
    cameras: tuple[str, ...] = ("camera",)
    """Names of the views, in the order in which frames hold them."""
    state_names: tuple[str, ...] = ()
    """The robot's state that the policy is told; empty tells it none."""
    decoder: Decoder = "parallel"
    """All codes in one pass, or each knowing those before it."""
    decoder_layers: int = 1
    """Causal blocks of the autoregressive decoder."""
    backbone: str = ""
    """``timm:NAME`` in place of our own convolutional stem."""
    backbone_weights: str = ""
    """A ``.safetensors`` file of timm's weights, read when training begins; random without one."""
    backbone_frozen: bool = True
    """Whether the backbone keeps its weights."""

    @property
    def state_dim(self) -> int:
        """Dimensions of the state that the policy is told."""
        return len(self.state_names)

    def __post_init__(self) -> None:
        if not self.cameras or len(set(self.cameras)) != len(self.cameras):
            raise ConfigError("cameras", f"expected different names, got {list(self.cameras)}")
        if self.backbone and not self.backbone.startswith(TIMM):
            raise ConfigError("backbone", f"expected timm:NAME or nothing, got {self.backbone!r}")
        if self.backbone_weights and not self.backbone:
            raise ConfigError("backbone_weights", "they belong to no backbone", "give --backbone")


class LatentPolicy(nn.Module):
    """Frame ``[b, 3 v, h, w]`` and text ``[b, text_dim]`` to code logits and context.

    ``n`` learned queries read one code each, all in one pass; one more reads the context. Stage 2
    teaches the context to be the latent *before* quantization: what the codes round away serves
    an action head best (LAOM, arXiv 2502.00379). With ``n = 0`` there is no plan, only the
    context: the network that the Scratch baseline trains.

    The ``v`` cameras share one stem; a learned vector tells their tokens apart. The robot's state
    is one more token. Video has none: a learned "no state" stands in.
    """

    state_mean: Tensor
    state_std: Tensor

    def __init__(self, config: PolicyConfig, n: int, k: int) -> None:
        super().__init__()
        self.config, self.n = config, n
        size = config.height, config.width
        self.stem: PatchStem | TimmStem
        if config.backbone:
            name = config.backbone.removeprefix(TIMM)
            self.stem = TimmStem(name, *size, config.d, config.backbone_frozen)
        else:
            self.stem = PatchStem(*size, config.patch, config.d)
        self.from_text = nn.Linear(config.text_dim, config.d)
        self.query = nn.Parameter(0.02 * torch.randn(1, n + 1, config.d))
        self.trunk = nn.ModuleList(Block(config.d, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.d)
        self.decoder = self.to_logits = None
        if config.decoder == "autoregressive" and n:
            self.decoder = CodeDecoder(config.d, config.heads, config.decoder_layers, n, k)
        else:
            self.to_logits = nn.Linear(config.d, k)
        self.to_context = nn.Sequential(
            nn.Linear(config.d, config.d), nn.GELU(), nn.Linear(config.d, config.context_dim)
        )
        # Made last, and only where asked for: the seeds of older runs keep their weights.
        if len(config.cameras) > 1:
            self.camera = nn.Parameter(0.02 * torch.randn(1, len(config.cameras), 1, config.d))
        if config.state_dim:
            self.from_state = nn.Linear(config.state_dim, config.d)
            self.no_state = nn.Parameter(0.02 * torch.randn(1, config.d))
            self.register_buffer("state_mean", torch.zeros(config.state_dim))
            self.register_buffer("state_std", torch.ones(config.state_dim))

    @property
    def k(self) -> int:
        """Codebook size."""
        layer = self.decoder.to_logits if self.decoder is not None else self.to_logits
        assert layer is not None
        return layer.out_features

    def forward(
        self,
        frame: Tensor,
        text: Tensor,
        state: Tensor | None = None,
        codes: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Code logits ``[b, n, k]`` and context ``[b, context_dim]``.

        Args:
            frame: normalised, the views stacked along the channels.
            text: embedding of the instruction.
            state: ``[b, s + 1]`` as `state_input` makes it; None tells none.
            codes: ``[b, n]``, the right ones: an autoregressive decoder learns from them. Without
                them it goes by its own.
        """
        words = self.from_text(text)[:, None]  # [b, 1, d]
        tokens = [self._see(frame)]
        if self.config.state_dim:
            tokens.append(self._feel(frame, state))
        tokens.append(self.query.expand(len(frame), -1, -1))
        # The words are added to every token: the trunk is shallow, and need not route them.
        x = torch.cat(tokens, dim=1) + words
        for block in self.trunk:
            x = block(x)
        read = self.norm(x[:, -(self.n + 1) :])  # [b, n + 1, d]
        plan = read[:, : self.n]
        if self.decoder is not None:
            return self.decoder(plan, codes), self.to_context(read[:, self.n])
        assert self.to_logits is not None
        return self.to_logits(plan), self.to_context(read[:, self.n])

    def _see(self, frame: Tensor) -> Tensor:
        v = len(self.config.cameras)
        if v == 1:
            return self.stem(frame)
        b, _, h, w = frame.shape
        tokens = self.stem(frame.reshape(b * v, 3, h, w))  # [b * v, t, d]
        seen = tokens.reshape(b, v, tokens.shape[1], -1) + self.camera
        return seen.flatten(1, 2)  # [b, v * t, d]

    def _feel(self, frame: Tensor, state: Tensor | None) -> Tensor:
        if state is None:
            return self.no_state.expand(len(frame), 1, -1)
        known = state[:, -1:]  # [b, 1]
        felt = self.from_state((state[:, :-1] - self.state_mean) / self.state_std)
        return (known * felt + (1 - known) * self.no_state)[:, None]  # [b, 1, d]

    def set_state_scale(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """What the state is normalised by; travels with the weights, so its input is physical."""
        self.state_mean.copy_(torch.tensor(mean))
        self.state_std.copy_(torch.tensor(std))

    def load_backbone(self) -> None:
        """Fill a backbone whose config names a file of weights.

        Raises:
            DataError: the file is absent, no safetensors, or of another model.
        """
        if self.config.backbone_weights:
            assert isinstance(self.stem, TimmStem)
            self.stem.load(Path(self.config.backbone_weights))

    def freeze_backbone(self) -> None:
        """Keep a frozen backbone frozen after someone asked all weights for gradients."""
        if isinstance(self.stem, TimmStem) and self.stem.frozen:
            self.stem.backbone.requires_grad_(False)


def state_input(state: Tensor, known: Tensor) -> Tensor:
    """``[b, s + 1]`` of states ``[b, s]`` in physical units: the last number is 1 where known.

    Unknown rows become 0, whatever they held; `known` is bool ``[b]``.
    """
    shown = torch.where(known[:, None], state, torch.zeros_like(state))
    return torch.cat([shown, known[:, None].to(state.dtype)], dim=1)
