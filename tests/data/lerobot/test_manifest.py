"""The meta folder of a LeRobot dataset: other versions, wrong entries, random changes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapa_edge.data.lerobot.reader import is_lerobot, read_lerobot
from lapa_edge.errors import ConfigError, DataError

from .files import BOTH, VERSIONS, edit_json, write_json, write_lerobot, write_lines


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
