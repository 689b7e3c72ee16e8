from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapa_edge.data.labels import Labels
from lapa_edge.data.lerobot import labels as writer
from lapa_edge.data.lerobot.feature import EpisodeLabels
from lapa_edge.data.lerobot.labels import by_episode, write_latent_feature
from lapa_edge.data.lerobot.reader import read_lerobot
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.spec import LatentSpec

from .files import LENGTHS, QUANTILES, TOP, WRIST, data_file, read_table, write_lerobot

BOTH = pytest.mark.parametrize("version", ["v2.1", "v3.0"])
SPEC = LatentSpec(n=2, k=5, d=3, gap_s=0.4)
KEYS = ("latent_action", "latent_action.latent", "latent_action.distance", "latent_action.valid")
AllLabels = dict[int, EpisodeLabels]


def make_labels(spec: LatentSpec = SPEC, seed: int = 0) -> AllLabels:
    rng = np.random.default_rng(seed)
    return {
        e: EpisodeLabels(
            rng.integers(spec.k, size=(n - 1, spec.n)),
            rng.normal(size=(n - 1, spec.n, spec.d)).astype(np.float32),
            rng.random(n - 1).astype(np.float32),
        )
        for e, n in enumerate(LENGTHS)
    }


def read_columns(root: Path) -> dict[str, np.ndarray]:
    """The new columns over all data files, in the order of episodes."""
    paths = sorted((root / "data").rglob("*.parquet"))
    table = pa.concat_tables([read_table(path) for path in paths])
    return {key: np.array(table[key].to_pylist()) for key in KEYS}


def files_of(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def hugging_face_features(path: Path) -> dict[str, Any]:
    described = json.loads(pq.read_schema(path).metadata[b"huggingface"])
    assert "fingerprint" not in described
    return described["info"]["features"]


@BOTH
def test_every_frame_but_the_last_has_its_label(tmp_path: Path, version: str) -> None:
    source = write_lerobot(tmp_path / "source", version)
    labels = make_labels()
    assert write_latent_feature(source, tmp_path / "target", labels, SPEC) == ()
    columns = read_columns(tmp_path / "target")
    first = 0
    for e, n in enumerate(LENGTHS):
        here = {key: column[first : first + n] for key, column in columns.items()}
        expected = (
            labels[e].codes, labels[e].latents.reshape(n - 1, -1), labels[e].distance
        )  # fmt: skip
        for key, value in zip(KEYS, expected, strict=False):
            np.testing.assert_array_equal(here[key][:-1], value)
            np.testing.assert_array_equal(here[key][-1], value[-1])
        assert here[KEYS[3]].tolist() == [True] * (n - 1) + [False]
        first += n


@BOTH
def test_schema_features_and_statistics_agree(tmp_path: Path, version: str) -> None:
    source = write_lerobot(tmp_path / "source", version)
    target = tmp_path / "target"
    write_latent_feature(source, target, make_labels(), SPEC)
    features = json.loads((target / "meta/info.json").read_text())["features"]
    shapes = {key: (features[key]["dtype"], features[key]["shape"]) for key in KEYS}
    assert shapes == dict(
        zip(KEYS, [("int64", [2]), ("float32", [6]), ("float32", [1]), ("bool", [1])], strict=True)
    )
    kinds = {
        KEYS[0]: pa.list_(pa.field("element", pa.int64()), 2),
        KEYS[1]: pa.list_(pa.field("element", pa.float32()), 6),
        KEYS[2]: pa.float32(),
        KEYS[3]: pa.bool_(),
    }
    for path in (target / "data").rglob("*.parquet"):
        schema = pq.read_schema(path)
        assert set(schema.names) == {k for k, f in features.items() if f["dtype"] != "video"}
        assert {key: schema.field(key).type for key in KEYS} == kinds
        known = hugging_face_features(path)
        assert set(known) == set(schema.names)
        inner = {"dtype": "int64", "_type": "Value"}
        assert known[KEYS[0]] == {"feature": inner, "length": 2, "_type": "List"}
        assert known[KEYS[3]] == {"dtype": "bool", "_type": "Value"}

    columns = read_columns(target)
    if version == "v2.1":
        lines = (target / "meta/episodes_stats.jsonl").read_text().splitlines()
        by_index = {e: json.loads(line)["stats"] for e, line in enumerate(lines)}
        assert set(by_index[0]) == {"action", *KEYS}
        names = ("min", "max", "mean", "std")
    else:
        table = read_table(target / "meta/episodes/chunk-000/file-000.parquet")
        names = ("min", "max", "mean", "std", *QUANTILES)
        by_index = {
            e: {k: {s: row[f"stats/{k}/{s}"] for s in (*names, "count")} for k in KEYS}
            for e, row in enumerate(table.to_pylist())
        }
        assert table.schema.field(f"stats/{KEYS[0]}/min").type.value_type == pa.int64()
        everywhere = json.loads((target / "meta/stats.json").read_text())
        for key in KEYS:
            check_stats(everywhere[key], columns[key], ("min", "max", "mean", "std"))
            assert set(everywhere[key]) == {*names, "count"}
    first = 0
    for e, n in enumerate(LENGTHS):
        for key in KEYS:
            check_stats(by_index[e][key], columns[key][first : first + n], names)
        first += n


def check_stats(stats: dict[str, Any], rows: np.ndarray, names: tuple[str, ...]) -> None:
    rows = rows.reshape(len(rows), -1).astype(np.float64)
    assert stats["count"] == [len(rows)]
    for name in names:
        if name.startswith("q"):
            expected = np.quantile(rows, int(name[1:]) / 100, axis=0)
        else:
            expected = getattr(rows, name)(axis=0)
        np.testing.assert_allclose(np.array(stats[name], np.float64), expected, atol=1e-7)


@BOTH
def test_all_else_stays_as_it_was(tmp_path: Path, version: str) -> None:
    source = write_lerobot(tmp_path / "source", version, {TOP: "video", WRIST: "image"})
    (source / "README.md").write_text("hello")
    (source / ".cache").mkdir()
    (source / ".cache/lock").write_text("")
    before = files_of(source)
    target = tmp_path / "target"
    write_latent_feature(source, target, make_labels(), SPEC)
    assert files_of(source) == before
    after = files_of(target)
    assert set(after) == set(before) - {".cache/lock"} | {"meta/latent_action.json"}
    assert not any(path.is_symlink() for path in target.rglob("*"))
    for name, content in after.items():
        if name.endswith((".mp4", "README.md", "tasks.jsonl", "tasks.parquet", "episodes.jsonl")):
            assert content == before[name]
        if name.startswith("data/"):
            old, new = pq.ParquetFile(source / name), pq.ParquetFile(target / name)
            assert new.read().select(old.schema_arrow.names).equals(old.read())
            assert new.num_row_groups == old.num_row_groups
            codec = [f.metadata.row_group(0).column(0).compression for f in (old, new)]
            assert codec[0] == codec[1]
    info, new_info = (json.loads(f["meta/info.json"]) for f in (before, after))
    assert {k: v for k, v in new_info["features"].items() if k not in KEYS} == info.pop("features")
    assert new_info | info == new_info
    one, other = read_lerobot(source, split="all"), read_lerobot(target, split="all")
    assert one.robot == other.robot
    for a, b in zip(one.episodes, other.episodes, strict=True):
        assert a.steps is not None
        assert b.steps is not None
        np.testing.assert_array_equal(a.steps.action, b.steps.action)
        np.testing.assert_array_equal(*(np.stack(list(e.video.read())) for e in (a, b)))


@BOTH
def test_episode_without_labels_holds_zeros_and_is_never_valid(
    tmp_path: Path, version: str
) -> None:
    source = write_lerobot(tmp_path / "source", version)
    labels = make_labels()
    del labels[1]
    assert write_latent_feature(source, tmp_path / "target", labels, SPEC) == (1,)
    for column in read_columns(tmp_path / "target").values():
        assert not column[LENGTHS[0] : LENGTHS[0] + LENGTHS[1]].any()


def test_single_numbers_are_plain_columns(tmp_path: Path) -> None:
    source = write_lerobot(tmp_path / "source", "v3.0")
    spec = LatentSpec(n=1, k=5, d=1, gap_s=0.4)
    write_latent_feature(source, tmp_path / "target", make_labels(spec), spec)
    schema = pq.read_schema(data_file(tmp_path / "target", "v3.0", 0))
    assert [schema.field(key).type for key in KEYS[:2]] == [pa.int64(), pa.float32()]


@pytest.mark.parametrize("kind", ["Sequence", "List"])
def test_description_keeps_the_words_of_its_library(tmp_path: Path, kind: str) -> None:
    source = write_lerobot(tmp_path / "source", "v2.1")
    for path in (source / "data").rglob("*.parquet"):
        table = read_table(path)
        old = table.schema.metadata[b"huggingface"].replace(b'"List"', f'"{kind}"'.encode())
        pq.write_table(table.replace_schema_metadata({"huggingface": old}), path)
    write_latent_feature(source, tmp_path / "target", make_labels(), SPEC)
    known = hugging_face_features(data_file(tmp_path / "target", "v2.1", 2))
    assert known["latent_action"]["_type"] == known["action"]["_type"] == kind


class Killed(BaseException):
    """Passes every `except Exception`, as a signal would."""


# The files that are written rather than linked: the mark first, info.json last.
@pytest.mark.parametrize(
    ("version", "stop_at"),
    [("v2.1", i) for i in range(1 + 4 + 1 + 1)] + [("v3.0", i) for i in range(1 + 1 + 2 + 1)],
)
def test_killed_run_is_unfinished_and_goes_on(
    tmp_path: Path, version: str, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lerobot(tmp_path / "source", version)
    target, whole = tmp_path / "target", tmp_path / "whole"
    write_latent_feature(source, whole, make_labels(), SPEC)
    renames = iter(range(stop_at))
    rename = Path.replace

    def rename_some(self: Path, other: Path) -> Path:
        if next(renames, None) is None:
            raise Killed
        return rename(self, other)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", rename_some)
        with pytest.raises(Killed):
            write_latent_feature(source, target, make_labels(), SPEC)
    assert not (target / "meta/info.json").exists()
    (target / "meta/.latent_action.7.part.json").write_text("half")
    write_latent_feature(source, target, make_labels(), SPEC)
    assert files_of(target) == files_of(whole)


@BOTH
def test_what_is_there_is_not_written_again(tmp_path: Path, version: str) -> None:
    source = write_lerobot(tmp_path / "source", version)
    target = tmp_path / "target"
    write_latent_feature(source, target, make_labels(), SPEC)
    (target / "meta/info.json").unlink()
    leftover = data_file(target, version, 0).with_name(".file-000.7.part.parquet")
    leftover.write_text("of a killed run")
    stamps = {p: p.stat().st_mtime_ns for p in (target / "data").rglob("[!.]*.parquet")}
    write_latent_feature(source, target, make_labels(), SPEC)
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}
    assert not leftover.exists()
    assert (target / "meta/info.json").is_file()


def test_finished_target_is_left_alone(tmp_path: Path) -> None:
    source = write_lerobot(tmp_path / "source", "v2.1")
    target = tmp_path / "target"
    write_latent_feature(source, target, make_labels(), SPEC)
    before = {p: p.stat().st_mtime_ns for p in target.rglob("*")}
    write_latent_feature(source, target, make_labels(), SPEC)
    assert {p: p.stat().st_mtime_ns for p in target.rglob("*")} == before


def test_videos_are_copied_where_links_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_lerobot(tmp_path / "source", "v3.0")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("another disk")))
    write_latent_feature(source, tmp_path / "target", make_labels(), SPEC)
    assert len(read_lerobot(tmp_path / "target").episodes) == 3


def test_link_in_the_source_becomes_a_file_of_the_copy(tmp_path: Path) -> None:
    source = write_lerobot(tmp_path / "source", "v3.0")
    video = next((source / "videos").rglob("*.mp4"))
    blob = shutil.move(video, tmp_path / "blob")
    video.symlink_to(blob)
    target = tmp_path / "target"
    write_latent_feature(source, target, make_labels(), SPEC)
    copy = target / video.relative_to(source)
    assert copy.is_file()
    assert not copy.is_symlink()


def test_wrong_targets_are_refused(tmp_path: Path) -> None:
    source = write_lerobot(tmp_path / "source", "v2.1")
    for target in (source, source / "inside", tmp_path):
        with pytest.raises(ConfigError, match="expected one apart from the dataset"):
            write_latent_feature(source, target, make_labels(), SPEC)
    target = tmp_path / "target"
    target.mkdir()
    (target / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="expected a new or empty folder, it holds files"):
        write_latent_feature(source, target, make_labels(), SPEC)
    (target / "mine.txt").unlink()
    write_latent_feature(source, target, make_labels(), SPEC)
    with pytest.raises(ConfigError, match="it holds other labels"):
        write_latent_feature(source, target, make_labels(seed=1), SPEC)
    with pytest.raises(DataError, match="it has latent_action already"):
        write_latent_feature(target, tmp_path / "again", make_labels(), SPEC)


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    source = write_lerobot(tmp_path / "source", "v3.0")
    good = make_labels()[1]
    codes, latents, distance = good.codes, good.latents, good.distance
    for index, wrong, problem in (
        (9, good, "labels of episode 9: .* no such episode"),
        (0, good, r"codes: expected \[5, 2\], one for each of 6 frames but the last, got \[8, 2\]"),
        (1, EpisodeLabels(codes + 4, latents, distance), "codes: expected whole numbers 0 to 4"),
        (1, EpisodeLabels(codes, latents * np.inf, distance), "latents: expected finite numbers"),
        (1, EpisodeLabels(codes, latents[:, :1], distance), r"latents: expected \[8, 2, 3\]"),
    ):
        with pytest.raises(DataError, match=problem):
            write_latent_feature(source, tmp_path / "target", {index: wrong}, SPEC)
    assert not (tmp_path / "target").exists()


@BOTH
def test_damaged_source_is_refused_by_name(tmp_path: Path, version: str) -> None:
    source = write_lerobot(tmp_path / "source", version)
    path = data_file(source, version, 3)
    table = read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)
    with pytest.raises(DataError, match="expected 7 rows of episode 3, got 6"):
        write_latent_feature(source, tmp_path / "a", make_labels(), SPEC)
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=rf"{path.name}: cannot be copied"):
        write_latent_feature(source, tmp_path / "b", make_labels(), SPEC)
    pq.write_table(table, path)
    pq.write_table(table, path.with_name("file-999.parquet"))
    with pytest.raises(DataError, match=r"file-999\.parquet: no episode lies in it"):
        write_latent_feature(source, tmp_path / "c", make_labels(), SPEC)


def test_labels_on_disk_are_matched_by_the_clips_name() -> None:
    labels = make_labels()
    order = [2, 0]
    clip = np.array([f"episode_{e:06d}" for e in order for _ in range(LENGTHS[e] - 1)])
    on_disk = Labels(
        latent=SPEC,
        clip=clip,
        frame=np.concatenate([np.arange(LENGTHS[e] - 1) for e in order]).astype(np.int32),
        codes=np.concatenate([labels[e].codes for e in order]).astype(np.int32),
        latents=np.concatenate([labels[e].latents for e in order]),
        distance=np.concatenate([labels[e].distance for e in order]),
    )
    found = by_episode(on_disk)
    assert sorted(found) == [0, 2]
    for e in order:
        np.testing.assert_array_equal(found[e].codes, labels[e].codes)
        np.testing.assert_array_equal(found[e].latents, labels[e].latents)
    on_disk.clip[:] = "push"
    with pytest.raises(DataError, match="labels of push: expected clips named episode_000000"):
        by_episode(on_disk)


def test_real_dataset_is_copied_and_read_again(shared_data: Path, tmp_path: Path) -> None:
    for version in ("v2.1", "v3.0"):
        source, target = shared_data / f"lerobot_{version}", tmp_path / version
        dataset = read_lerobot(source)
        labels = {
            e: EpisodeLabels(
                np.full((one.frame_count - 1, 2), e % 5),
                np.full((one.frame_count - 1, 2, 3), e, np.float32),
                np.ones(one.frame_count - 1, np.float32),
            )
            for e, one in enumerate(dataset.episodes)
        }
        assert writer.write_latent_feature(source, target, labels, SPEC) == ()
        columns = read_columns(target)
        counts = [one.frame_count for one in dataset.episodes]
        expected = np.repeat(np.arange(12) % 5, counts)
        np.testing.assert_array_equal(columns["latent_action"][:, 0], expected)
        again = read_lerobot(target)
        assert again.robot == dataset.robot
        assert [e.instruction for e in again.episodes] == [e.instruction for e in dataset.episodes]
