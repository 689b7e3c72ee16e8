"""What goes wrong on a robot, on request: late answers, old frames, lost frames, noise.

Everything is drawn from the episode's seed, one stream per kind of trouble: the same seed gives
the same episode, and switching one kind on leaves the draws of the others as they were.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.environment import Environment
from lapa_edge.spec import PolicySpec

_LATENCY, _DROP, _IMAGE, _STATE = range(11, 15)  # streams of the episode's seed
MAX_S = 60.0


class Disturbance(msgspec.Struct, frozen=True, kw_only=True):
    """How much of each; nothing by default.

    latency_jitter_s: a look takes a time drawn evenly from ``latency_s`` plus or minus this.
    camera_latency_s: the frame shown is this much older than its stamp says, so that the head
    is not told. frame_drop: share of looks whose frame is lost; the next is tried a look later.
    image_noise: standard deviation of Gaussian noise on every pixel value, of 255.
    state_noise: the same on the state, as a share of each dimension's spread in training.
    overlap: looks begin at every period although the last is not answered, as a pipeline of
    several accelerators would; without it the policy works on one frame at a time, and begins
    anew at the first period at which it is free.
    """

    latency_jitter_s: float = 0.0
    camera_latency_s: float = 0.0
    frame_drop: float = 0.0
    image_noise: float = 0.0
    state_noise: float = 0.0
    overlap: bool = False


def check_disturbance(disturbance: Disturbance, latency_s: float) -> None:
    """Raise `ConfigError` for a number outside its range, by the name of its flag."""
    for flag, value, highest in (
        ("--latency-s", latency_s, MAX_S),
        ("--latency-jitter-s", disturbance.latency_jitter_s, latency_s),
        ("--camera-latency-s", disturbance.camera_latency_s, MAX_S),
        ("--frame-drop", disturbance.frame_drop, 1.0),
        ("--image-noise", disturbance.image_noise, 255.0),
        ("--state-noise", disturbance.state_noise, math.inf),
    ):
        if not 0 <= value <= highest or not math.isfinite(value):
            most = f" to {highest:g}" if math.isfinite(highest) else " or more"
            why = ", the latency that it varies" if flag == "--latency-jitter-s" else ""
            raise ConfigError(flag, f"expected 0{most}{why}, got {value:g}")


class Troubles:
    """The troubles of one episode.

    Args:
        disturbance: how much of each.
        latency_s: simulated seconds from a frame to its latent, before the jitter.
        spec: whose state is disturbed, and at which rate the robot is controlled.
        seed: the episode's.
        ticks: control steps that the episode may last.
    """

    def __init__(
        self,
        disturbance: Disturbance,
        latency_s: float,
        spec: PolicySpec,
        seed: int,
        ticks: int,
    ) -> None:
        self._amount, self._seed = disturbance, seed
        jitter = disturbance.latency_jitter_s
        taken_s = latency_s + self._stream(_LATENCY).uniform(-jitter, jitter, ticks)
        # An answer that comes between two control ticks counts from the later one.
        self._delay = np.ceil(taken_s * spec.action.control_hz - 1e-6).astype(np.int64)
        self._lost = self._stream(_DROP).random(ticks) < disturbance.frame_drop
        self._state = self._stream(_STATE)
        self._spread = disturbance.state_noise * np.array(spec.state.std)

    def delay(self, tick: int) -> int:
        """Control ticks until a look that began at `tick` is answered."""
        return int(self._delay[tick])

    def loses(self, tick: int) -> bool:
        """Whether the frame of a look at `tick` is lost."""
        return bool(self._lost[tick])

    def blur(self, frame: NDArray[np.uint8], tick: int) -> NDArray[np.uint8]:
        """The frame ``u8 [h, w, 3]`` with noise on its pixels."""
        if not self._amount.image_noise:
            return frame
        noise = self._stream(_IMAGE, tick).normal(0, self._amount.image_noise, frame.shape)
        return np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)

    def shake(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """The state ``f32 [s]`` as measured badly; call once per tick."""
        noise = self._spread * self._state.standard_normal(len(self._spread))
        return (state + noise).astype(np.float32) if self._amount.state_noise else state

    def _stream(self, *kind: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, *kind])


class LateCamera:
    """An environment's camera whose frames arrive late.

    Args:
        environment: rendered only at ticks whose frame may be asked for.
        late: control ticks by which a frame is late; before the first came, it is the first.
        every: looks happen at multiples of this many ticks.
    """

    def __init__(self, environment: Environment, late: int, every: int) -> None:
        self._environment, self._late, self._every = environment, late, every
        self._taken: dict[int, NDArray[np.uint8]] = {}

    def tick(self, tick: int) -> None:
        """Take the picture that a look will be shown later; before every control step."""
        if self._late and (tick == 0 or (tick + self._late) % self._every == 0):
            self._taken[tick] = self._environment.frame().copy()
            for old in [t for t in self._taken if t and t < tick - self._late]:
                del self._taken[old]

    def frame(self, tick: int) -> NDArray[np.uint8]:
        """What a look at `tick` is shown, RGB ``u8 [h, w, 3]``."""
        if not self._late:
            return self._environment.frame()
        return self._taken[max(0, tick - self._late)]
