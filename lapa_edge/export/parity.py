"""The gate: does the bundle on the robot say what the trained agent says?

PyTorch in float32 against the bundle through the robot's own runtime: native preprocessing,
``policy.onnx``, and every action head. Shapes are compared before values, NaN is refused, and the
values are held to one table of limits. ``parity.json`` enters a bundle only after it passed.
"""

from __future__ import annotations

from importlib.metadata import version

import msgspec
import numpy as np
from numpy.typing import NDArray

from lapa_edge.artifact import Bundle, extend_bundle
from lapa_edge.errors import BundleError
from lapa_edge.export.answers import Answers, ask_agent, ask_bundle
from lapa_edge.export.observations import Observations, check_observations
from lapa_edge.model.agent import Agent
from lapa_edge.train.actions import ActionsConfig

PARITY = "parity.json"
Float32 = NDArray[np.float32]


class Limit(msgspec.Struct, frozen=True):
    """A bound on one measured value, and why it is where it is."""

    at_least: float | None
    at_most: float | None
    reason: str

    def holds(self, value: float) -> bool:
        """False for NaN, whichever the bound."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)


# Everything runs in float32, so what may differ is the order of additions: about 1e-7 of the
# largest summand per layer. A wrong graph (a missed normalisation, a swapped axis, stale weights)
# is off by 1e-2 and more. The limits lie between the two, nearer to the noise.
_HEAD = {
    "max_abs": Limit(
        None, 1e-4, "normalised units, of order 1; three layers of a few hundred sums"
    ),
    "cosine_min": Limit(0.99999, None, "the worst observation's direction; noise is below 1e-9"),
    "relative_rms": Limit(None, 1e-4, "against the actions' own size, so that small ones count"),
}
# The head with fewer bits against itself in float32, on the same inputs: a property of the weights
# rather than a fault of the export, so it costs the bundle that precision and nothing else.
# Something lost (a scale, a column, a gate) is off by as much as the actions are large.
_BF16 = {
    "max_abs": Limit(None, 0.05, "normalised units; trained heads stay below 0.01"),
    "cosine_min": Limit(0.999, None, "the worst observation's direction; trained heads: 0.99999"),
    "relative_rms": Limit(None, 0.01, "a rounded weight is off by up to 0.4 %; trained: 0.3 %"),
}
_INT8 = {
    "max_abs": Limit(None, 0.5, "normalised units; half a deviation of the demos' actions"),
    "cosine_min": Limit(
        0.9, None, "the worst observation, whose action may be small; trained: 0.98"
    ),
    "relative_rms": Limit(None, 0.1, "127 steps a layer leave 2 to 6 % in trained heads"),
}
# Logits that differ by the noise may choose either of two bins that are as one.
BIN_TIE = 1e-3
_FEWER_BITS = {"bf16": _BF16, "int8": _INT8}
LIMITS = {
    "image_max_abs": Limit(None, 0.0, "one resize, and one rounding after it: the very same bits"),
    "context_max_abs": Limit(None, 1e-4, "normalised latents, of order 1, after every trunk layer"),
    "code_match_percent": Limit(99.0, None, "ties may fall either way; one in a hundred is many"),
    "mismatch_margin_max": Limit(None, 1e-3, "a code may only flip where two logits are as one"),
    **{
        f"{head}_head_{name}": limit
        for head, limits in {"native": _HEAD, "onnx": _HEAD, **_FEWER_BITS}.items()
        for name, limit in limits.items()
    },
}


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A code the bundle chose differently; `margin` is PyTorch's best logit less its second."""

    observation: int
    position: int
    expected: int
    got: int
    margin: float


class ParityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, on what, and how far apart it was; ``parity.json`` as it stands.

    `failures` are broken limits that forbid the bundle; `unfit` those that forbid one precision of
    its native head, by that precision: the runtime refuses it.
    """

    source: str
    observations: int
    measured: dict[str, float]
    mismatches: list[Mismatch]
    limits: dict[str, Limit]
    failures: list[str]
    unfit: dict[str, list[str]]
    files: dict[str, str]
    versions: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether every measured value is within its limit."""
        return not self.failures


def check_parity(
    config: ActionsConfig, agent: Agent, bundle: Bundle, observations: Observations
) -> ParityReport:
    """The report of a bundle that agrees with `agent`.

    Raises:
        BundleError: a shape differs, a value is not finite, or a limit is broken.
        RuntimeInputError: the observations are none, ragged or not finite.
    """
    report = measure_parity(config, agent, bundle, observations)
    if not report.passed:
        raise BundleError(
            f"parity of {bundle.root.name}",
            f"it does not do what the trained agent does: {'; '.join(report.failures)} "
            f"({report.source})",
            "nothing was published; please report this with the run's config.json",
        )
    return report


def record_parity(bundle: Bundle, report: ParityReport) -> Bundle:
    """The bundle with ``parity.json``, the mark of being good; for a passed report only."""
    if not report.passed:
        raise BundleError(f"parity of {bundle.root.name}", "a failed report marks no bundle")
    data = msgspec.json.format(msgspec.json.encode(report), indent=1)
    return extend_bundle(bundle, {PARITY: data})


def measure_parity(
    config: ActionsConfig, agent: Agent, bundle: Bundle, observations: Observations
) -> ParityReport:
    """Compare, and say which limits are broken; arguments as for `check_parity`."""
    spec = config.spec
    check_observations(observations, spec)
    expected = ask_agent(config, agent, observations)
    got = ask_bundle(spec, bundle, observations)
    _check_comparable(bundle, expected, got)
    measured = {
        "image_max_abs": _max_abs(expected.image, got.image),
        "context_max_abs": _max_abs(expected.context, got.context),
    }
    mismatches = _mismatches(expected, got, config.policy.decoder == "autoregressive")
    if spec.latent:
        wrong = len(mismatches) / expected.codes.size
        measured["code_match_percent"] = 100 * (1 - wrong)
        measured["mismatch_margin_max"] = max((x.margin for x in mismatches), default=0.0)
    # Another plan rightly gives other actions: those moments are judged by their codes alone.
    alike = (expected.codes == got.codes).all(axis=1)  # [m]
    for name, chunks in got.chunks.items():
        if name in _FEWER_BITS:
            differences = _compare_actions(got.chunks["native"], chunks)
        else:
            differences = _compare_actions(*_comparable(expected, got, name, alike))
        measured |= {f"{name}_head_{key}": value for key, value in differences.items()}
    limits = {name: LIMITS[name] for name in measured}
    broken = {
        name: _broken(name, x, limits[name])
        for name, x in measured.items()
        if not limits[name].holds(x)
    }
    unfit = {
        precision: [text for name, text in broken.items() if name.startswith(f"{precision}_head_")]
        for precision in _FEWER_BITS
    }
    return ParityReport(
        source=observations.source,
        observations=len(observations),
        measured=measured,
        mismatches=mismatches,
        limits=limits,
        failures=[text for text in broken.values() if not any(text in x for x in unfit.values())],
        unfit={precision: texts for precision, texts in unfit.items() if texts},
        files={name: entry.sha256 for name, entry in bundle.manifest.files.items()},
        versions={name: version(name) for name in ("torch", "onnx", "onnxruntime", "numpy")},
    )


def _check_comparable(bundle: Bundle, expected: Answers, got: Answers) -> None:
    """Shapes first, then NaN: a difference of either kind is no number to hold to a limit."""
    thing = f"parity of {bundle.root.name}"
    pairs = {
        "image": (expected.image, got.image),
        "codes": (expected.codes, got.codes),
        "context": (expected.context, got.context),
        **{f"{name} head": (expected.chunks["torch"], x) for name, x in got.chunks.items()},
    }
    for name, (wanted, found) in pairs.items():
        if wanted.shape != found.shape:
            raise BundleError(
                thing, f"{name}: expected {list(wanted.shape)}, got {list(found.shape)}"
            )
    for name, (wanted, found) in pairs.items():
        for side, values in (("the trained agent", wanted), ("the bundle", found)):
            if not np.isfinite(values).all():
                raise BundleError(
                    thing, f"{name}: {side} gives NaN or infinity", "train again, or from earlier"
                )


def _comparable(
    expected: Answers, got: Answers, name: str, alike: NDArray[np.bool_]
) -> tuple[Float32, Float32]:
    """The rows ``[m, ...]`` to compare of one head: its chunks, and of a head of bins the logits.

    A chunk's number counts but where PyTorch's two best bins are as one, and either is right.
    """
    wanted, found = expected.chunks["torch"][alike], got.chunks[name][alike]
    if expected.bin_margin is None:
        return wanted, found
    clear = expected.bin_margin[alike] > BIN_TIE
    return (
        np.hstack([expected.outputs["torch"][alike], np.where(clear, wanted, 0)]),
        np.hstack([got.outputs[name][alike], np.where(clear, found, 0)]),
    )


def _mismatches(expected: Answers, got: Answers, autoregressive: bool) -> list[Mismatch]:
    """Every code that differs; of codes that follow from one another, the first of each moment."""
    differ = expected.codes != got.codes  # [m, n]
    if autoregressive:
        differ &= differ.cumsum(axis=1) == 1
    return [
        Mismatch(
            observation=int(i),
            position=int(j),
            expected=int(expected.codes[i, j]),
            got=int(got.codes[i, j]),
            margin=float(expected.margin[i, j]) if expected.margin is not None else 0.0,
        )
        for i, j in np.argwhere(differ)
    ]


def _compare_actions(expected: Float32, got: Float32) -> dict[str, float]:
    """``max_abs``, ``cosine_min`` and ``relative_rms`` of ``[m, p * a]``; NaN for no rows."""
    if not len(expected):
        return dict.fromkeys(_HEAD, float("nan"))
    x, y = expected.astype(np.float64), got.astype(np.float64)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    # Two actions of zero agree; one of zero against another does not.
    both_zero = ~x.any(axis=1) & ~y.any(axis=1)
    cosine = np.where(both_zero, 1.0, (x * y).sum(axis=1) / np.maximum(norms, 1e-30))
    return {
        "max_abs": _max_abs(expected, got),
        "cosine_min": float(cosine.min()),
        "relative_rms": float(np.sqrt(((x - y) ** 2).mean() / max((x**2).mean(), 1e-30))),
    }


def _max_abs(expected: Float32, got: Float32) -> float:
    return float(np.abs(expected - got).max())


def _broken(name: str, value: float, limit: Limit) -> str:
    bound = (
        f"at least {limit.at_least}" if limit.at_least is not None else f"at most {limit.at_most}"
    )
    return f"{name} is {value:.6g}, expected {bound}"
