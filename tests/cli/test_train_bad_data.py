"""Data that does not go with what was trained before: told in one line, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bundles import write_tiny_bundle
from clips import ROBOT, write_clips

from lapa_edge.cli.command import run_command
from lapa_edge.cli.evaluate import EvaluateFlags, evaluate
from lapa_edge.cli.label import LabelFlags, label
from lapa_edge.cli.train import Stage, train
from lapa_edge.data.folders.videos import write_instructions

SHORT = ["--preset", "debug", "--steps", "2", "--batch", "4"]
NOVEL = "push " * 1999 + "push!"  # 10,000 characters


def lapa_train(*arguments: str) -> int:
    return run_command(train, Stage, "lapa-train", "", arguments)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stages 1 and 2 over clips; the policy is told the state."""
    root = tmp_path_factory.mktemp("before")
    data = ["--data", str(write_clips(root / "clips", 3, labelled=True))]
    data += ["--cache", str(root / "cache")]
    latents, labels = str(root / "latents"), str(root / "labels")
    assert lapa_train("latents", *SHORT, *data, "--out", latents) == 0
    run = ["--run", latents, "--out", labels]
    assert run_command(label, LabelFlags, "lapa-label", "", [*run, *data]) == 0
    policy = ["--labels", labels, "--state", "--out", str(root / "policy")]
    assert lapa_train("policy", *SHORT, *data, *policy) == 0
    return root


@pytest.fixture
def demos(before: Path, tmp_path: Path) -> Path:
    """The labelled clips, to be spoilt."""
    return Path(shutil.copytree(before / "clips", tmp_path / "demos"))


def stage3(before: Path, demos: Path) -> list[str]:
    """The command of stage 3 on these demos."""
    runs = ["--latents", str(before / "latents"), "--policy", str(before / "policy")]
    cache = ["--cache", str(demos.parent / "cache")]
    return ["actions", *SHORT, "--data", str(demos), *cache, *runs, "--out", str(run_of(demos))]


def run_of(demos: Path) -> Path:
    return demos.parent / "run"


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = [x for x in capsys.readouterr().err.splitlines() if ": error: " in x]
    return line


def describe(demos: Path, **robot: object) -> None:
    """Say something else of the robot."""
    told = json.loads((demos / "robot.json").read_text())
    (demos / "robot.json").write_text(json.dumps({**told, **robot}))


def test_demos_without_the_state_that_the_policy_is_told_are_refused(
    before: Path, demos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    describe(demos, state_names=["x_m", "z_m"])
    assert lapa_train(*stage3(before, demos)) == 1
    assert (
        "demos: expected states x_m, y_m, which the policy is told, got x_m, z_m; "
        "give demos of the robot the policy was trained with" in refusal(capsys)
    )
    assert not run_of(demos).exists()
    describe(demos, state_names=["x_m", "y_m"])
    assert lapa_train(*stage3(before, demos)) == 0


def test_a_run_does_not_go_on_with_demos_of_another_robot(
    before: Path, demos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lapa_train(*stage3(before, demos)) == 0
    weights = (run_of(demos) / "model.safetensors").read_bytes()
    describe(demos, action_kinds=["delta", "gripper"])
    assert lapa_train(*stage3(before, demos)) == 1
    assert "was started with another spec" in refusal(capsys)
    assert (run_of(demos) / "model.safetensors").read_bytes() == weights


def test_a_nan_among_the_actions_is_named_by_clip_and_step(
    before: Path, demos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(demos / "steps.parquet")
    actions = np.array(table["action"].to_pylist(), np.float32)
    actions[table["clip"].to_pylist().index("clip_1") + 5, 1] = np.nan
    spoilt = pa.array(actions.tolist(), table.schema.field("action").type)
    at = table.schema.get_field_index("action")
    pq.write_table(table.set_column(at, "action", spoilt), demos / "steps.parquet")
    assert lapa_train(*stage3(before, demos)) == 1
    told = refusal(capsys)
    assert "clip clip_1: action: expected finite numbers, got [-0.5, nan] in step 5" in told
    assert not run_of(demos).exists()


@pytest.mark.parametrize("stage", ["policy", "actions", "scratch"])
def test_an_instruction_of_ten_thousand_characters_is_named_by_its_clip(
    stage: str, before: Path, demos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {f"clip_{i}": "move the square" for i in range(3)}
    write_instructions(demos, {**texts, "clip_1": NOVEL})
    out = ["--data", str(demos), "--cache", str(demos.parent / "cache")]
    out += ["--out", str(run_of(demos))]
    command = {
        "policy": ["policy", *SHORT, *out, "--labels", str(before / "labels")],
        "actions": stage3(before, demos),
        "scratch": ["actions", *SHORT, *out, "--baseline", "scratch"],
    }[stage]
    assert lapa_train(*command) == 1
    told = refusal(capsys)
    assert "clip 'clip_1': instruction: expected at most 2000 characters, got 10000" in told
    assert not run_of(demos).exists()
    write_instructions(demos, texts)
    assert lapa_train(*command) == 0


def test_words_that_the_policy_never_met_are_told_before_its_head_is_trained(
    before: Path, demos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "move the square " * 8  # 24 words, of which a policy reads 16
    write_instructions(demos, {"clip_0": "push the zebra", "clip_1": long, "clip_2": "move"})
    assert lapa_train(*stage3(before, demos)) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert (
        "2 of 3 different instructions are not understood whole, such as 'push the zebra': "
        "training never met 'push', 'zebra'" in told
    )


def test_instructions_that_are_read_whole_are_not_told_of(
    before: Path, demos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lapa_train(*stage3(before, demos)) == 0
    assert "not understood whole" not in capsys.readouterr().err


def test_offline_evaluation_names_the_episode_that_says_too_much(
    demos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle", s=2, control_hz=ROBOT.control_hz)
    write_instructions(demos, {"clip_0": "push", "clip_2": NOVEL})
    flags = [str(bundle.root), "--data", str(demos), "--split", "all"]
    assert run_command(evaluate, EvaluateFlags, "lapa-eval", "", flags) == 1
    told = refusal(capsys)
    assert "episode clip_2: instruction: expected at most 2000 characters, got 10000" in told
