"""The networks together: instruction and frame to codes (stage 2), and on to actions (stage 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lapa_edge.model.action_head import ActionHead, ActionHeadConfig
from lapa_edge.model.decoding import ActionBins
from lapa_edge.model.look_state import LookState
from lapa_edge.model.policy import LatentPolicy, PolicyConfig
from lapa_edge.model.text import build_text


class InstructedPolicy(nn.Module):
    """Latent policy with its own instruction encoder: what stage 2 trains."""

    def __init__(
        self, config: PolicyConfig, n: int, k: int, vocabulary_size: int, max_tokens: int
    ) -> None:
        super().__init__()
        self.text = build_text(config.text, vocabulary_size, max_tokens, config.text_dim)
        self.policy = LatentPolicy(config, n, k)

    def forward(
        self, frame: Tensor, ids: Tensor, state: Tensor | None = None, codes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Code logits ``[b, n, k]`` and context of frames ``[b, 3 v, h, w]`` and token ids.

        `state` and `codes` are as for `LatentPolicy`.
        """
        logits, context = self.policy(frame, self.text(ids), state, codes)
        return logits, context


class Agent(nn.Module):
    """Instructed policy and action head: what stage 3 trains and the bundle carries.

    The codes of `codebook` ``[k, d]`` stay what stage 1 made them. Choosing a code passes no
    gradient; the context does. `bins` are those of a head that chooses from bins; `look_state` is
    there where the context ends with the state at the look.
    """

    codebook: Tensor

    def __init__(
        self,
        instructed: InstructedPolicy,
        codebook: Tensor,
        head_input_dim: int,
        head_output_dim: int,
        head: ActionHeadConfig,
        bins: ActionBins | None = None,
        look_state: LookState | None = None,
    ) -> None:
        super().__init__()
        self.instructed = instructed
        self.bins, self.look_state = bins, look_state
        self.head = ActionHead(head_input_dim, head_output_dim, head)
        self.register_buffer("codebook", codebook)

    @property
    def state_dim(self) -> int:
        """Dimensions of the state that a look is told; 0 where it is told none."""
        if self.look_state is not None:
            return self.look_state.state_dim
        return self.instructed.policy.config.state_dim

    @property
    def context_dim(self) -> int:
        """Width of the context."""
        added = 0 if self.look_state is None else self.look_state.width
        return self.instructed.policy.config.context_dim + added

    def see(
        self, frame: Tensor, text: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits ``[b, n, k]`` and context ``[b, context_dim]``.

        `text` is the instruction's embedding; `state` ``[b, s + 1]`` is as `state_input` makes it,
        None where a look is told none.
        """
        policy = self.instructed.policy
        logits, context = policy(frame, text, state if policy.config.state_dim else None)
        if self.look_state is not None:
            assert state is not None
            context = torch.cat([context, self.look_state(state)], dim=1)
        return logits, context

    def look(
        self, frame: Tensor, ids: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits ``[b, n, k]``, latent ``[b, n * d]`` of the best codes, and context."""
        logits, context = self.see(frame, self.instructed.text(ids), state)
        return logits, self.codebook[logits.argmax(-1)].flatten(1), context

    def forward(self, x: Tensor) -> Tensor:
        """The output ``[b, out]`` of the head's network for inputs ``[b, in]``."""
        output: Tensor = self.head(x)
        return output


def no_codebook() -> Tensor:
    """The codebook of a policy without a plan."""
    return torch.zeros(1, 0)
