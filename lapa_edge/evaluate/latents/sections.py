"""The sections of the page, each a list of HTML pieces; every number comes with its reading."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence

from lapa_edge.evaluate.latents import figures
from lapa_edge.evaluate.latents.study import Study
from lapa_edge.evaluate.latents.words import findings, interval, number, percent

Figure = Callable[[str, str], str]  # (file, caption) -> HTML, empty where there is no such file
Section = list[str]

TITLES = {
    "arrows": "Where the robot truly goes under each code",
    "probe": "How much of the motion can be read out",
    "transfer": "Whether a code means the same elsewhere",
}


def summary(study: Study, _figure: Figure) -> Section:
    """One line for each thing that was measured."""
    rows = [["measure", "value (95 % interval)", "reading"]]
    rows += [[f.name, f.value, f.reading] for f in findings(study)]
    left_out = [f"<p class='missing'>{html.escape(text)}</p>" for text in _left_out(study)]
    return [table(rows, "summary"), *left_out]


def codes(study: Study, figure: Figure) -> Section:
    """Frames decoded under the commonest sequences."""
    rows = [["", "codes", "share of pairs"]]
    rows += [
        [str(i + 1), " ".join(map(str, sequence)), f"{share:.1%}"]
        for i, (sequence, share) in enumerate(study.sequences)
    ]
    return [
        "<h2>What each code does</h2>",
        "<p>One frame per row, decoded under the commonest code sequences; below each, the change "
        "from the frame, doubled around grey. Good: a column shows the same motion in every row, "
        "and columns differ. Bad: columns look alike, or whole pictures change colour.</p>",
        figure(figures.CODES, "Columns: code sequences, with their share of all pairs."),
        f"<details><summary>The {len(study.sequences)} commonest of "
        f"{study.usage.overall.sequences} sequences</summary>{table(rows)}</details>",
    ]


def arrows(study: Study, figure: Figure) -> Section:
    """Mean true motion by code."""
    title = _title("arrows")
    if study.arrows is None:
        return [title, _missing(study, "arrows")]
    return [
        title,
        "<p>Each arrow is the mean true motion of the pairs with these codes, each ellipse one "
        "standard deviation of it, in brackets the number of pairs; axes are the robot's, not the "
        "picture's. Good: arrows fan out and ellipses stay small. Bad: short arrows inside large "
        "ellipses, which say that a code goes with any motion.</p>",
        figure(figures.ARROWS, "By code sequence."),
        figure(figures.POSITIONS, "By the code of one position alone, whatever the others are."),
    ]


def probe(study: Study, figure: Figure) -> Section:
    """What the probes read."""
    title = _title("probe")
    result = study.probe
    if result is None:
        return [title, _missing(study, "probe")]
    rows = [["read from", "probe", "R² (95 % interval)", *result.dims, "above first frame"]]
    for score in result.scores:
        over = score.over_first_frame
        dims = [number(dim.value) for dim in score.by_dim]
        margin = interval(over) if over else ""
        rows.append([score.features, score.probe, interval(score.r2), *dims, margin])
    constant = f" Left out, for they never change: {_listed(result.constant)}."
    return [
        title,
        f"<p>Probes learn the sum of the actions between the two frames from {result.pairs:,} "
        f"pairs and are scored on {result.test_clips} of {result.clips} clips that they never "
        f"met, in {len(result.scores[0].by_split)} random splits; R² is 1 for perfect, 0 for "
        "guessing the mean. Good: latents and codes lie well above <i>first frame only</i>, which "
        "foretells motion from the scene alone. Bad: they do not, and the latents describe the "
        "scene rather than the action. <i>Shuffled latents</i> must lie near 0, or something "
        f"leaks.{constant if result.constant else ''}{_few(result.test_clips, 'test clips')}</p>",
        figure(figures.PROBE, "Dots: mean over the splits and action dimensions."),
        table(rows, "numbers"),
    ]


def fidelity(study: Study, _figure: Figure) -> Section:
    """Gain and its drop."""
    result = study.fidelity
    same = f" {percent(result.unchanged)} of the pairs got their own codes again by chance."
    rows = [
        ["", "gain over copying the frame (95 % interval)"],
        ["with the pair's own codes", interval(result.gain, digits3)],
        ["with another pair's codes", interval(result.shuffled_gain, digits3)],
        ["drop", interval(result.drop, digits3)],
    ]
    return [
        "<h2>Does the decoder listen to the codes?</h2>",
        "<p>The gain is 1 &minus; mse(decoded) / mse(first frame), against the true later frame: "
        "1 is perfect, 0 no better than a copy. Good: a gain above 0, most of which is lost when "
        "pairs swap their codes. Bad: no drop, for then the decoder predicts from the frame alone "
        f"and the codes carry nothing.{same if result.unchanged > 0.005 else ''}"
        f"{_few(result.clips)}</p>",
        table(rows, "numbers"),
        f"<p class='note'>Root-mean-square error of the copy: "
        f"{number(255 * math.sqrt(result.copy_mse), 1)} of 255 grey levels.</p>",
    ]


def transfer(study: Study, figure: Figure) -> Section:
    """Codes carried over to other clips."""
    title = _title("transfer")
    result = study.transfer
    if result is None:
        return [title, _missing(study, "transfer")]
    rows = [
        ["read back", "agreement (95 % interval)", "chance"],
        ["codes, in another clip", interval(result.agreement, percent), percent(result.chance)],
        ["codes, in their own clip", interval(result.own, percent), ""],
    ]
    if study.latent.n > 1:
        whole = interval(result.sequence_agreement, percent)
        rows.append(["whole sequences, in another clip", whole, percent(result.sequence_chance)])
    return [
        title,
        f"<p>Codes of {result.pairs:,} pairs were applied to a frame of another clip, and the "
        "result encoded again. Good: far above chance, and little below the agreement in their "
        "own clip. Bad: at chance, for then a code's meaning hangs on the scene. Encoder and "
        "decoder belong to one model and may share a mark that no eye sees: look at the pictures "
        "too.</p>",
        table(rows, "numbers"),
        figure(
            figures.TRANSFER,
            "Left: the pair in clip A that the codes were read from. Right: frames of other "
            "clips, and what the codes make of them. Below: the change, doubled around grey.",
        ),
    ]


def usage(study: Study, figure: Figure) -> Section:
    """Perplexity, active codes, sequences, usage by clip."""
    result = study.usage
    n, k = study.latent.n, study.latent.k
    rows = [["", "perplexity", "active codes"]]
    rows.append(["all positions", number(result.overall.perplexity), str(result.overall.active)])
    if n > 1:
        rows += [
            [f"position {i + 1}", number(position.perplexity), str(position.active)]
            for i, position in enumerate(result.by_position)
        ]
    most = min(n * math.log2(k), math.log2(study.pairs))
    return [
        "<h2>How the codebook is used</h2>",
        f"<p>Perplexity is the number of codes that, used equally often, would be as varied: "
        f"between 1 (collapsed) and {k}. {result.overall.sequences:,} different sequences occur "
        f"in {study.pairs:,} pairs; their entropy is {number(result.sequence_entropy_bits, 1)} "
        f"bits of at most {number(most, 1)}. Good: every position in use. Bad: one that always "
        "says the same.</p>",
        table(rows, "numbers"),
        figure(
            figures.USAGE,
            "Rows: clips. Good: every clip uses many codes. Bad: stripes of one colour per row, "
            "for then codes tell clips apart and not motions.",
        ),
    ]


def method(study: Study, _figure: Figure) -> Section:
    """Small print."""
    drawn = f"{study.pairs:,} of {study.available:,}"
    wanted = study.settings.pairs
    fewer = f" ({wanted:,} were asked for)" if wanted > study.pairs else ""
    return [
        "<h2>How this was measured</h2>",
        f"<p class='note'>{drawn} frame pairs {study.latent.gap_s:g} s apart{fewer}, from "
        f"{study.clips:,} clips, seed {study.settings.seed}. Intervals are Bayesian bootstraps "
        "over clips, since frames of one clip resemble each other. Linear probes are ridge "
        "regressions, mlp probes have one hidden layer; both choose how far to go by episodes "
        "kept apart from their training. The first frame is given to its probes as 16 &times; 16 "
        "grey values and their principal components. Actions are taken as displacements per step. "
        "<code>report.json</code> holds every number.</p>",
    ]


def table(rows: Sequence[Sequence[str]], kind: str = "") -> str:
    """Rows of text, the first one the header."""
    head, *body = rows
    lines = [f"<tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in head)}</tr>"]
    for line in body:
        lines.append(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>")
    return f"<div class='scroll'><table class='{kind}'>{''.join(lines)}</table></div>"


def digits3(value: float) -> str:
    """``0.312``."""
    return number(value, 3)


def _left_out(study: Study) -> list[str]:
    if not study.missing:
        return []
    names = [TITLES[part].lower() for part in study.missing]
    return [f"Not measured: {'; '.join(names)}. The sections below say why."]


def _title(part: str) -> str:
    return f"<h2>{TITLES[part]}</h2>"


def _missing(study: Study, part: str) -> str:
    return f"<p class='missing'>Not measured: {html.escape(study.missing[part])}.</p>"


def _few(clips: int, kind: str = "clips") -> str:
    return f" With {clips} {kind} the intervals are too narrow to trust." if clips < 10 else ""


def _listed(names: Sequence[str] | dict[str, str]) -> str:
    return html.escape(", ".join(names))
