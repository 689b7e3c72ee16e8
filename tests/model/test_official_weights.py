"""Checkpoints of the published code: what loads, and what is said of those that don't."""

from __future__ import annotations

import os
import pickle
import warnings
from argparse import Namespace
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from published_weights import (
    frame_pairs,
    published_state,
    published_tensor,
    read_golden,
    small_config,
)
from torch import Tensor

from lapa_edge.errors import DataError
from lapa_edge.model.official_weights import published_name, read_published_model
from lapa_edge.model.published import PublishedConfig, PublishedModel


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "laq.pt"


def refused(path: Path, config: PublishedConfig | None = None) -> str:
    """What is said of the file, without its name."""
    with pytest.raises(DataError) as caught:
        read_published_model(path, config or small_config())
    said = str(caught.value)
    assert "\n" not in said
    return said.removeprefix(f"weights {path}: ")


def refused_state(path: Path, state: object, config: PublishedConfig | None = None) -> str:
    torch.save(state, path)
    return refused(path, config)


@pytest.mark.parametrize("n", [1, 2, 4, 16])
def test_a_published_checkpoint_labels_as_the_published_code_does(path: Path, n: int) -> None:
    torch.save(published_state(n), path)
    model = read_published_model(path, small_config(n))
    path.unlink()  # nothing of the model lies in the file any more
    assert not model.training
    with torch.no_grad():
        codes = model(*frame_pairs()).quantized.codes
    assert codes.tolist() == read_golden(n)["codes"].tolist()


def test_every_published_tensor_is_read_and_every_one_of_ours_is_filled(path: Path) -> None:
    state = published_state()
    torch.save(state, path)
    ours = read_published_model(path, small_config()).state_dict()
    filled = {published_name(name): tensor for name, tensor in ours.items()}
    assert filled.keys() - state.keys() == {"vq.used", "vq.step"}
    assert state.keys() - filled.keys() == {k for k, t in state.items() if t.numel() == 0}
    assert all(torch.equal(filled[k], t) for k, t in state.items() if t.numel())


def test_a_read_model_trains_with_the_biases_of_its_norms_frozen(path: Path) -> None:
    torch.save(published_state(), path)
    model = read_published_model(path, small_config())
    built = PublishedModel(small_config())
    assert [p.requires_grad for p in model.parameters()] == [
        p.requires_grad for p in built.parameters()
    ]
    assert int(model.quantizer.step) == 0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"model": state, "steps": 7},
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
        OrderedDict,
    ],
    ids=["module", "model", "state_dict", "ordered"],
)
def test_wrappings_of_the_state_dict_make_no_difference(path: Path, wrap) -> None:
    torch.save(wrap(published_state()), path)
    codebook = read_published_model(path, small_config()).quantizer.codebook
    assert torch.equal(codebook, published_tensor("vq.codebooks", (8, 12)))


def test_the_old_format_of_torch_is_read(path: Path) -> None:
    torch.save(published_state(), path, _use_new_zipfile_serialization=False)
    codebook = read_published_model(path, small_config()).quantizer.codebook
    assert torch.equal(codebook, published_tensor("vq.codebooks", (8, 12)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(path: Path, dtype: torch.dtype) -> None:
    torch.save({name: tensor.to(dtype) for name, tensor in published_state().items()}, path)
    model = read_published_model(path, small_config())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    kept = published_tensor("vq.codebooks", (8, 12)).to(dtype).float()
    assert torch.equal(model.quantizer.codebook, kept)


def changed(**tensors: Tensor | None) -> dict[str, Tensor]:
    """The published state with some tensors put in place of others, or taken out."""
    state = {**published_state(), **{k.replace("__", "."): v for k, v in tensors.items()}}
    return {name: tensor for name, tensor in state.items() if tensor is not None}


def test_a_missing_tensor_is_named(path: Path) -> None:
    said = refused_state(path, changed(vq__project_in__bias=None))
    assert said == "vq.project_in.bias is missing"


def test_an_extra_tensor_is_named(path: Path) -> None:
    said = refused_state(path, changed(discr__weight=torch.ones(2)))
    assert said == "discr.weight is not part of this model"


def test_a_wrong_shape_is_named_with_both_shapes(path: Path) -> None:
    said = refused_state(path, changed(vq__project_in__weight=torch.ones(12, 31)))
    assert said == "vq.project_in.weight: expected [12, 32], got [12, 31]"


def test_integers_are_no_weights(path: Path) -> None:
    said = refused_state(path, changed(vq__codebooks=torch.ones(8, 12, dtype=torch.int64)))
    assert said == "vq.codebooks: expected floats, got torch.int64"


def test_a_weight_that_is_not_finite_is_named(path: Path) -> None:
    said = refused_state(path, changed(vq__codebooks=torch.full((8, 12), float("nan"))))
    assert said == "vq.codebooks: not finite"


def test_many_problems_are_two_and_a_count(path: Path) -> None:
    said = refused_state(path, changed(a=torch.ones(1), b=torch.ones(1), c=torch.ones(1)))
    assert said == "a is not part of this model; b is not part of this model and 1 more"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"n": 1}, "n 4 or 16 (expected 1)"),
        ({"n": 64, "patch": 2}, "patch 4 (expected 2), n 4 or 16 (expected 64)"),
        ({"d": 64}, "d 32 (expected 64)"),
        ({"heads": 4}, "heads 2 (expected 4)"),
        ({"head_dim": 64}, "head_dim 8 (expected 64)"),
        ({"patch": 32, "image": 256}, "patch 4 (expected 32)"),
        ({"spatial_layers": 8}, "spatial_layers 2 (expected 8)"),
        ({"temporal_layers": 1}, "temporal_layers 2 (expected 1)"),
    ],
)
def test_another_size_is_told_in_settings(path: Path, setting: dict[str, int], said: str) -> None:
    refusal = refused_state(path, published_state(), replace(small_config(), **setting))
    assert refusal == (f"holds a model of another size: {said}; set the size it was trained with")


def test_another_codebook_is_told_in_settings(path: Path) -> None:
    said = refused_state(path, published_state(), PublishedConfig())
    assert "code d 12 (expected 32), d 32 (expected 1024)" in said
    said = refused_state(path, changed(vq__codebooks=torch.ones(16, 12)))
    assert "k 16 (expected 8)" in said


@pytest.mark.parametrize(("n", "told"), [(1, "1"), (2, "2"), (16, "4 or 16")])
def test_the_number_of_codes_is_told_as_far_as_kernels_tell_it(
    path: Path, n: int, told: str
) -> None:
    config = replace(small_config(n), n=64 if n == 16 else 4)
    said = refused_state(path, published_state(n), config)
    assert f"size: n {told} (expected {config.n})" in said


class Harmful:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_refused_and_not_run(path: Path) -> None:
    harm = path.with_name("harm")
    said = refused_state(path, {**published_state(), "extra": Harmful(harm)})
    assert said == (
        f"holds the Python object {os.mkdir.__module__}.mkdir, which is never loaded; "
        "save the state dict alone"
    )
    assert not harm.exists()


def test_arguments_pickled_beside_the_weights_are_refused(path: Path) -> None:
    said = refused_state(path, {"model": published_state(), "args": Namespace(lr=1e-4)})
    assert "holds the Python object argparse.Namespace" in said


@pytest.mark.parametrize("old_format", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_damaged(path: Path, share: float, old_format: bool) -> None:
    torch.save(published_state(), path, _use_new_zipfile_serialization=not old_format)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert refused(path) == "is damaged or was not written by torch.save; fetch it again"


@pytest.mark.parametrize(
    "content",
    [b"<html>404</html>", b"version https://git-lfs", bytes(range(256)), pickle.dumps([1, 2])],
    ids=["page", "pointer", "bytes", "pickle"],
)
def test_a_file_of_another_kind_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's guesses about what it may be
        assert refused(path) == "is damaged or was not written by torch.save; fetch it again"


def test_an_absent_file_is_named(path: Path) -> None:
    assert refused(path) == "no such file"
    path.mkdir()
    assert refused(path) == "no such file"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (torch.ones(3), "expected a state dict, got Tensor"),
        ([torch.ones(3)], "expected a state dict, got list"),
        ({}, "expected a state dict, got dict"),
        ({"lr": 1e-4}, "lr: expected a tensor, got float"),
    ],
)
def test_a_file_without_a_state_dict_is_refused(path: Path, content: object, said: str) -> None:
    assert refused_state(path, content) == said
