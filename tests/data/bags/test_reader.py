from __future__ import annotations

import struct
import sys
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lapa_edge.data.bags.file import opened_bag
from lapa_edge.data.bags.image import COMPRESSED, RAW
from lapa_edge.data.bags.reader import is_bag, read_bags
from lapa_edge.data.bags.video import regular_frames
from lapa_edge.data.folders.videos import write_instructions
from lapa_edge.data.frame_store import build_frame_store
from lapa_edge.data.source import Frame
from lapa_edge.errors import ConfigError, DataError, MissingDependencyError

rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="NOT CHECKED: rosbags is not installed")
from rosbags.typesys import Stores, get_typestore  # noqa: E402

STORE = get_typestore(Stores.ROS2_HUMBLE)
START_NS = 1_700_000_000_000_000_000
CAMERA = "/camera/image_raw"
STRING, JOINTS = "std_msgs/msg/String", "sensor_msgs/msg/JointState"
SIZE = (12, 16)
Record = tuple[str, Any, float]  # topic, message, seconds


def header() -> Any:
    time = STORE.types["builtin_interfaces/msg/Time"](sec=0, nanosec=0)
    return STORE.types["std_msgs/msg/Header"](stamp=time, frame_id="cam")


def picture(i: int, size: tuple[int, int] = SIZE) -> Frame:
    """Red tells the number; green and blue differ, so that a swap shows."""
    return np.full((*size, 3), (i % 256, 100, 200), dtype=np.uint8)


def raw(frame: Frame, encoding: str = "rgb8", padding: int = 0) -> Any:
    """An Image; ``frame`` is [h, w, bytes per pixel] as the encoding has it."""
    height, width, depth = frame.shape
    rows = np.pad(frame.reshape(height, -1), ((0, 0), (0, padding)))
    step = width * depth + padding
    return STORE.types[RAW](header(), height, width, encoding, 0, step, rows.reshape(-1))


def compressed(frame: Frame, kind: str = "png") -> Any:
    file = BytesIO()
    Image.fromarray(frame).save(file, kind)
    return STORE.types[COMPRESSED](header(), kind, np.frombuffer(file.getvalue(), np.uint8))


def said(text: str) -> Any:
    return STORE.types[STRING](text)


def clip(count: int = 5, fps: float = 10.0, topic: str = CAMERA, **options: Any) -> list[Record]:
    return [(topic, raw(picture(i), **options), i / fps) for i in range(count)]


def write_bag(
    path: Path,
    records: Iterable[Record],
    storage: str = "MCAP",
    topics: dict[str, str] | None = None,
) -> Path:
    """A rosbag2 folder, with connections for ``topics`` (type by name) and what is recorded."""
    with rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin[storage]) as writer:
        known = {
            topic: writer.add_connection(topic, kind, typestore=STORE)
            for topic, kind in (topics or {}).items()
        }
        for topic, message, time_s in records:
            kind = message.__msgtype__
            if topic not in known:
                known[topic] = writer.add_connection(topic, kind, typestore=STORE)
            data = STORE.serialize_cdr(message, kind)
            writer.write(known[topic], START_NS + round(time_s * 1e9), data)
    return path


def mcap_of(path: Path) -> Path:
    return path / f"{path.name}.mcap"


def loose(path: Path, records: Iterable[Record]) -> Path:
    """An MCAP file without a folder around it, as Foxglove and robots' own recorders leave."""
    folder = write_bag(path.with_name(f".{path.stem}"), records)
    return mcap_of(folder).rename(path)


def reds(dataset: Any, episode: int = 0) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in dataset.episodes[episode].video.read()]


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_bag_becomes_an_episode_of_its_camera(tmp_path: Path, storage: str) -> None:
    joints = STORE.types[JOINTS](header(), ["a"], np.ones(1), np.ones(1), np.ones(1))
    records = [*clip(7), ("/joint_states", joints, 0.05), ("/instruction", said("push"), 0.0)]
    write_bag(tmp_path / "run1", sorted(records, key=lambda r: r[2]), storage)
    for root in (tmp_path, tmp_path / "run1"):
        assert is_bag(root)
        dataset = read_bags(root)
        (episode,) = dataset.episodes
        assert (episode.name, episode.frame_count, episode.instruction) == ("run1", 7, "push")
        assert episode.fps == pytest.approx(10.0)
        assert episode.steps is None and dataset.robot is None
        frames = list(episode.video.read())
        np.testing.assert_array_equal(frames, [picture(i) for i in range(7)])


def test_every_bag_of_a_folder_is_read_once(tmp_path: Path) -> None:
    write_bag(tmp_path / "day1/b", clip(3))
    write_bag(tmp_path / "day1/a", clip(4), "SQLITE3")
    loose(tmp_path / "c.mcap", clip(5))
    write_bag(tmp_path / ".trash", clip(6))
    counts = {e.name: e.frame_count for e in read_bags(tmp_path).episodes}
    assert counts == {"c": 5, "day1/a": 4, "day1/b": 3}


@pytest.mark.parametrize("suffix", [".mcap", ".db3"])
def test_one_file_is_a_bag(tmp_path: Path, suffix: str) -> None:
    folder = write_bag(tmp_path / "run", clip(4), "MCAP" if suffix == ".mcap" else "SQLITE3")
    path = folder / f"run{suffix}"
    assert is_bag(path)
    dataset = read_bags(path)
    assert (dataset.episodes[0].name, reds(dataset)) == ("run", [0, 1, 2, 3])


def test_other_folders_are_not_bags(tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text("camera: front\n")
    (tmp_path / "a.mp4").touch()
    assert not is_bag(tmp_path)
    assert not is_bag(tmp_path / "a.mp4")
    assert not is_bag(tmp_path / "none")
    with pytest.raises(DataError, match=r"it holds none; \.mcap, \.db3 files and folders with"):
        read_bags(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        read_bags(tmp_path / "none")


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "channels"),
    [
        ("rgb8", [0, 1, 2]),
        ("bgr8", [2, 1, 0]),
        ("rgba8", [0, 1, 2, 1]),
        ("bgra8", [2, 1, 0, 1]),
        ("mono8", [0]),
    ],
)
def test_raw_encodings_become_rgb(
    tmp_path: Path, encoding: str, channels: list[int], padding: int
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)
    records = [
        (CAMERA, raw(frame[:, :, channels], encoding, padding), i / 10)
        for i, frame in enumerate(frames)
    ]
    (episode,) = read_bags(write_bag(tmp_path / "run", records)).episodes
    expected = frames if encoding != "mono8" else frames[..., [0, 0, 0]]
    np.testing.assert_array_equal(list(episode.video.read()), expected)


def test_compressed_images_become_rgb(tmp_path: Path) -> None:
    records = [("/cam/compressed", compressed(picture(i), "png"), i / 10) for i in range(3)]
    (episode,) = read_bags(write_bag(tmp_path / "png", records)).episodes
    np.testing.assert_array_equal(list(episode.video.read()), [picture(i) for i in range(3)])
    records = [("/cam/compressed", compressed(picture(i), "jpeg"), i / 10) for i in range(3)]
    (episode,) = read_bags(write_bag(tmp_path / "jpeg", records)).episodes
    np.testing.assert_allclose(list(episode.video.read())[2], picture(2), atol=4)


def test_camera_is_chosen_by_topic(tmp_path: Path) -> None:
    two = [*clip(3, topic="/wrist/image"), *clip(4, topic="/front/image")]
    write_bag(tmp_path / "run", sorted(two, key=lambda r: r[2]))
    assert read_bags(tmp_path).episodes[0].frame_count == 4
    chosen = read_bags(tmp_path, camera="/wrist/image").episodes[0]
    assert chosen.frame_count == 3
    assert chosen.video.stamp() != read_bags(tmp_path).episodes[0].video.stamp()
    with pytest.raises(
        ConfigError, match=r"camera: no bag has topic /top; .*/front/image or /wrist"
    ):
        read_bags(tmp_path, camera="/top")


def test_bag_without_the_chosen_camera_is_skipped(tmp_path: Path) -> None:
    write_bag(tmp_path / "a", clip(3, topic="/front"))
    write_bag(tmp_path / "b", clip(3, topic="/wrist"))
    dataset = read_bags(tmp_path, camera="/front", max_damaged=0.5)
    assert [e.name for e in dataset.episodes] == ["a"]
    assert (
        "bag " in dataset.skipped[0]
        and "expected image topic /front, got /wrist" in (dataset.skipped[0])
    )


def test_instruction_comes_from_a_topic_or_the_file_beside(tmp_path: Path) -> None:
    words = [("/arm/instruction", said(" pull "), 0.1), ("/task", said("lift"), 0.2)]
    write_bag(tmp_path / "a", [*clip(2), *words])
    write_bag(tmp_path / "b", [*clip(2), *words, ("/instruction", said("push"), 0.3)])
    write_bag(tmp_path / "c", clip(2))

    def texts(**options: Any) -> list[str]:
        return [e.instruction for e in read_bags(tmp_path, **options).episodes]

    assert texts() == ["pull", "push", ""]
    assert texts(instruction_topic="/task") == ["lift", "lift", ""]
    with pytest.raises(ConfigError, match=r"instruction_topic: no bag has topic /say; .*/task"):
        texts(instruction_topic="/say")
    write_instructions(tmp_path, {"b": "turn", "c": "stop"})
    assert texts() == ["pull", "turn", "stop"]


def test_dropped_images_leave_every_second_where_it_was(tmp_path: Path) -> None:
    kept = [record for i, record in enumerate(clip(30)) if i not in (5, 6, 7, 20)]
    (episode,) = read_bags(write_bag(tmp_path / "run", kept)).episodes
    assert episode.fps == pytest.approx(10.0)
    assert episode.frame_count == 30
    shown = [int(frame[0, 0, 0]) for frame in episode.video.read()]
    assert (shown[5], shown[7]) == (4, 8)
    assert shown[6] in (4, 8) and shown[20] in (19, 21)  # equally near
    whole = [i for i in range(30) if i not in (5, 6, 7, 20)]
    assert [shown[i] for i in whole] == whole


def seconds(*times: float) -> np.ndarray:
    return START_NS + np.round(np.array(times) * 1e9).astype(np.int64)


def test_small_jitter_uses_every_image_once() -> None:
    jitter = np.random.default_rng(0).uniform(-0.03, 0.03, 50)
    fps, picks = regular_frames("cam", seconds(*(np.arange(50) / 10 + jitter)))
    assert fps == pytest.approx(10, rel=0.02)
    assert picks.tolist() == list(range(50))


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.floats(0.05, 0.2), min_size=1, max_size=60),
    drops=st.lists(st.integers(0, 59), max_size=3),
)
def test_each_frame_is_the_image_nearest_to_its_time(gaps: list[float], drops: list[int]) -> None:
    for drop in drops:
        gaps[drop % len(gaps)] += 1.0
    times = seconds(0, *np.cumsum(gaps))
    try:
        fps, picks = regular_frames("cam", times)
    except DataError:
        return
    assert (np.diff(picks) >= 0).all() and picks[0] == 0
    time_s = (times - times[0]) / 1e9
    wanted_s = np.arange(len(picks)) / fps
    assert abs(wanted_s[-1] - time_s[-1]) <= 0.5 / fps + 1e-6
    each_once = len(picks) == len(times) and (picks == np.arange(len(times))).all()
    if each_once and np.abs(time_s - wanted_s).max() <= 0.5 / fps + 1e-6:
        return
    nearest = np.abs(wanted_s[:, None] - time_s).min(axis=1)
    np.testing.assert_allclose(np.abs(wanted_s - time_s[picks]), nearest, atol=1e-6)


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        ([], "expected at least 2 images, got 0"),
        ([0.0], "expected at least 2 images, got 1"),
        ([0.0, 0.0, 0.0], "do not increase"),
        ([0.0, 0.2, 0.1], "do not increase"),
        ([0.0, 0.001, 0.002, 5.0], "no even rate describes them"),
    ],
)
def test_times_without_a_rate_are_refused(times: list[float], problem: str) -> None:
    with pytest.raises(DataError, match=f"cam: .*{problem}"):
        regular_frames("cam", seconds(*times))


def corrupt(path: Path, position: int, data: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[position : position + len(data)] = data
    path.write_bytes(bytes(content))


def wrong_checksum(path: Path) -> None:
    """Give the first chunk a checksum that is not its own; rosbags writes none."""
    (size,) = struct.unpack_from("<Q", path.read_bytes(), 9)  # of the header, behind the magic
    corrupt(path, 17 + size + 33, struct.pack("<I", 12345))


def shorten(share: float) -> Any:
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


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


def test_looking_at_the_times_reads_the_index_and_not_the_images(tmp_path: Path) -> None:
    path = loose(tmp_path / "run.mcap", clip(12))
    wrong_checksum(path)
    with opened_bag(path) as bag:
        times = bag.log_times(CAMERA)
        np.testing.assert_allclose((times - START_NS) / 1e9, np.arange(12) / 10)
        with pytest.raises(DataError, match="Chunk checksum mismatch"):
            next(bag.messages(CAMERA))


def test_bag_without_an_index_is_read_from_front_to_back(tmp_path: Path) -> None:
    path = loose(tmp_path / "run.mcap", clip(6))
    # The footer's first number is where the summary lies; 0 says that there is none.
    corrupt(path, path.stat().st_size - 8 - 20, bytes(16))
    dataset = read_bags(tmp_path)
    assert reds(dataset) == list(range(6))


def test_missing_library_is_named_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bag(tmp_path / "run", clip())
    monkeypatch.setitem(sys.modules, "rosbags.rosbag2", None)
    assert is_bag(tmp_path)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lapa-edge\[bags\]'"):
        read_bags(tmp_path)
