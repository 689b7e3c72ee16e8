"""Damaged bags: skipped, counted and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lapa_edge.data.bags.image import RAW
from lapa_edge.data.bags.reader import read_bags
from lapa_edge.data.frame_store import build_frame_store
from lapa_edge.errors import DataError

from .files import (
    CAMERA,
    SIZE,
    Record,
    clip,
    compressed,
    mcap_of,
    picture,
    raw,
    said,
    shorten,
    write_bag,
    wrong_checksum,
)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (shorten(0.5), "not readable .File end magic is invalid"),
        (shorten(0.02), "not readable"),
        (shorten(0), "not readable .File .* seems to be empty"),
        (wrong_checksum, "not readable .Chunk checksum mismatch"),
        (lambda path: path.write_bytes(b"words\n" * 100), "not readable .File magic is invalid"),
        (Path.unlink, "not readable .Some database files are missing"),
    ],
    ids=["cut", "head only", "empty", "checksum", "text", "missing"],
)
def test_damaged_mcap_is_skipped_and_named(tmp_path: Path, damage: Any, problem: str) -> None:
    write_bag(tmp_path / "good", clip())
    damage(mcap_of(write_bag(tmp_path / "odd", clip())))
    dataset = read_bags(tmp_path, max_damaged=0.5)
    assert [e.name for e in dataset.episodes] == ["good"]
    (line,) = dataset.skipped
    assert line.startswith(f"bag {tmp_path / 'odd'}: not readable")
    with pytest.raises(DataError, match=f"1 of 2 clips are damaged.*odd: {problem}"):
        read_bags(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_cut_sqlite_bag_is_skipped_and_named(tmp_path: Path, share: float) -> None:
    write_bag(tmp_path / "good", clip())
    folder = write_bag(tmp_path / "odd", clip(60), "SQLITE3")
    shorten(share)(folder / "odd.db3")
    dataset = read_bags(tmp_path, max_damaged=0.5)
    assert [e.name for e in dataset.episodes] == ["good"]
    assert f"bag {folder}" in dataset.skipped[0]


@pytest.mark.parametrize(
    ("records", "topics", "problem"),
    [
        ([], {}, "it has no image topic, only no topics"),
        ([("/say", said("hello"), 0.0)], {}, "it has no image topic, only /say"),
        ([("/say", said("hello"), 0.0)], {CAMERA: RAW}, "expected at least 2 images, got 0"),
        (clip(1), {}, "expected at least 2 images, got 1"),
        (clip(3, encoding="16UC1"), {}, "expected rgb8, .*, got encoding 16UC1"),
        ([(CAMERA, raw(picture(0)), i / 10) for i in (0, 0, 0)], {}, "do not increase"),
    ],
    ids=["no topics", "no images", "empty topic", "one image", "depth", "one moment"],
)
def test_bag_without_a_clip_is_skipped_and_named(
    tmp_path: Path, records: list[Record], topics: dict[str, str], problem: str
) -> None:
    write_bag(tmp_path / "good", clip())
    write_bag(tmp_path / "odd", records, topics=topics)
    with pytest.raises(DataError, match=f"1 of 2 clips are damaged.*odd.*: .*{problem}"):
        read_bags(tmp_path)
    assert [e.name for e in read_bags(tmp_path, max_damaged=0.5).episodes] == ["good"]


def test_damage_behind_the_first_image_skips_the_clip_when_stored(tmp_path: Path) -> None:
    write_bag(tmp_path / "good", clip())
    short = raw(picture(2))
    short.data = short.data[:-1]
    write_bag(tmp_path / "short", [*clip(2), (CAMERA, short, 0.2)])
    write_bag(tmp_path / "sizes", [*clip(2), (CAMERA, raw(picture(2, (6, 8))), 0.2)])
    write_bag(tmp_path / "depth", [*clip(2), (CAMERA, raw(picture(2)[:, :, :2], "16UC1"), 0.2)])
    cut = compressed(picture(1))
    cut.data = cut.data[:-30]
    write_bag(tmp_path / "cut", [("/c", compressed(picture(0)), 0.0), ("/c", cut, 0.1)])
    dataset = read_bags(tmp_path)
    assert (len(dataset.episodes), dataset.skipped) == (5, ())
    store = build_frame_store(dataset, tmp_path / ".store", *SIZE)
    skipped = "\n".join(store.skipped)
    assert len(store.skipped) == 4
    for problem in (
        r"do not fit 575 bytes",
        "expected 16x12 pixels like the first, got 8x6",
        "image 2: expected rgb8, bgr8, rgba8, bgra8, mono8, compressed JPEG and PNG, got encoding",
        "/c, image 1: not a readable JPEG, PNG or WebP",
    ):
        assert problem in skipped
    assert len(store.all) == 5


def test_depth_in_compressed_form_is_refused(tmp_path: Path) -> None:
    depth = compressed(picture(0))
    depth.format = "16UC1; compressedDepth png"
    write_bag(tmp_path / "odd", [("/depth", depth, 0.0), ("/depth", depth, 0.1)])
    with pytest.raises(DataError, match="format 16UC1; compressedDepth png is a depth map"):
        read_bags(tmp_path)
