"""How the native control loop runs, and what of it is refused before there is one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from numbers import Integral, Real
from typing import NoReturn, get_args

from lapa_edge.errors import ConfigError
from lapa_edge.runtime.backends.names import HeadPrecision

_MIN_RATE_HZ, _MAX_RATE_HZ = 50, 1000
_MAX_CPU = 1023  # the last one that Linux's sets of cores hold


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How the loop runs.

    rate_hz: 50 to 1000; None takes the bundle's ``action.control_hz``.
    early_wake_s: how long before each deadline the thread wakes, rehearses the tick to warm the
        caches, and spins: it costs this much of a core per tick. 0 turns it off; at most half a
        period.
    max_state_age_s: the oldest state that may drive the robot.
    max_command_age_s: the oldest command that `ControlLoop.latest_action` passes on; older means
        that the loop hangs. None is three periods.
    priority: 1 to 99 runs as SCHED_FIFO; 0 is the ordinary scheduler. Needs ``ulimit -r``.
    cpu: the only core to run on; best one that nothing else uses (``isolcpus``).
    lock_memory: mlockall: nothing that is in memory now is swapped out. Needs ``ulimit -l``.
    precision: of the head's weights; "int8" needs a bundle that carries its calibration.
    """

    rate_hz: float | None = None
    early_wake_s: float = 200e-6
    max_state_age_s: float = 0.1
    max_command_age_s: float | None = None
    priority: int = 0
    cpu: int | None = None
    lock_memory: bool = False
    precision: HeadPrecision = "f32"


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def check_options(options: LoopOptions, control_hz: float) -> float:
    """Refuse what the native thread cannot take as it is; returns the rate."""
    if options.rate_hz is None and not _MIN_RATE_HZ <= control_hz <= _MAX_RATE_HZ:
        got = f"{control_hz}, the bundle's action.control_hz"
        _refuse("rate_hz", f"{_MIN_RATE_HZ} to {_MAX_RATE_HZ} Hz", got, "pass a rate_hz")
    rate_hz = _or(options.rate_hz, control_hz)
    _check_number("rate_hz", rate_hz, _MIN_RATE_HZ, _MAX_RATE_HZ, "Hz")
    _check_number("early_wake_s", options.early_wake_s, 0, 0.5 / float(rate_hz), "s")
    _check_age("max_state_age_s", options.max_state_age_s)
    if options.max_command_age_s is not None:
        _check_age("max_command_age_s", options.max_command_age_s)
    _check_whole("priority", options.priority, 99)
    if options.cpu is not None:
        _check_whole("cpu", options.cpu, _MAX_CPU)
    if not isinstance(options.lock_memory, bool):
        _refuse("lock_memory", "True or False", repr(options.lock_memory))
    if options.precision not in (precisions := get_args(HeadPrecision)):
        _refuse("precision", " or ".join(f'"{x}"' for x in precisions), repr(options.precision))
    return float(rate_hz)


def is_number(value: object, kind: type = Real) -> bool:
    """Whether Python or numpy would count with it; True is no number."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _check_number(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not (is_number(value) and low <= value <= high):  # NaN is refused
        _refuse(name, f"{low} to {high} {unit}", repr(value))


def _check_age(name: str, value: float) -> None:
    if not (is_number(value) and 0 < value <= sys.float_info.max):
        _refuse(name, "a finite time above 0 s", repr(value))


def _check_whole(name: str, value: int, high: int) -> None:
    if not (is_number(value, Integral) and 0 <= value <= high):
        _refuse(name, f"a whole number from 0 to {high}", repr(value))


def _refuse(name: str, expected: str, got: str, fix: str = "") -> NoReturn:
    raise ConfigError("control loop", f"{name}: expected {expected}, got {got}", fix)
