"""What the node tells of itself once a second: a level, a sentence, numbers. No ROS in here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from lapa_edge.runtime.motion_gate.reasons import StopReason

SHARED_MEMORY_HINT = (
    "the cause seen most: default Fast DDS loses large best-effort images unless the camera's "
    "process (not this one) runs with config/fastdds_images.xml, which gives it a shared-memory "
    "segment of 16 MiB"
)
_ENOUGH = 0.9  # of the expected rate: below is a loss, above is a camera's own jitter


class Level(IntEnum):
    """As in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2


ASKED_FOR = frozenset(
    {StopReason.ESTOP, StopReason.STOPPED, StopReason.NOT_ENABLED, StopReason.ENDED}
)
"""Stops that somebody wanted; every other one is a fault."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is known now; times in seconds, None where unknown.

    Images, stops and clamps are counted since configuring, ticks_missed and unsent since the
    episode began, images_replaced since activation.

    looks_s: how long the last looks took; ticks_s: when the last commands began;
    observation_ages_s: how old the image was behind each command that moved.
    """

    state: str
    backend: str = ""
    fallback: str = ""
    instruction: str = ""
    reason: StopReason | None = None
    stopped: str = ""
    failure: str = ""
    expected_image_hz: float = 0.0
    image_hz: float = 0.0
    image_age_s: float | None = None
    images: int = 0
    images_refused: int = 0
    images_replaced: int = 0
    looks_s: Sequence[float] = ()
    control_hz: float = 0.0
    ticks_s: Sequence[float] = ()
    ticks_missed: int = 0
    unsent: int = 0
    unsent_because: str = ""  # of the newest command
    late_joints: Sequence[str] = ()
    latent_age_s: float | None = None
    observation_ages_s: Sequence[float] = ()
    stops: Mapping[str, int] = field(default_factory=dict)
    clamps: Mapping[str, int] = field(default_factory=dict)


def assess(report: Report) -> tuple[Level, str]:
    """How bad it is, in one sentence."""
    if report.state != "active":
        return Level.OK, report.state
    moving = report.reason is None
    asked_for = report.reason in ASKED_FOR
    failures = [failure for failure in (report.unsent_because, report.failure) if failure]
    problems = list(failures)
    if not (failures or moving):
        problems.append(f"stopped: {report.stopped}")
    if report.late_joints:
        problems.append(f"no news of {', '.join(report.late_joints)}")
    if report.image_hz < _ENOUGH * report.expected_image_hz:
        rate = f"{report.image_hz:.1f} Hz, expected {report.expected_image_hz:.1f}"
        problems.append(f"images at {rate}: {SHARED_MEMORY_HINT}")
    if report.fallback:
        problems.append(f"without the native loop: {report.fallback}")
    if failures or not (moving or asked_for):
        return Level.ERROR, "; ".join(problems)
    return (Level.WARN, "; ".join(problems)) if problems else (Level.OK, "moving")


def values(report: Report) -> dict[str, str]:
    """Names and numbers with their units, in a fixed order; "-" where there is none."""
    look_p50, look_p99 = _percentiles(report.looks_s, (50, 99))
    seen_p50, seen_p99 = _percentiles(report.observation_ages_s, (50, 99))
    intervals = np.diff(np.array(report.ticks_s, np.float64))
    jitter = abs(intervals - 1 / report.control_hz) if report.control_hz else intervals
    jitter_p50, jitter_p99 = _percentiles(jitter, (50, 99))
    rate_hz = 1 / intervals.mean() if len(intervals) else None
    return {
        "state": report.state,
        "backend": report.backend or "-",
        "fallback": report.fallback or "-",
        "instruction": report.instruction,
        "stopped": report.stopped or "-",
        "failure": report.failure or "-",
        "image rate (Hz)": _number(report.image_hz),
        "image rate expected (Hz)": _number(report.expected_image_hz),
        "image age (ms)": _ms(report.image_age_s),
        "images received": str(report.images),
        "images refused": str(report.images_refused),
        "images replaced before a look": str(report.images_replaced),
        "policy p50 (ms)": _ms(look_p50),
        "policy p99 (ms)": _ms(look_p99),
        "control rate (Hz)": _number(rate_hz),
        "control rate expected (Hz)": _number(report.control_hz),
        "control jitter p50 (ms)": _ms(jitter_p50),
        "control jitter p99 (ms)": _ms(jitter_p99),
        "joints late": ", ".join(report.late_joints) or "-",
        "control ticks missed": str(report.ticks_missed),
        "commands not sent": str(report.unsent),
        "not sent because": report.unsent_because or "-",
        "latent age (ms)": _ms(report.latent_age_s),
        "observation to command p50 (ms)": _ms(seen_p50),
        "observation to command p99 (ms)": _ms(seen_p99),
        **{f"stops: {name}": str(count) for name, count in report.stops.items()},
        **{f"clamps: {name}": str(count) for name, count in report.clamps.items()},
    }


def _percentiles(times_s: Sequence[float] | np.ndarray, ranks: Sequence[int]) -> list[float | None]:
    if not len(times_s):
        return [None] * len(ranks)
    return [float(value) for value in np.percentile(np.array(times_s), ranks)]


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else _number(seconds * 1e3, 1)
