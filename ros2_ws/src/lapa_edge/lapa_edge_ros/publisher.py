"""The thread that commands: at the control rate, the policy's newest command through the gate.

    source -> gate -> output -> topic

It runs beside the executor, so that no callback delays a command, and never waits for the policy.
Deadlines are absolute; those that have passed by a period or more are skipped, never made up for in
a burst. A stop that somebody asks for does not wait for its tick: it is sent between two of them.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from threading import Event

from lapa_edge.runtime.motion_gate.facts import Facts
from lapa_edge.runtime.motion_gate.gate import GatedCommand, MotionGate
from lapa_edge.runtime.safety import Command
from lapa_edge_ros.inference import Log
from lapa_edge_ros.sources import ActionSource

JOIN_TIMEOUT_S = 1.0
KEPT_TICKS = 1024
SAY_CHANGES_EVERY_S = 0.2  # where reasons alternate
SAY_EVERY_S = 2.0


class Publisher:
    """Of one episode.

    Args:
        source: of commands; started and ended by the caller.
        gate: what passes it may be sent.
        rate_hz: ticks per second.
        failure: why the policy gives nothing now, None while it does.
        read_facts: of the command that is about to be judged; called last before the gate.
        send: publishes a gated command, and says whether the robot was told anything in this
            episode; what it raises is told and nothing was sent.
        log: where stops are told.
    """

    def __init__(
        self,
        source: ActionSource,
        gate: MotionGate,
        *,
        rate_hz: float,
        failure: Callable[[], str | None],
        read_facts: Callable[[Command], Facts],
        send: Callable[[GatedCommand, Facts], bool],
        log: Log,
    ) -> None:
        self.ticks = self.missed = self.unsent = 0
        self.began_s: deque[float] = deque(maxlen=KEPT_TICKS)  # when the last ticks began
        # By header stamp, of the image behind each command that moved.
        self.observation_ages_s: deque[float] = deque(maxlen=KEPT_TICKS)
        self.last: GatedCommand | None = None
        self.failure: str | None = None  # why the newest command was not sent
        self._source, self._gate, self._period_s = source, gate, 1 / rate_hz
        self._policy_failure, self._read_facts, self._send = failure, read_facts, send
        self._stops = StopLog(log)
        self._log, self._complained_at_s = log, -math.inf
        self._ending, self._waking, self._sending = Event(), Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Command from now on."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread.is_alive()

    def hurry(self) -> None:
        """Send a command now, between two ticks; they keep to their grid. Any thread may call."""
        self._waking.set()

    def end(self, timeout_s: float = JOIN_TIMEOUT_S) -> bool:
        """Whether the thread ended in time; nobody else may ask the gate before.

        One that was held up on its way sends nothing any more: a last stop stays the last.
        """
        until_s = time.monotonic() + timeout_s
        self._ending.set()
        self._waking.set()
        if self._sending.acquire(timeout=timeout_s):  # whatever was about to leave is out
            self._sending.release()
        self._thread.join(max(0.0, until_s - time.monotonic()))
        return not self.alive

    def tick(self, now_s: float) -> None:
        """One command; whatever goes wrong in it leaves the next to try."""
        gated, facts = self._decide(now_s)
        with self._sending:
            if self._ending.is_set():
                self._gate.take_back()
                return
            if time.monotonic() - facts.now_s > self._period_s:  # held up: is it fresh still?
                self._gate.take_back()
                gated, facts = self._decide(time.monotonic())
            try:
                told = self._send(gated, facts)
            except Exception:
                self._gate.take_back()
                raise
            if not told:
                self._gate.take_back()
        self.last, self.failure = gated, None
        if gated.stopped is None and facts.image_stamp_s is not None:
            self.observation_ages_s.append(facts.ros_now_s - facts.image_stamp_s)
        self._stops.tell(gated, now_s)

    def _decide(self, now_s: float) -> tuple[GatedCommand, Facts]:
        command = self._source.command(now_s)
        if reason := self._policy_failure():
            command = replace(command, stopped=reason)
        facts = self._read_facts(command)
        return self._gate.decide(command, facts), facts

    def _complain(self, error: Exception, now_s: float) -> None:
        self.unsent += 1
        self.failure = f"commands are not sent: {error!r}"
        if now_s - self._complained_at_s >= SAY_EVERY_S:
            self._complained_at_s = now_s
            self._log.error(f"{self.failure}, {self.unsent} in this episode")

    def _run(self) -> None:
        # In step with the source: a command is sent when it is made, not up to a period later.
        deadline_s = self._source.ready_s
        while True:
            hurried = self._waking.wait(max(0.0, deadline_s - time.monotonic()))
            self._waking.clear()  # before the end is looked for, or one in between would be missed
            if self._ending.is_set():
                return
            now_s = time.monotonic()
            try:
                self.tick(now_s)
            except Exception as error:
                self._complain(error, now_s)
            if hurried:
                continue
            self.ticks += 1
            self.began_s.append(now_s)
            deadline_s, missed = next_tick(deadline_s, time.monotonic(), self._period_s)
            self.missed += missed


def next_tick(deadline_s: float, now_s: float, period_s: float) -> tuple[float, int]:
    """The deadline to wait for after a tick that ended at `now_s`, and how many are given up.

    One that passed less than a period ago is still kept, late: a tick that began late and took long
    must not cost the next one too.
    """
    following_s = deadline_s + period_s
    missed = max(0, int((now_s - following_s) / period_s))
    return following_s + missed * period_s, missed


class StopLog:
    """Tells when the robot stops, why it still does, and when it moves: not every tick."""

    def __init__(self, log: Log, repeat_s: float = SAY_EVERY_S) -> None:
        self._log, self._repeat_s = log, repeat_s
        self._said_at_s: float | None = None  # None while the robot moves
        self._said: object = None

    def tell(self, command: GatedCommand, now_s: float) -> None:
        """Log about this command what is news."""
        if command.stopped is None:
            if self._said_at_s is not None:
                self._log.info("moving: every input is fresh")
            self._said_at_s = self._said = None
            return
        silent_s = math.inf if self._said_at_s is None else now_s - self._said_at_s
        if silent_s < (self._repeat_s if command.reason is self._said else SAY_CHANGES_EVERY_S):
            return
        self._said_at_s, self._said = now_s, command.reason
        self._log.warning(f"stopped: {command.stopped}")
