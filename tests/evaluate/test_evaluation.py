"""Jobs whose answers are kept, and what their numbers add up to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from bundles import write_tiny_bundle

from lapa_edge.errors import ConfigError
from lapa_edge.evaluate import evaluation
from lapa_edge.evaluate.claim import claim
from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob, run_job, run_kept_jobs
from lapa_edge.evaluate.report import describe
from lapa_edge.evaluate.rollout import Episode
from lapa_edge.evaluate.summary import summarise, unknown_words


def _job(task: str = "a", seed: int = 0, **more: object) -> RolloutJob:
    fields = {"bundle": "b", "environment": "e", "latency_s": 0.1, **more}
    return msgspec.convert({**fields, "task": task, "seeds": [seed]}, RolloutJob)


def _answer(job: RolloutJob, **episode: object) -> JobAnswer:
    found = msgspec.convert({"seed": job.seeds[0], "steps": 10, **episode}, Episode)
    return JobAnswer(job=job, instruction="go", episodes=[found], torch_imported=False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RolloutJob]:
    """The jobs that were run, in this process; the third is killed."""
    asked: list[RolloutJob] = []

    def run_jobs(jobs, processes, worker):  # type: ignore[no-untyped-def]
        for job in jobs:
            if len(asked) == 2:
                asked.clear()
                raise KeyboardInterrupt
            asked.append(job)
            yield _answer(job)

    monkeypatch.setattr(evaluation, "run_jobs", run_jobs)
    return asked


def test_a_stopped_evaluation_runs_only_what_is_missing(
    tmp_path: Path, asked: list[RolloutJob]
) -> None:
    jobs = {tmp_path / f"{seed}.json": _job(seed=seed) for seed in range(4)}
    with pytest.raises(KeyboardInterrupt):
        run_kept_jobs(jobs, 1, lambda done: None)
    advanced: list[int] = []
    answers = run_kept_jobs(jobs, 1, advanced.append)
    assert [job.seeds for job in asked] == [(2,), (3,)]
    assert advanced == [2, 1, 1]
    assert [answer.job for answer in answers] == list(jobs.values())


def test_an_answer_to_another_job_or_a_damaged_one_counts_as_missing(
    tmp_path: Path, asked: list[RolloutJob]
) -> None:
    first, second, third = (tmp_path / f"{i}.json" for i in range(3))
    first.write_bytes(msgspec.json.encode(_answer(_job(latency_s=0.2))))
    second.write_text("{")
    third.write_bytes(msgspec.json.encode(_answer(_job(seed=2, bundle="elsewhere"))))
    answers = run_kept_jobs(
        {first: _job(), second: _job(seed=1), third: _job(seed=2)}, 1, lambda done: None
    )
    assert [job.seeds for job in asked] == [(0,), (1,)]
    assert answers[2].job.bundle == "b"


def test_an_answer_counts_wherever_the_simulator_lies_and_whatever_is_called_unseen(
    tmp_path: Path, asked: list[RolloutJob]
) -> None:
    path, job = tmp_path / "0.json", _job(simulator="there", split="unseen")
    path.write_bytes(msgspec.json.encode(_answer(_job(simulator="here"))))
    (answer,) = run_kept_jobs({path: job}, 1, lambda done: None)
    assert (asked, answer.job) == ([], job)


def test_a_jobs_simulator_is_the_one_that_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*given: object) -> None:
        raise ConfigError("built", str(given))

    monkeypatch.setattr(evaluation, "build_environment", build)
    with pytest.raises(ConfigError, match=r"'e', 'a', PosixPath\('/sim'\)"):
        run_job(_job(simulator="/sim"))


def test_a_kept_answer_survives_its_journey_through_json(tmp_path: Path) -> None:
    answer = _answer(_job(), codes=[[1, 2]], jerk=None, reasons={"x": 1}, latent_age_s=[0.1])
    assert msgspec.json.decode(msgspec.json.encode(answer), type=JobAnswer) == answer


def test_numbers_add_up_over_tasks_and_splits() -> None:
    answers = [
        _answer(_job("a", 0, split="seen"), success=True, steps=10, latent_age_s=[0.1, 0.3],
                score=0.5),
        _answer(_job("a", 1, split="seen"), success=True, steps=30, jump=2.0, between=1.0,
                score=1.0),
        _answer(_job("b", 0, split="unseen"), steps=40, stops=8, clamped=4, lost=3,
                reasons={"late": 6, "NaN": 2}, unknown=["yonder"]),
    ]  # fmt: skip
    result = summarise(answers)
    assert result.mean_success == pytest.approx(2 / 3)
    assert result.splits["seen"].successes == 2
    assert result.splits["unseen"].successes == 0
    assert result.tasks["b"].split == "unseen"
    assert result.steps_to_success is not None
    assert result.steps_to_success.median == 20
    assert result.latent_age_s is not None
    assert result.latent_age_s.max == pytest.approx(0.3)
    assert result.stopped == pytest.approx(0.1)
    assert result.clamped == pytest.approx(0.05)
    assert list(result.stops_by_reason.items()) == [("late", 6), ("NaN", 2)]
    assert result.lost_looks == 3
    assert result.score == pytest.approx(0.75)
    assert result.tasks["b"].score is None
    report = describe("policy", result, {})
    assert "| a (seen) | 2/2 (100%) | 34% to 100% | 20 (15 to 25) | 0 | 0.75 |" in report
    assert unknown_words(answers) == {"b": ["yonder"]}


def test_a_folder_of_another_evaluation_is_refused_by_what_differs(tmp_path: Path) -> None:
    out = tmp_path / "out"
    claim(out, {"latency_s": 0.1, "head": "native"})
    claim(out, {"latency_s": 0.1, "head": "native"})
    with pytest.raises(ConfigError, match=r"latency_s 0\.1, expected 0\.3"):
        claim(out, {"latency_s": 0.3, "head": "native"})
    write_tiny_bundle(tmp_path / "bundle")
    with pytest.raises(ConfigError, match="is no empty folder"):
        claim(tmp_path / "bundle", {"latency_s": 0.1})
