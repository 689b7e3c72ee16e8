"""From a model to the page: what is there, what is left out, and that it needs no network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.latents.estimate import Estimate
from lapa_edge.evaluate.latents.figures import FIGURES, draw_figures
from lapa_edge.evaluate.latents.page import Source, write_report
from lapa_edge.evaluate.latents.study import Study, StudySettings, gather, study
from lapa_edge.evaluate.latents.words import findings, interval, number

SETTINGS = StudySettings(pairs=200, splits=1, transfers=40)
SOURCE = Source(run="runs/<a&b>", data="clips", split="val", model_sha256="0123456789")


Inspected = tuple[Study, str, dict[str, Any]]


def inspected(world: Any, codec: Any, folder: Path) -> Inspected:
    material = gather(codec, world.dataset, world.store, SETTINGS)
    found = study(material, SETTINGS)
    page = write_report(found, SOURCE, draw_figures(material, found, folder), folder)
    return found, page.read_text(), json.loads((folder / "report.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def full(world: Any, oracle: Any, folder: Path) -> Inspected:
    """The oracle, on clips with actions: nothing is missing."""
    return inspected(world, oracle, folder)


def test_the_page_holds_every_figure_and_needs_nothing_else(full: Inspected, folder: Path) -> None:
    found, page, report = full
    assert not found.missing
    assert page.count("<img") == len(FIGURES) == len(report["figures"])
    assert set(re.findall(r"src='(.{5})", page)) == {"data:"}
    assert "http" not in re.sub(r"base64,[^']*", "", page)
    assert "<script" not in page
    assert "runs/&lt;a&amp;b&gt;" in page
    for name in FIGURES:
        with Image.open(folder / name) as image:
            assert image.width > 100


def test_report_json_holds_the_numbers(full: Inspected) -> None:
    found, _, report = full
    written = report["study"]
    assert written["fidelity"]["drop"]["value"] == found.fidelity.drop.value
    assert found.probe is not None
    assert len(written["probe"]["scores"]) == len(found.probe.scores) == 8
    assert written["latent"] == {"n": 2, "k": 3, "d": 1, "gap_s": 0.4}
    assert report["source"]["run"] == SOURCE.run


def test_video_without_actions_says_what_is_missing(
    make_world: Callable[..., Any], oracle: Any, tmp_path: Path
) -> None:
    found, page, report = inspected(make_world(3, labelled=False), oracle, tmp_path)
    assert found.arrows is found.probe is None
    assert report["study"]["missing"].keys() == {"arrows", "probe"}
    assert page.count("the data holds no actions") == 2
    assert "With 3 clips the intervals are too narrow" in page
    assert not (tmp_path / "arrows.png").exists()


def test_one_clip_leaves_out_what_needs_two(
    make_world: Callable[..., Any], oracle: Any, tmp_path: Path
) -> None:
    found, page, report = inspected(make_world(1), oracle, tmp_path)
    assert found.missing.keys() == {"probe", "transfer"}
    assert "got one clip" in page
    assert report["study"]["fidelity"]["gain"]["low"] is None


def test_one_code_of_a_thousand_shows_the_frequent_ones(
    make_world: Callable[..., Any], wide: Any, tmp_path: Path
) -> None:
    found, page, _ = inspected(make_world(6, labelled=False), wide, tmp_path)
    assert len(found.sequences) == 8 < found.usage.overall.sequences
    assert "position 1" not in page
    assert found.transfer is not None
    assert found.transfer.agreement.value == 1
    with Image.open(tmp_path / "usage.png") as image:
        assert image.width < 3000


def test_a_second_report_leaves_no_figure_of_the_first(
    make_world: Callable[..., Any], oracle: Any, tmp_path: Path
) -> None:
    for name in FIGURES:
        (tmp_path / name).write_text("old")
    inspected(make_world(1, labelled=False), oracle, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.html", "report.json", "codes.png", "usage.png",
    }  # fmt: skip


def reading(found: Study, name: str) -> str:
    return next(line.reading for line in findings(found) if name in line.name)


def test_the_summary_tells_a_good_model_from_a_deaf_one(
    full: Inspected, make_world: Callable[..., Any], deaf: Any
) -> None:
    world = make_world(8, labelled=False)
    bad = study(gather(deaf, world.dataset, world.store, SETTINGS), SETTINGS)
    assert "listens to the codes" in reading(full[0], "shuffled")
    assert "ignores the codes" in reading(bad, "shuffled")
    assert "oftener than chance" in reading(full[0], "transfer")
    assert "not read back" in reading(bad, "transfer")
    assert "more of the motion" in reading(full[0], "latents")


def test_numbers_are_written_without_a_negative_zero_and_without_nan() -> None:
    assert number(-0.001) == "0.00"
    assert number(float("nan")) == "n/a"
    assert number(-0.25, 1) == "-0.2"
    assert interval(Estimate(0.5, float("nan"), float("nan"))) == "0.50"


@pytest.mark.parametrize("name", ["pairs", "splits", "transfers"])
def test_impossible_settings_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        StudySettings(**{name: 0})
