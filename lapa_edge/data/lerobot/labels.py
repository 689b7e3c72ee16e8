"""Latent actions into a copy of a LeRobot dataset, v2.1 or v3.0, that LeRobot itself can load.

    source/ + labels by episode -> target/
      data/**.parquet           rewritten with the columns of `feature`
      meta/                     features and statistics extended; latent_action.json says whose
      videos/ and the rest      hard-linked where the disk allows, else copied

Each file appears whole or not at all and ``meta/info.json`` comes last: a killed run leaves a
folder that is visibly unfinished, and the same call goes on with it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from lapa_edge.data.files import replacing
from lapa_edge.data.labels import Labels
from lapa_edge.data.lerobot.feature import KEY, EpisodeLabels, features
from lapa_edge.data.lerobot.manifest import Manifest, read_json
from lapa_edge.data.lerobot.reader import read_manifest
from lapa_edge.data.lerobot.tables import INFO, TableWriter, write_json
from lapa_edge.errors import ConfigError, DataError
from lapa_edge.spec import LatentSpec

MARK = Path("meta/latent_action.json")


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``meta/latent_action.json``: what was written, so that no two runs mix in one folder."""

    latent: LatentSpec
    source_sha256: str
    labels_sha256: str


def by_episode(labels: Labels) -> dict[int, EpisodeLabels]:
    """Labels by episode index, from clips named as `read_lerobot` names them.

    Raises:
        DataError: a clip is no episode of a LeRobot dataset, or frames are missing or doubled.
    """
    found: dict[int, EpisodeLabels] = {}
    clips, start = np.unique(labels.clip, return_inverse=True)
    for number, clip in enumerate(clips.tolist()):
        match = re.fullmatch(r"episode_(\d{6,})", clip)
        if not match:
            raise DataError(f"labels of {clip}", "expected clips named episode_000000 and so on")
        rows = np.flatnonzero(start == number)
        rows = rows[np.argsort(labels.frame[rows], kind="stable")]
        if not np.array_equal(labels.frame[rows], np.arange(len(rows))):
            raise DataError(f"labels of {clip}", "frames are missing or come twice", "label again")
        found[int(match[1])] = EpisodeLabels(
            labels.codes[rows].astype(np.int64), labels.latents[rows], labels.distance[rows]
        )
    return found


def write_latent_feature(
    source: Path, target: Path, labels: Mapping[int, EpisodeLabels], latent: LatentSpec
) -> tuple[int, ...]:
    """Write a copy of a LeRobot dataset with latent actions; goes on where a killed run stopped.

    A hard link is the same file under a second name: change the target's videos by replacing
    them, never in place.

    Args:
        source: a LeRobot dataset, v2.1 or v3.0; it is not changed.
        target: a folder that is new, empty, or left by the same call.
        labels: by episode index; read one episode at a time.
        latent: the latent space of the labels.

    Returns:
        Episodes without labels: their frames hold zeros and are never ``latent_action.valid``.

    Raises:
        ConfigError: the target is the source, lies within it or around it, or holds other files.
        DataError: the source is damaged or has the feature already, or labels do not fit it.
    """
    _check_apart(source, target)
    manifest = read_manifest(source)
    taken = [key for key in manifest.info.features if key == KEY or key.startswith(f"{KEY}.")]
    if taken:
        raise DataError(f"LeRobot dataset {source}", f"it has {taken[0]} already", "take another")
    mark = _check_labels(source, manifest, labels, latent)
    bare = tuple(p.index for p in manifest.places if p.index not in labels)
    _open(target, mark)
    if (target / INFO).is_file():
        return bare

    writer = TableWriter(source, target, manifest, labels, latent)
    done = [*writer.write_data(), *writer.write_stats(), INFO, MARK]
    for leftover in [p for p in target.rglob(".*") if _is_leftover(p)]:
        leftover.unlink()  # LeRobot would read it
    _link_rest(source, target, set(done))
    content = read_json(source / INFO)
    content["features"].update(features(latent))
    write_json(target / INFO, content)
    return bare


def _check_apart(source: Path, target: Path) -> None:
    one, other = source.resolve(), target.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise ConfigError(
            f"folder {target}",
            f"expected one apart from the dataset {source}",
            "the source is never changed: choose a new folder",
        )


def _check_labels(
    source: Path, manifest: Manifest, labels: Mapping[int, EpisodeLabels], latent: LatentSpec
) -> Mark:
    """Check all labels, and take their fingerprint on the way."""
    places = {place.index: place for place in manifest.places}
    unknown = [index for index in labels if index not in places]
    if unknown:
        raise DataError(f"labels of episode {unknown[0]}", f"{source} has no such episode")
    digest = hashlib.sha256()
    for index in sorted(labels):
        one = labels[index]
        one.check(f"episode {index}", latent, places[index].length)
        digest.update(f"{index}".encode())
        for value in (one.codes.astype("<i8"), one.latents.astype("<f4"), one.distance):
            digest.update(np.ascontiguousarray(value, dtype=value.dtype).tobytes())
    info = hashlib.sha256((source / INFO).read_bytes()).hexdigest()
    return Mark(latent=latent, source_sha256=info, labels_sha256=digest.hexdigest())


def _open(target: Path, mark: Mark) -> None:
    """Start a target, or check that what is here was begun by the same call."""
    path = target / MARK
    if path.is_file():
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Mark)
        except msgspec.MsgspecError as error:
            raise DataError(f"file {path}", str(error), "choose another folder") from error
        if found != mark:
            raise ConfigError(
                f"folder {target}",
                "it holds other labels or another dataset's",
                "choose another folder, or remove it",
            )
        return
    others = (p for p in target.rglob("*") if p.is_file() and not _is_leftover(p))
    if target.is_file() or any(others):
        raise ConfigError(f"folder {target}", "expected a new or empty folder, it holds files")
    with replacing(path) as partial:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(mark)) + b"\n")


def _is_leftover(path: Path) -> bool:
    """Whether a killed run left this half-written, as `replacing` names it."""
    return path.name.startswith(".") and ".part" in path.suffixes


def _link_rest(source: Path, target: Path, done: set[Path]) -> None:
    """Give the target all other files of the source but hidden ones."""
    for folder, folders, names in os.walk(source, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder) / name
            inside = path.relative_to(source)
            there = target / inside
            if name.startswith(".") or inside in done or there.is_file():
                continue
            there.parent.mkdir(parents=True, exist_ok=True)
            try:
                # What a link points to, never the link: it might lead out of the copy.
                os.link(path.resolve(), there)
            except OSError:
                with replacing(there) as partial:
                    shutil.copyfile(path, partial)
