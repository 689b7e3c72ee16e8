"""What the numbers of a study mean, a sentence each: the wording of the page and the console."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lapa_edge.evaluate.latents.estimate import Estimate
from lapa_edge.evaluate.latents.features import CODES, FIRST_FRAME, LATENTS
from lapa_edge.evaluate.latents.study import Study


@dataclass(frozen=True)
class Finding:
    """One line of the summary: what was measured, what came, and how to read it."""

    name: str
    value: str
    reading: str


def findings(study: Study) -> list[Finding]:
    """The summary, most telling first."""
    lines = [_gain(study), _drop(study), _usage(study)]
    if study.probe:
        lines += [_probe(study, LATENTS), _probe(study, CODES)]
    if study.transfer:
        lines.append(_transfer(study))
    return lines


def number(value: float, digits: int = 2) -> str:
    """``0.31``; ``n/a`` for what could not be computed."""
    return f"{round(value, digits) + 0.0:.{digits}f}" if math.isfinite(value) else "n/a"


def percent(value: float) -> str:
    """``31%``."""
    return f"{value:.0%}" if math.isfinite(value) else "n/a"


def interval(estimate: Estimate, form: Callable[[float], str] = number) -> str:
    """``0.31 (0.28 to 0.34)``; without bounds where one clip gives none."""
    value = form(estimate.value)
    if not math.isfinite(estimate.low):
        return value
    return f"{value} ({form(estimate.low)} to {form(estimate.high)})"


def _gain(study: Study) -> Finding:
    gain = study.fidelity.gain
    if not math.isfinite(gain.value):
        reading = "Nothing moves between the frames of these pairs, so there is nothing to predict."
    elif gain.low > 0:
        reading = "The decoded frame is closer to the truth than a copy of the first frame is."
    elif gain.value > 0:
        reading = "Hardly closer to the truth than a copy of the first frame: the interval holds 0."
    else:
        reading = "No better than a copy of the first frame: train longer, or check the gap."
    return Finding("Gain over copying the frame", interval(gain), reading)


def _drop(study: Study) -> Finding:
    drop, gain = study.fidelity.drop, study.fidelity.gain
    bounded = math.isfinite(drop.low)
    if (bounded and drop.low <= 0) or not drop.value > 0:
        reading = "Other pairs' codes serve as well: the decoder ignores the codes."
    elif gain.value <= 0:
        reading = "Other pairs' codes cost something, but there is no gain to lose."
    elif drop.value < 0.1 * abs(gain.value):
        reading = "Other pairs' codes cost little: the decoder mostly guesses from the frame."
    else:
        reading = "Other pairs' codes cost something: the decoder listens to the codes."
    return Finding("Its drop under shuffled codes", interval(drop), reading)


def _usage(study: Study) -> Finding:
    usage = study.usage.overall
    value = f"perplexity {usage.perplexity:.1f} of {usage.k}, {usage.active} active"
    if usage.perplexity < 1.5:
        reading = "Collapsed: nearly every pair gets the same code."
    elif usage.perplexity < usage.k / 3:
        reading = "A few codes do most of the work; the rest of the codebook idles."
    else:
        reading = "The codebook is in use."
    return Finding("Codes in use", value, reading)


def _probe(study: Study, features: str) -> Finding:
    assert study.probe is not None
    score, control = study.probe.score(features), study.probe.score(FIRST_FRAME)
    over = score.over_first_frame
    assert over is not None
    if over.value > 0 and not over.low <= 0:
        reading = f"They tell more of the motion than the first frame does ({_r2(control.r2)})."
    else:
        reading = f"They tell no more of the motion than the first frame does ({_r2(control.r2)})."
    name = f"Motion read from {features} (linear probe, R²)"
    return Finding(name, interval(score.r2), reading)


def _r2(estimate: Estimate) -> str:
    return f"R² {number(estimate.value)}"


def _transfer(study: Study) -> Finding:
    transfer = study.transfer
    assert transfer is not None
    low = transfer.agreement.low
    above = (low if math.isfinite(low) else transfer.agreement.value) > transfer.chance
    reading = (
        "Carried to another clip, codes are read back oftener than chance would have it"
        if above
        else "Carried to another clip, codes are not read back oftener than chance would have it"
    )
    return Finding(
        "Codes that survive a transfer",
        interval(transfer.agreement, percent),
        f"{reading} ({percent(transfer.chance)}); in their own clip {percent(transfer.own.value)}.",
    )
