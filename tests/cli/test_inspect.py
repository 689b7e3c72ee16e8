"""``lapa-inspect`` as a user types it, over real files and a real run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from clips import write_clips

from lapa_edge.cli.command import run_command
from lapa_edge.cli.inspect import Command, inspect
from lapa_edge.cli.label import LabelFlags, label
from lapa_edge.cli.train import Stage, train

SHORT = ["--preset", "debug", "--steps", "4", "--batch", "4"]
FEW = ["--pairs", "60", "--splits", "1", "--transfers", "10", "--split", "all"]


def lapa_inspect(*arguments: str) -> int:
    return run_command(inspect, Command, "lapa-inspect", "", arguments)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled clips, a stage-1 run on them, and a stage-2 run on its labels."""
    root = tmp_path_factory.mktemp("inspect")
    write_clips(root / "clips", 8, labelled=True)
    data = ["--data", str(root / "clips"), "--cache", str(root / "cache")]
    run, labels = str(root / "latents"), str(root / "labels")
    assert run_command(train, Stage, "", "", ["latents", *SHORT, *data, "--out", run]) == 0
    assert run_command(label, LabelFlags, "", "", ["--run", run, *data, "--out", labels]) == 0
    stage = ["policy", *SHORT, *data, "--labels", labels, "--out", str(root / "policy")]
    assert run_command(train, Stage, "", "", stage) == 0
    return root


def flags(root: Path, out: Path, data: Path | None = None) -> list[str]:
    return [
        "--run", str(root / "latents"), "--data", str(data or root / "clips"),
        "--cache", str(root / "cache"), "--out", str(out),
    ]  # fmt: skip


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if ": error: " in line]
    assert len(lines) == 1
    return lines[0]


def test_a_report_is_written_for_labelled_clips(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lapa_inspect("report", *flags(root, tmp_path / "page"), *FEW) == 0
    report = json.loads((tmp_path / "page" / "report.json").read_text())
    assert report["study"]["probe"]["dims"] == ["dx", "dy"]
    assert report["study"]["pairs"] == 60
    assert "Gain over copying the frame" in capsys.readouterr().out


def test_real_clips_without_actions_get_a_page(
    root: Path, tmp_path: Path, shared_data: Path
) -> None:
    arguments = flags(root, tmp_path / "page", shared_data / "bridge_v2_clips")
    assert lapa_inspect("report", *arguments, *FEW) == 0
    assert "the data holds no actions" in (tmp_path / "page" / "report.html").read_text()


def test_imagined_video_from_typed_codes_true_ones_and_a_policy(root: Path, tmp_path: Path) -> None:
    for name, choice in {
        "typed.gif": ["--codes", "0 1 2 3; 4 5 6 7", "--start", "0.5"],
        "true.mp4": ["--codes", "true"],
        "policy.mp4": ["--policy", str(root / "policy"), "--instruction", "move left"],
        "own.mp4": ["--policy", str(root / "policy"), "--steps", "2"],
    }.items():
        rest = [*flags(root, tmp_path / name), "--split", "all", "--clip", "clip_0", *choice]
        assert lapa_inspect("rollout", *rest) == 0
        assert (tmp_path / name).stat().st_size > 0
        assert (tmp_path / name).with_suffix(".png").is_file()


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        (["--codes", "0 1 2"], "expected 4 codes in step 1, got 3"),
        (["--codes", "0 1 2 8"], "expected 0 to 7"),
        (["--codes", "true", "--start", "9"], "expected 0 to 1.1 seconds"),
        (["--codes", "true", "--clip", "clip0"], "near it: clip_0"),
        (["--codes", "true", "--out", "a.webm"], "expected a name in .mp4"),
        (["--codes", "0 1 2 3", "--steps", "2"], "--steps: there are as many"),
        (["--codes", "true", "--steps", "0"], "expected at least 1, got 0"),
        (["--codes", "true", "--instruction", "go"], "only a --policy reads it"),
        ([], "expected either --codes or --policy"),
    ],
)
def test_what_cannot_be_imagined_is_refused_in_one_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], choice: list[str], problem: str
) -> None:
    rest = [*flags(root, tmp_path / "a.mp4"), "--split", "all", "--clip", "clip_0", *choice]
    assert lapa_inspect("rollout", *rest) == 1
    assert problem in refusal(capsys)


def test_a_policy_of_another_latent_space_is_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = ["latents", *SHORT, "--n", "2", *flags(root, tmp_path / "other")[2:]]
    assert run_command(train, Stage, "", "", stage) == 0
    rest = ["--run", str(tmp_path / "other"), *flags(root, tmp_path / "a.mp4")[2:]]
    choice = ["--split", "all", "--clip", "clip_0", "--policy", str(root / "policy")]
    assert lapa_inspect("rollout", *rest, *choice) == 1
    assert "expected the latent space of" in refusal(capsys)


def test_a_run_of_another_stage_and_a_file_for_a_folder_are_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = ["--run", str(root / "policy"), *flags(root, tmp_path / "page")[2:]]
    assert lapa_inspect("report", *wrong, *FEW) == 1
    assert "model.safetensors" in refusal(capsys)
    (tmp_path / "file").touch()
    assert lapa_inspect("report", *flags(root, tmp_path / "file"), *FEW) == 1
    assert "expected a folder" in refusal(capsys)


def test_a_missing_library_is_named_before_any_work(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert lapa_inspect("report", *flags(root, tmp_path / "page"), *FEW) == 1
    assert "pip install 'lapa-edge[inspect]'" in refusal(capsys)
    assert not (tmp_path / "page").exists()


def test_help_needs_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['lapa-inspect', 'report', '--help']\n"
        "from lapa_edge.cli.inspect import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'av', 'sklearn', 'matplotlib', 'PIL', 'pyarrow', 'numpy'}\n"
        "heavy &= sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
