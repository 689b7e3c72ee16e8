"""Whether a process's memory is flat."""

from __future__ import annotations

from pathlib import Path
from statistics import median

GROWTH_MIB = 8.0


class Memory:
    """Resident memory of a process, sampled from time to time.

    Flat means: the median of the last fifth of the samples is at most `GROWTH_MIB` above that of
    the second fifth. The first fifth is left out: allocators and lazy imports fill up. Over a
    minute that finds a leak of 13 MiB a minute (a small image kept per frame is 4), over half an
    hour one of 0.5.
    """

    def __init__(self, pid):
        self._file = Path(f"/proc/{pid}/status")
        self.samples = []  # (seconds, MiB)

    def sample(self, now_s):
        """Note what is resident now."""
        for line in self._file.read_text().splitlines():
            if line.startswith("VmRSS:"):
                self.samples.append((now_s, int(line.split()[1]) / 1024))

    @property
    def growth_mib(self):
        """From the second fifth to the last."""
        fifth = len(self.samples) // 5
        if not fifth:
            return 0.0
        resident = [mib for _, mib in self.samples]
        return median(resident[-fifth:]) - median(resident[fifth : 2 * fifth])

    def findings(self):
        """What is wrong, in words."""
        if self.growth_mib <= GROWTH_MIB:
            return []
        return [f"memory grew by {self.growth_mib:.1f} MiB, more than {GROWTH_MIB:.0f}"]

    def summary(self):
        """Of a report."""
        resident = [mib for _, mib in self.samples]
        return (
            f"{resident[0]:.0f} MiB at first, {resident[-1]:.0f} at last, at most "
            f"{max(resident):.0f}; grew by {self.growth_mib:.1f}"
        )
