"""What is known of the camera: how fresh its images are, how many come, how many are of use."""

from __future__ import annotations

from collections import deque

from lapa_edge.runtime.motion_gate.facts import AgeLimits
from lapa_edge_ros.mailbox import Frame

WINDOW_S = 2.0  # over which the rate is counted
_UNSTAMPED = float("-inf")  # older than any limit: an image without a stamp is no observation


class Camera:
    """The images of one episode, and since configuring how many came and were refused.

    The executor's thread writes, others read: each attribute is replaced as a whole.
    """

    def __init__(self) -> None:
        self.received = self.refused = 0
        self.forget()

    def forget(self) -> None:
        """A new episode: no image has come, none was looked at."""
        self.received_s: float | None = None
        self._newest_stamp_s: float | None = None
        self._seen_stamp_s: float | None = None
        self._arrivals: deque[float] = deque(maxlen=1024)

    def hear(self, frame: Frame, ros_now_s: float, ages: AgeLimits) -> bool:
        """Note an image that can be decoded; whether its stamp lets the policy look at it."""
        self.received += 1
        self._arrivals.append(frame.received_s)
        self._newest_stamp_s = frame.stamp_s if frame.stamp_s > 0 else _UNSTAMPED
        self.received_s = frame.received_s
        age_s = ros_now_s - self._newest_stamp_s
        fresh = -ages.max_future_stamp_s <= age_s <= ages.max_observation_age_s
        self.refused += not fresh
        return fresh

    def refuse(self) -> None:
        """Count an image that cannot be decoded; the watchdog goes on as if none had come."""
        self.refused += 1

    def looked_at(self, frame: Frame) -> None:
        """Note the image that the newest latent comes from."""
        self._seen_stamp_s = frame.stamp_s

    def stamp_s(self, ros_now_s: float) -> float | None:
        """The stamp that the robot answers for: a future one if there is, else the oldest.

        The newest image's tells whether the camera's clock runs with ours; the one that was looked
        at, how old the observation is that the commands come from.
        """
        stamps = [s for s in (self._newest_stamp_s, self._seen_stamp_s) if s is not None]
        ahead = [stamp for stamp in stamps if stamp > ros_now_s]
        return max(ahead, default=None) if ahead else min(stamps, default=None)

    def rate_hz(self, now_s: float) -> float:
        """Images per second over the last `WINDOW_S`."""
        return sum(now_s - arrived <= WINDOW_S for arrived in tuple(self._arrivals)) / WINDOW_S
