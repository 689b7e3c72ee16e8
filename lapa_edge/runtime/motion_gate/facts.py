"""What the gate is told at a tick, and how old each of it may be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.loop_options import is_number


@dataclass(frozen=True, eq=False, kw_only=True)
class Facts:
    """A snapshot of what a tick knows; every time in seconds.

    Read the inputs first and the two clocks last: an age below zero stops the robot.

    now_s: monotonic clock. ros_now_s: the clock of `image_stamp_s`.
    image_received_s: when the newest image arrived, monotonic; None before the first since
        activation. image_stamp_s: its header's; None where nothing stamps images.
    latent_age_s: of the latent behind the command, now; NaN where there was none.
    state: measured ``f32 [s]`` in the order of ``spec.state.names``, None before the first.
    state_age_s: of its oldest value, now; not read where there is no state.
    chunk_age_s: how long the chunk has been played; None where no chunks are.
    estop_age_s: since the e-stop was heard, pressed or not, inf before; None where there is none.
    """

    now_s: float
    ros_now_s: float
    image_received_s: float | None
    image_stamp_s: float | None
    latent_age_s: float
    state: NDArray[np.float32] | None
    state_age_s: float
    chunk_age_s: float | None = None
    estop_age_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class AgeLimits:
    """The oldest that each input may be, seconds; as old as its limit is still fresh.

    max_observation_age_s: of an image by its header stamp. max_future_stamp_s: how far a stamp
    may lie ahead, for clocks that disagree a little. max_latent_age_s: at most the bundle's.
    chunk_timeout_s: at most what a chunk lasts; unused where no chunks are played.
    estop_timeout_s: the longest silence of the e-stop; inf where it need not say anything.
    """

    image_timeout_s: float = 0.2
    max_observation_age_s: float = 0.5
    max_future_stamp_s: float = 0.05
    max_latent_age_s: float
    state_timeout_s: float = 0.2
    chunk_timeout_s: float = math.inf
    estop_timeout_s: float = math.inf


def check_ages(ages: AgeLimits, bundle_max_latent_age_s: float) -> None:
    """Raise `ConfigError` for a limit that is no time, or older than the head has learned."""
    for name in ("image_timeout_s", "max_observation_age_s", "max_latent_age_s", "state_timeout_s"):
        value = getattr(ages, name)
        if not (is_number(value) and 0 < value < math.inf):
            raise ConfigError(name, f"expected a finite time above 0 s, got {value!r}")
    ahead_s = ages.max_future_stamp_s
    if not (is_number(ahead_s) and 0 <= ahead_s < math.inf):
        raise ConfigError("max_future_stamp_s", f"expected a finite time, got {ahead_s!r}")
    for name in ("chunk_timeout_s", "estop_timeout_s"):
        value = getattr(ages, name)
        if not (is_number(value) and value > 0):
            raise ConfigError(name, f"expected a time above 0 s, got {value!r}")
    if ages.max_latent_age_s > bundle_max_latent_age_s:
        raise ConfigError(
            "max_latent_age_s",
            f"expected at most the bundle's {bundle_max_latent_age_s:g} s, "
            f"got {ages.max_latent_age_s:g}",
            "the head has seen no older latents in training",
        )
