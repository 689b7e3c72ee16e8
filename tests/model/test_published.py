"""The published model: its size, its answers, and its way to a dead codebook.

Golden answers were made with the published code, commit 46aca51 (see `published_weights`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from published_weights import frame_pairs, published_state, read_golden, small_config

from lapa_edge.errors import ConfigError
from lapa_edge.model.blocks import count_parameters
from lapa_edge.model.latent_action import LatentActionModel
from lapa_edge.model.official_weights import published_name
from lapa_edge.model.published import PublishedConfig, PublishedModel
from lapa_edge.model.published_quantizer import (
    PublishedQuantizer,
    PublishedQuantizerConfig,
    _is_look,
)
from lapa_edge.train.batches import frames_to_tensor

SIZES = (1, 2, 4, 16)


def build_small(n: int = 4) -> PublishedModel:
    """The small model with the weights that the golden answers were made with."""
    model = PublishedModel(small_config(n))
    official = published_state(n)
    ours = {name: official.get(published_name(name), t) for name, t in model.state_dict().items()}
    model.load_state_dict(ours)
    return model.eval()


def build_quantizer(k: int = 4, d: int = 6, n: int = 4) -> PublishedQuantizer:
    torch.manual_seed(0)
    config = PublishedQuantizerConfig(k=k, d=d)
    return PublishedQuantizer(config, width=5, n=n, side=8).train()


def test_the_released_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = PublishedModel(PublishedConfig())
    assert count_parameters(model) == 343_796_080


@pytest.mark.parametrize("n", SIZES)
def test_codes_and_latents_are_the_published_ones(n: int) -> None:
    golden, model = read_golden(n), build_small(n)
    with torch.no_grad():
        latents = model.encode(*frame_pairs())
    assert latents.dtype == torch.float32
    np.testing.assert_allclose(latents.numpy(), golden["latents"], rtol=0, atol=1e-5)
    assert np.array_equal(model.quantizer.nearest(latents).numpy(), golden["codes"])


@pytest.mark.parametrize("n", SIZES)
def test_the_predicted_frame_is_the_published_one(n: int) -> None:
    golden, model = read_golden(n), build_small(n)
    shown = len(golden["predicted"])
    first, second = (frames[:shown] for frames in frame_pairs())
    with torch.no_grad():
        predicted = model(first, second)
        from_codes = model.decode(first, model.quantizer.codebook[predicted.quantized.codes])
    np.testing.assert_allclose(predicted.frame.numpy(), golden["predicted"], rtol=0, atol=1e-4)
    assert torch.equal(from_codes, predicted.frame)


def test_the_nearest_code_is_the_one_of_the_expanded_distance() -> None:
    quantizer = build_quantizer(k=8, d=32)
    rows = torch.randn(4000, 32)
    codebook = quantizer.codebook.detach()
    expanded = rows.square().sum(1, keepdim=True) - 2 * rows @ codebook.T + codebook.square().sum(1)
    nearest = quantizer.nearest(rows.view(1000, 4, 32))
    assert torch.equal(nearest.flatten(), expanded.argmin(1))


def test_of_equal_codes_the_first_is_chosen() -> None:
    quantizer = build_quantizer()
    with torch.no_grad():
        quantizer.codebook[3] = quantizer.codebook[1]
    assert quantizer.nearest(quantizer.codebook[None, 3:].detach()).item() == 1


def test_both_encodings_see_both_frames() -> None:
    model = build_small()
    first, second = (frames[:1] for frames in frame_pairs())
    seen = []
    encode = model.quantizer.encode
    model.quantizer.encode = lambda x: seen.append(x) or encode(x)  # type: ignore[method-assign]
    with torch.no_grad():
        model.encode(first, second)
        model.encode(first, 1 - second)
    of_first_frame = seen[1], seen[3]  # the second frame's tokens are pooled before
    assert not torch.allclose(*of_first_frame, atol=1e-3)


def test_codes_are_scrambled_before_the_decoder_sees_them() -> None:
    quantizer = build_quantizer(d=6, n=2)
    vectors = torch.arange(12.0).view(1, 2, 6)
    scrambled = torch.tensor([[[0.0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]])
    torch.testing.assert_close(quantizer.decode(vectors), quantizer.project_out(scrambled))


def test_patch_embeddings_get_no_gradient_from_the_decoder() -> None:
    model = build_small().train()
    first, _ = frame_pairs()
    model.decode(first, torch.zeros(16, 4, 12)).sum().backward()
    assert all(p.grad is None for p in model.embed.parameters())
    assert model.to_pixels.weight.grad is not None


def test_a_training_step_reaches_the_encoder_and_the_codes_in_use() -> None:
    model = build_small().train()
    first, second = frame_pairs()
    predicted = model(first, second)
    (predicted.frame - second).square().mean().backward()
    assert predicted.quantized.loss == 0
    assert model.embed[1].weight.grad.abs().sum() > 0
    moved = model.quantizer.codebook.grad.abs().sum(1) > 0
    assert moved.nonzero().flatten().tolist() == predicted.quantized.codes.unique().tolist()


def test_noise_in_training_is_as_long_as_the_error() -> None:
    quantizer = build_quantizer()
    latents = torch.randn(10, 4, 6)
    out = quantizer(latents)
    error = (latents - quantizer.codebook[out.codes]).norm(dim=-1)
    torch.testing.assert_close((out.vectors - latents).norm(dim=-1), error)
    assert not torch.equal(quantizer(latents).vectors, out.vectors)


def test_evaluation_changes_nothing_and_gives_the_codes_themselves() -> None:
    quantizer = build_quantizer().eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    out = quantizer(torch.randn(10, 4, 6))
    assert torch.equal(out.vectors, quantizer.codebook[out.codes])
    assert all(torch.equal(before[name], v) for name, v in quantizer.state_dict().items())


def test_a_code_counts_once_per_batch() -> None:
    quantizer = build_quantizer()
    latents = quantizer.codebook.detach()[[2, 2, 2, 0]].expand(10, 4, 6)
    quantizer(latents)
    quantizer(latents)
    assert quantizer.used.tolist() == [2, 0, 2, 0]


def test_looks_for_dead_codes_are_rarer_and_rarer_until_step_5000() -> None:
    looks = [step for step in range(10_000) if _is_look(step)]
    assert looks == [*range(10, 100, 10), *range(100, 1000, 100), *range(1000, 5000, 500)]


def run_to_first_look(quantizer: PublishedQuantizer, code: int, batch: int) -> None:
    """Eleven batches that hold one code only: steps 0 to 10."""
    for _ in range(11):
        quantizer(quantizer.codebook.detach()[code].expand(batch, 4, 6))
    assert int(quantizer.step) == 11


def test_dead_codes_become_exact_copies_of_the_live_one() -> None:
    quantizer = build_quantizer()
    live = quantizer.codebook.detach()[2].clone()
    run_to_first_look(quantizer, 2, batch=64)
    assert torch.equal(quantizer.codebook.detach(), live.expand(4, 6))
    assert quantizer.used.tolist() == [0, 0, 0, 0]


def test_in_a_batch_beyond_110_no_code_can_live_and_nothing_is_replaced() -> None:
    quantizer = build_quantizer()
    before = quantizer.codebook.detach().clone()
    run_to_first_look(quantizer, 2, batch=111)
    assert torch.equal(quantizer.codebook.detach(), before)
    assert quantizer.used.tolist() == [0, 0, 0, 0]


def test_few_dead_codes_copy_the_first_live_ones_in_order() -> None:
    quantizer = build_quantizer(k=5)
    before = quantizer.codebook.detach().clone()
    quantizer.used.copy_(torch.tensor([0, 9, 7, 6, 8]))  # of 64, a tenth is 6.4
    with torch.no_grad():
        quantizer._replace_dead(64)
    assert torch.equal(quantizer.codebook.detach(), before[[1, 1, 2, 2, 4]])


def test_many_dead_codes_share_the_live_ones_evenly() -> None:
    quantizer = build_quantizer(k=6)
    before = quantizer.codebook.detach().clone()
    quantizer.used.copy_(torch.tensor([0, 9, 0, 0, 8, 0]))
    with torch.no_grad():
        quantizer._replace_dead(64)
    copies = torch.cdist(quantizer.codebook.detach(), before).argmin(1)
    assert copies.bincount(minlength=6).tolist() == [0, 3, 0, 0, 3, 0]


def test_frames_are_pixels_between_0_and_1() -> None:
    spec = PublishedConfig().frame
    pixels = np.array([0, 51, 255], np.uint8).reshape(1, 1, 3, 1).repeat(3, axis=3)
    tensor = frames_to_tensor(pixels, spec, torch.device("cpu"))
    assert (spec.height, spec.width) == (256, 256)
    torch.testing.assert_close(tensor[0, 0, 0], torch.tensor([0.0, 0.2, 1.0]))


def test_it_offers_what_our_model_offers() -> None:
    config = small_config()
    sizes = (config.height, config.width, config.n, config.quantizer.k, config.quantizer.d)
    assert sizes == (32, 32, 4, 8, 12)
    public = {name for name in vars(LatentActionModel) if not name.startswith("_")}
    # Features of one frame and a joint action head: it has none.
    public -= {"describe", "read_actions"}
    assert public <= set(dir(PublishedModel))


@pytest.mark.parametrize(
    ("n", "image", "patch"),
    [(1, 28, 4), (2, 28, 4), (4, 28, 4), (16, 26, 2), (64, 30, 2), (256, 31, 1)],
)
def test_every_published_number_of_codes_has_its_image_size(n: int, image: int, patch: int) -> None:
    config = PublishedConfig(
        image=image, patch=patch, d=8, heads=1, head_dim=4, spatial_layers=0, temporal_layers=0,
        n=n, quantizer=PublishedQuantizerConfig(k=4, d=4),
    )  # fmt: skip
    predicted = PublishedModel(config).eval()(*torch.rand(2, 1, 3, image, image))
    assert predicted.quantized.vectors.shape == (1, n, 4)
    assert predicted.frame.shape == (1, 3, image, image)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n": 3}, "n: expected one of 1, 2, 4, 16, 64, 256 in the published model, got 3"),
        ({"n": 16}, "image: expected 13 to 16 patches a side for 16 codes, got 8"),
        ({"image": 288}, "image: expected 7 to 8 patches a side for 4 codes, got 9"),
        ({"patch": 48}, "patch: expected a divisor of 256, got 48"),
        ({"heads": 0}, "heads: expected at least 1, got 0"),
        ({"temporal_layers": -1}, "temporal_layers: expected 0 or more, got -1"),
    ],
)
def test_a_size_the_published_code_cannot_run_is_refused(change: dict[str, int], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        replace(PublishedConfig(), **change)


def test_a_codebook_of_one_code_is_refused() -> None:
    with pytest.raises(ConfigError, match="codebook: expected k >= 2 and d >= 1, got 1 and 32"):
        PublishedQuantizerConfig(k=1)
