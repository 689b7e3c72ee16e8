"""How the node's topics are offered and requested.

Commands are offered with a deadline and a liveliness lease, so that a driver can notice a node that
hangs or was killed; liveliness is asserted by publishing, since a process whose threads hang is no
better than a dead one. Nothing is requested of others: a camera that offers no deadline would not
be heard at all.
"""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.qos import LivelinessPolicy, QoSProfile, ReliabilityPolicy

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
SEVERAL = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)  # arm, gripper, ...
SURE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
EVERY = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)

_MISSED_PERIODS = 3
_MIN_LEASE_S = 0.1


def lease_s(rate_hz: float) -> float:
    """How long a command topic of this rate may be silent: three periods, at least 0.1 s."""
    return max(_MIN_LEASE_S, _MISSED_PERIODS / rate_hz)


def command_qos(rate_hz: float) -> QoSProfile:
    """Reliable, the newest only, with deadline and lease."""
    lease = Duration(seconds=lease_s(rate_hz))
    return QoSProfile(
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        deadline=lease,
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=lease,
    )
