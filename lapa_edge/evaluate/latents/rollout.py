"""Imagined video: a frame and a sequence of codes in, frame after frame out.

Each decoded frame is the next one's first frame, as in the paper's Figure 12 (arXiv 2410.11758),
so small faults add up: what stays sharp and obeys the codes after several steps is a model worth
planning with.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.frame_store import FrameStore
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.evaluate.latent_codec import Codes, Frames, LatentCodec
from lapa_edge.spec import LatentSpec

Frame = NDArray[np.uint8]  # [h, w, 3] RGB
Choose = Callable[[Frame, int], NDArray[np.int32]]  # (frame, step) -> codes [n]
Tick = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Imagined:
    """A rollout: frames uint8 [t + 1, h, w, 3], the first one real, and its codes int32 [t, n]."""

    frames: Frames
    codes: Codes


def imagine(
    codec: LatentCodec, frame: Frame, steps: int, choose: Choose, tick: Tick = lambda _: None
) -> Imagined:
    """Decode `steps` frames, one out of the other, with the codes that `choose` gives for each."""
    frames, codes = [frame], []
    for step in range(steps):
        codes.append(np.asarray(choose(frames[-1], step), dtype=np.int32))
        frames.append(codec.decode(frames[-1][None], codes[-1][None])[0])
        tick(1)
    return Imagined(np.stack(frames), np.stack(codes))


def codes_in_turn(codes: Codes) -> Choose:
    """The codes [t, n] one after another, whatever the frame."""
    return lambda _, step: codes[step]


def parse_codes(text: str, latent: LatentSpec) -> Codes:
    """``"1 2 3 4; 0 0 3 1"`` to codes int32 [t, n].

    Raises:
        ConfigError: not whole numbers, not n of them, or outside 0 to k - 1.
    """
    rows = []
    for step, part in enumerate(text.strip().rstrip(";").split(";"), start=1):
        words = part.replace(",", " ").split()
        try:
            row = [int(word) for word in words]
        except ValueError:
            raise ConfigError(
                "--codes",
                f"expected {latent.n} whole numbers in step {step}, got {part.strip()!r}",
                'for instance "' + "; ".join([" ".join(["0"] * latent.n)] * 2) + '", or true',
            ) from None
        if len(row) != latent.n:
            raise ConfigError(
                "--codes",
                f"expected {latent.n} codes in step {step}, got {len(row)}",
                "part steps by a semicolon",
            )
        outside = [code for code in row if not 0 <= code < latent.k]
        if outside:
            raise ConfigError(
                "--codes", f"expected 0 to {latent.k - 1} in step {step}, got {outside[0]}"
            )
        rows.append(row)
    return np.array(rows, np.int32)


def find_start(store: FrameStore, fps: float, clip: str, start_s: float) -> int:
    """The frame of the clip at `start_s` seconds.

    Raises:
        ConfigError: no such clip (near names are listed), or it is not that long.
    """
    if clip not in store.spans:
        near = difflib.get_close_matches(clip, store.names, n=3, cutoff=0.4)
        listed = ", ".join(near or store.names[:3])
        raise ConfigError(
            "--clip",
            f"expected one of {len(store.names)} clips, got {clip!r}",
            f"{'near it' if near else 'for instance'}: {listed}",
        )
    last_s = (store.count(clip) - 1) / fps
    if not (math.isfinite(start_s) and 0 <= start_s <= last_s):
        raise ConfigError(
            "--start", f"expected 0 to {last_s:g} seconds, where clip {clip} ends, got {start_s:g}"
        )
    return round(start_s * fps)


def true_future(
    store: FrameStore, fps: float, clip: str, start: int, gap_s: float, steps: int | None
) -> Frames:
    """The clip from frame `start` on, a frame per gap, uint8 [t + 1, h, w, 3].

    Args:
        store, fps, clip, start: where to begin.
        gap_s: seconds between the frames.
        steps: t; None for as many as the clip holds.

    Raises:
        DataError: the clip ends before.
    """
    gap = max(1, round(gap_s * fps))
    there = (store.count(clip) - 1 - start) // gap
    wanted = max(1, there) if steps is None else steps
    if wanted > there:
        raise DataError(
            f"clip {clip}",
            f"expected {wanted} steps of {gap_s:g} s after {start / fps:g} s, it holds {there}",
            "start earlier, or give fewer --steps",
        )
    return store.frames(clip)[start : start + wanted * gap + 1 : gap]
