"""Small RLDS datasets, made where a test runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .tfrecords import encode_example, encode_png, write_shard

T = 5  # frames of an episode
NAME = "bridge_small"  # known by its start: 5 Hz


def frame(i: int, height: int = 12, width: int = 16) -> Any:
    """uint8 [h, w, 3]: a grey that tells the frame's number, exact after PNG."""
    return np.full((height, width, 3), 10 * i + 5, dtype=np.uint8)


def features(t: int = T, **changes: Any) -> dict[str, Any]:
    """An episode of t steps named as BridgeData V2 does, with changes below ``steps/``.

    A change to None takes the feature out.
    """
    base: dict[str, Any] = {
        "steps/observation/image_0": [encode_png(frame(i)) for i in range(t)],
        "steps/observation/state": np.arange(2 * t, dtype=np.float32),
        "steps/action": np.linspace(-1, 1, 3 * t, dtype=np.float32),
        "steps/is_last": np.array([i == t - 1 for i in range(t)], dtype=np.int64),
        "steps/language_instruction": [b"put the pot away"] * t,
    }
    base.update({f"steps/{name}": value for name, value in changes.items()})
    return {name: value for name, value in base.items() if value is not None}


def write_dataset(
    folder: Path, episodes: Sequence[dict[str, Any]], split: str = "train", name: str = NAME
) -> Path:
    """One shard of a split; returns it."""
    path = folder / f"{name}-{split}.tfrecord-00000-of-00001"
    return write_shard(path, [encode_example(episode) for episode in episodes])


def write_features_json(folder: Path, features: dict[str, dict[str, Any]]) -> Path:
    """``features.json`` of step features given by path below ``steps/``."""
    tree: dict[str, Any] = {}
    for path, leaf in features.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {"featuresDict": {"features": {}}})
            node = node["featuresDict"]["features"]
        node[name] = leaf
    steps = {"sequence": {"feature": {"featuresDict": {"features": tree}}}}
    file = folder / "features.json"
    file.write_text(json.dumps({"featuresDict": {"features": {"steps": steps}}}))
    return file


def tensor(dtype: str, *shape: int, **more: str) -> dict[str, Any]:
    return {"tensor": {"shape": {"dimensions": [str(s) for s in shape]}, "dtype": dtype, **more}}


def image(*shape: int, dtype: str = "uint8") -> dict[str, Any]:
    return {"image": {"shape": {"dimensions": [str(s) for s in shape]}, "dtype": dtype}}
