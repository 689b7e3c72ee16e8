"""Weights of the published code, for instance ``laq_openx.pt``, into `PublishedModel`.

The file is a ``torch.save`` of the published module's state dict, or of a dict that holds it
under ``model``; names may carry the ``module.`` of distributed training. Half precision is read
as float32. Nothing in the file is executed: Python objects other than tensors are refused.

The published loader ignores whatever doesn't fit; this one names it.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lapa_edge.errors import DataError
from lapa_edge.model.published import PublishedConfig, PublishedModel

_NESTED = ("model", "state_dict")
# Our names to the published ones: each rule in turn, on the whole name.
_RULES = tuple(
    (re.compile(pattern), published)
    for pattern, published in (
        (r"^embed\.0\.", "to_patch_emb_first_frame.1."),
        (r"^embed\.1\.", "to_patch_emb_first_frame.2."),
        (r"^embed\.2\.", "to_patch_emb_first_frame.3."),
        (r"^position_bias\.mlp\.0\.", "spatial_rel_pos_bias.net.0.0."),
        (r"^position_bias\.mlp\.2\.", "spatial_rel_pos_bias.net.1.0."),
        (r"^position_bias\.mlp\.4\.", "spatial_rel_pos_bias.net.2."),
        (r"^spatial\.", "enc_spatial_transformer."),
        (r"^temporal\.", "enc_temporal_transformer."),
        (r"^decoder\.", "dec_spatial_transformer."),
        (r"^to_pixels\.", "to_pixels_first_frame.0."),
        (r"^quantizer\.codebook$", "vq.codebooks"),
        (r"^quantizer\.pool\.", "vq.cnn_encoder."),
        (r"^quantizer\.", "vq."),
        (r"\.position\.convolution\.", ".0.dsconv."),
        (r"\.feed_forward\.norm\.", ".3.0."),
        (r"\.feed_forward\.widen\.", ".3.1."),
        (r"\.feed_forward\.narrow\.", ".3.4."),
        (r"\.memory_attention\.", ".2."),
        (r"\.attention\.", ".1."),
        (r"\.memory_norm\.", ".context_norm."),
        (r"norm\.weight$", "norm.gamma"),
        (r"norm\.bias$", "norm.beta"),
        (r"transformer\.norm\.", "transformer.norm_out."),
        (r"\.null$", ".null_kv"),
        (r"\.query\.", ".to_q."),
        (r"\.key_value\.", ".to_kv."),
        (r"\.query_gain$", ".q_scale"),
        (r"\.key_gain$", ".k_scale"),
        (r"\.out\.", ".to_out."),
    )
)
# What only our model keeps: the published code counts outside of its state dict.
_OURS = ("quantizer.used", "quantizer.step")


def read_published_model(path: Path, config: PublishedConfig) -> PublishedModel:
    """The published model with the weights in `path`, in evaluation mode, on the CPU.

    Args:
        path: a checkpoint of the published code.
        config: the size it was trained with; `PublishedConfig()` is the released one. Image size
            and some numbers of codes (4 or 16, 64 or 256) leave no trace in the weights.

    Raises:
        DataError: unreadable, no state dict, or weights of another model; names what differs.
    """
    with torch.device("meta"):
        model = PublishedModel(config)
    wanted = {published_name(name): name for name in model.state_dict() if name not in _OURS}
    found = read_state(path)
    _check_size(path, found, config)
    _check_tensors(path, found, {old: model.get_parameter(wanted[old]).shape for old in wanted})
    state = {new: found[old].to(torch.float32, copy=True) for old, new in wanted.items()}
    for name in _OURS:
        state[name] = torch.zeros_like(model.get_buffer(name), device="cpu")
    model.load_state_dict(state, assign=True)
    return model.eval()


def published_name(name: str) -> str:
    """What the published code calls the tensor that our model calls `name`."""
    for pattern, published in _RULES:
        name = pattern.sub(published, name)
    return name


def read_state(path: Path) -> dict[str, Tensor]:
    """The published state dict in a file, by published name, without its empty tensors.

    Raises:
        DataError: no such file, damaged, holding objects other than tensors, or no state dict.
    """
    thing = f"weights {path}"
    if not path.is_file():
        raise DataError(thing, "no such file")
    try:
        content: Any = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except Exception as error:  # a damaged file fails in any corner of the reader
        code = re.search(r"GLOBAL (\S+)", str(error))
        problem, fix = ("is damaged or was not written by torch.save", "fetch it again")
        if code:
            problem = f"holds the Python object {code[1]}, which is never loaded"
            fix = "save the state dict alone"
        raise DataError(thing, problem, fix) from error
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise DataError(thing, f"expected a state dict, got {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(value, Tensor):
            raise DataError(thing, f"{name}: expected a tensor, got {type(value).__name__}")
    # Self-attention has no null keys; the published code saves them all the same, empty.
    return {str(k).removeprefix("module."): v for k, v in content.items() if v.numel()}


def _check_size(path: Path, found: dict[str, Tensor], config: PublishedConfig) -> None:
    """A model of another size is told in its settings, not in hundreds of shapes."""
    wanted = {
        "k": config.quantizer.k,
        "code d": config.quantizer.d,
        "d": config.d,
        "heads": config.heads,
        "head_dim": config.head_dim,
        "patch": config.patch,
        "spatial_layers": config.spatial_layers,
        "temporal_layers": config.temporal_layers,
    }
    sizes = _sizes(found)
    other = [f"{name} {sizes[name]} (expected {wanted[name]})" for name in wanted
             if name in sizes and sizes[name] != wanted[name]]  # fmt: skip
    codes = _possible_n(found)
    if codes and config.n not in codes:
        other.append(f"n {' or '.join(map(str, codes))} (expected {config.n})")
    if other:
        problem = f"holds a model of another size: {', '.join(other)}"
        raise DataError(f"weights {path}", problem, "set the size it was trained with")


def _sizes(found: dict[str, Tensor]) -> dict[str, int]:
    """Settings that the shapes betray; those whose tensor is missing are left out."""
    where = {
        "k": ("vq.codebooks", 0),
        "code d": ("vq.codebooks", 1),
        "d": ("vq.project_out.weight", 0),
        "heads": ("spatial_rel_pos_bias.net.2.weight", 0),
        "head_dim": ("enc_spatial_transformer.layers.0.1.q_scale", 0),
    }
    sizes = {
        setting: found[name].shape[axis]
        for setting, (name, axis) in where.items()
        if name in found and found[name].dim() > axis
    }
    if "to_pixels_first_frame.0.bias" in found:
        sizes["patch"] = round((found["to_pixels_first_frame.0.bias"].numel() / 3) ** 0.5)
    for setting in ("spatial", "temporal"):
        layer = re.compile(rf"enc_{setting}_transformer\.layers\.(\d+)\.")
        numbers = [int(match[1]) for name in found if (match := layer.match(name))]
        if numbers:
            sizes[f"{setting}_layers"] = max(numbers) + 1
    return sizes


def _possible_n(found: dict[str, Tensor]) -> tuple[int, ...]:
    """Numbers of codes that the pooling's kernels allow; none where that can't be told."""
    if "vq.cnn_encoder.0.weight" not in found:
        return ()
    last = found.get("vq.cnn_encoder.2.weight")
    if last is None:
        return (64, 256)
    kernels = {(4, 4): (1,), (3, 4): (2,), (3, 3): (4, 16)}
    return next((n for kernel, n in kernels.items() if kernel == tuple(last.shape[2:])), ())


def _check_tensors(path: Path, found: dict[str, Tensor], wanted: Mapping[str, torch.Size]) -> None:
    problems = [
        *(f"{name} is missing" for name in wanted.keys() - found.keys()),
        *(f"{name} is not part of this model" for name in found.keys() - wanted.keys()),
    ]
    for name in wanted.keys() & found.keys():
        tensor = found[name]
        if tensor.shape != wanted[name]:
            problems.append(f"{name}: expected {list(wanted[name])}, got {list(tensor.shape)}")
        elif not tensor.is_floating_point():
            problems.append(f"{name}: expected floats, got {tensor.dtype}")
        elif not tensor.isfinite().all():
            problems.append(f"{name}: not finite")
    if problems:
        more = f" and {len(problems) - 2} more" if len(problems) > 2 else ""
        raise DataError(f"weights {path}", "; ".join(sorted(problems)[:2]) + more)
