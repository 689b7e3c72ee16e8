"""UniPi (arXiv 2302.00111) in small: imagine the next frame, then read the actions that lead to it.

    frame, instruction -> frame a gap later -> inverse dynamics -> chunk of actions

Deviations from the paper: one frame, predicted by a transformer that minimises pixel error, in
place of a diffused video. A robot's policy has no second to spare, and the trunk is that of the
methods it is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lapa_edge.model.action_head import ActionHead
from lapa_edge.model.blocks import Block, PatchStem, unpatch
from lapa_edge.model.latent_action import LatentActionConfig, LatentActionModel
from lapa_edge.model.policy import PolicyConfig
from lapa_edge.model.text import build_text


@dataclass(frozen=True)
class UniPiConfig:
    """What a UniPi policy is made of, beside the trunk's `PolicyConfig`."""

    inverse: LatentActionConfig
    """The inverse dynamics; its ``action_dim`` is ``steps * action_dim``."""
    action_dim: int
    """Dimensions of one action."""


class FramePredictor(nn.Module):
    """Frame ``[b, 3, h, w]`` and text ``[b, text_dim]`` to the frame a gap later.

    The latent policy's stem and trunk; each patch token says how its patch changes.
    """

    def __init__(self, config: PolicyConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = PatchStem(config.height, config.width, config.patch, config.d)
        self.from_text = nn.Linear(config.text_dim, config.d)
        self.trunk = nn.ModuleList(Block(config.d, config.heads) for _ in range(config.layers))
        change = nn.Linear(config.d, 3 * config.patch**2)
        # It begins as a copy of the frame: in a short training, noise would not be unlearned.
        nn.init.zeros_(change.weight)
        nn.init.zeros_(change.bias)
        self.to_pixels = nn.Sequential(nn.LayerNorm(config.d), change)

    def forward(self, frame: Tensor, text: Tensor) -> Tensor:
        c = self.config
        x = self.stem(frame) + self.from_text(text)[:, None]
        for block in self.trunk:
            x = block(x)
        return frame + unpatch(self.to_pixels(x), c.height, c.width, c.patch)


class InstructedPredictor(nn.Module):
    """The frame predictor with its own instruction encoder: what is trained on video."""

    def __init__(self, config: PolicyConfig, vocabulary_size: int, max_tokens: int) -> None:
        super().__init__()
        self.text = build_text(config.text, vocabulary_size, max_tokens, config.text_dim)
        self.predictor = FramePredictor(config)

    def forward(self, frame: Tensor, ids: Tensor) -> Tensor:
        """The later frames ``[b, 3, h, w]`` of frames and token ids ``[b, max_tokens]``."""
        later: Tensor = self.predictor(frame, self.text(ids))
        return later


class UniPi(nn.Module):
    """Stands where a `LatentPolicy` without codes stands; its context is the action chunk.

    Args:
        config: of the trunk; ``context_dim`` is ``p * a``.
        parts: the inverse dynamics and the width of an action.

    Where the inverse dynamics reads fewer steps than a chunk has, the last one is held.
    """

    def __init__(self, config: PolicyConfig, parts: UniPiConfig) -> None:
        super().__init__()
        self.config, self.n, self.parts = config, 0, parts
        self.predictor = FramePredictor(config)
        self.inverse = LatentActionModel(parts.inverse)
        steps, a = parts.inverse.action_dim // parts.action_dim, parts.action_dim
        self._step = [min(i, steps - 1) for i in range(config.context_dim // a)]

    def forward(self, frame: Tensor, text: Tensor, *_: object) -> tuple[Tensor, Tensor]:
        """Code logits ``[b, 0, 1]`` and the normalised chunk ``[b, p * a]``.

        What else a latent policy may be told, it has no use for.
        """
        b, a = len(frame), self.parts.action_dim
        read = self.inverse.read_actions(frame, self.predictor(frame, text)).view(b, -1, a)
        return frame.new_zeros(b, 0, 1), read[:, self._step].flatten(1)


@torch.no_grad()
def pass_through(head: ActionHead, context: slice) -> None:
    """Set the head's weights so that its output is the `context` part of its input, to the bit.

    ``x = relu(x) - relu(-x)``: the head must be twice as wide as the context. Its blocks add
    nothing.
    """
    size = context.stop - context.start
    for parameter in head.parameters():
        parameter.zero_()
    one = torch.eye(size)
    head.input.weight[:size, context] = one
    head.input.weight[size : 2 * size, context] = -one
    head.output.weight[:, :size] = one
    head.output.weight[:, size : 2 * size] = -one
