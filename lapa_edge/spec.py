"""The words every room shares: what a frame, a latent, a state and an action are.

These structs are the typed part of a bundle's ``manifest.json``. They hold no arrays and import
nothing but msgspec, so the trainer, the exporter, the robot's runtime and the ROS 2 node all
read the same definition.

Letters: ``h w c`` image, ``n`` codes per latent action, ``k`` codebook size, ``d`` code width,
``p`` chunk steps, ``a`` action dimensions, ``s`` state dimensions.
"""

from __future__ import annotations

import math

import msgspec

from lapa_edge.errors import ConfigError


class FrameSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The camera frame as the policy wants it: RGB, resized, ``(u8 / 255 - mean) / std``, CHW."""

    height: int
    width: int
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)


class LatentSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A latent action: ``n`` codes out of ``k``, each a vector of ``d`` floats.

    ``gap_s`` is the time between the two frames it was learned from.
    """

    n: int
    k: int
    d: int
    gap_s: float


class StateSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The robot's measured state ``[s]`` and its normalisation ``(x - mean) / std``."""

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


class ActionSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A physical action ``[a]``: names, units, limits, and the normalisation the head works in.

    ``stop`` is the action that makes the robot stand still; it is what is sent whenever nothing
    better is known to be safe.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    stop: tuple[float, ...]
    chunk: int
    control_hz: float


class TextSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instruction encoder: token ids ``[1, max_tokens]`` (0 pads) to an embedding ``[1, d]``."""

    max_tokens: int
    d: int


class TimingSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates the policy was trained for.

    ``max_latent_age_s`` is the oldest latent the head has seen in training: past it the robot
    stops.
    """

    policy_hz: float
    max_latent_age_s: float


class PolicySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything needed to feed the policy and to read its answer."""

    frame: FrameSpec
    latent: LatentSpec | None
    context_dim: int
    state: StateSpec
    action: ActionSpec
    text: TextSpec
    timing: TimingSpec

    @property
    def latent_dim(self) -> int:
        """Floats in one latent action, ``n * d``; 0 for a policy that predicts no codes."""
        return self.latent.n * self.latent.d if self.latent else 0

    def head_slices(self) -> dict[str, slice]:
        """Where each part lies in the action head's input vector, in order."""
        widths = {
            "latent": self.latent_dim,
            "context": self.context_dim,
            "state": len(self.state.names),
            "last_action": len(self.action.names),
            "latent_age": 1,
        }
        slices, start = {}, 0
        for name, width in widths.items():
            slices[name] = slice(start, start + width)
            start += width
        return slices

    @property
    def head_input_dim(self) -> int:
        """Length of the action head's input vector."""
        return self.head_slices()["latent_age"].stop

    @property
    def head_output_dim(self) -> int:
        """Length of the action head's output vector, ``p * a``."""
        return self.action.chunk * len(self.action.names)


_ACTION_NUMBERS = ("low", "high", "mean", "stop")


def check_spec(spec: PolicySpec) -> None:
    """Raise `ConfigError` where lengths disagree or a number is outside its range."""
    a, s = len(spec.action.names), len(spec.state.names)
    for field in ("units", "low", "high", "mean", "std", "stop"):
        _check_length(f"action.{field}", getattr(spec.action, field), a)
    for field in ("mean", "std"):
        _check_length(f"state.{field}", getattr(spec.state, field), s)
    positive = {
        "frame.height": spec.frame.height,
        "frame.width": spec.frame.width,
        "action.chunk": spec.action.chunk,
        "action.control_hz": spec.action.control_hz,
        "timing.policy_hz": spec.timing.policy_hz,
        "timing.max_latent_age_s": spec.timing.max_latent_age_s,
        "context_dim": spec.context_dim,
        **{f"frame.std[{i}]": value for i, value in enumerate(spec.frame.std)},
        **{f"action.std[{i}]": value for i, value in enumerate(spec.action.std)},
        **{f"state.std[{i}]": value for i, value in enumerate(spec.state.std)},
    }
    if spec.latent:
        positive |= {f"latent.{f}": getattr(spec.latent, f) for f in ("n", "k", "d", "gap_s")}
    for name, value in positive.items():
        if not 0 < value < float("inf"):
            raise ConfigError(name, f"expected a positive finite number, got {value}")
    for part, fields in (("frame", ("mean",)), ("state", ("mean",)), ("action", _ACTION_NUMBERS)):
        for field in fields:
            _check_finite(f"{part}.{field}", getattr(getattr(spec, part), field))
    for part, names in (("state", spec.state.names), ("action", spec.action.names)):
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{part}.names", f"{name!r} stands twice")
    for name, low, stop, high in zip(
        spec.action.names, spec.action.low, spec.action.stop, spec.action.high, strict=True
    ):
        if not low <= stop <= high:
            raise ConfigError(
                f"action.{name}", f"expected low <= stop <= high, got {low}, {stop}, {high}"
            )


def _check_finite(name: str, values: tuple[float, ...]) -> None:
    for i, value in enumerate(values):
        if not math.isfinite(value):
            raise ConfigError(f"{name}[{i}]", f"expected a finite number, got {value}")


def _check_length(name: str, values: tuple[object, ...], expected: int) -> None:
    if len(values) != expected:
        raise ConfigError(name, f"expected {expected} values, got {len(values)}")
