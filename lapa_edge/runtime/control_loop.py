"""The fast half on the robot as a native thread: ticks at its rate whatever Python does.

Latents and states go in, commands come out, each through a mailbox that holds the newest; nobody
waits for anybody. What a tick decides is what `Session.act` decides, bit for bit. All times are
seconds of ``time.monotonic()``.

    policy thread: look  -> set_latent      -> native thread -> latest_action -> robot's driver
    robot's driver: read -> set_observation ->
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from lapa_edge import _native
from lapa_edge.artifact import Bundle
from lapa_edge.errors import ConfigError, RuntimeInputError
from lapa_edge.runtime.head import HeadPrecision, build_head, read_head
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.safety import Command, SafetyGate


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


@dataclass(frozen=True, eq=False)
class LoopCommand(Command):
    """A command and the tick that gave it.

    tick: 1, 2, ... since the start; ticked_at_s: when it decided, NaN before the first;
    state_age_s: age of the state it saw, seconds, NaN where there was none.
    """

    tick: int
    ticked_at_s: float
    state_age_s: float


@dataclass(frozen=True)
class Percentiles:
    """Of times in seconds: each is at most 3 % above one that occurred; max is exact."""

    p50_s: float
    p99_s: float
    p999_s: float
    max_s: float


@dataclass(frozen=True)
class LoopStats:
    """Since the last start.

    ticks: commands given; skipped: deadlines that passed during earlier ticks; late: ticks that
    began more than a tenth of a period after their deadline; statuses: ticks by how they ended,
    "moving" or why not; lateness: from a deadline to its tick's begin; execution: from there to
    its command; latent_age: of the latents that ticks saw.
    """

    ticks: int
    skipped: int
    late: int
    statuses: dict[str, int]
    lateness: Percentiles
    execution: Percentiles
    latent_age: Percentiles


class ControlLoop:
    """The action head, the safety gate and a clock in one native thread.

    Args:
        bundle: verified; its head, limits and rates.
        options: how the thread runs.

    Any Python thread may call any method; none of them waits for a tick, but `stop`, which ends
    within a period. A context manager starts and stops it.

    Raises:
        ConfigError: an option out of range.
        BundleError: weights that are not of this bundle's head, or no calibration for int8.
    """

    def __init__(self, bundle: Bundle, options: LoopOptions | None = None) -> None:
        options = options or LoopOptions()
        self.spec = bundle.spec
        self.options = options
        self.rate_hz = _or(options.rate_hz, bundle.spec.action.control_hz)
        self._gate = SafetyGate(bundle.spec.action, bundle.spec.timing.max_latent_age_s)
        self._loop = _build(bundle, options, self.rate_hz)
        self._max_command_age_s = _or(options.max_command_age_s, 3 / self.rate_hz)

    def __enter__(self) -> ControlLoop:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.running:
            self.stop()

    @property
    def running(self) -> bool:
        """Whether the thread runs; False in a forked child of the process that started it."""
        return self._loop.running

    def start(self) -> None:
        """Begin to tick, one period from now; inputs that were set before count.

        Raises:
            ConfigError: it runs already, or the system refused an option.
            RuntimeInputError: an input that was set before is not finite.
        """
        try:
            self._loop.start()
        except ValueError as error:
            raise RuntimeInputError("control loop", str(error)) from error
        except RuntimeError as error:
            raise ConfigError("control loop", str(error)) from error

    def stop(self) -> None:
        """End within a period and forget the episode; the last command is the stop action.

        Raises:
            ConfigError: it does not run.
        """
        try:
            self._loop.stop()
        except RuntimeError as error:
            raise ConfigError("control loop", str(error)) from error

    def set_latent(self, latent: Latent) -> None:
        """Let the ticks to come act on this latent.

        Raises:
            RuntimeInputError: a vector or context of another dtype or length.
        """
        _check("latent vector", latent.vector, self.spec.latent_dim)
        _check("latent context", latent.context, self.spec.context_dim)
        self._loop.set_latent(np.concatenate((latent.vector, latent.context)), latent.seen_at_s)

    def set_observation(self, state: NDArray[np.float32], seen_at_s: float) -> None:
        """Let the ticks to come see this state.

        Args:
            state: measured, contiguous ``f32 [s]``, in the order of ``spec.state.names``. One
                that is not finite stops the robot.
            seen_at_s: when it was measured.

        Raises:
            RuntimeInputError: another dtype, length or layout: the robot is wired wrongly.
        """
        _check("state", state, len(self.spec.state.names), self.spec.state.names)
        self._loop.set_observation(state, seen_at_s)

    def latest_action(self) -> LoopCommand:
        """What to tell the robot now: the last tick's command, or the stop action if it is old."""
        command = self._command(self._loop.latest_action())
        age_s = time.monotonic() - command.ticked_at_s
        if command.stopped is not None or age_s <= self._max_command_age_s:
            return command
        reason = f"the last tick was {age_s:.3f} s ago, more than {self._max_command_age_s:.3f} s"
        return replace(command, action=self._gate.stop(reason).action, stopped=reason, clamped=0)

    def step(self, now_s: float) -> LoopCommand:
        """One tick without the thread, at a time of the caller's clock: for simulators.

        Raises:
            ConfigError: the loop runs.
        """
        try:
            return self._command(self._loop.step(now_s))
        except RuntimeError as error:
            raise ConfigError("control loop", str(error)) from error

    def reset(self, now_s: float) -> None:
        """Forget an episode that was stepped through: no latent, no state, no last action.

        Raises:
            ConfigError: the loop runs.
        """
        try:
            self._loop.reset(now_s)
        except RuntimeError as error:
            raise ConfigError("control loop", str(error)) from error

    def stats(self) -> LoopStats:
        """Counts and times so far; may be asked while the loop runs."""
        raw = self._loop.stats()
        return LoopStats(
            ticks=raw["ticks"],
            skipped=raw["skipped"],
            late=raw["late"],
            statuses=raw["statuses"],
            lateness=summarise(*raw["lateness_ns"]),
            execution=summarise(*raw["execution_ns"]),
            latent_age=summarise(*raw["latent_age_ns"]),
        )

    def _command(self, native: _native.ControlCommand) -> LoopCommand:
        return LoopCommand(
            action=native.action,
            stopped=self._reason(native),
            clamped=native.clamped,
            latent_age_s=native.latent_age_s,
            tick=native.tick,
            ticked_at_s=native.ticked_at_s,
            state_age_s=native.state_age_s,
        )

    def _reason(self, command: _native.ControlCommand) -> str | None:
        template = _REASONS[command.status]
        return template and template.format(
            command=command,
            max_latent_age_s=self.spec.timing.max_latent_age_s,
            max_state_age_s=self.options.max_state_age_s,
        )


def summarise(counts: NDArray[np.int64], max_ns: int) -> Percentiles:
    """Percentiles of a native histogram ``int64 [buckets]``; NaN where it is empty."""
    if not counts.any():
        return Percentiles(*[math.nan] * 4)
    ends = _native.histogram_ends()
    up_to = counts.cumsum()
    ranks = np.ceil(np.array([0.5, 0.99, 0.999]) * up_to[-1])
    # The last value in a bucket, but nothing longer than the longest.
    longest = np.minimum(ends[np.searchsorted(up_to, ranks)] - 1, max_ns)
    p50, p99, p999 = (longest / 1e9).tolist()
    return Percentiles(p50_s=p50, p99_s=p99, p999_s=p999, max_s=max_ns / 1e9)


# Why the robot stands still, in the words of `Session`.
_REASONS: dict[str, str | None] = {
    "moving": None,
    "not_running": "the control loop is not running",
    "no_latent": "the policy has not looked yet",
    "latent_time_not_past": "latent age {command.latent_age_s:.3f} s is not a time in the past",
    "latent_too_old": (
        "latent is {command.latent_age_s:.3f} s old, more than {max_latent_age_s:.3f} s"
    ),
    "no_state": "the robot has not told its state yet",
    "state_time_not_past": "state age {command.state_age_s:.3f} s is not a time in the past",
    "state_too_old": "state is {command.state_age_s:.3f} s old, more than {max_state_age_s:.3f} s",
    "state_not_finite": "state is not finite",
    "latent_not_finite": "latent is not finite",
    "input_overflow": "state or last action is not finite once normalised",
    "head_overflow": "action head: output {command.where} overflows float32",
    "action_not_finite": "action is not finite",
}


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _build(bundle: Bundle, options: LoopOptions, rate_hz: float) -> _native.ControlLoop:
    build_head(bundle, precision=options.precision)  # refuses what is not this bundle's head
    weights, calibration = read_head(bundle)
    spec = bundle.spec
    try:
        return _native.ControlLoop(
            weights,
            precision=options.precision,
            calibration=calibration,
            latent=spec.latent_dim + spec.context_dim,
            state_mean=spec.state.mean,
            state_std=spec.state.std,
            action_mean=spec.action.mean,
            action_std=spec.action.std,
            action_low=spec.action.low,
            action_high=spec.action.high,
            action_stop=spec.action.stop,
            max_latent_age_s=spec.timing.max_latent_age_s,
            max_state_age_s=options.max_state_age_s,
            rate_hz=rate_hz,
            early_wake_s=options.early_wake_s,
            priority=options.priority,
            cpu=options.cpu,
            lock_memory=options.lock_memory,
        )
    except ValueError as error:
        raise ConfigError("control loop", str(error)) from error


def _check(name: str, array: NDArray[np.float32], length: int, of: tuple[str, ...] = ()) -> None:
    """Refuse what the mailbox cannot take as it is."""
    words = f" ({', '.join(of)})" if of else ""
    if not isinstance(array, np.ndarray):
        got = type(array).__name__
    elif array.dtype != np.float32 or array.shape != (length,):
        got = f"{array.dtype} {list(array.shape)}"
    elif not array.flags.c_contiguous:
        got = "one with strides"
    else:
        return
    raise RuntimeInputError(
        name, f"expected a contiguous float32 array [{length}]{words}, got {got}"
    )
