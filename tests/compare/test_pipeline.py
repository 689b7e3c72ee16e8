"""The way of a comparison: what is done stays done, whatever stops it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from bundles import tiny_files, tiny_spec
from language_table import write_language_table
from latent_runs import LATENTS, untrained_run

from lapa_edge.artifact import load_bundle, write_bundle
from lapa_edge.cli.command import run_command
from lapa_edge.cli.train import Stage, train
from lapa_edge.compare import judge, pipeline
from lapa_edge.compare.trial import Trained, Trial
from lapa_edge.compare.unseen_codes import read_codes
from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.model.quantizer import QuantizerConfig
from lapa_edge.runtime.session import Session

NAMES = {"state": ("effector_x", "effector_y"), "action": ("target_dx", "target_dy")}


def stand_in(trial: Trial) -> str:
    """In place of a training: a bundle with random weights for the toy Language Table, and, of a
    method that has one, a stage-1 run with as many codes."""
    spec = tiny_spec(s=2, control_hz=10.0, policy_hz=5.0)
    structs = msgspec.structs
    spec = structs.replace(
        spec,
        state=structs.replace(spec.state, names=NAMES["state"]),
        action=structs.replace(spec.action, names=NAMES["action"], units=("m", "m")),
    )
    write_bundle(trial.bundle, spec, tiny_files(spec, seed=trial.seed), {})
    if trial.latents and not trial.latents.exists():
        assert spec.latent
        space = replace(LATENTS.model, n=spec.latent.n, quantizer=QuantizerConfig(k=spec.latent.k))
        untrained_run(trial.latents, replace(LATENTS, model=space))
    (trial.folder / "trained.json").write_bytes(msgspec.json.encode(Trained(1234, 5.0)))
    return trial.variant.name


class Comparison:
    """A toy comparison, trained by `stand_in` in this process; notes what was trained."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.out, self.data = root / "out", write_language_table(root / "lt", val=3)
        self.trained: list[str] = []
        self.stop_at = ""

        def here(function: Callable[[Any], Any], jobs: list[Any], _: int) -> Iterator[Any]:
            for job in jobs:
                if isinstance(job, Trial):
                    name = f"{job.variant.name}/{job.seed}"
                    if name == self.stop_at:
                        raise KeyboardInterrupt
                    self.trained.append(name)
                    yield stand_in(job)
                else:
                    yield function(job)

        monkeypatch.setattr(pipeline, "run_in_workers", here)
        monkeypatch.setattr(judge, "run_in_workers", here)

    def run(self, *flags: str, methods: str = '"scratch", "lapa"', steps: int = 5) -> int:
        config = self.data.parent / "compare.toml"
        config.write_text(
            f'methods = [{methods}]\nseeds = 2\n[data]\nvideo = "{self.data}"\n'
            f'[training]\npreset = "debug"\naction_steps = {steps}\n[offline]\n'
        )
        arguments = ("compare", str(config), "--out", str(self.out), "--processes", "1", *flags)
        return run_command(train, Stage, "lapa-train", "", arguments)

    def rows(self, metric: str = "action_error") -> dict[str, dict[str, Any]]:
        numbers = json.loads((self.out / "report" / "compare.json").read_text())
        return {r["variant"]: r for r in numbers["rows"] if r["metric"] == metric}


@pytest.fixture
def comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    return Comparison(tmp_path, monkeypatch)


def test_every_method_meets_every_seed_and_the_same_episodes(comparison: Comparison) -> None:
    assert comparison.run() == 0
    assert comparison.trained == ["scratch/0", "lapa/0", "scratch/1", "lapa/1"]
    found = comparison.rows()
    assert found["scratch"]["by_seed"] == found["lapa"]["by_seed"], "the stand-ins are alike"
    assert found["lapa"]["episodes"] == 6
    assert found["lapa"]["parameters"] == 1234
    page = (comparison.out / "report" / "compare.md").read_text()
    assert "Without looking: stop" in page


def test_codes_are_judged_where_the_method_has_a_stage_1_of_its_own(
    comparison: Comparison,
) -> None:
    assert comparison.run() == 0
    found = comparison.rows("code_accuracy")
    assert list(found) == ["lapa"]
    assert found["lapa"]["episodes"] == 6
    page = (comparison.out / "report" / "compare.md").read_text()
    assert "Without looking: commonest code" in page
    codes = comparison.out / "shared" / "0" / "unseen_codes.json"
    val = read_dataset(comparison.data, ReadOptions(split="val")).episodes
    session = Session(load_bundle(comparison.out / "lapa" / "0" / "bundle"), "push")
    right = []
    for episode, (name, (frame, known)) in zip(val, read_codes(codes).items(), strict=True):
        assert episode.name == name
        images = list(episode.video.read())
        right.append([session.look(images[i], 0.0).codes for i in frame] == known)
    assert found["lapa"]["by_seed"]["0"] == pytest.approx(np.mean(right))


def test_only_what_is_new_runs_when_methods_and_seeds_are_added(comparison: Comparison) -> None:
    assert comparison.run("--seeds", "1") == 0
    first = (comparison.out / "lapa" / "0" / "result.json").stat().st_mtime_ns
    comparison.trained.clear()
    assert comparison.run(methods='"scratch", "lapa", "vpt"') == 0
    assert comparison.trained == ["vpt/0", "scratch/1", "lapa/1", "vpt/1"]
    assert (comparison.out / "lapa" / "0" / "result.json").stat().st_mtime_ns == first
    comparison.trained.clear()
    assert comparison.run(methods='"scratch", "lapa", "vpt"') == 0
    assert not comparison.trained


def test_only_leaves_the_other_rows_for_another_time(comparison: Comparison) -> None:
    assert comparison.run("--only", "lapa", "--seeds", "1") == 0
    assert list(comparison.rows()) == ["lapa"]
    assert comparison.run("--seeds", "1") == 0
    assert comparison.trained == ["lapa/0", "scratch/0"]
    assert list(comparison.rows()) == ["scratch", "lapa"]


def test_a_stopped_comparison_keeps_its_trainings_and_report(
    comparison: Comparison, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison.stop_at = "lapa/1"
    assert comparison.run() == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "stopped; finished work is kept, run the same command again"
    assert comparison.rows()["lapa"]["by_seed"].keys() == {"0"}, "the first seed is reported"
    comparison.stop_at = ""
    comparison.trained.clear()
    assert comparison.run() == 0
    assert comparison.trained == ["lapa/1"]


def test_a_bundle_that_was_cut_short_is_made_again(comparison: Comparison) -> None:
    assert comparison.run("--seeds", "1") == 0
    folder = comparison.out / "lapa" / "0"
    (folder / "result.json").unlink()
    (folder / "bundle" / "policy.onnx").write_bytes(b"half")
    comparison.trained.clear()
    assert comparison.run("--seeds", "1") == 0
    assert comparison.trained == ["lapa/0"]


def test_a_changed_config_is_refused_and_nothing_is_lost(
    comparison: Comparison, capsys: pytest.CaptureFixture[str]
) -> None:
    assert comparison.run("--seeds", "1") == 0
    before = (comparison.out / "report" / "compare.json").read_bytes()
    assert comparison.run(steps=6) == 1
    assert "was started with another training.action_steps" in capsys.readouterr().err
    assert (comparison.out / "report" / "compare.json").read_bytes() == before


@pytest.mark.parametrize(("flags", "says"), [(("--seeds", "0"), "--seeds"), (("--only", "x"), "x")])
def test_flags_out_of_range_are_refused_before_any_work(
    comparison: Comparison,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, str],
    says: str,
) -> None:
    assert comparison.run(*flags) == 1
    assert says in capsys.readouterr().err
    assert not comparison.out.exists()
