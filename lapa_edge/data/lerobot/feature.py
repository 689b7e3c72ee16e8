"""Latent actions as columns of a LeRobot dataset: values, types, and the words LeRobot needs.

    latent_action           int64 [n]      codes
    latent_action.latent    float32 [n d]  latents before quantization, code after code
    latent_action.distance  float32 [1]    mean L2 distance from the latents to their codes
    latent_action.valid     bool [1]       whether the frame has a label of its own

A label lies between a frame and a later one, so the last frame has none; but every frame of
LeRobot must have a value. It repeats the label before it, and ``valid`` is false there. An episode
without any label holds zeros, never valid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lapa_edge.errors import DataError
from lapa_edge.spec import LatentSpec

KEY = "latent_action"
HUGGINGFACE = b"huggingface"
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class EpisodeLabels:
    """Labels of one episode's frames but the last.

    codes ``int64 [m, n]``; latents ``f32 [m, n, d]`` before quantization; distance ``f32 [m]``.
    """

    codes: NDArray[np.int64]
    latents: NDArray[np.float32]
    distance: NDArray[np.float32]

    def check(self, name: str, latent: LatentSpec, length: int) -> None:
        """Raise DataError unless these are the labels of an episode of ``length`` frames."""
        m = length - 1
        for kind, shape in (
            ("codes", (m, latent.n)),
            ("latents", (m, latent.n, latent.d)),
            ("distance", (m,)),
        ):
            value = getattr(self, kind)
            if value.shape != shape:
                raise DataError(
                    f"labels of {name}",
                    f"{kind}: expected {list(shape)}, one for each of {length} frames but the "
                    f"last, got {list(value.shape)}",
                    "label this dataset itself",
                )
        if not np.issubdtype(self.codes.dtype, np.integer) or not (
            ((self.codes >= 0) & (self.codes < latent.k)).all()
        ):
            raise DataError(
                f"labels of {name}", f"codes: expected whole numbers 0 to {latent.k - 1}"
            )
        for kind in ("latents", "distance"):
            if not np.isfinite(getattr(self, kind)).all():
                raise DataError(f"labels of {name}", f"{kind}: expected finite numbers")


def frame_columns(labels: EpisodeLabels | None, length: int, latent: LatentSpec) -> Columns:
    """A value of each column for every frame: [length, n], [length, n d], [length], [length]."""
    m = 0 if labels is None else length - 1
    columns: Columns = {
        KEY: np.zeros((length, latent.n), np.int64),
        f"{KEY}.latent": np.zeros((length, latent.n * latent.d), np.float32),
        f"{KEY}.distance": np.zeros(length, np.float32),
        f"{KEY}.valid": np.arange(length) < m,
    }
    if labels is not None and m > 0:
        source = np.minimum(np.arange(length), m - 1)
        columns[KEY][:] = labels.codes[source]
        columns[f"{KEY}.latent"][:] = labels.latents.reshape(m, -1)[source]
        columns[f"{KEY}.distance"][:] = labels.distance[source]
    return columns


def features(latent: LatentSpec) -> dict[str, dict[str, Any]]:
    """What ``info.json`` says of the columns."""
    names = [f"code_{i}" for i in range(latent.n)]
    return {
        KEY: {"dtype": "int64", "shape": [latent.n], "names": names},
        f"{KEY}.latent": {"dtype": "float32", "shape": [latent.n * latent.d], "names": None},
        f"{KEY}.distance": {"dtype": "float32", "shape": [1], "names": None},
        f"{KEY}.valid": {"dtype": "bool", "shape": [1], "names": None},
    }


def arrow_fields(latent: LatentSpec) -> list[pa.Field]:
    """The columns' types: a plain value where the shape is [1], as LeRobot has it."""
    fields = []
    for key, feature in features(latent).items():
        kind, width = pa.type_for_alias(feature["dtype"]), feature["shape"][0]
        fields.append(pa.field(key, kind if width == 1 else pa.list_(kind, width)))
    return fields


def arrow_column(values: NDArray[Any], field: pa.Field) -> pa.Array:
    """Values [rows] or [rows, width] as a column of this type."""
    flat = pa.array(values.reshape(-1))
    if not pa.types.is_fixed_size_list(field.type):
        return flat
    return pa.FixedSizeListArray.from_arrays(flat, field.type.list_size)


def extend_schema(schema: pa.Schema, fields: list[pa.Field], list_kind: str) -> pa.Schema:
    """A schema with more columns, known to the Hugging Face description within it as well.

    Args:
        schema: of a Parquet file; one without the description gets none.
        fields: the new columns: values, or lists of values.
        list_kind: ``List`` or ``Sequence``, unless the description itself shows which.

    Raises:
        DataError: the description is malformed.
    """
    for field in fields:
        schema = schema.append(field)
    metadata = dict(schema.metadata or {})
    if HUGGINGFACE not in metadata:
        return schema
    try:
        described = json.loads(metadata[HUGGINGFACE])
        known = described["info"]["features"]
        text = json.dumps(known)
        for kind in ("Sequence", "List"):
            list_kind = kind if f'"_type": "{kind}"' in text else list_kind
        known.update({field.name: _describe(field.type, list_kind) for field in fields})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("parquet metadata 'huggingface'", f"malformed ({error!r})") from error
    described.pop("fingerprint", None)  # that of the columns before
    metadata[HUGGINGFACE] = json.dumps(described).encode()
    return schema.with_metadata(metadata)


def _describe(kind: pa.DataType, list_kind: str) -> Mapping[str, Any]:
    if pa.types.is_fixed_size_list(kind):
        inner = _describe(kind.value_type, list_kind)
        return {"feature": inner, "length": kind.list_size, "_type": list_kind}
    if pa.types.is_list(kind):
        return {"feature": _describe(kind.value_type, list_kind), "_type": list_kind}
    name = {"double": "float64", "float": "float32"}.get(str(kind), str(kind))
    return {"dtype": name, "_type": "Value"}
