from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.episode import RobotSpec, Steps
from lapa_edge.data.folders.videos import write_labels
from lapa_edge.errors import ConfigError, DataError

from .conftest import MakeClip


def test_plain_folder_is_recognised(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", count=2)
    (tmp_path / "words.json").write_text(json.dumps({"a": "push"}))
    (episode,) = read_dataset(tmp_path, ReadOptions(instructions=tmp_path / "words.json")).episodes
    assert (episode.name, episode.instruction) == ("a", "push")


def test_labelled_share_takes_labels_but_keeps_clips(
    make_clip: MakeClip, tmp_path: Path, robot: RobotSpec
) -> None:
    names = [f"{i:02d}" for i in range(12)]
    for name in names:
        make_clip(f"{name}.mp4", count=2)
    one = Steps(np.zeros(1), np.zeros((1, 2)), np.zeros((1, 3)))
    write_labels(tmp_path, robot, dict.fromkeys(names[2:], one))
    dataset = read_dataset(tmp_path, ReadOptions(labelled_share=0.5))
    assert len(dataset.episodes) == 12
    assert [e.name for e in dataset.labelled.episodes] == ["02", "04", "06", "08", "10"]
    with pytest.raises(ConfigError, match="labelled_share"):
        ReadOptions(labelled_share=-1.0)


def test_unknown_layout_names_the_known_ones(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match=r"known layouts: .*Language Table.*a folder of videos"):
            read_dataset(root)


def test_plain_folder_has_no_val_split(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("a.mp4", count=2)
    assert len(read_dataset(tmp_path, ReadOptions(split="all")).episodes) == 1
    with pytest.raises(ConfigError, match="clips for validation in a folder of their own"):
        read_dataset(tmp_path, ReadOptions(split="val"))


def test_real_datasets_are_recognised(shared_data: Path) -> None:
    table = read_dataset(shared_data / "language_table_sim", ReadOptions(split="val"))
    assert len(table.labelled.episodes) == 140
    assert len(read_dataset(shared_data / "bridge_v2_clips").episodes) == 20
    (real,) = read_dataset(shared_data / "languagetable_real").episodes
    assert (real.fps, real.frame_count, real.steps) == (4.0, 18, None)


def test_given_instructions_override_those_of_language_table(
    shared_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "words.json").write_text(json.dumps({"separate_0009": "part them"}))
    root = shared_data / "language_table_sim"
    dataset = read_dataset(root, ReadOptions(tmp_path / "words.json", split="val"))
    changed = [e.name for e in dataset.episodes if e.instruction == "part them"]
    assert changed == ["separate_0009"]
