from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lapa_edge.data.episode import RobotSpec, Steps
from lapa_edge.data.folders import probe
from lapa_edge.data.folders.frames import FrameFolder, is_frame_folder, read_frame_folder
from lapa_edge.data.folders.videos import write_instructions, write_labels
from lapa_edge.data.frame_store import build_frame_store
from lapa_edge.errors import ConfigError, DataError

SIZE = (6, 8)


def make_frames(folder: Path, names: Iterable[str], size: tuple[int, int] = SIZE) -> Path:
    """Images of the given names; the i-th is grey of value i."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        Image.new("RGB", (size[1], size[0]), (i, i, i)).save(folder / name)
    return folder


def numbered(count: int, first: int = 1) -> list[str]:
    return [f"frame_{i}.png" for i in range(first, first + count)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eleven clips of 12 frames, so that one may be damaged."""
    for i in range(11):
        make_frames(tmp_path / f"clip{i:02d}", numbered(12))
    return tmp_path


def only_skip(root: Path) -> str:
    """What is said of the one clip among twelve that was left out."""
    dataset = read_frame_folder(root, fps=10)
    assert len(dataset.episodes) == 11
    (line,) = dataset.skipped
    return line


def test_folders_of_images_are_clips_at_any_depth(tmp_path: Path) -> None:
    make_frames(tmp_path / "b", numbered(3))
    make_frames(tmp_path / "deep/er/a", numbered(2))
    make_frames(tmp_path / "deep", numbered(4))
    make_frames(tmp_path / ".thumbs", numbered(4))
    (tmp_path / "b" / "notes.txt").write_text("not an image")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "about.txt").write_text("no clip either")
    dataset = read_frame_folder(tmp_path, fps=12.5)
    counts = {e.name: (e.frame_count, e.fps) for e in dataset.episodes}
    assert counts == {"b": (3, 12.5), "deep": (4, 12.5), "deep/er/a": (2, 12.5)}
    assert dataset.skipped == () and dataset.robot is None


def test_images_in_the_root_are_one_clip(tmp_path: Path) -> None:
    make_frames(tmp_path / "walk", numbered(3))
    (episode,) = read_frame_folder(tmp_path / "walk", fps=5).episodes
    assert (episode.name, episode.frame_count) == ("walk", 3)


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = numbered(12, first=0)
    make_frames(tmp_path / "clip", names)
    (episode,) = read_frame_folder(tmp_path, fps=10).episodes
    frames = list(episode.video.read())
    assert [int(frame[0, 0, 0]) for frame in frames] == list(range(12))
    assert (frames[0].dtype, frames[0].shape) == (np.uint8, (*SIZE, 3))


@pytest.mark.parametrize(
    "names",
    [
        ["img_00001.jpg", "img_00002.jpg", "img_00003.jpg"],
        ["1.jpeg", "2.PNG", "03.webp"],
        ["cam2_0_rgb.png", "cam2_5_rgb.png", "cam2_10_rgb.png"],
        ["7.png", "8.png", "9.png"],
    ],
    ids=["LAPA", "mixed suffixes", "every fifth", "not from one"],
)
def test_any_even_numbering_is_read(tmp_path: Path, names: list[str]) -> None:
    make_frames(tmp_path / "clip", names)
    (episode,) = read_frame_folder(tmp_path, fps=10).episodes
    assert [round(f.mean()) for f in episode.video.read()] == [0, 1, 2]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["f_1.png", "f_2.png", "f_4.png"], "no image between the numbers 2 and 4, .* 1 apart"),
        (["1.png", "2.png", "01.png"], "01.png and 1.png have one number"),
        (["rgb_1.png", "depth_2.png"], "one number only, got depth_2.png and rgb_1.png"),
        (["1.png", "2.png", "cover.png"], "a number in every image's name, got cover.png"),
        (["1.png"], "expected at least 2 images, got 1"),
        ([], "expected at least 2 images, got 0"),
    ],
    ids=["gap", "one number twice", "two sequences", "no number", "one image", "empty folder"],
)
def test_uneven_clip_is_skipped_and_named(root: Path, names: list[str], problem: str) -> None:
    make_frames(root / "odd", names)
    assert (root / "odd").name in only_skip(root)
    with pytest.raises(DataError, match=f"frames {root / 'odd'}: .*{problem}"):
        list(FrameFolder(root / "odd").read())


def test_first_image_that_is_damaged_skips_the_clip(root: Path) -> None:
    make_frames(root / "odd", numbered(3))
    (root / "odd" / "frame_1.png").write_bytes(b"these are words")
    assert "odd/frame_1.png: not a JPEG, PNG or WebP" in only_skip(root)


def test_later_damage_skips_the_clip_when_frames_are_stored(root: Path, tmp_path: Path) -> None:
    make_frames(root / "cut", numbered(3))
    path = root / "cut" / "frame_2.png"
    path.write_bytes(path.read_bytes()[:-30])
    make_frames(root / "sizes", numbered(3))
    make_frames(root / "sizes", ["frame_3.png"], size=(4, 4))
    dataset = read_frame_folder(root, fps=10)
    assert len(dataset.episodes) == 13
    store = build_frame_store(dataset, tmp_path / ".store", *SIZE)
    assert len(store.skipped) == 2
    assert "cut/frame_2.png: not a readable" in store.skipped[0]
    assert (
        "frame_3.png: expected 8x6 pixels like the clip's first image, got 4x4"
        in (store.skipped[1])
    )
    assert len(store.all) == 11 * 12


def test_folder_in_place_of_an_image_is_an_error_not_a_frame(root: Path) -> None:
    make_frames(root / "odd", numbered(3))
    (root / "odd" / "frame_1.png").unlink()
    (root / "odd" / "frame_1.png").mkdir()
    (root / "odd" / "frame_1.png" / "x.txt").write_text("")
    assert "frame_1.png: cannot be read (Is a directory)" in only_skip(root)


@pytest.mark.parametrize("locked", ["odd", "odd/frame_1.png"])
def test_clip_without_permission_is_skipped(
    root: Path, locked: str, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    make_frames(root / "odd", numbered(3))
    assert not read_frame_folder(root, fps=10).skipped
    (root / locked).chmod(0)
    try:
        with unprivileged():
            assert "Permission denied" in only_skip(root)
    finally:
        (root / locked).chmod(0o755)


def test_too_many_damaged_clips_are_refused(tmp_path: Path) -> None:
    make_frames(tmp_path / "a", numbered(3))
    make_frames(tmp_path / "b", numbered(1))
    with pytest.raises(DataError, match="1 of 2 clips are damaged, at most 10% may be"):
        read_frame_folder(tmp_path, fps=10)
    assert len(read_frame_folder(tmp_path, fps=10, max_damaged=0.5).episodes) == 1


def test_rate_must_be_given(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"fps: .* images, which carry no rate; .*--fps 10"):
        read_frame_folder(root)
    for fps in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="expected more than 0 images per second"):
            read_frame_folder(root, fps=fps)


def test_folder_without_images_tells_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images; .*\.jpg, \.jpeg, \.png, \.webp"):
        read_frame_folder(tmp_path, fps=10)
    with pytest.raises(DataError, match="no such folder"):
        read_frame_folder(tmp_path / "none", fps=10)


def test_instructions_and_steps_go_to_their_clips(root: Path, robot: RobotSpec) -> None:
    write_instructions(root, {"clip00": "push", "clip01.mp4": "pull"})
    steps = Steps(np.arange(12) / 10, np.zeros((12, 2)), np.zeros((12, 3)))
    write_labels(root, robot, {"clip01": steps})
    dataset = read_frame_folder(root, fps=10)
    assert [e.instruction for e in dataset.episodes[:3]] == ["push", "pull", ""]
    assert [e.name for e in dataset.labelled.episodes] == ["clip01"]
    (root / "words.json").write_text('{"clip02": "lift"}')
    given = read_frame_folder(root, root / "words.json", fps=10)
    assert given.episodes[2].instruction == "lift"


def test_only_folders_that_hold_images_first_are_recognised(tmp_path: Path) -> None:
    assert not is_frame_folder(tmp_path)
    assert not is_frame_folder(tmp_path / "none")
    make_frames(tmp_path / "b", ["cover.png"])
    assert not is_frame_folder(tmp_path)
    make_frames(tmp_path / "c/deep", numbered(2))
    assert is_frame_folder(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "clip.mp4").touch()
    assert not is_frame_folder(tmp_path)


def test_stamp_tells_of_any_change(tmp_path: Path) -> None:
    source = FrameFolder(make_frames(tmp_path / "clip", numbered(3)))
    stamps = [source.stamp()]
    Image.new("RGB", (9, 9)).save(tmp_path / "clip/frame_2.png")
    stamps.append(source.stamp())
    (tmp_path / "clip/frame_3.png").unlink()
    stamps.append(source.stamp())
    assert len({str(stamp) for stamp in stamps}) == 3
    assert FrameFolder(tmp_path / "none").stamp() == []


def test_many_clips_are_looked_at_in_order_under_a_bar(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(read_frame_folder(root, fps=10).episodes) == 11
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(probe, "SHOWN_FROM", 5)
    monkeypatch.setattr(probe, "BATCH", 4)
    names = [e.name for e in read_frame_folder(root, fps=10).episodes]
    assert names == [f"clip{i:02d}" for i in range(11)]
    out, err = capfd.readouterr()
    assert out == "" and "look at clips" in err and "11/11" in err
