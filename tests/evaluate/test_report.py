"""The report of closed-loop rollouts: the same numbers for programs, for people, in pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intervals import wilson_by_search
from PIL import Image

from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob
from lapa_edge.evaluate.report import write_report
from lapa_edge.evaluate.rollout import Episode
from lapa_edge.evaluate.summary import summarise

SOLVED = {"door": (3, 4), "drawer": (1, 5), "reach": (0, 2)}  # of how many
SPLITS = {"door": "seen", "drawer": "seen", "reach": "unseen"}


def answers_of(splits: dict[str, str]) -> list[JobAnswer]:
    """Episode `i` of a task takes ``10 (i + 1)`` steps and meets ages of 0.1 s and ``0.1 i`` s."""
    return [
        JobAnswer(
            job=RolloutJob(
                bundle="b", environment="e", task=task, seeds=tuple(range(count)), latency_s=0.1,
                split=splits.get(task, ""),
            ),
            instruction=task,
            episodes=[
                Episode(
                    seed=i, success=i < solved, steps=10 * (i + 1), latent_age_s=[0.1, 0.1 * i],
                    jerk=float(i), stops=i, reasons={"late": i},
                )
                for i in range(count)
            ],
            torch_imported=False,
        )
        for task, (solved, count) in SOLVED.items()
    ]  # fmt: skip


def report(out: Path, splits: dict[str, str] = SPLITS) -> tuple[dict[str, Any], str]:
    """``report.json``'s result, and ``report.md``."""
    answers = answers_of(splits)
    write_report(out, "bundle-a", summarise(answers), answers, {"seed": 7, "camera": ""})
    found = json.loads((out / "report.json").read_text())
    assert found["settings"] == {"seed": 7, "camera": ""}
    return found["result"], (out / "report.md").read_text()


def test_every_rate_stands_with_its_interval(tmp_path: Path) -> None:
    result, _ = report(tmp_path)
    total = sum(solved for solved, _ in SOLVED.values())
    episodes = sum(count for _, count in SOLVED.values())
    assert result["mean_success"] == pytest.approx(total / episodes)
    assert result["interval_95"] == pytest.approx(wilson_by_search(total, episodes), abs=1e-4)
    for task, (solved, count) in SOLVED.items():
        row = result["tasks"][task]
        assert (row["successes"], row["episodes"], row["split"]) == (solved, count, SPLITS[task])
        assert row["interval_95"] == pytest.approx(wilson_by_search(solved, count), abs=1e-4)
    for split, (solved, count) in {"seen": (4, 9), "unseen": (0, 2)}.items():
        row = result["splits"][split]
        assert (row["successes"], row["episodes"]) == (solved, count)
        assert row["interval_95"] == pytest.approx(wilson_by_search(solved, count), abs=1e-4)


def test_steps_ages_and_jerk_are_those_of_the_episodes(tmp_path: Path) -> None:
    result, _ = report(tmp_path)
    solved = [10 * (i + 1) for count, _ in SOLVED.values() for i in range(count)]
    assert result["steps_to_success"]["median"] == np.median(solved)
    assert result["tasks"]["door"]["mean_steps_to_success"] == 20
    assert result["tasks"]["reach"]["steps_to_success"] is None
    ages = [age for a in answers_of(SPLITS) for e in a.episodes for age in e.latent_age_s]
    assert result["latent_age_s"]["mean"] == pytest.approx(np.mean(ages))
    assert result["latent_age_s"]["max"] == pytest.approx(0.4)
    jerks = [float(i) for _, count in SOLVED.values() for i in range(count)]
    assert result["motion"]["jerk"] == np.median(jerks)


def test_the_page_says_what_the_json_says(tmp_path: Path) -> None:
    result, page = report(tmp_path)
    cells = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    rows = {row[0]: row for row in cells[1:]}
    expected = {f"{task} ({SPLITS[task]})": row for task, row in result["tasks"].items()}
    expected |= {f"**{split}**": row for split, row in result["splits"].items()}
    assert rows.keys() == {*expected, "**all**"}
    for name, row in expected.items():
        rate = row["successes"] / row["episodes"]
        assert rows[name][1] == f"{row['successes']}/{row['episodes']} ({rate:.0%})"
        low, high = row["interval_95"]
        assert rows[name][2] == f"{low:.0%} to {high:.0%}"
    assert rows["**all**"][1] == "4/11 (36%)"
    assert page.startswith("# bundle-a: closed loop\n\nseed 7\n"), "what was not set is not told"
    assert re.search(r"stopped in \d+\.\d% of ticks \(late: 17\)", page)
    assert "never imported torch" in page


def test_without_a_word_on_training_nothing_is_called_seen(tmp_path: Path) -> None:
    result, page = report(tmp_path, splits={})
    assert result["splits"] == {}
    assert "seen" not in page


def test_the_plots_are_pictures_of_the_numbers(tmp_path: Path) -> None:
    report(tmp_path / "one")
    pictures = {}
    for name in ("success.png", "ages.png"):
        with Image.open(tmp_path / "one" / name) as picture:
            assert picture.format == "PNG"
            pictures[name] = np.asarray(picture.convert("L"))
        assert pictures[name].std() > 5, "something is drawn"
    answers = answers_of(SPLITS)
    for answer in answers:
        for episode in answer.episodes:
            episode.success, episode.latent_age_s = True, [0.3, 0.5, 0.7]
    write_report(tmp_path / "other", "b", summarise(answers), answers, {})
    for name, picture in pictures.items():
        with Image.open(tmp_path / "other" / name) as other:
            assert not np.array_equal(np.asarray(other.convert("L")), picture)


def test_a_robot_that_never_moved_is_reported_too(tmp_path: Path) -> None:
    answers = answers_of({})
    for answer in answers:
        for episode in answer.episodes:
            episode.success, episode.latent_age_s, episode.jerk = False, [], None
    write_report(tmp_path, "b", summarise(answers), answers, {})
    result = json.loads((tmp_path / "report.json").read_text())["result"]
    assert result["latent_age_s"] is None
    assert result["steps_to_success"] is None
    assert "latent age" not in (tmp_path / "report.md").read_text()
    assert (tmp_path / "ages.png").is_file()
