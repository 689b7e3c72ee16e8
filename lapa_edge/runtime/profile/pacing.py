"""Does it keep up? One job per period, as a camera or a controller would release it.

Back to back, a processor is warm and its clock is high; between two jobs of a robot it cools,
lowers its clock and gives its caches away. So a deadline is judged at the rate itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import numpy as np

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.profile.latency import Latency, Part, summarise


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """A part at one rate.

    Attributes:
        rate_hz: jobs released per second.
        released: how many; late: how many were not done when the next was released; skipped: how
            many of these never started, since the one before still ran.
        response: from a job's release to its end, over those that started.
    """

    rate_hz: float
    released: int
    late: int
    skipped: int
    response: Latency

    @property
    def missed(self) -> float:
        """Share of deadlines missed, 0 to 1."""
        return self.late / self.released


def measure_pace(
    part: Part,
    rate_hz: float,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Pace:
    """Run `part` at `rate_hz` for so long; each job's deadline is the next one's release.

    Raises:
        ConfigError: a rate or a time that is not positive.
    """
    if not (rate_hz > 0 and seconds > 0):
        raise ConfigError("paced run", f"expected a rate and seconds, got {rate_hz} and {seconds}")
    period, jobs = 1 / rate_hz, max(1, round(seconds * rate_hz))
    began = clock() + period
    responses: list[float] = []
    job = late = skipped = 0
    while job < jobs:
        release = began + job * period
        sleep(max(0.0, release - clock()))
        part()
        response = clock() - release
        responses.append(response)
        # Releases that passed meanwhile found the part busy: a camera's frame is lost then.
        passed = min(int(response / period), jobs - 1 - job)
        late += (response > period) + passed
        skipped += passed
        job += 1 + passed
    return Pace(
        rate_hz=rate_hz,
        released=jobs,
        late=late,
        skipped=skipped,
        response=summarise((np.array(responses) * 1e9).astype(np.int64)),
    )
