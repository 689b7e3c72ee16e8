"""TFRecord shards and tf.train.Examples, written by hand: the readers' counterpart."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def frame_record(payload: bytes) -> bytes:
    """A payload between its length and checksums."""
    length = struct.pack("<Q", len(payload))
    return length + _checksum(length) + payload + _checksum(payload)


def write_shard(path: Path, payloads: Sequence[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(frame_record, payloads)))
    return path


def encode_example(features: Mapping[str, Any]) -> bytes:
    """Arrays become float or int64 lists, sequences of bytes become bytes lists."""
    entries = b""
    for name, value in features.items():
        entry = _field(1, name.encode()) + _field(2, _encode_feature(value))
        entries += _field(1, entry)
    return _field(1, entries)


def encode_png(image: NDArray[Any]) -> bytes:
    return _encode_image(image, "PNG")


def encode_jpeg(image: NDArray[Any]) -> bytes:
    return _encode_image(image, "JPEG")


def _encode_feature(value: Any) -> bytes:
    if not isinstance(value, np.ndarray):
        return _field(1, b"".join(_field(1, item) for item in value))
    if value.dtype.kind == "f":
        return _field(2, _field(1, value.astype("<f4").tobytes()))
    return _field(3, _field(1, b"".join(_varint(int(x) % 2**64) for x in value.ravel())))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _checksum(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _encode_image(image: NDArray[Any], kind: str) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()
