"""How far from PyTorch each precision may be: the one table of the gate, a reason with each bound.

Actions are in normalised units, of order 1. ``over_floor`` is the actions' relative RMS in units of
the noise floor, which `export.reordered` measures: what float32 itself leaves open.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Precision = Literal["fp32", "fp16", "bf16", "int8", "fp8"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16", "int8", "fp8")


class Limit(msgspec.Struct, frozen=True):
    """A bound on one measured value, and why it is where it is."""

    at_least: float | None
    at_most: float | None
    reason: str

    def holds(self, value: float) -> bool:
        """False for NaN, whichever the bound."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)

    def describe(self) -> str:
        """The bound in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return f"at most {self.at_most:g}"


def _at_most(value: float, reason: str) -> Limit:
    return Limit(None, value, reason)


def _at_least(value: float, reason: str) -> Limit:
    return Limit(value, None, reason)


_SAME_BITS = _at_most(0.0, "one resize, and one rounding after it: the very same bits")

# In float32 only the order of additions may differ: about 1e-7 of the largest summand per layer. A
# wrong graph (a missed normalisation, a swapped axis, stale weights) is off by 1e-2 and more. The
# limits lie between the two, nearer to the noise.
LIMITS: dict[str, dict[str, Limit]] = {
    "fp32": {
        "image_max_abs": _SAME_BITS,
        "context_max_abs": _at_most(1e-4, "latents of order 1, after every layer of the trunk"),
        "code_match_percent": _at_least(99.5, "only ties may fall either way, and they are rare"),
        "mismatch_margin_max": _at_most(1e-3, "a code may only flip where two logits are as one"),
        "max_abs": _at_most(1e-4, "three layers of a few hundred sums of order 1"),
        "cosine_min": _at_least(0.99999, "the worst observation's direction; noise is below 1e-9"),
        "relative_rms": _at_most(1e-4, "against the actions' own size, so that small ones count"),
        "over_floor": _at_most(32.0, "fused layers round at other places than reordered sums do"),
    },
    "fp16": {
        "context_max_abs": _at_most(0.05, "ten bits a rounding, norms in float32"),
        "code_match_percent": _at_least(99.0, "codes flip where logits differ by a thousandth"),
        "mismatch_margin_max": _at_most(0.1, "logits of order 1 to 10, rounded at the tenth bit"),
        "max_abs": _at_most(0.05, "half of a tenth of a deviation of the demos' actions"),
        "cosine_min": _at_least(0.999, "the worst observation's direction"),
        "relative_rms": _at_most(0.01, "ten times what a rounding to 11 bits leaves per layer"),
    },
    "bf16": {
        "context_max_abs": _at_most(0.25, "seven bits a rounding, eight times coarser than fp16"),
        "code_match_percent": _at_least(98.0, "codes flip where logits differ by a hundredth"),
        "mismatch_margin_max": _at_most(0.5, "logits of order 1 to 10, rounded at the 7th bit"),
        "max_abs": _at_most(0.25, "a quarter of a deviation of the demos' actions"),
        "cosine_min": _at_least(0.99, "the worst observation, whose action may be small"),
        "relative_rms": _at_most(0.05, "a rounding is off by up to 0.4 % in every layer"),
    },
    "int8": {
        "code_match_percent": _at_least(97.0, "a plan that is another more often is another plan"),
        "max_abs": _at_most(1.0, "a deviation of the demos' actions, where the plan is the same"),
        "cosine_min": _at_least(0.9, "the worst observation, whose action may be small"),
        "relative_rms": _at_most(0.15, "127 steps in every layer leave 2 to 10 %"),
    },
    "fp8": {
        "code_match_percent": _at_least(97.0, "a plan that is another more often is another plan"),
        "max_abs": _at_most(1.0, "a deviation of the demos' actions, where the plan is the same"),
        "cosine_min": _at_least(0.9, "the worst observation, whose action may be small"),
        "relative_rms": _at_most(0.15, "three bits a number, but scaled number by number"),
    },
    # The native head with fewer bits against itself in float32, on the same inputs: a property of
    # the weights rather than a fault of the export, so it costs the bundle that precision and
    # nothing else. Something lost (a scale, a column, a gate) is off by as much as actions are.
    "bf16 head": {
        "max_abs": _at_most(0.05, "trained heads stay below 0.01"),
        "cosine_min": _at_least(0.999, "the worst observation's direction; trained: 0.99999"),
        "relative_rms": _at_most(0.01, "a rounded weight is off by up to 0.4 %; trained: 0.3 %"),
    },
    "int8 head": {
        "max_abs": _at_most(0.5, "half a deviation of the demos' actions"),
        "cosine_min": _at_least(0.9, "the worst observation, which may be small; trained: 0.98"),
        "relative_rms": _at_most(0.1, "127 steps a layer leave 2 to 6 % in trained heads"),
    },
}
# Logits that differ by the noise may choose either of two bins that are as one.
BIN_TIE = 1e-3


def broken_limits(precision: str, measured: dict[str, float], prefix: str = "") -> list[str]:
    """What of `measured` breaks its limit, in words; what has no limit is only reported."""
    limits = LIMITS[precision]
    return [
        f"{prefix}{name} is {value:.6g}, expected {limits[name].describe()}"
        for name, value in measured.items()
        if name in limits and not limits[name].holds(value)
    ]
