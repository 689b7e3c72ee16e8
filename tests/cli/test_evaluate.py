"""``lapa-eval`` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import write_tiny_bundle

from lapa_edge.cli.command import run_command
from lapa_edge.cli.evaluate import EvaluateFlags, evaluate


def lapa_eval(*arguments: str) -> int:
    return run_command(evaluate, EvaluateFlags, "lapa-eval", "", arguments)


def test_list_names_environments_and_how_to_install_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert lapa_eval("--list") == 0
    assert "metaworld" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--tasks", "juggle"], "task 'juggle': not a task of metaworld; one of: assembly"),
        (["--environment", "mars"], "environment 'mars': not known; one of: metaworld"),
        (["--episodes", "0"], "--episodes: expected at least 1, got 0"),
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
