from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lapa_edge.data.folders.something import is_something, read_something
from lapa_edge.data.frame_store import build_frame_store
from lapa_edge.errors import ConfigError, DataError

TRAIN, VAL, TEST = ("1", "2", "3", "10"), ("4",), ("5",)
RATE = 12


def write_webm(path: Path, *sizes: tuple[int, int], count: int = 3) -> Path:
    """VP8, ``count`` frames of each size in turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=RATE)
        (stream.height, stream.width), stream.pix_fmt = sizes[0] if sizes else (48, 64), "yuv420p"
        container.start_encoding()
        for part, size in enumerate(sizes):
            for packet in packets(size, part * count, count):
                packet.stream = stream
                container.mux(packet)
    return path


def packets(size: tuple[int, int], first: int, count: int) -> Iterator[av.Packet]:
    """Frames of one size, encoded by an encoder of their own."""
    encoder = av.CodecContext.create("libvpx", "w")
    (encoder.height, encoder.width), encoder.pix_fmt = size, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, RATE), RATE
    for i in range(first, first + count):
        frame = av.VideoFrame.from_ndarray(np.full((*size, 3), 10 * i, np.uint8), format="rgb24")
        frame.pts, frame.time_base = i, Fraction(1, RATE)
        yield from encoder.encode(frame)
    yield from encoder.encode(None)


def write_labels(path: Path, ids: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [
        {
            "id": i,
            "label": f"pushing thing {i}",
            "template": "Pushing [something]",
            "placeholders": [f"thing {i}"],
        }
        for i in ids
    ]
    path.write_text(json.dumps(entries, indent=1))


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return tmp_path / "20bn-something-something-v2"


@pytest.fixture
def root(tmp_path: Path, videos: Path) -> Path:
    """Four clips to train on, one to validate, one to test, one that no file lists."""
    write_labels(tmp_path / "labels" / "train.json", TRAIN)
    write_labels(tmp_path / "labels" / "validation.json", VAL)
    (tmp_path / "labels" / "test.json").write_text(json.dumps([{"id": i} for i in TEST]))
    whole = write_webm(videos / "1.webm", (48, 64)).read_bytes()
    for i in (*TRAIN, *VAL, *TEST, "99"):
        (videos / f"{i}.webm").write_bytes(whole)
    return tmp_path


def test_clips_of_a_split_come_with_their_labels(root: Path) -> None:
    dataset = read_something(root)
    assert [e.name for e in dataset.episodes] == ["1", "10", "2", "3"]
    assert {(e.fps, e.frame_count) for e in dataset.episodes} == {(12.0, 3)}
    assert dataset.episodes[1].instruction == "pushing thing 10"
    assert dataset.robot is None and dataset.skipped == ()
    assert len(list(dataset.episodes[0].video.read())) == 3


def test_splits_are_those_of_the_label_files(root: Path) -> None:
    assert [e.name for e in read_something(root, split="val").episodes] == ["4"]
    assert [e.name for e in read_something(root, split="all").episodes] == [
        "1",
        "10",
        "2",
        "3",
        "4",
    ]
    with pytest.raises(ConfigError, match="expected one of train, val, all, got test"):
        read_something(root, split="test")


@pytest.mark.parametrize("folder", [".", "labels"])
def test_long_names_of_the_label_files_are_known(tmp_path: Path, folder: str) -> None:
    write_webm(tmp_path / "7.webm", (48, 64))
    write_labels(tmp_path / folder / "something-something-v2-train.json", ("7",))
    assert is_something(tmp_path)
    assert [e.name for e in read_something(tmp_path).episodes] == ["7"]
    with pytest.raises(DataError, match=r"labels of split val in labels/validation.json or .*-val"):
        read_something(tmp_path, split="all")


def test_only_its_label_files_are_recognised(root: Path, tmp_path: Path) -> None:
    assert is_something(root)
    other = tmp_path / "other"
    assert not is_something(other)
    (other / "labels").mkdir(parents=True)
    (other / "labels" / "train.json").write_text('{"images": [{"id": 1}]}')
    assert not is_something(other)
    (other / "labels" / "train.json").unlink()
    (other / "labels" / "train.json").mkdir()
    assert not is_something(other)


def unreadable(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (Path.unlink, "video 3: the labels name it, it is not below"),
        (lambda path: path.write_bytes(b""), r"3.webm: the file is empty"),
        (lambda path: path.write_bytes(b"words\n" * 99), r"3.webm: not a readable video"),
        (lambda path: path.write_bytes(path.read_bytes()[:400]), r"3.webm: "),
        (write_webm, r"3.webm: not a readable video \(end of file\)"),
        (unreadable, "video 3: the labels name it, it is not below"),
    ],
    ids=["missing", "empty", "text", "cut", "no frames", "a folder"],
)
def test_damaged_clip_is_skipped_and_named(root: Path, damage: object, problem: str) -> None:
    damage(root / "20bn-something-something-v2" / "3.webm")  # type: ignore[operator]
    with pytest.raises(DataError, match=rf"1 of 4 clips are damaged, at most 10% .*{problem}"):
        read_something(root)
    dataset = read_something(root, max_damaged=0.25)
    assert [e.name for e in dataset.episodes] == ["1", "10", "2"]
    assert len(dataset.skipped) == 1
    assert [e.name for e in read_something(root, split="val").episodes] == ["4"]


def test_clip_without_permission_is_skipped(
    root: Path, videos: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    assert not read_something(root).skipped
    (videos / "3.webm").chmod(0)
    with unprivileged():
        (line,) = read_something(root, max_damaged=0.25).skipped
    assert "3.webm: not a readable video (permission denied)" in line


def test_text_under_a_video_name_is_no_video(root: Path, videos: Path) -> None:
    (videos / "2.webm").rename(videos / "2.txt")
    (videos / "2.mp4").write_text("a list of things to do\n" * 20)
    (line,) = read_something(root, max_damaged=0.25).skipped
    assert "2.mp4: not a readable video" in line


def test_one_frame_is_a_clip(root: Path, videos: Path) -> None:
    write_webm(videos / "4.webm", (48, 64), count=1)
    (episode,) = read_something(root, split="val").episodes
    assert episode.frame_count == len(list(episode.video.read())) == 1


def test_clip_that_changes_its_size_is_stored_at_one_size(
    root: Path, videos: Path, tmp_path: Path
) -> None:
    write_webm(videos / "4.webm", (48, 64), (24, 32))
    dataset = read_something(root, split="val")
    (episode,) = dataset.episodes
    assert [f.shape[:2] for f in episode.video.read()] == [(48, 64)] * 3 + [(24, 32)] * 3
    store = build_frame_store(dataset, tmp_path / "store", 24, 32)
    assert (len(store.all), store.skipped) == (6, ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "not a list of entries with id and label"),
        ('{"1": "push"}', "not a list of entries with id and label .*Expected `array`"),
        ('[{"id": "1", "template": "x"}]', "missing required field `label`"),
        ("[]", "it lists no videos"),
        ('[{"id": "1", "label": "a"}, {"id": "1", "label": "b"}]', "id 1 comes twice"),
    ],
)
def test_malformed_labels_are_refused(root: Path, text: str, problem: str) -> None:
    (root / "labels" / "train.json").write_text(text)
    with pytest.raises(DataError, match=f"labels .*train.json: .*{problem}"):
        read_something(root)


def test_labels_that_are_not_utf8_are_refused(root: Path) -> None:
    (root / "labels" / "train.json").write_bytes(b'[{"id": "1", "label": "\xff"}]')
    with pytest.raises(DataError, match="not a list of entries"):
        read_something(root)


def test_id_in_both_splits_is_refused_when_both_are_read(root: Path) -> None:
    write_labels(root / "labels" / "validation.json", ("1",))
    with pytest.raises(DataError, match=r"validation.json: id 1 comes twice"):
        read_something(root, split="all")


def test_two_files_of_one_id_are_refused(root: Path, videos: Path) -> None:
    (videos / "1.mp4").touch()
    with pytest.raises(DataError, match=r"clip 1: both .*1\.(webm|mp4) and .*1\.(webm|mp4)"):
        read_something(root)
