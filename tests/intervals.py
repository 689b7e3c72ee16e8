"""Wilson's interval by its definition, to hold the closed formula against."""

from __future__ import annotations

import numpy as np

Z_95 = 1.959963984540054


def wilson_by_search(successes: int, episodes: int) -> tuple[float, float]:
    """The rates from which such an outcome lies at most 1.96 standard errors, to 1e-5."""
    rates = np.linspace(0, 1, 100_001)
    error = np.sqrt(rates * (1 - rates) / episodes)
    likely = rates[np.abs(successes / episodes - rates) <= Z_95 * error + 1e-12]
    return float(likely.min()), float(likely.max())
