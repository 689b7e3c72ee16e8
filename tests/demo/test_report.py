"""The report says what the numbers allow, and no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lapa_edge.data.labels import CodeUsage
from lapa_edge.demo.report import Report, compare, verdict, write_report
from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob
from lapa_edge.evaluate.rollout import Episode
from lapa_edge.evaluate.summary import MethodResult, summarise
from lapa_edge.runtime.profile import Latency, describe_machine


def result(solved: int, torch_imported: bool = False) -> MethodResult:
    job = RolloutJob(bundle="b", environment="e", task="t", seeds=(), latency_s=0.05)
    episodes = [
        Episode(seed=i, success=i < solved, steps=10, latent_age_s=[0.1]) for i in range(40)
    ]
    answer = JobAnswer(job=job, instruction="go", episodes=episodes, torch_imported=torch_imported)
    return summarise([answer])


def report(lapa: int, scratch: int) -> Report:
    methods = {"lapa": result(lapa), "scratch": result(scratch)}
    difference, interval = compare(methods["lapa"], methods["scratch"])
    return Report(
        seed=0,
        quick=False,
        demos_per_task=2,
        videos=10,
        methods=methods,
        difference=difference,
        difference_interval_95=interval,
        stages={"record": 1.0},
        latency_ms={
            "policy": Latency(p50_ms=1, p95_ms=2, p99_ms=3, p99_9_ms=4, max_ms=4, repeats=5)
        },
        codes=CodeUsage(frames=9, k=2, active=2, perplexity=1.9, sequences=3, share=(0.4, 0.6)),
        parity={"context_max_abs": 1e-6},
        engines="none",
        torch_imported_by_runtime=False,
        machine=describe_machine(),
    )


@pytest.mark.parametrize(
    ("lapa", "scratch", "expected"),
    [
        (36, 12, "helped"),
        (12, 36, "hurt"),
        (20, 19, "No difference can be told"),
        (0, 0, "No diff"),
    ],
)
def test_the_verdict_follows_the_interval(lapa: int, scratch: int, expected: str) -> None:
    assert expected in verdict(report(lapa, scratch))


def test_report_json_holds_what_a_program_looks_for(tmp_path: Path) -> None:
    page = write_report(report(30, 10), tmp_path)
    found = json.loads((tmp_path / "report.json").read_text())
    for method, solved in (("lapa", 30), ("scratch", 10)):
        assert found["methods"][method]["mean_success"] == solved / 40
        assert found["methods"][method]["episodes"] == 40
        assert found["methods"][method]["tasks"]["t"]["successes"] == solved
    assert found["torch_imported_by_runtime"] is False
    assert found["stages"] == {"record": 1.0}
    assert found["latency_ms"]["policy"]["p99_ms"] == 3
    assert "30/40" in page.read_text()


def test_one_worker_with_torch_is_enough_to_say_so() -> None:
    assert result(1, torch_imported=True).torch_imported_by_runtime
