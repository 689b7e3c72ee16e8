"""The fast half on the robot as a native thread: ticks at its rate whatever Python does.

Latents and states go in, commands come out, each through a mailbox that holds the newest; nobody
waits for anybody. What a tick decides is what `Session.act` decides, bit for bit. All times are
seconds of ``time.monotonic()``.

    policy thread: look  -> set_latent      -> native thread -> latest_action -> robot's driver
    robot's driver: read -> set_observation ->
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from lapa_edge import _native
from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError, ConfigError, RuntimeInputError
from lapa_edge.runtime.head import check_head, read_head
from lapa_edge.runtime.loop_inputs import check_array, check_time
from lapa_edge.runtime.loop_options import LoopOptions, check_options
from lapa_edge.runtime.loop_stats import LoopStats, summarise
from lapa_edge.runtime.mark import check_precision
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.safety import Command
from lapa_edge.spec import PolicySpec


@dataclass(frozen=True, eq=False, kw_only=True)
class LoopCommand(Command):
    """A command and the tick that gave it.

    tick: 1, 2, ... since the start; ticked_at_s: when it decided, NaN before the first;
    state_age_s: age of the state it saw, seconds, NaN where there was none.
    """

    tick: int
    ticked_at_s: float
    state_age_s: float


class ControlLoop:
    """The action head, the safety gate and a clock in one native thread.

    Args:
        bundle: verified; its head, limits and rates.
        options: how the thread runs.

    Any Python thread may call any method; none of them waits for a tick, but `stop`, which ends
    within a period; `running`, `start`, `step` and `reset` also wait while a stop is under way. A
    context manager starts and stops it.

    Raises:
        ConfigError: an option of another type or out of range.
        BundleError: weights that are not of this bundle's head, or no calibration for int8.
    """

    def __init__(self, bundle: Bundle, options: LoopOptions | None = None) -> None:
        options = options or LoopOptions()
        self.spec = bundle.spec
        self.options = options
        self.rate_hz = check_options(options, bundle.spec.action.control_hz)
        self._loop = _build(bundle, options, self.rate_hz)
        limit_s = options.max_command_age_s
        self._max_command_age_s = 3 / self.rate_hz if limit_s is None else limit_s

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
        """End within a period and forget the episode; the last command stands still.

        Raises:
            ConfigError: it does not run.
        """
        try:
            self._loop.stop()
        except RuntimeError as error:
            raise ConfigError("control loop", str(error)) from error

    def set_latent(self, latent: Latent) -> None:
        """Let the ticks to come act on this latent.

        One that was seen at the same time as the last is the same look: the head's chunk index
        goes on.

        Raises:
            RuntimeInputError: no latent, a vector or context of another dtype, length or layout, or
                a time that is no number.
        """
        if not isinstance(latent, Latent):
            raise RuntimeInputError("latent", f"expected a Latent, got {type(latent).__name__}")
        check_array("latent vector", latent.vector, self.spec.latent_dim)
        check_array("latent context", latent.context, self.spec.context_dim)
        seen_at_s = check_time("latent seen_at_s", latent.seen_at_s)
        self._loop.set_latent(np.concatenate((latent.vector, latent.context)), seen_at_s)

    def set_observation(self, state: NDArray[np.float32], seen_at_s: float) -> None:
        """Let the ticks to come see this state.

        Args:
            state: measured, contiguous ``f32 [s]``, in the order of ``spec.state.names``. One
                that is not finite stops the robot.
            seen_at_s: when it was measured.

        Raises:
            RuntimeInputError: another dtype, length or layout, or a time that is no number: the
                robot is wired wrongly.
        """
        check_array("state", state, len(self.spec.state.names), self.spec.state.names)
        self._loop.set_observation(state, check_time("state seen_at_s", seen_at_s))

    def latest_action(self) -> LoopCommand:
        """What to tell the robot now: the last tick's command or, if it is old, to stand still.

        A robot of a loop that hangs stands still as one that was stopped right after that tick.
        """
        native = self._loop.latest_action()
        command = self._command(native)
        age_s = time.monotonic() - command.ticked_at_s
        if command.stopped is not None or age_s <= self._max_command_age_s:
            return command
        reason = f"the last tick was {age_s:.3f} s ago, more than {self._max_command_age_s:.3f} s"
        return replace(command, action=native.standstill, stopped=reason, clamped=0)

    def step(self, now_s: float) -> LoopCommand:
        """One tick without the thread, at a time of the caller's clock: for simulators.

        Raises:
            ConfigError: the loop runs.
            RuntimeInputError: a time that is no number.
        """
        now_s = check_time("now_s", now_s)
        try:
            return self._command(self._loop.step(now_s))
        except RuntimeError as error:
            raise ConfigError("control loop", str(error)) from error

    def reset(self, now_s: float) -> None:
        """Forget an episode that was stepped through: no latent, no state, no last action.

        Raises:
            ConfigError: the loop runs.
            RuntimeInputError: a time that is no number.
        """
        now_s = check_time("now_s", now_s)
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
            sendable=native.sendable,
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


# Why the robot stands still, in the words of `Session`.
_REASONS: dict[str, str | None] = {
    "moving": None,
    "not_running": "the control loop has not ticked yet, or has ended",
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


def _build(bundle: Bundle, options: LoopOptions, rate_hz: float) -> _native.ControlLoop:
    if bundle.spec.action.decoding != "direct":
        raise ConfigError(
            "control loop",
            f'it drives heads of "direct" decoding, got "{bundle.spec.action.decoding}"',
            "drive this bundle with Session.act, or train with --decoding direct",
        )
    check_precision(bundle, options.precision)
    weights, calibration = read_head(bundle)
    check_head(bundle, weights)
    try:
        return build_native_loop(bundle.spec, weights, calibration, options, rate_hz)
    except ValueError as error:  # the options are checked: it is of the weights or the spec
        raise BundleError(f"bundle {bundle.root}", str(error)) from error


def build_native_loop(
    spec: PolicySpec,
    weights: dict[str, NDArray[np.float32]],
    calibration: dict[str, NDArray[np.float32]] | None,
    options: LoopOptions,
    rate_hz: float,
) -> _native.ControlLoop:
    """The native loop around some head of a spec's robot; the options are checked by the caller.

    Raises:
        ValueError: the weights are not those of such a head.
    """
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
        holds=spec.action.holds,
        grippers=spec.action.grippers,
        last_action="last_action" in spec.head_inputs,
        latent_age="latent_age" in spec.head_inputs,
        chunk_index="chunk_index" in spec.head_inputs,
        max_latent_age_s=spec.timing.max_latent_age_s,
        max_state_age_s=float(options.max_state_age_s),
        blend_s=spec.timing.blend_s,
        rate_hz=rate_hz,
        early_wake_s=float(options.early_wake_s),
        priority=int(options.priority),
        cpu=None if options.cpu is None else int(options.cpu),
        lock_memory=options.lock_memory,
    )
