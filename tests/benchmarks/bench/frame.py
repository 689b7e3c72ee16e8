"""Camera frames to planes against OpenCV. Imports: cv2, numpy."""

from __future__ import annotations

import cv2
import numpy as np

from bench.contest import Claim, Contest, Result
from bench.native import bind_preprocessor
from bench.probe import Probe
from bench.tables import show_size
from bench.targets import FrameTarget
from lapa_edge.runtime.reference import resize_frame
from lapa_edge.runtime.reference.arrays import UInt8

OURS, NAMED = "native", "cv2.resize + split, uint8"
HALF = 0.5  # mean and standard deviation of every channel, since blobFromImage has one scale
FULL = 255.0


def build_frame_contest(
    target: FrameTarget, probe: Probe, instruction_set: str, rng: np.random.Generator
) -> Contest:
    """Ours antialiases and normalises; of the alternatives, those named so do."""
    frame = draw_frame(target.source, rng)
    resized = resize_frame(frame, *target.target)
    exact = resized.transpose(2, 0, 1).astype(np.float32, order="C")  # grey levels

    def error(planes: Result) -> float:
        levels = planes if planes.dtype == np.uint8 else (planes * HALF + HALF) * FULL
        return float(np.abs(levels - exact).mean())

    contest = Contest("frame", target.title, error)
    planes = np.zeros_like(exact)
    step = bind_preprocessor(frame, planes, (HALF,) * 3, (HALF,) * 3)
    contest.add_ours(OURS, step, planes, "same_filter")
    add_opencv(contest, frame, target.target)
    floor = f"read {show_size(frame.nbytes)}, write {show_size(planes.nbytes)}"
    contest.add_floor(floor, probe.move(frame.nbytes, planes.nbytes, target.target[0]))
    claim = Claim(OURS, (NAMED,), floor, target.must(instruction_set), target.aim)
    contest.claims.append(claim)
    return contest


def add_opencv(contest: Contest, frame: UInt8, size: tuple[int, int]) -> None:
    """Into the same arrays each time. Only INTER_AREA antialiases."""
    height, width = size
    scale, shift = 1 / (FULL * HALF), -1.0  # (v / 255 - 0.5) / 0.5
    small = np.empty((height, width, 3), np.uint8)
    bytes_, floats = (
        np.empty((3, height, width), np.uint8),
        np.empty((3, height, width), np.float32),
    )

    def resize_split(interpolation: int = cv2.INTER_LINEAR) -> None:
        cv2.resize(frame, (width, height), small, interpolation=interpolation)
        cv2.split(small, list(bytes_))

    def normalised(interpolation: int = cv2.INTER_LINEAR) -> None:
        resize_split(interpolation)
        for plane, into in zip(bytes_, floats, strict=True):
            np.multiply(plane, np.float32(scale), out=into)
            np.add(into, np.float32(shift), out=into)

    def blob() -> Result:
        return cv2.dnn.blobFromImage(frame, scale, (width, height), (FULL * HALF,) * 3)[0]

    contest.add_peer(NAMED, resize_split, "other_filter", bytes_)
    contest.add_peer("cv2.resize + split, normalised", normalised, "other_filter", floats)
    contest.add_peer("cv2.dnn.blobFromImage", blob, "other_filter")
    contest.add_peer(
        "cv2.resize INTER_AREA + split, normalised",
        lambda: normalised(cv2.INTER_AREA), "other_filter", floats,
    )  # fmt: skip


def draw_frame(size: tuple[int, int], rng: np.random.Generator) -> UInt8:
    """A smooth picture, where filters differ little: uint8 [h, w, 3]."""
    coarse = rng.integers(0, 256, (7, 9, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
