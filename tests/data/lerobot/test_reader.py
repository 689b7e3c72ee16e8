from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapa_edge.data.lerobot.reader import is_lerobot, read_lerobot
from lapa_edge.errors import ConfigError, DataError

from .files import (
    FPS,
    LENGTHS,
    TOP,
    WRIST,
    action,
    data_file,
    edit_json,
    edit_table,
    frame,
    png,
    read_table,
    write_json,
    write_lerobot,
    write_lines,
)

VERSIONS = ("v2.1", "v3.0")
BOTH = pytest.mark.parametrize("version", VERSIONS)
HALF = 0.5  # one of four episodes may be damaged


@BOTH
def test_frames_steps_and_instructions_are_read(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    assert is_lerobot(root)
    dataset = read_lerobot(root, split="all")
    assert [e.name for e in dataset.episodes] == [f"episode_{e:06d}" for e in range(4)]
    assert [e.instruction for e in dataset.episodes] == ["task 0", "task 1", "task 0", "task 1"]
    for e, episode in enumerate(dataset.episodes):
        frames = np.stack(list(episode.video.read()))
        assert (episode.frame_count, episode.fps) == (LENGTHS[e], FPS) == (len(frames), FPS)
        for t, one in enumerate(frames):  # four grey levels apart: a neighbour's would show
            assert abs(one.mean() - frame(e, t).mean()) < 1.5
        assert episode.steps is not None
        np.testing.assert_array_equal(episode.steps.action, action(e))
        np.testing.assert_array_equal(episode.steps.state[:, 0], np.arange(LENGTHS[e]))
        np.testing.assert_array_equal(episode.step_frames(), np.arange(LENGTHS[e]))


@BOTH
def test_names_come_from_info_and_limits_from_the_statistics(tmp_path: Path, version: str) -> None:
    robot = read_lerobot(write_lerobot(tmp_path, version)).robot
    assert robot is not None
    assert (robot.control_hz, robot.state_names) == (FPS, ("lift",))
    assert robot.action_names == ("action_0", "action_1")
    # Stop is 0, and must be within the limits.
    np.testing.assert_allclose(robot.action_low, [-3.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(robot.action_high, [0.5, 0.5], atol=1e-6)


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (["a", "b"], ("a", "b")),
        ({"motors": ["a", "b"]}, ("a", "b")),
        ({"arm": ["a"], "hand": ["b"]}, ("a", "b")),
        ({"b": 1, "a": 0}, ("a", "b")),
        (["only one"], ("action_0", "action_1")),
    ],
)
def test_all_ways_of_naming_are_read(tmp_path: Path, names: Any, read: tuple[str, ...]) -> None:
    root = write_lerobot(tmp_path, "v2.1")
    features = json.loads((root / "meta/info.json").read_text())["features"]
    features["action"]["names"] = names
    edit_json(root / "meta/info.json", features=features)
    robot = read_lerobot(root).robot
    assert robot is not None
    assert robot.action_names == read


@BOTH
def test_without_statistics_limits_come_from_the_data(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    stats = "stats.json" if version == "v3.0" else "episodes_stats.jsonl"
    (root / "meta" / stats).unlink()
    robot = read_lerobot(root).robot
    assert robot is not None
    np.testing.assert_allclose(robot.action_low, [-2.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(robot.action_high, [0.5, 0.5], atol=1e-6)


@BOTH
def test_dataset_without_actions_is_unlabelled_video(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    features = json.loads((root / "meta/info.json").read_text())["features"]
    del features["action"]
    edit_json(root / "meta/info.json", features=features)
    dataset = read_lerobot(root)
    assert (len(dataset.episodes), len(dataset.labelled.episodes), dataset.robot) == (3, 0, None)


def test_late_timestamp_of_float32_keeps_its_frame(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, "v2.1")
    times = (1000.1 + np.arange(9) / FPS).astype(np.float32)
    edit_table(data_file(root, "v2.1", 1), timestamp=times)
    steps = read_lerobot(root).episodes[1].steps
    assert steps is not None
    np.testing.assert_array_equal(steps.time_s, np.arange(9) / FPS)


@BOTH
def test_splits_are_kept_apart(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    assert [e.name for e in read_lerobot(root, split="val").episodes] == ["episode_000003"]
    assert len(read_lerobot(root, split="train").episodes) == 3
    with pytest.raises(ConfigError, match=r"expected one of train, validation, all.* got test"):
        read_lerobot(root, split="test")
    edit_json(root / "meta/info.json", splits={})
    assert len(read_lerobot(root, split="train").episodes) == 4
    edit_json(root / "meta/info.json", splits={"train": "a:b"})
    with pytest.raises(DataError, match="split train: expected start:end, got a:b"):
        read_lerobot(root)


@BOTH
@pytest.mark.parametrize("kind", ["video", "image"])
def test_camera_is_chosen_by_key_or_its_last_part(tmp_path: Path, version: str, kind: str) -> None:
    root = write_lerobot(tmp_path, version, {TOP: "video", WRIST: kind})
    for camera, key in (("", TOP), ("top", TOP), ("wrist", WRIST), (WRIST, WRIST)):
        for e, episode in enumerate(read_lerobot(root, camera=camera).episodes):
            frames = list(episode.video.read())
            assert len(frames) == LENGTHS[e]
            for t, one in enumerate(frames):
                error = 0 if (key, kind) == (WRIST, "image") else 1.5
                assert np.abs(one.mean() - frame(e, t, key).mean()) <= error
    with pytest.raises(ConfigError, match=f"expected one of {TOP}, {WRIST}, got side"):
        read_lerobot(root, camera="side")


def test_image_without_bytes_is_read_from_its_path(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, "v2.1", {TOP: "image"})
    path = data_file(root, "v2.1", 0)
    (root / "images").mkdir()
    for t in range(LENGTHS[0]):
        (root / f"images/{t}.png").write_bytes(png(frame(0, t)))
    rows = [{"bytes": None, "path": f"images/{t}.png"} for t in range(LENGTHS[0])]
    edit_table(path, **{TOP: rows})
    np.testing.assert_array_equal(
        np.stack(list(read_lerobot(root).episodes[0].video.read())),
        np.stack([frame(0, t) for t in range(LENGTHS[0])]),
    )
    for damaged, problem in (
        ({"bytes": None, "path": "images/none.png"}, "none.png: cannot be read"),
        ({"bytes": None, "path": "../../secret.png"}, "leads out of the dataset"),
        ({"bytes": None, "path": None}, "row 1: expected .bytes, path., got neither"),
        ({"bytes": b"\x89PNG", "path": None}, "row 1: not a"),
    ):
        edit_table(path, **{TOP: [rows[0], damaged, *rows[2:]]})
        with pytest.raises(DataError, match=problem):
            list(read_lerobot(root).episodes[0].video.read())


@BOTH
def test_image_column_that_is_missing_is_named(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version, {TOP: "image"})
    for e in range(len(LENGTHS) if version == "v2.1" else 1):
        edit_table(data_file(root, version, e), **{TOP: None})
    with pytest.raises(DataError, match=f"columns {TOP} are missing"):
        read_lerobot(root)


@pytest.mark.parametrize(
    ("version", "fix"),
    [
        ("v2.0", "convert_dataset_v20_to_v21"),
        ("v1.6", "convert_dataset_v1_to_v2"),
        ("v4.0", "newer lapa-edge"),
    ],
)
def test_other_version_is_refused_with_the_way_out(tmp_path: Path, version: str, fix: str) -> None:
    root = write_lerobot(tmp_path, "v2.1")
    edit_json(root / "meta/info.json", codebase_version=version)
    with pytest.raises(
        DataError, match=rf"expected codebase_version v2.1 or v3.0, got {version}; .*{fix}"
    ):
        read_lerobot(root)


def test_missing_video_of_one_episode_is_skipped_and_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, "v2.1")
    (root / f"videos/chunk-000/{TOP}/episode_000001.mp4").unlink()
    dataset = read_lerobot(root, split="all", max_damaged=HALF)
    assert [e.name[-1] for e in dataset.episodes] == ["0", "2", "3"]
    assert len(dataset.skipped) == 1
    assert "clip episode_000001: video" in dataset.skipped[0]
    assert "no such file" in dataset.skipped[0]
    with pytest.raises(DataError, match="1 of 4 clips are damaged, at most 10%"):
        read_lerobot(root, split="all")


@BOTH
def test_cut_video_is_found_before_it_is_decoded(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    path = sorted((root / "videos").rglob("*.mp4"))[0]
    path.write_bytes(path.read_bytes()[:700])
    if version == "v3.0":  # all episodes lie in it
        with pytest.raises(DataError, match=r"4 of 4 clips are damaged.*episode_000000: video"):
            read_lerobot(root, split="all", max_damaged=1.0)
    else:
        skipped = read_lerobot(root, split="all", max_damaged=HALF).skipped
        assert [line.split(":")[0] for line in skipped] == ["clip episode_000000"]


def test_video_of_another_length_is_skipped_and_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", "v2.1")
    folder = root / f"videos/chunk-000/{TOP}"
    (folder / "episode_000002.mp4").write_bytes((folder / "episode_000000.mp4").read_bytes())
    skipped = read_lerobot(root, split="all", max_damaged=HALF).skipped
    assert "episode_000002.mp4: expected 4 frames, it holds 6" in skipped[0]
    root = write_lerobot(tmp_path / "b", "v3.0")
    ends = {f"videos/{TOP}/to_timestamp": [0.6, 1.5, 1.9, 2.7]}
    edit_table(root / "meta/episodes/chunk-000/file-000.parquet", **ends)
    skipped = read_lerobot(root, split="all", max_damaged=HALF).skipped
    assert "expected 7 frames at 10 fps, its entry says 1.9 to 2.7 s" in skipped[0]


@BOTH
@pytest.mark.parametrize(
    ("column", "row", "value", "problem"),
    [
        ("action", 2, [np.nan, 0.5], r"action: expected finite numbers, got \[nan.* in step 2"),
        ("action", 2, [99.0, 0.5], r"action action_0 is 99 in step 2, outside -3"),
        ("observation.state", 8, np.inf, r"state: expected finite numbers, got \[inf\] in step 8"),
        ("frame_index", 3, 4, "expected frame_index 0 to 8 in order for episode 1"),
        ("timestamp", 3, 0.2, "time_s must increase, got 0.2 then 0.2 at step 3"),
        ("episode_index", 4, 12, "expected 9 rows of episode 1, got 8"),
        ("task_index", 0, 7, "task_index 7 is not among the 2 tasks"),
    ],
)
def test_episode_with_a_damaged_row_is_skipped_and_named(
    tmp_path: Path, version: str, column: str, row: int, value: Any, problem: str
) -> None:
    root = write_lerobot(tmp_path, version)
    path = data_file(root, version, 1)
    values = read_table(path)[column].to_pylist()
    values[row + (LENGTHS[0] if version == "v3.0" else 0)] = value
    edit_table(path, **{column: values})
    dataset = read_lerobot(root, split="all", max_damaged=HALF)
    assert [e.name[-1] for e in dataset.episodes] == ["0", "2", "3"]
    assert len(dataset.skipped) == 1
    assert re.search(f"^clip episode_000001.*{problem}", dataset.skipped[0])
    with pytest.raises(DataError, match="1 of 4 clips are damaged"):
        read_lerobot(root, split="all")


def test_episode_in_two_stretches_of_its_file_is_skipped_and_named(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path, "v3.0")
    path = data_file(root, "v3.0", 0)
    table = read_table(path)
    last = LENGTHS[0] - 1
    pq.write_table(pa.concat_tables([table.slice(0, last), table.slice(last + 1)]), path)
    pq.write_table(pa.concat_tables([read_table(path), table.slice(last, 1)]), path)
    dataset = read_lerobot(root, split="all", max_damaged=HALF)
    assert len(dataset.episodes) == 3
    assert "in order for episode 0, got another order" in dataset.skipped[0]


@BOTH
def test_wrong_number_of_rows_and_missing_columns_are_named(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    path = data_file(root, version, 1)
    table = read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)
    last, length = (1, 9) if version == "v2.1" else (3, 7)
    with pytest.raises(
        DataError, match=f"expected {length} rows of episode {last}, got {length - 1}"
    ):
        read_lerobot(root, split="all")
    edit_table(path, action=None, timestamp=None)
    with pytest.raises(DataError, match="columns timestamp, action are missing, it has "):
        read_lerobot(root, split="all")
    path.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=rf"{path.name}.*not a readable Parquet table"):
        read_lerobot(root, split="all")
    path.unlink()
    with pytest.raises(DataError, match=rf"{path.name}: no such file"):
        read_lerobot(root, split="all")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fps": "ten"}, "Expected `float`, got `str`"),
        ({"fps": 0}, "fps"),
        ({"total_episodes": 5}, "info.json says 5 episodes, 4 are listed"),
        ({"features": {"action": {"dtype": "float32"}}}, "missing required field `shape`"),
        ({"features": {}}, "expected a video or image feature, got none"),
        ({"data_path": "../{episode_index}"}, "leads out of the dataset"),
        ({"data_path": "{episode.__class__}"}, "no such file"),
        ({"data_path": "{nothing}"}, "expected episode_chunk, episode_index in braces"),
        ({"video_path": None}, "video_path is missing"),
    ],
)
def test_malformed_info_is_refused(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    root = write_lerobot(tmp_path, "v2.1")
    edit_json(root / "meta/info.json", **changes)
    with pytest.raises(DataError, match=problem):
        read_lerobot(root)


@BOTH
def test_missing_files_of_meta_are_named(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path, version)
    assert not is_lerobot(tmp_path / "elsewhere")
    names = {"v2.1": ["tasks.jsonl", "episodes.jsonl"], "v3.0": ["tasks.parquet"]}[version]
    for name in [*names, "info.json"]:
        path = root / "meta" / name
        kept = path.read_bytes()
        path.unlink()
        with pytest.raises(DataError, match=f"{name}: no such file"):
            read_lerobot(root)
        path.write_bytes(kept)
    if version == "v3.0":
        next(root.glob("meta/episodes/*/*")).unlink()
        with pytest.raises(DataError, match="expected tables of episodes"):
            read_lerobot(root)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["v2.1", "v3.0", "video", "0:2", "\0", "\ud800", "../x", "{episode_index:09d}"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


@st.composite
def changed(draw: st.DrawFn, content: Any) -> Any:
    """The same JSON with one to three of its values replaced or taken away."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        node, paths = content, []
        while isinstance(node, dict | list) and node:
            key = draw(
                st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node)))
            )
            paths.append((node, key))
            node = node[key]
        if paths:
            parent, key = draw(st.sampled_from(paths))
            if draw(st.booleans()):
                parent[key] = draw(JSON)
            else:
                del parent[key]
    return content


@pytest.fixture(scope="module", params=VERSIONS)
def fuzzed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lerobot(tmp_path_factory.mktemp("fuzz"), request.param)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_manifest_never_ends_in_another_error(fuzzed: Path, data: st.DataObject) -> None:
    names = ["info.json"]
    names += ["episodes.jsonl", "tasks.jsonl", "episodes_stats.jsonl"] * (
        fuzzed / "meta/tasks.jsonl"
    ).exists() or ["stats.json"]
    path = fuzzed / "meta" / data.draw(st.sampled_from(names))
    kept = path.read_bytes()
    try:
        if path.suffix == ".jsonl":
            lines = [json.loads(line) for line in kept.splitlines()]
            write_lines(path, data.draw(changed(lines)))
        elif data.draw(st.integers(0, 9)):
            write_json(path, data.draw(changed(json.loads(kept))))
        else:
            at = data.draw(st.integers(0, len(kept)))
            path.write_bytes(kept[:at] + data.draw(st.binary(max_size=4)) + kept[at + 1 :])
        try:
            dataset = read_lerobot(fuzzed, split="all", max_damaged=1.0)
        except (DataError, ConfigError):
            pass
        else:
            assert dataset.episodes
    finally:
        path.write_bytes(kept)


@BOTH
def test_real_dataset_agrees_with_what_lerobot_read(shared_data: Path, version: str) -> None:
    root = shared_data / f"lerobot_{version}"
    dataset = read_lerobot(root)
    expected = json.loads((root / "expected.json").read_text())
    assert len(dataset.episodes) == len(expected) == 12
    assert dataset.skipped == ()
    for episode, one in zip(dataset.episodes, expected, strict=True):
        frames = list(episode.video.read())
        assert len(frames) == episode.frame_count == one["length"]
        assert episode.instruction == one["instruction"]
        np.testing.assert_allclose(frames[0].mean((0, 1)), one["mean_rgb_first"], atol=1.5)
        assert episode.steps is not None
        np.testing.assert_allclose(episode.steps.action[0], one["first_action"])
        np.testing.assert_allclose(episode.steps.state[-1], one["last_state"])
        np.testing.assert_array_equal(episode.step_frames(), np.arange(one["length"]))
    assert dataset.robot is not None
    assert dataset.robot.action_names == ("dx", "dy")


def test_real_versions_hold_the_same_frames(shared_data: Path) -> None:
    two, three = (read_lerobot(shared_data / f"lerobot_{v}") for v in VERSIONS)
    for one, other in zip(two.episodes, three.episodes, strict=True):
        a, b = (np.stack(list(e.video.read())).astype(np.float32) for e in (one, other))
        # Each was encoded on its own; two different scenes are some ten levels apart.
        assert np.abs(a - b).mean((1, 2, 3)).max() < 3.0
    assert two.robot == three.robot


def test_unreadable_folder_is_no_lerobot_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "is_file", refuse)
    assert not is_lerobot(tmp_path)
