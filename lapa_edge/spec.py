"""The words every room shares: what a frame, a latent, a state and an action are.

These structs are the typed part of a bundle's ``manifest.json``. They hold no arrays and import
nothing but msgspec, so the trainer, the exporter, the robot's runtime and the ROS 2 node all
read the same definition.

Letters: ``h w c`` image, ``n`` codes per latent action, ``k`` codebook size, ``d`` code width,
``p`` chunk steps, ``a`` action dimensions, ``s`` state dimensions.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from lapa_edge.errors import ConfigError

ActionKind = Literal["delta", "absolute", "gripper"]
"""delta: a displacement or a velocity, 0 stands still. absolute: a position of the state.
gripper: a command that holds until another comes."""

Decoding = Literal["direct", "bins", "flow"]
"""How the head's numbers become a chunk. direct: they are it. bins: logits over equal-frequency
bins of each dimension (LAPA, section 3.3). flow: a velocity, integrated from noise."""

HeadPart = Literal["latent", "context", "state", "last_action", "latent_age", "chunk_index"]
"""What the action head is told; chunk_index: for how many control steps this latent has driven."""

HEAD_PARTS: tuple[HeadPart, ...] = (
    "latent", "context", "state", "last_action", "latent_age", "chunk_index"
)  # fmt: skip


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
    better is known to be safe. `kinds` says what each action is (all "delta" where empty), and
    `hold` which state dimension an "absolute" one is the target of (-1 for the others): stopping,
    the robot is told to stay where it is measured to be, and a gripper to keep its last command.
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
    kinds: tuple[ActionKind, ...] = ()
    hold: tuple[int, ...] = ()
    decoding: Decoding = "direct"
    bins: int = 0
    flow_steps: int = 0

    @property
    def holds(self) -> tuple[tuple[int, int], ...]:
        """(action, state) of every "absolute" action: which state it is the target of."""
        return tuple((i, state) for i, state in enumerate(self.hold) if state >= 0)

    @property
    def grippers(self) -> tuple[int, ...]:
        """The actions that are a gripper's."""
        return tuple(i for i, kind in enumerate(self.kinds) if kind == "gripper")


class TextSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Instruction encoder: token ids ``[1, max_tokens]`` (0 pads) to an embedding ``[1, d]``."""

    max_tokens: int
    d: int


class TimingSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rates the policy was trained for.

    ``max_latent_age_s`` is the oldest latent the head has seen in training: past it the robot
    stops. ``blend_s`` is how long the runtime takes to lead the head from one latent to the next,
    see `lapa_edge.runtime.hand_over`; with 0 each takes over in one tick.
    """

    policy_hz: float
    max_latent_age_s: float
    blend_s: float = 0.0


class PolicySpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything needed to feed the policy and to read its answer.

    `cameras` names the views that the policy looks at, in order, all of the size of `frame`.
    `policy_state` says whether it is told the robot's state too, be it to go by, or only to hand it
    to the head as the last part of the context. `head_inputs` are the parts of
    the action head's input, in the order of `HEAD_PARTS`.
    """

    frame: FrameSpec
    latent: LatentSpec | None
    context_dim: int
    state: StateSpec
    action: ActionSpec
    text: TextSpec
    timing: TimingSpec
    cameras: tuple[str, ...] = ("camera",)
    policy_state: bool = False
    head_inputs: tuple[HeadPart, ...] = HEAD_PARTS[:5]

    @property
    def latent_dim(self) -> int:
        """Floats in one latent action, ``n * d``; 0 for a policy that predicts no codes."""
        return self.latent.n * self.latent.d if self.latent else 0

    def head_slices(self) -> dict[str, slice]:
        """Where each part lies in the action head's input vector, in order.

        A flow head is asked with the chunk so far and how far it has come, too.
        """
        all_widths: dict[HeadPart, int] = {
            "latent": self.latent_dim,
            "context": self.context_dim,
            "state": len(self.state.names),
            "last_action": len(self.action.names),
            "latent_age": 1,
            "chunk_index": 1,
        }
        widths: dict[str, int] = {part: all_widths[part] for part in self.head_inputs}
        if self.action.decoding == "flow":
            widths |= {"noisy_chunk": self.chunk_dim, "flow_time": 1}
        slices: dict[str, slice] = {}
        start = 0
        for name, width in widths.items():
            slices[name] = slice(start, start + width)
            start += width
        return slices

    @property
    def head_input_dim(self) -> int:
        """Length of the input vector of the action head's network."""
        return sum(part.stop - part.start for part in self.head_slices().values())

    @property
    def head_told_dim(self) -> int:
        """Length of what a tick tells the action head: `head_inputs`, without a flow's own."""
        return self.head_slices()[self.head_inputs[-1]].stop

    @property
    def chunk_dim(self) -> int:
        """Floats in one chunk of actions, ``p * a``."""
        return self.action.chunk * len(self.action.names)

    @property
    def head_output_dim(self) -> int:
        """Length of the output of the head's network: ``p * a``, for bins ``p * a * bins``."""
        return self.chunk_dim * (self.action.bins if self.action.decoding == "bins" else 1)


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
    check_blend(spec.timing)
    _check_head_inputs(spec)
    _check_decoding(spec.action)
    _check_kinds(spec.action, s)
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


def check_blend(timing: TimingSpec) -> None:
    """Raise `ConfigError` where a latent would not be reached before it is too old to drive."""
    if not 0 <= timing.blend_s <= timing.max_latent_age_s:  # NaN is refused
        raise ConfigError(
            "timing.blend_s",
            f"expected 0 to {timing.max_latent_age_s}, the max_latent_age_s, got {timing.blend_s}",
        )


def _check_head_inputs(spec: PolicySpec) -> None:
    parts = spec.head_inputs
    wanted = tuple(part for part in HEAD_PARTS if part in parts)
    if parts != wanted or not {"latent", "context", "state"} <= set(parts):
        raise ConfigError(
            "head_inputs",
            f"expected latent, context and state, and others of {', '.join(HEAD_PARTS)}, in this "
            f"order, got {', '.join(parts)}",
        )
    if not spec.cameras or len(set(spec.cameras)) != len(spec.cameras):
        raise ConfigError("cameras", f"expected different names, got {list(spec.cameras)}")


def _check_decoding(action: ActionSpec) -> None:
    for name, used in (
        ("bins", action.decoding == "bins"),
        ("flow_steps", action.decoding == "flow"),
    ):
        value, least = getattr(action, name), 2 if name == "bins" else 1
        if (value < least) if used else value:
            expected = f"at least {least}" if used else "0"
            raise ConfigError(
                f"action.{name}",
                f"expected {expected} with {action.decoding} decoding, got {value}",
            )


def _check_kinds(action: ActionSpec, s: int) -> None:
    """Each "absolute" action, and no other, is the target of a state of its own."""
    a = len(action.names)
    kinds, hold = action.kinds or ("delta",) * a, action.hold or (-1,) * a
    _check_length("action.kinds", kinds, a)
    _check_length("action.hold", hold, a)
    for name, kind, state in zip(action.names, kinds, hold, strict=True):
        absolute = kind == "absolute"
        if not (0 <= state < s if absolute else state == -1):
            expected = f"the index of one of the {s} states" if absolute else "-1"
            raise ConfigError(
                f"action.hold of {name}", f"expected {expected} for {kind!r}, got {state}"
            )
        if absolute and hold.count(state) > 1:
            raise ConfigError(
                f"action.hold of {name}", f"state {state} is the target of two actions"
            )


def _check_finite(name: str, values: tuple[float, ...]) -> None:
    for i, value in enumerate(values):
        if not math.isfinite(value):
            raise ConfigError(f"{name}[{i}]", f"expected a finite number, got {value}")


def _check_length(name: str, values: tuple[object, ...], expected: int) -> None:
    if len(values) != expected:
        raise ConfigError(name, f"expected {expected} values, got {len(values)}")
