"""What each clip shows, in words: CSV, JSONL, JSON or Parquet in, one text per clip out.

A clip is named by its file name with or without the video suffix, or by its path within the
folder where two folders hold clips of one name.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lapa_edge.data.episode import Episode
from lapa_edge.data.files import replacing
from lapa_edge.data.video import VIDEO_SUFFIXES
from lapa_edge.errors import DataError

FOUND_NAMES = (
    "instructions.csv",
    "instructions.jsonl",
    "instructions.json",
    "instructions.parquet",
)
COLUMNS = ("clip", "instruction")


def find_instructions(folder: Path) -> Path | None:
    """The instruction file that lies in ``folder``, if any.

    Raises:
        DataError: there is more than one.
    """
    found = [folder / name for name in FOUND_NAMES if (folder / name).is_file()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise DataError(f"folder {folder}", f"it holds {names}", "keep one of them")
    return found[0] if found else None


def read_instructions(path: Path) -> dict[str, str]:
    """Read one instruction per clip.

    Args:
        path: .csv (header ``clip,instruction``), .jsonl (``{"clip": .., "instruction": ..}`` per
            line), .json (``{clip: text}``) or .parquet (columns clip or name, and instruction).

    Returns:
        Text by clip, the video suffix removed.

    Raises:
        DataError: the file is missing, malformed, lacks a column, or names a clip twice.
    """
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".json": _json_rows}
    readers[".parquet"] = _parquet_rows
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"instructions {path}", f"expected one of {', '.join(readers)}")
    if not path.is_file():
        raise DataError(f"instructions {path}", "no such file")
    texts: dict[str, str] = {}
    try:
        for where, clip, text in reader(path):
            if not isinstance(clip, str) or not clip or not isinstance(text, str):
                raise DataError(
                    f"instructions {path}",
                    f"{where}: expected a clip and its instruction, got {clip!r} and {text!r}",
                )
            name = clip_name(clip)
            if name in texts:
                raise DataError(f"instructions {path}", f"{where}: clip {name} is named twice")
            texts[name] = text.strip()
    except UnicodeDecodeError as error:
        raise DataError(f"instructions {path}", "not UTF-8 text", "save it as UTF-8") from error
    return texts


def write_instructions(root: Path, texts: Mapping[str, str]) -> Path:
    """Write ``instructions.csv`` into ``root``, whole or not at all, and return its path."""
    path = root / "instructions.csv"
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(sorted(texts.items()))
    return path


def attach_instructions(
    episodes: Iterable[Episode], texts: Mapping[str, str], source: str, damaged: Iterable[str] = ()
) -> tuple[Episode, ...]:
    """Give each episode its text; episodes that ``texts`` does not name keep their own.

    Args:
        episodes: clips of one dataset.
        texts: instruction by clip name, or by file name alone where that is unambiguous.
        source: the instruction file, for messages.
        damaged: names of clips that exist but were skipped; they may be mentioned.

    Raises:
        DataError: a clip is mentioned that the dataset does not have.
    """
    episodes = tuple(episodes)
    names = match_clips(texts, [e.name for e in episodes], source, damaged)
    by_name = {name: texts[key] for key, name in names.items()}
    return tuple(replace(e, instruction=by_name.get(e.name, e.instruction)) for e in episodes)


def match_clips(
    mentioned: Iterable[str], names: Iterable[str], source: str, damaged: Iterable[str] = ()
) -> dict[str, str]:
    """Map each clip mentioned in a file to the dataset's clip name; damaged clips are left out.

    Raises:
        DataError: a clip is mentioned that does not exist, or that two clips answer to.
    """
    names = set(names)
    known = names | set(damaged)
    stems = Counter(name.rsplit("/", 1)[-1] for name in known)
    by_stem = {name.rsplit("/", 1)[-1]: name for name in known}
    matched: dict[str, str] = {}
    missing: list[str] = []
    for clip in mentioned:
        if clip not in known and stems[clip] > 1:
            raise DataError(
                source, f"{stems[clip]} clips are named {clip}", f"write {by_stem[clip]}"
            )
        name = clip if clip in known else by_stem.get(clip)
        if name is None:
            missing.append(clip)
        elif name in names:
            matched[clip] = name
    if missing:
        few = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise DataError(
            source,
            f"it names {len(missing)} clips that are not there ({few})",
            "add the videos or remove the entries",
        )
    return matched


def clip_name(clip: str) -> str:
    """A clip's name without a video suffix: ``a/b.mp4`` and ``a/b`` both give ``a/b``."""
    head, dot, tail = clip.replace("\\", "/").rpartition(".")
    return head if dot and f".{tail.lower()}" in VIDEO_SUFFIXES else clip.replace("\\", "/")


Rows = Iterator[tuple[str, Any, Any]]  # where, clip, instruction


def _csv_rows(path: Path) -> Rows:
    # utf-8-sig: spreadsheets put a byte-order mark before the header.
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not set(COLUMNS) <= set(rows.fieldnames or ()):
            raise DataError(
                f"instructions {path}",
                f"expected a header line with {','.join(COLUMNS)}, "
                f"got {','.join(rows.fieldnames or ()) or 'an empty file'}",
            )
        for row in rows:
            yield f"line {rows.line_num}", row["clip"], row["instruction"]


def _jsonl_rows(path: Path) -> Rows:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if line.strip():
            row = _parsed(path, line, f"line {number}: ")
            yield f"line {number}", row.get("clip"), row.get("instruction")


def _json_rows(path: Path) -> Rows:
    for clip, text in _parsed(path, path.read_text(encoding="utf-8-sig"), "").items():
        yield f"entry {clip}", clip, text


def _parsed(path: Path, text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"instructions {path}", f"{where}not JSON ({error})") from error
    if not isinstance(value, dict):
        raise DataError(
            f"instructions {path}", f"{where}expected an object, got {type(value).__name__}"
        )
    return value


def _parquet_rows(path: Path) -> Rows:
    try:
        columns = pq.read_schema(path).names
        key = next((name for name in ("clip", "name") if name in columns), None)
        if key is None or "instruction" not in columns:
            raise DataError(
                f"instructions {path}",
                f"expected columns clip (or name) and instruction, got {', '.join(columns)}",
            )
        table = pq.read_table(path, columns=[key, "instruction"])
    except pa.ArrowException as error:
        raise DataError(f"instructions {path}", f"not a Parquet file ({error})") from error
    for number, row in enumerate(table.to_pylist()):
        yield f"row {number}", row[key], row["instruction"]
