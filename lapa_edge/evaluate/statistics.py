"""What may be said of a success rate: Wilson's interval (Wilson 1927), and of a difference."""

from __future__ import annotations

import math

Z_95 = 1.959963984540054


def wilson_interval(successes: int, episodes: int) -> tuple[float, float]:
    """The 95 % interval of a success rate, in [0, 1]; (0, 1) when nothing was tried."""
    if episodes == 0:
        return 0.0, 1.0
    rate, z2 = successes / episodes, Z_95**2
    centre = (rate + z2 / (2 * episodes)) / (1 + z2 / episodes)
    half = (
        Z_95
        / (1 + z2 / episodes)
        * math.sqrt(rate * (1 - rate) / episodes + z2 / (4 * episodes**2))
    )
    return max(0.0, centre - half), min(1.0, centre + half)


def difference_interval(
    successes_a: int, episodes_a: int, successes_b: int, episodes_b: int
) -> tuple[float, float]:
    """The 95 % interval of ``rate_a - rate_b`` (Newcombe 1998, method 10: from Wilson's)."""
    if episodes_a == 0 or episodes_b == 0:
        return -1.0, 1.0
    a, b = successes_a / episodes_a, successes_b / episodes_b
    low_a, high_a = wilson_interval(successes_a, episodes_a)
    low_b, high_b = wilson_interval(successes_b, episodes_b)
    low = a - b - math.hypot(a - low_a, high_b - b)
    high = a - b + math.hypot(high_a - a, b - low_b)
    return low, high
