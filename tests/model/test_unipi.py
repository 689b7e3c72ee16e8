"""UniPi's network: words change the predicted frame, and the head hands the plan through."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lapa_edge.model.action_head import ActionHead, ActionHeadConfig
from lapa_edge.model.unipi import FramePredictor, UniPi, UniPiConfig, pass_through
from lapa_edge.train.presets import PRESETS

DEBUG = PRESETS["debug"]


@pytest.mark.parametrize("gated", [False, True])
def test_the_head_hands_the_context_through_to_the_bit(gated: bool) -> None:
    head = ActionHead(11, 4, ActionHeadConfig(width=8, blocks=2, gated=gated))
    pass_through(head, slice(3, 7))
    x = torch.randn(32, 11) * torch.logspace(-3, 3, 11)
    assert torch.equal(head(x), x[:, 3:7])


def test_the_predicted_frame_hears_the_words() -> None:
    predictor = FramePredictor(DEBUG.policy)
    frame = torch.randn(1, 3, 48, 48)
    one, other = (predictor(frame, torch.randn(1, DEBUG.policy.text_dim)) for _ in range(2))
    assert one.shape == frame.shape
    assert (one - other).abs().max() > 1e-4


def test_a_chunk_longer_than_the_gap_holds_its_last_action() -> None:
    inverse = replace(DEBUG.latents, action_dim=3 * 2)  # three steps of two actions
    policy = UniPi(replace(DEBUG.policy, context_dim=5 * 2), UniPiConfig(inverse, action_dim=2))
    frame, text = torch.randn(2, 3, 48, 48), torch.randn(2, DEBUG.policy.text_dim)
    logits, context = policy(frame, text)
    chunk = context.view(2, 5, 2)
    read = policy.inverse.read_actions(frame, policy.predictor(frame, text)).view(2, 3, 2)
    assert logits.shape == (2, 0, 1)
    assert torch.equal(chunk[:, :3], read)
    assert torch.equal(chunk[:, 3:], read[:, 2:].expand(-1, 2, -1))
