from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapa_edge.data.episode import Episode
from lapa_edge.data.folders.instructions import (
    attach_instructions,
    find_instructions,
    read_instructions,
    write_instructions,
)
from lapa_edge.data.video import VideoFile
from lapa_edge.errors import DataError

TEXTS = {"a": "push the cube, gently", "b.left": 'say "stop"', "sub/c": ""}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_written_instructions_come_back(tmp_path: Path) -> None:
    path = write_instructions(tmp_path, TEXTS)
    assert read_instructions(path) == TEXTS
    assert find_instructions(tmp_path) == path
    assert [p.name for p in tmp_path.iterdir()] == ["instructions.csv"]


def test_every_format_reads_the_same(tmp_path: Path) -> None:
    expected = {"a": "push", "b": "pull"}
    csv = write(tmp_path / "i.csv", "\ufeffclip,instruction\r\na.mp4,push\r\nb.WEBM,pull\r\n")
    jsonl = '{"clip": "a.mp4", "instruction": "push"}\n\n{"clip": "b", "instruction": "pull"}\n'
    table = pa.table({"name": ["a", "b"], "instruction": ["push", "pull"], "other": [1, 2]})
    pq.write_table(table, tmp_path / "i.parquet")
    assert read_instructions(csv) == expected
    assert read_instructions(write(tmp_path / "i.jsonl", jsonl)) == expected
    assert read_instructions(write(tmp_path / "i.json", '{"a": "push", "b": "pull"}')) == expected
    assert read_instructions(tmp_path / "i.parquet") == expected


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("i.csv", "a,push\nb,pull\n", "expected a header line with clip,instruction, got a,push"),
        ("i.csv", "", "got an empty file"),
        ("i.csv", "clip,instruction\na\n", "line 2: expected a clip and its instruction"),
        ("i.csv", "clip,instruction\na,push\na.mp4,pull\n", "line 3: clip a is named twice"),
        ("i.jsonl", '{"clip": "a", "instruction": "push"}\n{"clip"', "line 2: not JSON"),
        ("i.jsonl", '{"name": "a", "instruction": "push"}', "line 1: expected a clip"),
        ("i.json", '["push"]', "expected an object, got list"),
        ("i.json", '{"a": 3}', "entry a: expected a clip and its instruction, got 'a' and 3"),
        ("i.parquet", "words", "not a Parquet file"),
        ("i.txt", "a: push", "expected one of .csv, .jsonl, .json, .parquet"),
    ],
)
def test_malformed_file_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read_instructions(write(tmp_path / name, text))


def test_parquet_without_clips_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"video": ["a"], "instruction": ["push"]}), tmp_path / "i.parquet")
    with pytest.raises(DataError, match=r"expected columns clip \(or name\) and instruction"):
        read_instructions(tmp_path / "i.parquet")


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i.csv"
    path.write_bytes("clip,instruction\na,schiebe den Würfel\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        read_instructions(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_instructions(tmp_path / "i.csv")
    assert find_instructions(tmp_path) is None


def test_two_instruction_files_are_refused(tmp_path: Path) -> None:
    write_instructions(tmp_path, TEXTS)
    write(tmp_path / "instructions.json", "{}")
    with pytest.raises(DataError, match=r"instructions.csv, instructions.json; keep one"):
        find_instructions(tmp_path)


def episodes(*names: str) -> list[Episode]:
    return [Episode(name, VideoFile(Path(f"{name}.mp4")), 10.0, 5, "as before") for name in names]


def test_clips_are_found_by_path_or_by_file_name() -> None:
    found = attach_instructions(episodes("x/a", "b", "c"), {"a": "push", "b": "pull"}, "i.csv")
    assert [e.instruction for e in found] == ["push", "pull", "as before"]


def test_file_name_of_two_clips_is_ambiguous() -> None:
    with pytest.raises(DataError, match="2 clips are named a"):
        attach_instructions(episodes("x/a", "y/a"), {"a": "push"}, "i.csv")


def test_missing_clips_are_counted_and_the_first_named() -> None:
    texts = dict.fromkeys(("a", "p", "q", "r", "s"), "push")
    with pytest.raises(DataError, match=r"i.csv: it names 4 clips that are not there \(p, q, r,"):
        attach_instructions(episodes("a"), texts, "i.csv")


def test_damaged_clips_may_be_mentioned() -> None:
    found = attach_instructions(episodes("a"), {"a": "push", "b": "pull"}, "i.csv", damaged=["b"])
    assert [e.name for e in found] == ["a"]
