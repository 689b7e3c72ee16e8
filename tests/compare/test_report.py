"""Tables and pictures: each number says of what it is, and none is made up."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from findings import finding, success

from lapa_edge.compare.config import (
    AblationConfig,
    CompareConfig,
    EvaluationConfig,
    GridConfig,
    RecordConfig,
)
from lapa_edge.compare.outcomes import Cell, Condition
from lapa_edge.compare.report import write_report
from lapa_edge.compare.results import Findings
from lapa_edge.compare.summary import pairs, row, rows
from lapa_edge.compare.table import markdown
from lapa_edge.compare.variants import variants
from lapa_edge.errors import DataError
from lapa_edge.evaluate.seed_statistics import episode_interval, seed_interval
from lapa_edge.evaluate.statistics import wilson_interval

CONFIG = CompareConfig(
    methods=("scratch", "lapa"),
    record=RecordConfig(
        environment="metaworld", tasks=("a", "b"), videos_per_task=4, demos_per_task=2
    ),
    evaluation=EvaluationConfig(environment="metaworld", tasks=("a", "b")),
)
TWO = Findings(
    [
        finding("scratch", 0, success({"a": 2, "b": 4})),
        finding("scratch", 1, success({"a": 4, "b": 4})),
        finding("lapa", 0, success({"a": 8, "b": 6})),
        finding("lapa", 1, success({"a": 9, "b": 9})),
    ]
)


def test_a_row_pools_episodes_for_wilson_and_draws_seeds_for_the_other_interval() -> None:
    one = row(TWO, "lapa", "success")
    assert one
    assert one.mean == pytest.approx(0.8)
    assert one.wilson == wilson_interval(32, 40)
    assert one.by_seed == {0: pytest.approx(0.7), 1: pytest.approx(0.9)}
    assert one.solved == {"a": (17, 20), "b": (15, 20)}
    assert one.seeds_interval
    assert one.seeds_interval[0] < 0.7


def test_a_pair_is_compared_on_the_seeds_that_both_have() -> None:
    more = Findings([*TWO.every, finding("lapa", 2, success({"a": 0, "b": 0}))])
    (pair,) = pairs(more, "success", ("scratch", "lapa"))
    assert (pair.first, pair.second, pair.seeds) == ("lapa", "scratch", 2)
    assert pair.difference == pytest.approx(0.8 - 0.35)
    assert pair.newcombe


def test_with_one_seed_nothing_is_said_of_others() -> None:
    (one, _) = rows(Findings([TWO.every[0], TWO.every[2]]), "success")
    assert one.seeds_interval is None
    page = markdown(CONFIG, Findings([TWO.every[0], TWO.every[2]]))
    assert "| scratch | **30%** | (15% to 52%) | - | 30% | 1 | 20 | 0.50 M | 2.0 |" in page


def test_the_page_shows_every_task_and_which_interval_is_which() -> None:
    page = markdown(CONFIG, TWO)
    assert "| method | a | b |" in page
    assert "| lapa | 17/20 | 15/20 |" in page
    assert "| lapa - scratch | **+45** |" in page
    assert "Newcombe" in page
    assert "hierarchical bootstrap" in page


def test_what_is_not_success_has_no_wilson() -> None:
    errors = Cell(
        metric="action_error", execution="offline", latency_s=0.0, outcomes={"all": [0.5, 0.7]}
    )
    page = markdown(CONFIG, Findings([finding("lapa", 0, errors)]))
    assert "| lapa | **0.6** | (0.5 to 0.7) | - | 0.6 | 1 | 2 |" in page
    assert "Wilson |" not in page


def test_pairs_of_what_is_not_success_know_episodes_and_references_are_named() -> None:
    error = {"a": [0.5, 0.7, 0.6, 0.9], "b": [0.4, 0.3, 0.2, 0.5]}
    less = {"a": [0.4, 0.5, 0.6, 0.8], "b": [0.3, 0.2, 0.2, 0.3]}
    both = [
        msgspec.structs.replace(
            finding(
                variant, 0, Cell(metric=metric, execution="offline", latency_s=0.0, outcomes=o)
            ),
            references={metric: {"stop": 0.875}},
        )
        for metric in ("action_error",)
        for variant, o in (("scratch", error), ("lapa", less))
    ]
    page = markdown(CONFIG, Findings(both))
    (pair,) = pairs(Findings(both), "action_error", ("scratch", "lapa"))
    expected = episode_interval([{"a": [-0.1, -0.2, 0, -0.1], "b": [-0.1, -0.1, 0, -0.2]}])
    assert pair.episodes_interval == pytest.approx((expected.low, expected.high))
    assert pair.seeds_interval is None
    assert "| lapa - scratch | **-0.1** | - | (-0.1" in page
    assert "in units of the actions' spread. Without looking: stop 0.875.\n" in page


def test_shared_episodes_are_drawn_for_all_seeds_at_once() -> None:
    errors = {"a": np.random.default_rng(0).normal(size=30).tolist()}
    cell = Cell(metric="action_error", execution="offline", latency_s=0.0, outcomes=errors)
    found = Findings([finding("lapa", seed, cell) for seed in range(4)])
    (one,) = rows(found, "action_error")
    expected = seed_interval([errors] * 4, crossed=True)
    assert one.seeds_interval == (expected.low, expected.high)
    assert one.episodes_interval == pytest.approx(one.seeds_interval, abs=0.1)


def test_draws_that_never_differ_are_no_certainty() -> None:
    (one,) = rows(Findings([finding("lapa", s, success({"a": 0})) for s in (0, 1)]), "success")
    assert one.seeds_interval is None
    assert one.wilson == wilson_interval(0, 20)


def test_data_that_changed_between_two_seeds_is_told() -> None:
    cells = [
        Cell(metric="action_error", execution="offline", latency_s=0.0, outcomes={"a": [0.5] * n})
        for n in (4, 5)
    ]
    found = Findings([finding("lapa", seed, cell) for seed, cell in enumerate(cells)])
    with pytest.raises(DataError, match=r"lapa: seeds 0 and 1 were judged on other episodes"):
        rows(found, "action_error")


def test_a_plan_is_played_and_the_page_says_so() -> None:
    config = CompareConfig(
        methods=("unipi", "lapa"), record=CONFIG.record, evaluation=CONFIG.evaluation
    )
    driven = {one.name: one.conditions for one in variants(config)}
    assert driven["unipi"] == (Condition("open-loop", 0.05),)
    assert driven["lapa"] == (Condition("two-rate", 0.05),)
    assert "plans of UniPi are played" in markdown(config, TWO)


def test_latencies_have_a_line_per_way_of_driving() -> None:
    cells = [
        success({"a": 10 - place}, how=how, late_s=late_s)
        for place, how in enumerate(("two-rate", "blocking"))
        for late_s in (0.0, 0.3)
    ]
    found = Findings([finding("lapa", 0, *cells), finding("lapa-no-age", 0, cells[0], cells[1])])
    ablation = AblationConfig(latency_s=(0.0, 0.3))
    page = markdown(
        CompareConfig(methods=("lapa",), record=CONFIG.record, ablation=ablation), found
    )
    assert "| driven | 0 ms | 300 ms |" in page
    assert "| lapa, blocking | 90% (60% to 98%) | 90% (60% to 98%) |" in page
    assert "| lapa-no-age, two-rate |" in page
    late = row(found, "lapa", "success", Condition("blocking", 0.3))
    assert late
    assert late.mean == pytest.approx(0.9)


def test_the_grid_leaves_open_what_is_not_known() -> None:
    config = CompareConfig(methods=(), record=CONFIG.record, grid=GridConfig(n=(1, 4), k=(8, 64)))
    page = markdown(config, Findings([finding("lapa-n4-k64", 0, success({"a": 5}))]))
    assert "| n = 1 | - | - |" in page
    assert "| n = 4 | - | 50% |" in page


def test_the_report_is_replaced_whole_with_pictures_and_numbers(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "of_old.txt").write_text("old")
    late = [success({"a": 3, "b": 1}, late_s=s) for s in (0.05, 0.3)]
    found = Findings([*TWO.every, finding("lapa-n1-k8", 0, *late)])
    config = CompareConfig(
        methods=CONFIG.methods, record=CONFIG.record, evaluation=CONFIG.evaluation,
        grid=GridConfig(n=(1,), k=(8,)), ablation=AblationConfig(latency_s=(0.3,)),
    )  # fmt: skip
    root = write_report(config, found, tmp_path / "report")
    assert sorted(p.name for p in root.iterdir()) == [
        "compare.json", "compare.md", "compare.png", "grid.png", "latency.png"
    ]  # fmt: skip
    assert all(p.stat().st_size > 4000 for p in root.glob("*.png"))
    numbers = json.loads((root / "compare.json").read_text())
    assert [r["variant"] for r in numbers["rows"]] == ["scratch", "lapa", "lapa-n1-k8"]
    assert len(numbers["findings"]) == 5
    assert not list(tmp_path.glob(".report*")), "nothing is left beside it"
