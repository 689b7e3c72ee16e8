"""How a new latent takes over: the head is led to it tick by tick, not thrown at it.

What the head is told of the latents goes in a straight line, over ``timing.blend_s``, from what it
was told last to the newest latent and its context. Its other inputs, the latent's age among them,
and every reason to stop are those of the newest latent at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapa_edge.runtime.policy import Latent
from lapa_edge.spec import TimingSpec


class HandOver:
    """The latent as the head is told it: the newest, or a mixture on the way there.

    The newest drives alone where nothing leads to it: no tick yet, a last tick that stood still, or
    one that was told of a look too old by now. Where a latent comes before the last one has been
    reached, the way goes on from there; a mixture is as old as its parts are on average.

    Args:
        timing: of the bundle.
        rate_hz: control ticks per second.
    """

    def __init__(self, timing: TimingSpec, rate_hz: float) -> None:
        self._ticks = timing.blend_s * rate_hz
        self._max_age_s = timing.max_latent_age_s
        self.forget()

    def forget(self) -> None:
        """A new episode: nothing has driven yet."""
        self._newest: Latent | None = None
        self._told: Latent | None = None
        self._driven: Latent | None = None  # what was told at the last tick, if the robot moved

    def accept(self, latent: Latent) -> None:
        """The latent that the ticks to come lead to."""
        self._newest, self._told = latent, None

    def mix(self, ticks: int, now_s: float) -> Latent:
        """What the head is told at this tick, once it was given a latent; ask once per tick.

        Args:
            ticks: since the newest latent took over, 0 at the first.
            now_s: the time of the tick.
        """
        newest, driven = self._newest, self._driven
        assert newest is not None
        if self._told is not newest:
            if driven is None or not 0 <= now_s - driven.seen_at_s <= self._max_age_s:
                self._told = newest
            else:  # an equal part of the way at each tick
                share = 1 / (1 + max(0.0, self._ticks - 1 - ticks))
                self._told = _between(driven, newest, share) if share < 1 else newest
        return self._told

    def note(self, *, moved: bool) -> None:
        """Whether the robot moved in this tick: one that stood still is led by nothing."""
        self._driven = self._told if moved else None


def _between(driven: Latent, newest: Latent, share: float) -> Latent:
    """`share` of the way from one to the other; each float32 step as the native loop takes it."""
    come = np.float32(share)
    kept = np.float32(1) - come

    def mixed(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # the session stops on what is not finite
            return kept * old + come * new

    return Latent(
        codes=newest.codes,
        vector=mixed(driven.vector, newest.vector),
        context=mixed(driven.context, newest.context),
        seen_at_s=(1 - share) * driven.seen_at_s + share * newest.seen_at_s,
    )
