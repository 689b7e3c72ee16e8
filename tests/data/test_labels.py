"""Label directories: whole parts of one run, or a word on what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from lapa_edge.data.labels import (
    INFO_NAME,
    LabelInfo,
    Labels,
    open_labels,
    part_path,
    read_labels,
    write_part,
)
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.spec import LatentSpec

LATENT = LatentSpec(n=2, k=8, d=3, gap_s=0.3)
INFO = LabelInfo(
    latent=LATENT, model_sha256="m", clips=("a", "b", "c"), clips_per_part=2, video_sha256="v"
)
FRAMES = 40


def labels_of(clips: tuple[str, ...]) -> Labels:
    rng = np.random.default_rng(len(clips))
    m = FRAMES * len(clips)
    return Labels(
        latent=LATENT,
        clip=np.repeat(np.array(clips, dtype=np.str_), FRAMES),
        frame=np.tile(np.arange(FRAMES, dtype=np.int32), len(clips)),
        codes=rng.integers(0, LATENT.k, (m, LATENT.n)).astype(np.int32),
        latents=rng.normal(size=(m, LATENT.n, LATENT.d)).astype(np.float32),
        distance=rng.random(m).astype(np.float32),
    )


def write(root: Path, info: LabelInfo = INFO) -> list[int]:
    """Write what is missing, and say which parts that was."""
    with open_labels(root, info) as missing:
        for part in missing:
            size = info.clips_per_part
            write_part(root, part, labels_of(info.clips[part * size : (part + 1) * size]), info)
    return missing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "labels")
    return tmp_path / "labels"


def changed(**fields: Any) -> LabelInfo:
    return msgspec.structs.replace(INFO, **fields)


def test_labels_read_back_as_they_were_written(root: Path) -> None:
    found = read_labels(root)
    wanted = [labels_of(("a", "b")), labels_of(("c",))]
    assert found.latent == LATENT
    for name in ("clip", "frame", "codes", "latents", "distance"):
        whole = np.concatenate([getattr(one, name) for one in wanted])
        assert np.array_equal(getattr(found, name), whole), name
        assert getattr(found, name).dtype == whole.dtype


def test_only_missing_parts_are_asked_for(root: Path) -> None:
    assert write(root) == []
    part_path(root, 1).unlink()
    with pytest.raises(DataError, match="1 of 2 parts are missing; run lapa-label again"):
        read_labels(root)
    assert write(root) == [1]


def test_what_a_killed_writer_left_is_removed(root: Path) -> None:
    half = root / ".part-00001.4711.part.parquet"
    half.write_bytes(b"PAR1")
    read_labels(root)
    write(root)
    assert not half.exists()


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (changed(model_sha256="n"), "written by another model;"),
        (
            changed(latent=msgspec.structs.replace(LATENT, gap_s=0.4), video_sha256="w"),
            "at another gap;",
        ),
        (changed(latent=msgspec.structs.replace(LATENT, k=16)), "in another latent space"),
        (changed(clips=("a", "b"), video_sha256="w"), "for other clips;"),
        (changed(clips=("b", "a", "c"), video_sha256="w"), "for other clips;"),
        (changed(video_sha256="w"), "for other frames of these clips;"),
        (changed(clips_per_part=3), "with another number of clips per part;"),
    ],
)
def test_labels_of_another_kind_are_refused(root: Path, other: LabelInfo, word: str) -> None:
    before = part_path(root, 0).read_bytes()
    with pytest.raises(ConfigError, match=word):
        write(root, other)
    assert part_path(root, 0).read_bytes() == before


def test_a_part_of_another_run_is_not_taken(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", changed(model_sha256="n"))
    shutil.copy(part_path(tmp_path / "other", 1), part_path(root, 1))
    problem = r"part-00001.*: is no part of the labels in .*labels; delete it and run lapa-label"
    with pytest.raises(DataError, match=problem):
        write(root)
    with pytest.raises(DataError, match=problem):
        read_labels(root)


def test_a_cut_part_is_named_before_any_work(root: Path) -> None:
    whole = part_path(root, 0).read_bytes()
    part_path(root, 0).write_bytes(whole[: len(whole) // 2])
    for use in (write, read_labels):
        with pytest.raises(DataError, match=r"part-00000.*: is damaged.*delete it and run"):
            use(root)


def test_no_flipped_bit_in_a_part_goes_unnoticed(root: Path) -> None:
    whole = part_path(root, 0).read_bytes()
    wanted = read_labels(root)
    rng, noticed = np.random.default_rng(0), 0
    for position in rng.integers(4, len(whole) - 8, 40).tolist():
        bad = bytearray(whole)
        bad[position] ^= 1 << int(rng.integers(8))
        part_path(root, 0).write_bytes(bad)
        try:
            found = read_labels(root)
        except DataError:
            noticed += 1
        else:  # what was hit is no part of the values: a name, a statistic
            assert np.array_equal(found.latents, wanted.latents)
            assert np.array_equal(found.codes, wanted.codes)
            assert np.array_equal(found.distance, wanted.distance)
    assert noticed > 10


@pytest.mark.parametrize("content", [b"", b"{}", b'{"latent": 1}', b"\xff\xfe"])
def test_a_damaged_description_is_named(root: Path, content: bytes) -> None:
    (root / INFO_NAME).write_bytes(content)
    for use in (write, read_labels):
        with pytest.raises(DataError, match=r"labels\.json is damaged.*remove the folder"):
            use(root)


def test_a_folder_without_labels_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no readable labels\.json .*run lapa-label"):
        read_labels(tmp_path)


def test_two_writers_do_not_meet(root: Path) -> None:
    with open_labels(root, INFO), pytest.raises(ConfigError, match="another process is writing"):
        write(root)
    assert write(root) == []


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels").touch()
    with pytest.raises(ConfigError, match="expected a folder, it is a file"):
        write(tmp_path / "labels")
