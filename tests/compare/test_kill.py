"""``lapa-train compare`` killed by SIGKILL while it trains, then typed again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from language_table import write_language_table

from lapa_edge.compare import judge, pipeline
from lapa_edge.compare.config import read_config

CONFIG = """
methods = ["scratch", "lapa"]
seeds = 1
[data]
video = "lt"
[training]
preset = "debug"
latent_steps = 8
pretrain_steps = 200
action_steps = 8
latent_batch = 4
batch = 4
[training.common]
checkpoint_every_s = 0.0
[offline]
"""
COMMAND = "import sys; from lapa_edge.cli.train import main; sys.exit(main())"
WAIT_S = 120


def run_here(function: Callable[[Any], Any], jobs: Sequence[Any], processes: int) -> Iterator[Any]:
    yield from map(function, jobs)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """``killed``, where scratch is done, and ``alone``, where lapa followed undisturbed."""
    write_language_table(tmp_path / "lt", train=5, val=3)
    (tmp_path / "compare.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    for module in (pipeline, judge):
        monkeypatch.setattr(module, "run_in_workers", run_here)
    config = read_config(Path("compare.toml"))
    pipeline.compare(config, Path("alone"), only=["scratch"])
    copytree("alone", "killed")
    pipeline.compare(config, Path("alone"))
    yield tmp_path
    torch.set_num_threads(threads)


def sit(folder: Path, until: Callable[[], bool] | None = None) -> None:
    """Type the command; with `until`, end it by SIGKILL once that is so."""
    flags = ["compare", "compare.toml", "--out", "killed", "--processes", "1"]
    with (folder / "said.txt").open("w") as said:
        child = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *flags],
            cwd=folder, start_new_session=True, stdout=said, stderr=said,
        )  # fmt: skip
    if until is None:
        assert child.wait(WAIT_S) == 0, (folder / "said.txt").read_text()
        return
    deadline = time.monotonic() + WAIT_S
    while not until():
        assert child.poll() is None, (folder / "said.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    child.kill()
    child.wait()
    while any(_session(path) == child.pid for path in Path("/proc").glob("[0-9]*")):
        assert time.monotonic() < deadline, "a worker outlives the command"
        time.sleep(0.02)


def _session(process: Path) -> int:
    try:
        state, _, _, session = (process / "stat").read_text().rsplit(")", 1)[1].split()[:4]
    except OSError:  # it is gone
        return 0
    return 0 if state == "Z" else int(session)


def files_of(*folders: Path) -> dict[Path, tuple[bytes, int]]:
    """What lies there, and when it was written; locks are taken anew and say nothing."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    kept = (path for path in files if not path.name.endswith(".lock"))
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in kept}


def table_of(out: Path) -> dict[str, Any]:
    """``compare.json`` without the processor time, of which a killed training takes more."""
    found = json.loads((out / "report" / "compare.json").read_text())
    for part in ("rows", "findings"):
        for row in found[part]:
            del row["cpu_s"]
    return found


@pytest.mark.slow
def test_a_killed_comparison_repeats_nothing_and_ends_with_the_same_table(folder: Path) -> None:
    out, alone = folder / "killed", folder / "alone"
    scratch = files_of(out / "scratch")
    assert any(path.name == "result.json" for path in scratch)
    policy = out / "shared" / "0" / "policy"

    sit(folder, until=(policy / "checkpoint" / "step.json").is_file)
    assert not (policy / "model.safetensors").exists(), "it was killed in training"
    before = files_of(policy.parent / "latents", policy.parent / "labels")
    assert {path.name for path in before} > {"model.safetensors", "labels.json"}

    sit(folder)
    assert files_of(out / "scratch") == scratch
    assert files_of(policy.parent / "latents", policy.parent / "labels") == before
    assert table_of(out) == table_of(alone)
    assert {row["variant"] for row in table_of(out)["rows"]} == {"scratch", "lapa"}
    for run in ("lapa/0/run/actions", "shared/0/policy"):
        weights = f"{run}/model.safetensors"
        assert (out / weights).read_bytes() == (alone / weights).read_bytes()
