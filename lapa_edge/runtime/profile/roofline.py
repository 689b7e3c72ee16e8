"""The least time a policy can take on a machine, and how far from it the measured one is.

``floor = max(bytes / bandwidth, operations / peak)``: every weight comes from memory once, every
product is done once (Williams et al. 2009).
"""

from __future__ import annotations

import re

import msgspec


class Ceiling(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine can do at most.

    Attributes:
        name: of the machine; source: where the numbers are from.
        bandwidth_gb_s: of its memory, or of the cache that the weights stay in where measured.
        gflop_s: multiplications and additions in 1e9 per second; None where nobody says.
        power_mode: of a Jetson, the one that these numbers are of.
        measured: on this machine, beside the policy.
    """

    name: str
    source: str
    bandwidth_gb_s: float
    gflop_s: float | None = None
    power_mode: str = ""
    measured: bool = False


class Roofline(msgspec.Struct, frozen=True, kw_only=True):
    """A policy under its ceiling.

    Attributes:
        weights_mb: read once per look, 1e6 bytes; gflop: done per look, None where not told.
        memory_ms, compute_ms: the two terms; floor_ms: the larger.
        measured_ms: p50; distance: how many floors that is, at least 1; None where the policy is
            faster than its floor, which is none then: the ceiling is too low.
    """

    ceiling: Ceiling
    weights_mb: float
    gflop: float | None
    memory_ms: float
    compute_ms: float | None
    floor_ms: float
    measured_ms: float
    distance: float | None


def place_under(
    ceiling: Ceiling, weights_bytes: int, gflop: float | None, measured_ms: float
) -> Roofline:
    """The floor of a policy on a machine, and the distance of `measured_ms` from it."""
    memory_ms = weights_bytes / ceiling.bandwidth_gb_s / 1e6
    compute_ms = 1e3 * gflop / ceiling.gflop_s if gflop and ceiling.gflop_s else None
    floor_ms = max(memory_ms, compute_ms or 0.0)
    return Roofline(
        ceiling=ceiling,
        weights_mb=weights_bytes / 1e6,
        gflop=gflop,
        memory_ms=memory_ms,
        compute_ms=compute_ms,
        floor_ms=floor_ms,
        measured_ms=measured_ms,
        distance=measured_ms / floor_ms if measured_ms >= floor_ms else None,
    )


def precision_of(graph: str) -> str:
    """What a graph of this name computes in: ``policy.int8`` in int8, ``policy`` in fp32."""
    return graph.partition(".")[2] or "fp32"


def other_mode(ceiling: Ceiling, power_mode: str | None) -> list[str]:
    """A warning where the board runs in another power mode than its numbers are of.

    `power_mode` is what ``nvpmodel -q`` says, several words; None where there is none.
    """
    if not (ceiling.power_mode and power_mode):
        return []
    if re.search(rf"\b{re.escape(ceiling.power_mode)}\b", power_mode):
        return []
    return [
        f"the roofline of {ceiling.name} is that of power mode {ceiling.power_mode}, this machine "
        f"says {power_mode!r} (sudo nvpmodel -m NUMBER sets it)"
    ]
