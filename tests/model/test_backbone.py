"""timm's models as the policy's eye. Nothing is downloaded: weights come from files."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lapa_edge.errors import ConfigError, DataError, LapaError, MissingDependencyError
from lapa_edge.model import backbone
from lapa_edge.model.backbone import TimmStem, check_backbone
from lapa_edge.model.policy import LatentPolicy, PolicyConfig

VIT = "test_vit"


@pytest.fixture
def timm() -> Any:
    try:
        return backbone._timm()
    except LapaError as error:
        pytest.skip(f"NO TIMM BACKBONE IS BUILT: {error}")


@pytest.mark.parametrize(
    ("name", "tokens"), [(VIT, 5), ("test_resnet", 1), ("swin_tiny_patch4_window7_224", 1)]
)
def test_any_kind_of_model_gives_tokens_of_the_trunks_width(
    timm: Any, name: str, tokens: int
) -> None:
    stem = TimmStem(name, 32, 32, d=24, frozen=True).eval()
    image = torch.randn(2, 3, 32, 32)
    assert stem(image).shape == (2, tokens, 24)
    assert not torch.allclose(*stem(image))


def test_a_frozen_backbone_learns_nothing_and_keeps_its_statistics(timm: Any) -> None:
    for frozen in (True, False):
        stem = TimmStem("test_resnet", 32, 32, d=8, frozen=frozen).train()
        before = {name: value.clone() for name, value in stem.state_dict().items()}
        stem(torch.randn(4, 3, 32, 32)).sum().backward()
        assert stem.project.weight.grad is not None
        moved = {n for n, value in stem.state_dict().items() if not torch.equal(value, before[n])}
        learns = any(p.grad is not None for p in stem.backbone.parameters())
        assert learns != frozen
        assert any("running_mean" in name for name in moved) != frozen


def test_a_frozen_backbone_stays_so_when_the_trunk_is_trained(timm: Any) -> None:
    config = PolicyConfig(height=32, width=32, layers=1, d=32, backbone=f"timm:{VIT}")
    policy = LatentPolicy(config, n=2, k=4).requires_grad_(True)
    policy.freeze_backbone()
    policy(torch.randn(2, 3, 32, 32), torch.randn(2, 64))[1].sum().backward()
    learns = [name for name, p in policy.named_parameters() if p.requires_grad]
    assert learns
    assert not [name for name in learns if ".backbone." in name]
    assert policy.query.grad is not None


def test_frames_reach_the_backbone_as_it_was_trained_on_them(timm: Any) -> None:
    stem = TimmStem("test_resnet", 32, 32, d=8, frozen=True).eval()
    pixels = torch.rand(1, 3, 32, 32)
    mean, std = (
        torch.tensor(stem.backbone.pretrained_cfg[x]).view(1, 3, 1, 1) for x in ("mean", "std")
    )
    wanted = stem.backbone.forward_features((pixels - mean) / std).flatten(2).transpose(1, 2)
    ours = (pixels - 0.5) / 0.25
    torch.testing.assert_close(stem(ours), stem.project(wanted), rtol=1e-4, atol=1e-5)


def test_weights_of_the_published_size_are_fitted_to_the_policys_frames(
    timm: Any, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    published = timm.create_model(VIT)  # 160 pixels, with a classifier
    file = tmp_path / "model.safetensors"
    save_file(published.state_dict(), file)
    stem = TimmStem(VIT, 32, 32, d=8, frozen=True)
    stem.load(file)
    assert torch.equal(stem.backbone.patch_embed.proj.weight, published.patch_embed.proj.weight)
    assert stem.backbone.pos_embed.shape[1] == 5


def test_weights_that_do_not_fit_are_named(timm: Any, tmp_path: Path) -> None:
    stem = TimmStem(VIT, 32, 32, d=8, frozen=True)
    with pytest.raises(DataError, match=r"gone\.safetensors.*no such file"):
        stem.load(tmp_path / "gone.safetensors")
    pickle = tmp_path / "model.pth"
    pickle.write_bytes(b"")
    with pytest.raises(DataError, match="a pickle may run code"):
        stem.load(pickle)
    other = tmp_path / "other.safetensors"
    save_file({"conv1.weight": torch.zeros(1)}, other)
    with pytest.raises(DataError, match=r"blocks\.0\..* is missing \(\d+ in all\)"):
        stem.load(other)
    other.write_bytes(b"damaged")
    with pytest.raises(DataError, match="do not fit"):
        stem.load(other)


def test_an_unknown_name_is_answered_with_near_ones(timm: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"no model 'vit_tinny_patch16_224'.*vit_tiny_patch16_224"
    ):
        check_backbone("timm:vit_tinny_patch16_224")


def test_frames_that_a_backbone_cannot_cut_into_patches_are_refused(timm: Any) -> None:
    with pytest.raises(ConfigError, match="does not take frames of 8 x 8"):
        TimmStem(VIT, 8, 8, d=8, frozen=True)


def test_without_timm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=r"No module named 'timm'.*pip install timm"):
        check_backbone("timm:vit_tiny_patch16_224")
    check_backbone("")  # our own needs none


def test_a_name_of_no_known_library_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected timm:NAME or nothing, got 'clip:ViT-B'"):
        check_backbone("clip:ViT-B")
