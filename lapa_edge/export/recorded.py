"""PyTorch's answers, kept in the bundle: ``verification.safetensors``.

An engine is built on the robot, where neither torch nor the training data are. With these
observations and answers beside it, it is still held against PyTorch. Frames are kept as the network
sees them, resized by the robot's own kernel, which leaves a frame of that size as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lapa_edge.artifact import Bundle
from lapa_edge.errors import BundleError
from lapa_edge.export.answers import Answers
from lapa_edge.export.observations import Observations, check_observations
from lapa_edge.spec import PolicySpec

RECORDED = "verification.safetensors"
_WORDS = "words"


@dataclass(frozen=True, eq=False)
class Reference:
    """What PyTorch answers, in float32, and to what.

    Attributes:
        observations: the moments it was shown.
        sha256: of the observations as they came, full frames and all.
        answers: its own.
        chained: whether each code of a moment follows from those before it.
        noise_floor: how far float32 is from itself with its sums reordered, by measure.
        versions: what it was computed with.
    """

    observations: Observations
    sha256: str
    answers: Answers
    chained: bool
    noise_floor: dict[str, float]
    versions: dict[str, str]

    def first(self, count: int) -> Reference:
        """The first `count` of its moments; which of them a policy is told depends on the place."""
        seen, said = self.observations, self.answers
        rows = slice(min(count, len(seen)))
        observations = replace(
            seen,
            frames=seen.frames[rows],
            instructions=seen.instructions[rows],
            states=seen.states[rows],
            last_actions=seen.last_actions[rows],
            latent_ages_s=seen.latent_ages_s[rows],
        )
        answers = replace(
            said,
            image=None if said.image is None else said.image[rows],
            codes=said.codes[rows],
            context=said.context[rows],
            chunks={name: x[rows] for name, x in said.chunks.items()},
            margin=None if said.margin is None else said.margin[rows],
            outputs={name: x[rows] for name, x in said.outputs.items()},
            bin_margin=None if said.bin_margin is None else said.bin_margin[rows],
        )
        return replace(self, observations=observations, answers=answers)


class _Words(msgspec.Struct):
    """Everything about a `Reference` that is no array."""

    instructions: list[str]
    source: str
    sha256: str
    chained: bool
    noise_floor: dict[str, float]
    versions: dict[str, str]


def encode_reference(reference: Reference, spec: PolicySpec) -> bytes:
    """The file's contents: the same reference gives the same bytes."""
    seen = reference.observations.resized(spec.frame.height, spec.frame.width)
    answers = reference.answers
    frames = [np.stack([v] if isinstance(v, np.ndarray) else list(v)) for v in seen.frames]
    arrays: dict[str, NDArray[np.generic] | None] = {
        "frames": np.stack(frames),  # [m, v, h, w, 3]
        "states": seen.states,
        "last_actions": seen.last_actions,
        "latent_ages_s": seen.latent_ages_s,
        "codes": answers.codes,
        "context": answers.context,
        "chunk": answers.chunks["torch"],
        "margin": answers.margin,
        "output": answers.outputs.get("torch"),
        "bin_margin": answers.bin_margin,
    }
    words = _Words(
        instructions=list(seen.instructions),
        source=seen.source,
        sha256=reference.sha256,
        chained=reference.chained,
        noise_floor=reference.noise_floor,
        versions=reference.versions,
    )
    whole = {name: np.ascontiguousarray(x) for name, x in arrays.items() if x is not None}
    return save(whole, {_WORDS: msgspec.json.encode(words).decode()})


def check_recorded(bundle: Bundle) -> None:
    """Raise `BundleError` for a bundle that carries no reference."""
    if RECORDED not in bundle.manifest.files:
        problem = f"carries no {RECORDED}, which says what the trained agent answers"
        fix = "export it again from its run, with lapa-export RUN"
        raise BundleError(f"bundle {bundle.root}", problem, fix)


def read_reference(bundle: Bundle) -> Reference:
    """The reference that the bundle carries.

    Raises:
        BundleError: it carries none, or one that is damaged or of another robot.
    """
    thing = f"bundle {bundle.root}"
    check_recorded(bundle)
    try:
        with safe_open(bundle.path(RECORDED), "numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            words = msgspec.json.decode((file.metadata() or {}).get(_WORDS, ""), type=_Words)
        observations = Observations(
            frames=[v[0] if len(v) == 1 else tuple(v) for v in arrays["frames"]],
            instructions=words.instructions,
            states=arrays["states"],
            last_actions=arrays["last_actions"],
            latent_ages_s=arrays["latent_ages_s"],
            source=words.source,
        )
        answers = Answers(
            image=None,  # it was compared when the reference was made
            codes=arrays["codes"],
            context=arrays["context"],
            chunks={"torch": arrays["chunk"]},
            margin=arrays.get("margin"),
            outputs={"torch": arrays["output"]} if "output" in arrays else {},
            bin_margin=arrays.get("bin_margin"),
        )
    except (SafetensorError, msgspec.MsgspecError, KeyError) as error:
        fix = "export the bundle again from its run"
        raise BundleError(thing, f"{RECORDED} is damaged ({error})", fix) from error
    check_observations(observations, bundle.spec)
    return Reference(
        observations, words.sha256, answers, words.chained, words.noise_floor, words.versions
    )
