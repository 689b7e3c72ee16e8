"""``lapa-eval`` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import write_tiny_bundle
from clips import write_clips

from lapa_edge.cli.command import run_command
from lapa_edge.cli.evaluate import EvaluateFlags, _splits, evaluate
from lapa_edge.evaluate.registry import ENVIRONMENTS


def lapa_eval(*arguments: str) -> int:
    return run_command(evaluate, EvaluateFlags, "lapa-eval", "", arguments)


def test_list_names_environments_and_how_to_install_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert lapa_eval("--list") == 0
    told = capsys.readouterr().out
    for name, entry in ENVIRONMENTS.items():
        assert name in told
        assert entry.install.split()[0] in told


def test_nothing_is_called_unseen_unless_somebody_says_so() -> None:
    """A benchmark's held-out tasks may well be those that a policy was trained on."""
    entry = ENVIRONMENTS["metaworld"]

    def splits(*unseen: str) -> dict[str, str]:
        return _splits(EvaluateFlags(unseen=unseen), entry)

    assert set(splits().values()) == {""}
    assert splits("reach")["reach"] == "unseen"
    assert splits("reach")["door-lock"] == "seen"
    held_out = splits("held-out")
    assert {task for task, split in held_out.items() if split == "unseen"} == entry.unseen


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--tasks", "juggle"], "task 'juggle': not a known metaworld task; one of: assembly"),
        (["--environment", "mars"], "environment 'mars': not known; one of: metaworld"),
        (["--episodes", "0"], "--episodes: expected at least 1, got 0"),
        (["--frame-drop", "2"], "--frame-drop: expected 0 to 1, got 2"),
        (["--labels", "x"], "--labels: counts with --data alone"),
        (
            ["--data", "x", "--execution", "blocking"],
            "--execution: counts in a simulator, not with",
        ),
        (["--overlap", "--execution", "blocking"], "--overlap: blocking execution waits for each"),
        (["--latents", "x"], "--latents: is for the video, and there is no --out"),
        (["--simulator", "x"], "simulator x: metaworld is an installed package"),
        (["--tasks", "reach"], "environment metaworld: state: the bundle expects"),
        (["--graph", "policy.int8"], "has no file 'policy.int8.onnx'"),
        (["--backend", "tensorrt"], "has no engine of policy.onnx; build one on this machine"),
        (["--tasks", "reach", "--unseen", "door-close"], "--unseen: door-close is not evaluated"),
    ],
)
def test_a_wrong_flag_is_named_before_any_rollout(
    flags: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    assert lapa_eval(str(bundle.root), *flags) == 1
    assert problem in capsys.readouterr().err.replace("\n", "")


def test_a_tampered_bundle_never_drives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    weights = bundle.path("weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")
    assert lapa_eval(str(bundle.root)) == 1
    assert "weights.safetensors: expected sha256" in capsys.readouterr().err


def test_offline_evaluation_reports_and_warns_of_unknown_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle", s=2, control_hz=20.0, chunk=2)
    clips = write_clips(tmp_path / "clips", 3, labelled=True)
    robot = (clips / "robot.json").read_text()
    for old, new in (
        ("x_m", "joint_0"),
        ("y_m", "joint_1"),
        ("dx", "velocity_0"),
        ("dy", "velocity_1"),
        ("px/step", "m/s"),
    ):
        robot = robot.replace(f'"{old}"', f'"{new}"')
    (clips / "robot.json").write_text(robot)
    out = tmp_path / "out"
    flags = [str(bundle.root), "--data", str(clips), "--split", "all", "--out", str(out)]
    assert lapa_eval(*flags) == 0
    assert "never met the words down, move, square" in capsys.readouterr().err
    assert {p.name for p in out.iterdir()} >= {"offline.json", "offline.md", "horizon.png"}
    assert lapa_eval(*flags, "--every", "2") == 1
    assert "holds an evaluation with every 1, expected 2" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--backend", "tensorrt"], ["--graph", "policy.int8"]])
def test_a_run_has_torchs_policy_and_no_other(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert lapa_eval(str(tmp_path), *flags) == 1
    assert "is a run, whose policy is torch's; leave them out" in capsys.readouterr().err
