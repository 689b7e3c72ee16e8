"""One slot between the thread that hears the camera and the one that looks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """A camera frame on its way to the policy.

    pixels: gives RGB ``u8 [H, W, 3]``, in the thread that looks, or raises `RuntimeInputError`;
    received_s: on the monotonic clock; stamp_s: of its header, on ROS's clock.
    """

    pixels: Callable[[], NDArray[np.uint8]]
    received_s: float
    stamp_s: float


class Mailbox:
    """Room for the newest frame; one that nobody took is replaced, and counted."""

    def __init__(self) -> None:
        self.replaced = 0
        self._frame: Frame | None = None
        self._arrived = threading.Condition()

    def put(self, frame: Frame) -> None:
        """Leave a frame and wake whoever waits."""
        with self._arrived:
            self.replaced += self._frame is not None
            self._frame = frame
            self._arrived.notify()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame, once; None when none came in time."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._frame is not None, timeout_s)
            frame, self._frame = self._frame, None
            return frame

    def clear(self) -> None:
        """Forget a frame that nobody took."""
        with self._arrived:
            self._frame = None
