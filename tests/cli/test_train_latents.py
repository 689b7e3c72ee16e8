"""Stage 1's flags: gaps, presets, the published checkpoint, TensorBoard, damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from clips import write_clips
from published_weights import published_state, small_config

from lapa_edge.cli.command import run_command
from lapa_edge.cli.label import LabelFlags, label
from lapa_edge.cli.train import Stage, train
from lapa_edge.data.labels import read_labels
from lapa_edge.train import presets

SHORT = ["--preset", "debug", "--steps", "3", "--batch", "2"]


def latents(*arguments: str) -> int:
    return run_command(train, Stage, "lapa-train", "", ["latents", *arguments])


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if ": error: " in line]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def clips(tmp_path: Path) -> list[str]:
    folder = write_clips(tmp_path / "clips", 4, labelled=True)
    return ["--data", str(folder), "--cache", str(tmp_path / "cache")]


def test_gaps_in_frames_become_seconds(clips: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert latents(*SHORT, *clips, "--out", str(run), "--gap-frames", "2", "5") == 0
    assert json.loads((run / "config.json").read_text())["gap_s"] == [0.2, 0.5]


@pytest.mark.parametrize("kind", ["nsvq", "fsq"])
def test_every_quantizer_trains(kind: str, clips: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    flags = ["--quantizer", kind, "--n", "2", "--k", "16", "--short-clips", "skip"]
    assert latents(*SHORT, *clips, "--out", str(run), *flags) == 0
    assert (run / "model.safetensors").is_file()


def test_metrics_go_to_tensorboard_when_asked(clips: list[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert latents(*SHORT, *clips, "--out", str(run), "--tensorboard") == 0
    assert list((run / "tensorboard").glob("events*"))


def test_a_published_checkpoint_becomes_a_run_that_labels_video(
    clips: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "PublishedConfig", lambda **_: small_config())
    checkpoint, run = tmp_path / "laq.pt", str(tmp_path / "run")
    torch.save({f"module.{k}": v for k, v in published_state().items()}, checkpoint)
    assert latents("--import-official", str(checkpoint), "--out", run, "--gap-s", "0.3") == 0
    out = tmp_path / "labels"
    arguments = ["--run", run, *clips, "--out", str(out)]
    assert run_command(label, LabelFlags, "lapa-label", "", arguments) == 0
    found = read_labels(out)
    assert found.codes.shape == (4 * 11, 4)
    assert found.latent.gap_s == 0.3


def test_a_checkpoint_of_another_size_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tmp_path / "laq.pt"
    torch.save(published_state(), checkpoint)
    assert latents("--import-official", str(checkpoint), "--out", str(tmp_path / "run")) == 1
    assert "holds a model of another size" in refusal(capsys)
    assert not (tmp_path / "run").exists()


def test_latents_need_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert latents("--out", str(tmp_path / "run")) == 1
    assert "expected --data, or --import-official" in refusal(capsys)


def test_too_much_damage_stops_before_training(
    clips: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clips" / "clip_9.mp4").write_text("words")
    assert latents(*SHORT, *clips, "--out", str(tmp_path / "run")) == 1
    assert "1 of 5 clips are damaged, at most 10% may be" in refusal(capsys)
    assert latents(*SHORT, *clips, "--out", str(tmp_path / "run"), "--max-damaged", "0.3") == 0
    assert "skipped 1 in all, 4 clips remain" in capsys.readouterr().err
