"""When a message reached this machine, on the monotonic clock.

Not when its callback ran: in a process that was given no CPU, a message waits in the middleware's
queue and would count as new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from rclpy.subscription import Subscription

Message = TypeVar("Message")


def timed(callback: Callable[[Message, float], None]) -> Callable[..., None]:
    """A subscription's callback that calls `callback` with a message and its receipt, seconds.

    Humble's rclpy tells a callback nothing but the message: there, the receipt is the call.
    """
    if hasattr(Subscription, "CallbackType"):
        return lambda message, info: callback(message, receipt_s(info))
    return lambda message: callback(message, time.monotonic())


def receipt_s(info: Mapping[str, int]) -> float:
    """When the middleware received the message of this info; now, where it notes no time.

    It notes wall time. A wall clock that is set between makes the message older or, at the most,
    new; never from the future.
    """
    received_ns, now_s = info["received_timestamp"], time.monotonic()
    waited_s = (time.time_ns() - received_ns) * 1e-9 if received_ns > 0 else 0.0
    return now_s - max(0.0, waited_s)
