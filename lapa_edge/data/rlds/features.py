"""What the records of an RLDS dataset hold: cameras, instruction, state and action by their names.

A record's lists are flat; `read_features` takes their shapes from ``features.json``, and where that
is absent `inspect_features` measures them on a record. `choose_features` says which of them an
episode is made of. Names are paths, as in the records: ``steps/observation/image_0``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lapa_edge.data.rlds.tf_example import Value
from lapa_edge.errors import ConfigError, DataError

STEPS, OBSERVATION, ACTION = "steps/", "steps/observation/", "steps/action"
IS_LAST = "steps/is_last"
FIRST_CAMERAS = ("image_0", "image_primary", "image", "rgb", "exterior_image_1_left", "rgb_static")
LANGUAGE = (
    "steps/language_instruction",
    "steps/observation/natural_language_instruction",
    "steps/natural_language_instruction",
    "steps/observation/instruction",
)
STATES = ("state", "proprio", "effector_translation")
MAX_STATE = 32  # numbers a step; wider ones are embeddings
END_OF_EPISODE = "terminate_episode"
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
PNG_DEPTH, PNG_COLOUR, PNG_GREY = 24, 25, (0, 4)  # byte, byte, colour types


@dataclass(frozen=True)
class Feature:
    """One feature and its numbers per step.

    Its kind is ``image``, ``float``, ``int``, ``uneven`` where the count differs from step to step,
    or ``other``.
    """

    kind: str
    width: int = 1


Features = Mapping[str, Feature]


@dataclass(frozen=True)
class EpisodeFeatures:
    """The features of which an episode is made.

    Attributes:
        camera: the chosen camera's feature.
        language: instruction features that are there, the preferred first.
        state: features and widths that are joined to the state, in this order.
        action: likewise; empty where the dataset has no actions.
        is_last: whether the records mark the last step.
    """

    camera: str
    language: tuple[str, ...]
    state: tuple[tuple[str, int], ...]
    action: tuple[tuple[str, int], ...]
    is_last: bool

    @property
    def names(self) -> tuple[str, ...]:
        """All that has to be read of a record."""
        numbers = [name for name, _ in (*self.state, *self.action)]
        return (self.camera, *self.language, *numbers, *([IS_LAST] if self.is_last else []))


def choose_features(features: Features, camera: str, thing: str) -> EpisodeFeatures:
    """Say which features are the frames, the instruction, the state and the action.

    - Camera: the named one, else the first of `FIRST_CAMERAS` that is there, else the first by
      name. A camera that an episode lacks is a black image there; RLDS has no sure mark of it.
    - Instruction: text, or int codes of UTF-8 bytes, under the names of `LANGUAGE`.
    - State: the first of `STATES` that is there, else all float features of the observation of up
      to 32 numbers, joined in the order of their names.
    - Action: ``steps/action``, else the numbers below it joined in the order of their names;
      ``terminate_episode`` is left out, for it ends the recording and moves nothing.

    Args:
        features: by path.
        camera: its path below ``steps/observation/``, or empty.
        thing: the dataset, for messages.

    Raises:
        DataError: no feature is a colour image, or the action cannot be read.
        ConfigError: there is no such camera.
    """
    cameras = {
        name.removeprefix(STEPS).removeprefix("observation/"): name
        for name, feature in sorted(features.items())
        if feature.kind == "image" and name.startswith(STEPS)
    }
    if not cameras:
        raise DataError(
            thing,
            "expected a colour image among the features of its steps, got "
            + (", ".join(sorted(features)) or "none"),
            "RLDS keeps the camera's frames as JPEG or PNG in steps/observation/",
        )
    if camera and camera not in cameras:
        raise ConfigError("camera", f"expected one of {', '.join(cameras)}, got {camera}")
    first = next((name for name in FIRST_CAMERAS if name in cameras), next(iter(cameras)))
    numbers = {
        name: feature
        for name, feature in sorted(features.items())
        if feature.kind in ("float", "int")
    }
    return EpisodeFeatures(
        camera=cameras[camera or first],
        language=tuple(name for name in LANGUAGE if name in features),
        state=_state(numbers),
        action=_action(features, numbers, thing),
        is_last=IS_LAST in numbers,
    )


def joined_names(parts: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    """A name per number: ``action_0``, or ``world_vector_0`` for a part of several."""
    names: list[str] = []
    for path, width in parts:
        name = path.removeprefix(STEPS).removeprefix("observation/").removeprefix("action/")
        names += [name] if width == 1 else [f"{name}_{i}" for i in range(width)]
    return tuple(names)


def read_features(folder: Path) -> Features | None:
    """The features that ``features.json`` lists; None where it is absent or of an older form.

    Raises:
        DataError: it cannot be read.
    """
    path = folder / "features.json"
    if not path.is_file():
        return None
    fix = "mend or remove it: the records can be read without"
    try:
        tree = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        return _leaves("", tree) if "featuresDict" in tree else None
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        raise DataError(f"file {path}", f"not readable ({error})", fix) from error
    except (TypeError, LookupError, AttributeError) as error:
        what = f"not a tree of TFDS features ({type(error).__name__}: {error})"
        raise DataError(f"file {path}", what, fix) from error


def inspect_features(values: Mapping[str, Value]) -> Features:
    """The features of one record, each as wide as its list is long for every step."""
    features: dict[str, Feature] = {}
    images = {
        name: len(value)
        for name, value in values.items()
        if isinstance(first := next(iter(value), None), bytes) and _is_colour_image(first)
    }
    steps = next((n for name, n in sorted(images.items()) if name.startswith(STEPS)), 0)
    for name, value in values.items():
        kind, width = "other", 1
        if name in images:
            kind = "image"
        elif isinstance(value, np.ndarray) and name.startswith(STEPS):
            kind = "uneven"
            if steps and len(value) and len(value) % steps == 0:
                kind, width = "float" if value.dtype.kind == "f" else "int", len(value) // steps
        features[name] = Feature(kind, width)
    return features


def _state(numbers: Features) -> tuple[tuple[str, int], ...]:
    for wanted in STATES:
        found = {n: f for n, f in numbers.items() if _is_at(n, OBSERVATION + wanted)}
        if found:
            break
    else:
        found = {
            n: f
            for n, f in numbers.items()
            if n.startswith(OBSERVATION) and f.kind == "float" and f.width <= MAX_STATE
        }
    return tuple((name, feature.width) for name, feature in found.items())


def _action(features: Features, numbers: Features, thing: str) -> tuple[tuple[str, int], ...]:
    parts = [
        name
        for name in features
        if _is_at(name, ACTION) and not name.endswith(f"/{END_OF_EPISODE}")
    ]
    action = tuple((n, f.width) for n, f in numbers.items() if n in parts)
    if parts and not action:
        raise DataError(
            thing,
            f"{parts[0]}: expected plain numbers, as many for every step",
            "write it as a tensor of a fixed shape, without an encoding",
        )
    return action


def _is_at(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}/")


def _leaves(path: str, node: dict[str, Any]) -> dict[str, Feature]:
    """The features below a node of ``features.json``, by path."""
    if "featuresDict" in node:
        leaves: dict[str, Feature] = {}
        for name, child in node["featuresDict"]["features"].items():
            leaves |= _leaves(f"{path}/{name}" if path else name, child)
        return leaves
    if "sequence" in node and path == "steps":
        return _leaves(path, node["sequence"]["feature"])
    if "image" in node:
        shape, dtype = _shape(node["image"]), node["image"].get("dtype", "uint8")
        return {path: Feature("image" if shape[-1:] == [3] and dtype == "uint8" else "other")}
    if "tensor" in node and node["tensor"].get("encoding", "none") == "none":
        dtype = node["tensor"]["dtype"]
        kind = "float" if "float" in dtype else "int" if "int" in dtype or dtype == "bool" else ""
        shape = _shape(node["tensor"])
        if kind:  # -1 stands for a size that varies
            even = all(size > 0 for size in shape)
            return {path: Feature(kind, math.prod(shape)) if even else Feature("uneven")}
    return {path: Feature("other")}


def _shape(node: dict[str, Any]) -> list[int]:
    return [int(size) for size in node.get("shape", {}).get("dimensions", ())]


def _is_colour_image(data: bytes) -> bool:
    if data.startswith(PNG):
        header = data[: PNG_COLOUR + 1].ljust(PNG_COLOUR + 1, b"\0")
        return header[PNG_DEPTH] <= 8 and header[PNG_COLOUR] not in PNG_GREY
    return data.startswith(JPEG)
