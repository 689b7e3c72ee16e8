"""Every picture and chart of an inspection, as PNGs in one folder."""

from __future__ import annotations

from pathlib import Path

from lapa_edge.evaluate.latents import charts
from lapa_edge.evaluate.latents.pictures import (
    draw_codes,
    draw_transfer,
    spread_clips,
    start_frames,
)
from lapa_edge.evaluate.latents.sample import Tick, no_tick
from lapa_edge.evaluate.latents.study import Material, Study
from lapa_edge.evaluate.latents.transfer import choose_transfers
from lapa_edge.evaluate.latents.usage import common_sequences

CODES, TRANSFER, ARROWS, POSITIONS, USAGE, PROBE = FIGURES = (
    "codes.png", "transfer.png", "arrows.png", "positions.png", "usage.png", "probe.png",
)  # fmt: skip
CHARTS = (ARROWS, POSITIONS, USAGE, PROBE)  # drawn finer than they are shown
START_FRAMES = 4
SHOWN_TRANSFERS = 4


def draw_figures(
    material: Material, study: Study, folder: Path, tick: Tick = no_tick
) -> frozenset[str]:
    """Draw what the study holds; returns the names of the files, out of `FIGURES`.

    A figure of an earlier inspection that this one does not have is removed.
    """
    codec, store, sample = material.codec, material.store, material.sample
    codes = material.encoded.codes
    common = common_sequences(codes, study.settings.top)
    for name in FIGURES:
        (folder / name).unlink(missing_ok=True)
    clips = spread_clips(store, START_FRAMES)
    draw_codes(codec, start_frames(store, clips), common, folder / CODES)
    tick(1)
    shown = choose_transfers(
        sample, codes, common.codes[:SHOWN_TRANSFERS], seed=study.settings.seed
    )
    if shown:
        draw_transfer(codec, store.all, sample, codes, shown, folder / TRANSFER)
    tick(1)
    if study.arrows:
        charts.draw_arrows(study.arrows, folder / ARROWS)
        charts.draw_positions(study.arrows, folder / POSITIONS)
    tick(2)
    charts.draw_usage(study.usage, folder / USAGE)
    tick(1)
    if study.probe:
        charts.draw_probe(study.probe, folder / PROBE)
    tick(1)
    return frozenset(name for name in FIGURES if (folder / name).is_file())
