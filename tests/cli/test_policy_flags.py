"""``lapa-train policy`` and ``actions`` with several cameras, the state and other decoders."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lapa_edge.cli.command import run_command
from lapa_edge.cli.label import LabelFlags, label
from lapa_edge.cli.train import Stage, train
from lapa_edge.export.observations import read_observations
from lapa_edge.export.reference import look
from lapa_edge.train.actions import read_agent
from lapa_edge.train.run_directory import RunDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "data" / "lerobot"))

from files import TOP, WRIST, write_lerobot

SHORT = ["--preset", "debug", "--steps", "2", "--batch", "4"]


def lapa_train(*arguments: str) -> int:
    return run_command(train, Stage, "lapa-train", "", arguments)


@pytest.fixture(scope="module")
def two_cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LeRobot dataset with stage 1 done on its first camera."""
    root = tmp_path_factory.mktemp("cameras")
    write_lerobot(root / "data", "v2.1", {TOP: "video", WRIST: "video"})
    data = ["--data", str(root / "data"), "--cache", str(root / "cache"), "--camera", TOP]
    assert lapa_train("latents", *SHORT, *data, "--out", str(root / "latents")) == 0
    run = ["--run", str(root / "latents"), "--out", str(root / "labels")]
    assert run_command(label, LabelFlags, "lapa-label", "", [*run, *data]) == 0
    return root


def stage(root: Path, *more: str) -> list[str]:
    return [*SHORT, "--data", str(root / "data"), "--cache", str(root / "cache"), *more]


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = [x for x in capsys.readouterr().err.splitlines() if ": error: " in x]
    return line


def test_an_agent_with_two_cameras_and_a_state_is_trained_and_looks_at_its_data(
    two_cameras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cameras = ["--cameras", TOP, WRIST]
    labels = ["--labels", str(two_cameras / "labels"), "--state", "--decoder", "autoregressive"]
    runs = ["--latents", str(two_cameras / "latents"), "--policy", str(tmp_path / "policy")]
    flags = [*labels, *cameras, "--colour", "0.02", "--erase", "0.2"]
    assert lapa_train("policy", *stage(two_cameras, *flags, "--out", str(tmp_path / "policy"))) == 0
    out = ["--out", str(tmp_path / "actions")]
    assert lapa_train("actions", *stage(two_cameras, *runs, *out)) == 1
    assert f"cameras: expected 2, in the roles of {TOP}, {WRIST}" in refusal(capsys)
    assert lapa_train("actions", *stage(two_cameras, *runs, *out, "--decoder", "autoregressive",
                                        *cameras)) == 1  # fmt: skip
    assert "they are those of --policy" in refusal(capsys)
    assert lapa_train("actions", *stage(two_cameras, *runs, *out, *cameras)) == 0
    config, agent = read_agent(RunDirectory(tmp_path / "actions"))
    assert config.spec.cameras == (TOP, WRIST)
    assert config.spec.policy_state
    observations = read_observations(two_cameras / "data", config.spec, 6)
    top, wrist = observations.frames[0]
    assert int(wrist.mean()) - int(top.mean()) == pytest.approx(2, abs=2)
    seen = look(config, agent, observations)
    assert seen.image.shape == (6, 6, 48, 48)
    assert seen.logits.isfinite().all()


def test_scratch_learns_from_two_cameras_too(two_cameras: Path, tmp_path: Path) -> None:
    flags = ["--baseline", "scratch", "--cameras", TOP, WRIST, "--look-state"]
    assert lapa_train("actions", *stage(two_cameras, *flags, "--out", str(tmp_path / "run"))) == 0
    config, _ = read_agent(RunDirectory(tmp_path / "run"))
    assert config.look_state
    assert config.spec.policy_state


def test_codes_are_kept_behind_two_cameras(two_cameras: Path, tmp_path: Path) -> None:
    cameras, policy = ["--cameras", TOP, WRIST], tmp_path / "policy"
    labels = ["--labels", str(two_cameras / "labels"), "--out", str(policy)]
    assert lapa_train("policy", *stage(two_cameras, *cameras, *labels)) == 0
    runs = ["--latents", str(two_cameras / "latents"), "--policy", str(policy)]
    kept = ["--code-weight", "1", "--trunk-rate", "0.1", "--out", str(tmp_path / "actions")]
    assert lapa_train("actions", *stage(two_cameras, *cameras, *runs, *kept)) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--baseline", "vpt", "--video", "x", "--cameras", TOP, WRIST], "leave --cameras out"),
        (["--baseline", "unipi", "--no-backbone-frozen"], "leave --backbone out"),
        (["--baseline", "scratch", "--erase", "0.2"], "leave --erase out"),
        (["--baseline", "scratch", "--latent-input", "continuous"], "leave --latent-input out"),
        (["--baseline", "unipi", "--video", "x", "--decoding", "bins"], "leave --decoding out"),
        (["--baseline", "unipi", "--video", "x", "--look-state"], "leave --look-state out"),
        (["--latents", "x", "--policy", "x", "--gap-s", "1"], "--gap-s: counts beside --baseline"),
    ],
)
def test_what_a_method_would_pass_over_is_refused(
    two_cameras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str],
    message: str,
) -> None:  # fmt: skip
    out = tmp_path / "run"
    assert lapa_train("actions", *stage(two_cameras, *flags, "--out", str(out))) == 1
    assert message in refusal(capsys)
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cameras", TOP, "nowhere"], "nowhere"),
        (["--cameras", TOP, TOP], "expected different names"),
        (["--cameras", TOP, "--camera", TOP], "camera: stands beside --cameras"),
        (["--backbone", "resnet18"], "expected timm:NAME or nothing, got 'resnet18'"),
    ],
)
def test_flags_that_do_not_fit_are_refused_before_training(
    two_cameras: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str],
    message: str,
) -> None:  # fmt: skip
    out = tmp_path / "run"
    labels = ["--labels", str(two_cameras / "labels"), "--out", str(out)]
    assert lapa_train("policy", *stage(two_cameras, *labels, *flags)) == 1
    assert message in refusal(capsys)
    assert not out.exists()
