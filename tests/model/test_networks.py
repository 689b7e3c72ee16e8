"""The networks: shapes, what each output may depend on, and how large the presets are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lapa_edge.model.action_head import ActionHead, ActionHeadConfig
from lapa_edge.model.agent import Agent, InstructedPolicy
from lapa_edge.model.blocks import PatchStem, count_parameters
from lapa_edge.model.latent_action import LatentActionConfig, LatentActionModel
from lapa_edge.model.policy import Decoder, LatentPolicy, PolicyConfig
from lapa_edge.model.text import TextEncoder
from lapa_edge.train.presets import PRESETS

SMALL = LatentActionConfig(height=32, width=48, patch=8, d=16, heads=2)


@pytest.mark.parametrize("n", [1, 2, 4, 16])
def test_any_number_of_codes_gives_a_frame_of_the_same_size(n: int) -> None:
    model = LatentActionModel(replace(SMALL, n=n))
    first, second = torch.randn(2, 3, 3, 32, 48).unbind()
    predicted = model(first, second)
    assert predicted.frame.shape == first.shape
    assert predicted.quantized.codes.shape == (3, n)


def test_the_decoder_sees_the_second_frame_through_the_codes_alone() -> None:
    model = LatentActionModel(SMALL).eval()
    first, second = torch.randn(2, 1, 3, 32, 48).unbind()
    predicted = model(first, second)
    assert torch.equal(model.decode(first, predicted.quantized.vectors), predicted.frame)


def test_pixels_go_back_where_their_patch_came_from() -> None:
    model = LatentActionModel(SMALL)
    patches = torch.zeros(1, 24, 3 * 64)
    patches[0, 7] = 1.0  # row 1, column 1 of 4 x 6 patches
    image = model._unpatch(patches)
    assert image[0, :, 8:16, 8:16].eq(1).all()
    assert image.sum() == 3 * 64


def test_a_patch_that_does_not_divide_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="patch: expected a power of two dividing 30 x 32, got 8"):
        PatchStem(30, 32, 8, 16)


def test_a_policy_without_plan_has_a_context_and_no_logits() -> None:
    config = PolicyConfig(height=32, width=32, patch=8, d=16, heads=2, layers=1, context_dim=5)
    logits, context = LatentPolicy(config, n=0, k=1)(torch.randn(2, 3, 32, 32), torch.randn(2, 64))
    assert logits.shape == (2, 0, 1)
    assert context.shape == (2, 5)


def test_words_change_the_codes() -> None:
    torch.manual_seed(0)
    policy = LatentPolicy(PolicyConfig(height=32, width=32, patch=8, d=16, heads=2), n=2, k=4)
    frame = torch.randn(1, 3, 32, 32)
    one, other = (policy(frame, torch.randn(1, 64))[0] for _ in range(2))
    assert not torch.allclose(one, other)


def test_padding_does_not_change_the_text_but_word_order_does() -> None:
    torch.manual_seed(0)
    text = TextEncoder(vocabulary_size=9, max_tokens=6, d=8)
    ids = torch.tensor([[2, 3, 4, 0, 0, 0]])
    text.embedding.weight.data[0] += 100  # what padding embeds to must not matter
    padded = text(ids)
    text.embedding.weight.data[0] -= 100
    assert torch.equal(text(ids), padded)
    assert not torch.allclose(text(torch.tensor([[4, 3, 2, 0, 0, 0]])), padded)
    assert torch.equal(text(torch.zeros(1, 6, dtype=torch.long)), torch.zeros(1, 8))


def test_the_action_head_is_as_wide_as_it_says() -> None:
    head = ActionHead(7, 10, ActionHeadConfig(width=16, blocks=3))
    assert head(torch.randn(5, 7)).shape == (5, 10)


def test_a_gated_block_multiplies_by_what_its_gate_lets_through() -> None:
    head = ActionHead(7, 10, ActionHeadConfig(width=16, blocks=1, gated=True))
    (block,) = head.blocks
    assert [name for name, _ in block.named_children()] == ["up", "gate", "down"]
    h = torch.randn(5, 16)
    gate = block.gate(h).clamp(min=0)
    torch.testing.assert_close(block(h), h + block.down(block.up(h) * gate))
    with torch.no_grad():
        block.gate.bias.fill_(-1e3)  # shut
    assert torch.equal(block(h), h + block.down.bias)


def test_a_head_without_gates_keeps_the_names_of_older_weights() -> None:
    names = ActionHead(7, 10, ActionHeadConfig(width=16, blocks=1)).state_dict().keys()
    layers = "input", "blocks.0.up", "blocks.0.down", "output"
    assert list(names) == [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]


@pytest.mark.parametrize(
    ("preset", "most"),
    [("tiny", 3_000_000), ("small", 25_000_000), ("base", 30_000_000)],
)
@pytest.mark.parametrize("decoder", ["parallel", "autoregressive"])
def test_presets_keep_to_their_size(preset: str, most: int, decoder: Decoder) -> None:
    latents, policy, head = (getattr(PRESETS[preset], x) for x in ("latents", "policy", "head"))
    policy = replace(policy, decoder=decoder, context_dim=4 * 32)
    # The widest robot that is likely: 14 joints, a chunk of 16, 2,000 words, 64 codes.
    instructed = InstructedPolicy(policy, n=4, k=64, vocabulary_size=2000, max_tokens=24)
    agent = Agent(instructed, torch.zeros(64, 32), 2 * 128 + 2 * 14 + 2, 16 * 14, head)
    assert count_parameters(agent) <= most
    assert count_parameters(LatentActionModel(latents)) <= most
