"""The bytes of a ``tf.train.Example`` in, named numbers and byte strings out; no TensorFlow.

    Example { map<string, Feature> features }     Feature { one of bytes, float, int64 lists }

The lists are flat: what shape they had is told elsewhere (`features`).
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message,
    message_factory,
)
from numpy.typing import NDArray

from lapa_edge.errors import DataError

Numbers = NDArray[np.float32] | NDArray[np.int64]
Value = Numbers | Sequence[bytes]


def parse_example(
    payload: bytes, thing: str, names: Collection[str] | None = None
) -> dict[str, Value]:
    """Read the features of one Example.

    Args:
        payload: the message's bytes.
        thing: what holds it, for messages: ``shard a.tfrecord, record 3``.
        names: the features that are wanted, all where None; the others cost nothing.

    Returns:
        By name: float32 [m], int64 [m], or a sequence of m byte strings, each copied only when it
        is taken out. A wanted feature that is absent, or holds no list, is left out.

    Raises:
        DataError: the bytes are no Example.
    """
    try:
        features = _example_class().FromString(payload).features.feature
    except message.DecodeError as error:
        raise DataError(
            thing, f"expected a tf.train.Example, got something else ({error})"
        ) from error
    wanted = features if names is None else [name for name in names if name in features]
    values = ((name, _value(features[name])) for name in wanted)
    return {name: value for name, value in values if value is not None}


def _value(feature: Any) -> Value | None:
    kind = feature.WhichOneof("kind")
    if kind is None:
        return None
    values = getattr(feature, kind).value
    if kind == "bytes_list":
        listed: Sequence[bytes] = values
        return listed
    if kind == "float_list":
        return np.fromiter(values, dtype=np.float32, count=len(values))
    return np.fromiter(values, dtype=np.int64, count=len(values))


@functools.cache
def _example_class() -> Any:
    """The message class, built from the format's few fields in a pool of its own.

    The numbers are those of TensorFlow's example.proto and feature.proto.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="lapa_edge/tf_example.proto", package="lapa_edge", syntax="proto3"
    )
    field = descriptor_pb2.FieldDescriptorProto
    lists = (("Bytes", field.TYPE_BYTES), ("Float", field.TYPE_FLOAT), ("Int64", field.TYPE_INT64))
    feature = descriptor_pb2.DescriptorProto(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, type_) in enumerate(lists, start=1):
        values = file.message_type.add(name=f"{name}List")
        values.field.add(name="value", number=1, type=type_, label=field.LABEL_REPEATED)
        _add_message(feature, f"{name.lower()}_list", number, f"{name}List").oneof_index = 0
    file.message_type.append(feature)

    features = file.message_type.add(name="Features")
    _add_message(features, "feature", 1, "Features.FeatureEntry").label = field.LABEL_REPEATED
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    _add_message(entry, "value", 2, "Feature")
    _add_message(file.message_type.add(name="Example"), "features", 1, "Features")

    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("lapa_edge.Example"))


def _add_message(parent: Any, name: str, number: int, kind: str) -> Any:
    """Add a field that holds one message of another kind."""
    field = descriptor_pb2.FieldDescriptorProto
    return parent.field.add(
        name=name,
        number=number,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_OPTIONAL,
        type_name=f".lapa_edge.{kind}",
    )
