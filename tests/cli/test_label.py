"""``lapa-label`` as a user types it, over real files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from clips import write_clips

from lapa_edge.cli.command import run_command
from lapa_edge.cli.label import LabelFlags, label
from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.labels import read_labels
from lapa_edge.train.latents import LatentsConfig, build_latent_model
from lapa_edge.train.presets import PRESETS
from lapa_edge.train.run_directory import RunDirectory


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, and a run that nothing was learned in."""
    root = tmp_path_factory.mktemp("label")
    write_clips(root / "clips", 3, labelled=False)
    config = LatentsConfig(model=PRESETS["debug"].latents)
    run = RunDirectory(root / "run")
    run.open(config)
    torch.manual_seed(0)
    run.finish(build_latent_model(config))
    return root


def lapa_label(root: Path, out: Path, *flags: str, data: Path | None = None) -> int:
    arguments = [
        "--run", str(root / "run"), "--data", str(data or root / "clips"),
        "--cache", str(root / "cache"), "--out", str(out), *flags,
    ]  # fmt: skip
    return run_command(label, LabelFlags, "lapa-label", "", arguments)


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if ": error: " in line]
    assert len(lines) == 1
    return lines[0]


def test_labelling_says_how_codes_are_used_and_again_says_the_same(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lapa_label(root, tmp_path / "labels") == 0
    said = capsys.readouterr().out
    assert said.startswith("33 frames; ") and "of 8 codes used" in said
    assert lapa_label(root, tmp_path / "labels") == 0
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_copy_of_a_lerobot_dataset_bears_the_labels(
    root: Path, tmp_path: Path, shared_data: Path, version: str
) -> None:
    source, target = shared_data / f"lerobot_{version}", tmp_path / "copy"
    out = tmp_path / "labels"
    assert lapa_label(root, out, "--split", "all", "--lerobot", str(target), data=source) == 0

    every = ReadOptions(split="all")
    for before, after in zip(
        read_dataset(source, every).episodes, read_dataset(target, every).episodes, strict=True
    ):
        assert (before.name, before.instruction) == (after.name, after.instruction)
        assert before.steps is not None and after.steps is not None
        assert np.array_equal(before.steps.action, after.steps.action)
    labels = read_labels(out)
    rows = pq.read_table(target / "data", partitioning=None).to_pylist()
    found = {
        (f"episode_{row['episode_index']:06d}", row["frame_index"]): row["latent_action"]
        for row in rows
        if row["latent_action.valid"]
    }
    wanted = zip(labels.clip.tolist(), labels.frame.tolist(), labels.codes.tolist(), strict=True)
    assert found == {(clip, frame): codes for clip, frame, codes in wanted}


def test_episodes_outside_the_split_are_told(
    root: Path, tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Path(shutil.copytree(shared_data / "lerobot_v3.0", tmp_path / "source"))
    info = json.loads((source / "meta" / "info.json").read_text())
    info["splits"] = {"train": "0:9", "val": "9:12"}
    (source / "meta" / "info.json").write_text(json.dumps(info))
    out, target = tmp_path / "labels", str(tmp_path / "copy")
    assert lapa_label(root, out, "--lerobot", target, data=source) == 0
    assert "3 episodes without labels, outside --split train" in capsys.readouterr().err
    assert lapa_label(root, out, "--split", "val", data=source) == 1
    assert "were written for other clips; choose another --out" in refusal(capsys)


def test_what_cannot_be_copied_is_refused_before_the_labelling(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lapa_label(root, tmp_path / "labels", "--lerobot", str(tmp_path / "copy")) == 1
    assert "expected a LeRobot dataset as --data" in refusal(capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--workers", "0"], "--workers: expected at least 1, got 0"),
        (["--clips-per-part", "0"], "clips_per_part: expected at least 1, got 0"),
        (["--split", "val"], "has no splits"),
        (["--camera", "left"], "camera: "),
        (["--fps", "5"], "fps: "),
    ],
)
def test_flags_that_do_not_fit_are_refused_in_one_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], problem: str
) -> None:
    assert lapa_label(root, tmp_path / "labels", *flags) == 1
    assert problem in refusal(capsys)
    assert not (tmp_path / "labels").exists()


@pytest.mark.parametrize("flag", ["--instructions", "--instruction-topic"])
def test_labelling_has_no_use_for_words(root: Path, tmp_path: Path, flag: str) -> None:
    with pytest.raises(SystemExit) as caught:
        lapa_label(root, tmp_path / "labels", flag, "a")
    assert caught.value.code == 2
