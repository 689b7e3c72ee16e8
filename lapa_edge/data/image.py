"""Still images in, RGB frames out: what the readers of images, in files or in records, share.

JPEG, PNG and WebP, by content and not by name. Grey, palette, CMYK and 1-bit images become RGB; a
16-bit colour PNG keeps its upper 8 bits; transparency is dropped; a camera's EXIF rotation is
obeyed. A 16-bit grey image is refused, for it is a depth map rather than a picture.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lapa_edge.data.source import Frame
from lapa_edge.errors import DataError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FORMATS = ("JPEG", "PNG", "WEBP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
AGAIN = "copy or record it again, or remove it"


def decode_image(data: bytes, thing: str) -> Frame:
    """Decode one image.

    Args:
        data: a whole JPEG, PNG or WebP file.
        thing: what it is, for messages: ``image clips/a/001.jpg``.

    Returns:
        uint8 [h, w, 3] RGB, upright, contiguous and writable.

    Raises:
        DataError: empty, cut short, another format, an animation, or 16 bits of grey. A JPEG whose
            bytes were changed in the middle often still decodes, to a wrong picture.
    """
    if not data:
        raise DataError(thing, "the image is empty (0 bytes)", AGAIN)
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_kind(image, thing)
            return _to_rgb(image)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(
            thing, "not a JPEG, PNG or WebP, or its beginning is gone", AGAIN
        ) from error
    except Exception as error:  # damaged bytes make Pillow's formats raise a dozen kinds
        raise DataError(thing, f"not a readable JPEG, PNG or WebP ({error})", AGAIN) from error


def read_image(path: Path) -> Frame:
    """Decode an image file, as `decode_image` does.

    Raises:
        DataError: as there, or the file is missing or may not be read.
    """
    thing = f"image {path}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(thing, f"cannot be read ({error.strerror})", AGAIN) from error
    return decode_image(data, thing)


def _check_kind(image: Image.Image, thing: str) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames != 1 and image.format in FORMATS:  # a camera's multi-picture JPEG has its own name
        raise DataError(thing, f"expected one image, got an animation of {frames}", "split it")
    if image.mode not in MODES:
        kind = "16-bit grey" if image.mode.startswith("I") else image.mode
        raise DataError(
            thing,
            f"expected 8 bits per colour, got {kind} (a depth image?)",
            "choose the colour camera, or convert to 8 bits",
        )


def _to_rgb(image: Image.Image) -> Frame:
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("P", "PA"):
        upright = upright.convert("RGBA")  # the way by which Pillow reads a transparent palette
    return np.array(upright.convert("RGB"), dtype=np.uint8)
