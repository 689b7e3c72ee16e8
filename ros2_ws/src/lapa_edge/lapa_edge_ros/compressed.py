"""sensor_msgs/CompressedImage to the RGB array the policy wants: 8-bit JPEG and PNG, whole.

libjpeg fills what is missing of a cut picture with grey and libpng may do so too, so a picture is
checked for its end (JPEG) or its checksums (PNG) before it is decoded. Bits that flipped inside a
JPEG are not noticed: the format has no checksum, and DDS delivers a message whole or not at all.
"""

from __future__ import annotations

import struct
import zlib
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import MissingDependencyError, RuntimeInputError

try:
    import cv2
except ImportError:  # raw images need none
    cv2 = None

_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_GREY, _PNG_RGB = 0, 2


class CompressedMessage(Protocol):
    """The fields of sensor_msgs/CompressedImage that are read."""

    format: str
    data: object  # a buffer of bytes


def check_opencv() -> None:
    """Raise `MissingDependencyError` where compressed images cannot be read."""
    if cv2 is None:
        raise MissingDependencyError(
            "image_transport",
            '"compressed" needs OpenCV, which is not installed',
            "pip install opencv-python-headless, or choose raw",
        )


def check_compressed(message: CompressedMessage) -> None:
    """Refuse what is not a whole 8-bit JPEG or PNG; cheap beside decoding it.

    Raises:
        RuntimeInputError: another format, a depth image, a picture that is cut or damaged.
    """
    data = bytes(message.data)  # type: ignore[call-overload]
    if "compressedDepth" in message.format or not data.startswith((_JPEG_START, _PNG_START)):
        raise RuntimeInputError(
            "compressed image",
            f"expected a JPEG or PNG of a camera, got format {message.format!r}",
            "choose jpeg or png in the camera's image transport",
        )
    if data.startswith(_PNG_START):
        _check_png(data)
    elif not data.rstrip(b"\0").endswith(_JPEG_END):  # cameras pad their buffers with zeros
        raise RuntimeInputError(
            "compressed image", f"JPEG of {len(data)} bytes is cut off before its end"
        )


def decode_image(message: CompressedMessage) -> NDArray[np.uint8]:
    """The picture as RGB ``u8 [height, width, 3]``.

    Raises:
        RuntimeInputError: what `check_compressed` refuses, or what OpenCV cannot decode.
    """
    check_compressed(message)
    flat = np.frombuffer(message.data, np.uint8)  # type: ignore[call-overload]
    try:
        # Its own pixels: a camera's note of how it is held turns nothing.
        picture = cv2.imdecode(flat, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise RuntimeInputError(
            "compressed image", f"OpenCV cannot decode it: {error.err}"
        ) from error
    if picture is None:
        raise RuntimeInputError("compressed image", f"OpenCV cannot decode {len(flat)} bytes of it")
    return picture[..., ::-1]  # BGR


def _check_png(data: bytes) -> None:
    at, kind = len(_PNG_START), b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", data[at : at + 8].ljust(8, b"\0"))
        if at + 12 + length > len(data):
            raise RuntimeInputError(
                "compressed image", f"PNG of {len(data)} bytes is cut off before its end"
            )
        body = data[at + 4 : at + 8 + length]
        if data[at + 8 + length : at + 12 + length] != struct.pack(">I", zlib.crc32(body)):
            raise RuntimeInputError("compressed image", f"PNG: the checksum of {kind!r} is wrong")
        if kind == b"IHDR":
            _check_pixels(depth=body[12], colour=body[13])
        at += 12 + length


def _check_pixels(depth: int, colour: int) -> None:
    if depth != 8 or colour not in (_PNG_GREY, _PNG_RGB):
        raise RuntimeInputError(
            "image",
            f"PNG: expected 8 bits of grey or RGB, got {depth} bits of colour type {colour}",
        )
