"""A sweep, whole and in small: what it writes, that it goes on, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from pathlib import Path

import pytest
from language_table import write_language_table

from lapa_edge.cli.command import run_command
from lapa_edge.cli.train import Stage, train
from lapa_edge.errors import ConfigError
from lapa_edge.train.sweep import Finding
from lapa_edge.train.sweep_report import table
from lapa_edge.train.variants import VARIANTS, default_variant, grid_variants, named_variants

DEFAULT = default_variant("debug", batch=4, gap_s=(0.3,))


def finding(variant: str, seed: int, r2: float) -> Finding:
    return Finding(
        variant=variant, seed=seed, steps=10, cpu_s=1.0, r2_latents=r2, r2_codes=r2 / 2,
        r2_latents_mlp=r2, r2_first_frame=0.1, gain=0.2, drop=0.3, active=7 + seed, k=8,
        perplexity=5.0, sequences=9,
    )  # fmt: skip


def lapa_train(*arguments: str) -> int:
    return run_command(train, Stage, "lapa-train", "", arguments)


def test_a_sweep_compares_on_unseen_clips_and_goes_on_where_it_was(tmp_path: Path) -> None:
    data, out = write_language_table(tmp_path / "data", val=6), tmp_path / "sweep"
    arguments = [
        "sweep", "--data", str(data), "--out", str(out), "--preset", "debug", "--batch", "4",
        "--seconds", "0.2", "--pairs", "60", "--processes", "1", "--gap-s", "0.3",
        "--cache", str(tmp_path / "cache"), "--seeds", "1", "--variants",
    ]  # fmt: skip
    assert lapa_train(*arguments, "default") == 0
    first = (out / "default" / "0" / "study.json").read_bytes()
    assert lapa_train(*arguments, "default", "inverse-dynamics") == 0
    assert (out / "default" / "0" / "study.json").read_bytes() == first
    found = json.loads((out / "sweep.json").read_text())
    assert [f["variant"] for f in found] == ["default", "inverse-dynamics"]
    assert all(f["r2_latents"] <= 1 and f["steps"] >= 10 for f in found)
    assert "| inverse-dynamics |" in (out / "sweep.md").read_text()
    assert (out / "sweep.png").stat().st_size > 5000


def test_the_table_gives_means_with_students_interval() -> None:
    lines = table((DEFAULT,), [finding("default", 0, 0.4), finding("default", 1, 0.6)])
    # Mean 0.5, standard error 0.1, t = 12.71 for one degree of freedom.
    assert "| 0.50 (-0.77 to 1.77) | 0.25 (-0.39 to 0.89) |" in lines
    assert "| 7 of 8 at least |" in lines


def leaves(config: object, name: str = "") -> dict[str, object]:
    if not is_dataclass(config):
        return {name: config}
    found: dict[str, object] = {}
    for key, value in vars(config).items():
        found |= leaves(value, f"{name}.{key}")
    return found


def test_every_variant_differs_from_the_default_in_one_thing() -> None:
    default = default_variant("debug", batch=4, gap_s=(0.3, 0.4, 0.5))
    before = leaves(default.config)
    # What FSQ is made of includes the width of its codes; the published training is all of it.
    several = {"fsq": 2, "no-augmentation": 2, "published": 99}
    for variant in named_variants(VARIANTS, default):
        after = leaves(variant.config)
        changed = [key for key in before if after.get(key) != before[key]]
        labels = variant.labelled_share > 0
        if variant.name == "default":
            assert not changed
        elif labels:
            assert not changed, variant.name
        else:
            assert 1 <= len(changed) <= several.get(variant.name, 1), (variant.name, changed)


def test_a_grid_has_every_pair_of_n_and_k() -> None:
    grid = grid_variants(DEFAULT, (1, 16), (8, 64))
    assert [v.name for v in grid] == ["n1-k8", "n1-k64", "n16-k8", "n16-k64"]
    assert grid[-1].config.model.n == 16
    assert grid[-1].config.model.quantizer.k == 64


def test_unknown_and_repeated_variants_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected some of default, .*, got best"):
        named_variants(["best"], DEFAULT)
    with pytest.raises(ConfigError, match="default is given twice"):
        named_variants(["default", "default"], DEFAULT)
