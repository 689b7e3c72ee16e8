"""ROS 2 image messages in, RGB frames out: raw ones in five encodings, and JPEG or PNG."""

from __future__ import annotations

from typing import Any

import numpy as np

from lapa_edge.data.image import decode_image
from lapa_edge.data.source import Frame
from lapa_edge.errors import DataError

RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
# Which bytes of a pixel are red, green and blue, and how many it has.
ENCODINGS = {
    "rgb8": ((0, 1, 2), 3),
    "bgr8": ((2, 1, 0), 3),
    "rgba8": ((0, 1, 2), 4),
    "bgra8": ((2, 1, 0), 4),
    "mono8": ((0, 0, 0), 1),
}
OTHER = "choose a colour camera, or record the topic in one of these"


def frame_of(message: Any, thing: str) -> Frame:
    """A frame of a decoded ``sensor_msgs`` Image or CompressedImage.

    Args:
        message: has ROS's fields.
        thing: what it is, for messages.

    Returns:
        uint8 [h, w, 3] RGB; transparency is dropped.

    Raises:
        DataError: another encoding, or bytes that do not fit height, width and step.
    """
    if hasattr(message, "format"):
        if "compressedDepth" in message.format:
            raise DataError(thing, f"format {message.format} is a depth map", OTHER)
        return decode_image(message.data.tobytes(), thing)
    if message.encoding not in ENCODINGS:
        known = ", ".join((*ENCODINGS, "compressed JPEG and PNG"))
        raise DataError(thing, f"expected {known}, got encoding {message.encoding}", OTHER)
    order, depth = ENCODINGS[message.encoding]
    height, width, step = message.height, message.width, message.step
    if height * width == 0 or step < width * depth or len(message.data) != height * step:
        raise DataError(
            thing,
            f"{width}x{height} pixels of {message.encoding} in rows of {step} bytes do not fit "
            f"{len(message.data)} bytes",
            "record the topic again, or leave the bag out",
        )
    rows = message.data.reshape(height, step)[:, : width * depth]  # a row may end in padding
    return np.ascontiguousarray(rows.reshape(height, width, depth)[:, :, order])
