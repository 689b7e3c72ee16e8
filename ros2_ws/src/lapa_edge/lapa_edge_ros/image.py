"""sensor_msgs/Image to the RGB array the session wants, without copying a pixel."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import RuntimeInputError

CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1}


class ImageMessage(Protocol):
    """The fields of sensor_msgs/Image that are read."""

    height: int
    width: int
    encoding: str
    step: int
    data: object  # a buffer of bytes


def image_view(message: ImageMessage) -> NDArray[np.uint8]:
    """The image as RGB ``u8 [height, width, 3]``, a view into the message's own buffer.

    ``step`` is the bytes from one row to the next, padding included. Grey becomes three equal
    channels.

    Raises:
        RuntimeInputError: another encoding, no pixels, or sizes that contradict each other.
    """
    height, width, step = message.height, message.width, message.step
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise RuntimeInputError(
            "image",
            f"expected encoding {', '.join(CHANNELS)}, got {message.encoding!r}",
            "convert it with image_proc",
        )
    if height < 1 or width < 1:
        raise RuntimeInputError("image", f"expected pixels, got {height} rows of {width}")
    if step < width * channels:
        raise RuntimeInputError(
            "image", f"step: expected at least {width * channels} bytes, got {step}"
        )
    flat = np.frombuffer(message.data, np.uint8)  # type: ignore[call-overload]
    if len(flat) != step * height:
        raise RuntimeInputError(
            "image", f"data: expected step * height = {step * height} bytes, got {len(flat)}"
        )
    pixels = flat.reshape(height, step)[:, : width * channels].reshape(height, width, channels)
    if message.encoding == "mono8":
        return np.broadcast_to(pixels, (height, width, 3))
    return pixels[..., ::-1] if message.encoding == "bgr8" else pixels
