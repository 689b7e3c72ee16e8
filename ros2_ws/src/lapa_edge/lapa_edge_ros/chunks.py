"""Whole chunks for a controller that follows trajectories: one per latent, as joint positions.

The head is asked once when a latent arrives. What it wants is brought into the node's limits by a
motion gate of its own, waypoint after waypoint, as if the robot followed exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import Bundle
from lapa_edge.runtime.head import HeadInput, build_head
from lapa_edge.runtime.motion_gate.facts import Facts
from lapa_edge.runtime.motion_gate.gate import MotionGate
from lapa_edge.runtime.motion_gate.meaning import ActionMeaning
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.safety import Command, SafetyGate
from lapa_edge_ros.polled_source import PolledSource


@dataclass(frozen=True, eq=False)
class Chunk:
    """What the head wants for the next steps.

    actions: ``f32 [p, a]`` in physical units, finite and within the bundle's limits; began_s: when
    its first step begins, monotonic.
    """

    actions: NDArray[np.float32]
    began_s: float


class ChunkSource(PolledSource):
    """An `ActionSource` that plays a chunk per latent; `chunk` is the one being played."""

    def __init__(self, bundle: Bundle, rate_hz: float, state_timeout_s: float) -> None:
        super().__init__(state_timeout_s)
        spec = self._spec = bundle.spec
        self._head, self._input = build_head(bundle), HeadInput(spec, rate_hz)
        self._gate = SafetyGate(spec.action, spec.timing.max_latent_age_s)
        self.backend = f"chunks of {spec.action.chunk} steps at {spec.action.control_hz:g} Hz"
        self.start()

    def start(self) -> None:
        """Forget the last episode."""
        super().start()
        self.chunk: Chunk | None = None
        self._played: Latent | None = None
        self._gate.reset()

    def command(self, now_s: float) -> Command:
        """The waypoint of this moment; a stop where there is none."""
        state, late = self.read_state(now_s)
        if state is not None:
            self._gate.see(state)
        if late:
            self.chunk = None
            return self._gate.stop(late)
        if self._latent is None:
            return self._gate.stop("the policy has not looked yet")
        age_s = now_s - self._latent.seen_at_s
        if self._latent is not self._played:
            if reason := self._begin(self._latent, state, age_s, now_s):
                return self._gate.stop(reason, age_s)
            self._played = self._latent
        if self.chunk is None:
            return self._gate.stop("chunk exhausted", age_s)
        step = int((now_s - self.chunk.began_s) * self._spec.action.control_hz)
        return self._gate.pass_action(
            self.chunk.actions[min(step, len(self.chunk.actions) - 1)], age_s
        )

    def _begin(
        self, latent: Latent, state: NDArray[np.float32], age_s: float, now_s: float
    ) -> str | None:
        """Ask the head; why there is no chunk, or None."""
        self.chunk = None
        if not np.isfinite(state).all():
            return "state is not finite"
        x = self._input.fill(latent, state, self._gate.last_action, age_s)
        if not np.isfinite(x).all():
            return "latent is not finite"
        try:
            normalised = self._head.forward(x)
        except ValueError as error:
            return f"action head: {error}"
        actions = self._input.action.restore(normalised.reshape(self._spec.action.chunk, -1))
        if not np.isfinite(actions).all():
            return "action is not finite"
        self.chunk = Chunk(actions, now_s)
        return None


class ChunkPlan:
    """Waypoints that keep the limits: positions ``f64 [p, a]`` of the joints that actions move.

    Args:
        gate: enabled, and of no other use.
        meaning: of the actions.
        step_s: from one waypoint to the next.
    """

    def __init__(self, gate: MotionGate, meaning: ActionMeaning, step_s: float) -> None:
        self._gate, self._step_s = gate, step_s
        self._absolute = np.array(meaning.absolute)
        self._scale = np.array(meaning.scale)
        self._measured_by = np.array(meaning.measured_by)
        self._position_scale = np.array(meaning.position_scale)

    def positions(self, chunk: Chunk, facts: Facts) -> NDArray[np.float64] | str:
        """Metres and radians; a sentence where a waypoint would have to be a stop.

        Args:
            chunk: as the head wants it.
            facts: of the tick in which it begins, with a measured state.
        """
        assert facts.state is not None, "the gate lets nothing move without a state"
        state = facts.state.astype(np.float64)
        at = np.where(
            self._measured_by >= 0, state[self._measured_by] * self._position_scale, np.nan
        )
        waypoints = np.empty((len(chunk.actions), len(at)))
        self._gate.reset()
        for step, action in enumerate(chunk.actions):
            command = Command(action, None, 0, facts.latent_age_s)
            told = replace(facts, state=self._state(state, at), chunk_age_s=0.0)
            gated = self._gate.decide(command, told)
            if gated.stopped is not None:
                return gated.stopped
            target = gated.action * self._scale
            at = np.where(self._absolute, target, at + gated.velocity * self._step_s)
            waypoints[step] = at
        return waypoints

    def _state(self, state: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float32]:
        """The state once the measured positions are at `at`."""
        moved = state.copy()
        known = self._measured_by >= 0
        moved[self._measured_by[known]] = (at / self._position_scale)[known]
        return moved.astype(np.float32)
