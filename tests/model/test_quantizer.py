"""The quantizer: right codes, useful gradients, and no code left dead."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lapa_edge import _native
from lapa_edge.errors import ConfigError
from lapa_edge.model.quantizer import FSQ_LEVELS, Quantizer, QuantizerConfig


@pytest.mark.parametrize("kind", ["ema", "nsvq"])
def test_codes_agree_with_the_native_kernel(kind: str) -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(QuantizerConfig(kind=kind, k=16, d=8)).eval()
    latents = torch.randn(5, 3, 8)
    codes = quantizer(latents).codes
    rows = latents.reshape(-1, 8).numpy()
    expected = _native.nearest_code(rows, quantizer.codebook.detach().numpy())
    assert np.array_equal(codes.numpy().ravel(), expected)


@pytest.mark.parametrize("kind", ["ema", "nsvq"])
def test_dead_codes_come_back_to_life_as_different_rows(kind: str) -> None:
    torch.manual_seed(0)
    config = QuantizerConfig(kind=kind, k=8, d=4, restart_every=5, start_after=0)
    quantizer = Quantizer(config).train()
    quantizer(torch.randn(32, 2, 4))
    with torch.no_grad():
        quantizer.codebook[1:] = 1e6  # far from every latent: seven dead codes
        quantizer.total[1:] = 1e6
    for _ in range(40):
        quantizer(torch.randn(32, 2, 4))
    used = quantizer(torch.randn(256, 2, 4)).codes.unique()
    assert len(used) == 8
    assert len(torch.unique(quantizer.codebook.detach(), dim=0)) == 8


@pytest.mark.parametrize("kind", ["ema", "nsvq", "fsq"])
def test_the_gradient_reaches_the_latents(kind: str) -> None:
    quantizer = Quantizer(QuantizerConfig(kind=kind, k=16, start_after=0)).train()
    latents = torch.randn(6, 2, quantizer.config.d, requires_grad=True)
    quantized = quantizer(latents)
    (quantized.vectors.square().sum() + quantized.loss).backward()
    assert latents.grad is not None
    assert torch.isfinite(latents.grad).all()
    assert latents.grad.abs().sum() > 0


def test_nsvq_keeps_the_length_of_the_error() -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(QuantizerConfig(kind="nsvq", k=4, d=16, start_after=0)).train()
    latents = torch.randn(10, 1, 16)
    out = quantizer(latents)
    # The codebook has moved by now only through restarts, which need more steps than one.
    error = (latents - quantizer.codebook[out.codes]).norm(dim=-1)
    assert torch.allclose((latents - out.vectors).norm(dim=-1), error, rtol=1e-5)


def test_evaluation_changes_nothing() -> None:
    quantizer = Quantizer(QuantizerConfig()).eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer(torch.randn(4, 4, 32))
    assert all(torch.equal(before[n], v) for n, v in quantizer.state_dict().items())


def test_usage_is_counted_per_hit_not_per_batch() -> None:
    quantizer = Quantizer(QuantizerConfig(k=4, d=2, start_after=0)).train()
    quantizer(torch.randn(8, 3, 2))
    assert int(quantizer.hits.sum()) == 24


def test_latents_pass_untouched_until_the_codebook_starts_from_them() -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(QuantizerConfig(k=4, d=2, start_after=2)).train()
    latents = torch.randn(8, 3, 2) + 50
    for _ in range(2):
        assert torch.equal(quantizer(latents).vectors, latents)
    vectors = quantizer(latents).vectors
    assert not torch.equal(vectors, latents)
    assert (quantizer.codebook - 50).abs().max() < 10


@pytest.mark.parametrize("k", FSQ_LEVELS)
def test_fsq_rounds_each_dimension_to_its_level(k: int) -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(QuantizerConfig(kind="fsq", k=k)).eval()
    bounded = quantizer.bound(3 * torch.randn(200, 2, quantizer.config.d))
    vectors = quantizer(bounded).vectors
    for i, levels in enumerate(FSQ_LEVELS[k]):
        step = 2 / (levels - 1)
        rounded = (bounded[..., i] + 1).div(step).round() * step - 1
        assert torch.allclose(vectors[..., i], rounded, atol=1e-6)
    assert len(quantizer.codebook.unique(dim=0)) == k


def test_fsq_refuses_a_size_that_is_no_grid() -> None:
    with pytest.raises(ConfigError, match=r"k: expected one of 8, 16, .* with fsq, got 9"):
        QuantizerConfig(kind="fsq", k=9)
    with pytest.raises(ConfigError, match="d: fsq of 8 codes has 3 dimensions, got 32"):
        QuantizerConfig(kind="fsq", k=8, d=32)
