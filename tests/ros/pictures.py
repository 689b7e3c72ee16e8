"""Camera messages, right and wrong ones."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1, "16UC1": 2}


def picture(encoding="rgb8", height=24, width=32, *, colour=None, padding=0):
    """A raw image of random pixels, or of one colour; `padding` bytes end each row."""
    channels = CHANNELS[encoding]
    rows = np.random.default_rng(0).integers(0, 256, (height, width * channels + padding), np.uint8)
    if colour is not None:
        rows[:] = colour
    data = array.array("B")
    data.frombytes(rows.tobytes())
    return Image(height=height, width=width, encoding=encoding, step=rows.shape[1], data=data)


def cut_short(image, count=1):
    """The same image, but the last bytes are missing."""
    short = array.array("B", image.data[: len(image.data) - count])
    return Image(
        height=image.height, width=image.width, encoding=image.encoding, step=image.step, data=short
    )


def compressed(form="jpeg", height=24, width=32, *, kept=1.0):
    """A JPEG or PNG of random pixels, of which only the first part may have arrived."""
    import cv2

    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    _, coded = cv2.imencode({"jpeg": ".jpg", "png": ".png"}[form], pixels)
    data = array.array("B", coded.tobytes()[: int(len(coded) * kept)])
    return CompressedImage(format=form, data=data)
