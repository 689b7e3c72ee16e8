"""SIGINT, SIGTERM and SIGHUP ask the node to end; asked twice, it still ends in order.

rclpy's own handlers would close the context before the last stop command is out.
"""

from __future__ import annotations

import signal
from types import FrameType


class Signals:
    """Counts what was caught since `catch`; a handler does nothing else."""

    def __init__(self) -> None:
        self.caught: list[int] = []

    def catch(self) -> None:
        """From now on; only the main thread may call."""
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, self._note)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asked for that
            signal.signal(signal.SIGHUP, self._note)

    def ignore(self) -> None:
        """From now on: Python's own end would let one more kill the process, with its status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.caught.append(number)
