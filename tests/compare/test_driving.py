"""How a comparison drives its bundles, and where a seed's shared runs lie."""

from __future__ import annotations

from pathlib import Path

from lapa_edge.compare.config import (
    AblationConfig,
    CompareConfig,
    EvaluationConfig,
    RecordConfig,
)
from lapa_edge.compare.judge import rollout_jobs
from lapa_edge.compare.outcomes import Condition
from lapa_edge.compare.trial import Trial
from lapa_edge.compare.variants import variants
from lapa_edge.evaluate.evaluation import RolloutJob

CONFIG = CompareConfig(
    methods=("unipi", "lapa"),
    record=RecordConfig(
        environment="metaworld", tasks=("a", "b"), videos_per_task=4, demos_per_task=2
    ),
    evaluation=EvaluationConfig(
        environment="metaworld", tasks=("a", "b"), episodes=7, latency_s=0.1, simulator="there"
    ),
    ablation=AblationConfig(latency_s=(0.0, 0.3), execution=("two-rate", "blocking")),
)


def trials(out: Path, seed: int = 0) -> dict[str, Trial]:
    return {one.name: Trial(CONFIG, out, one, seed) for one in variants(CONFIG)}


def driven(trial: Trial) -> dict[Condition, list[RolloutJob]]:
    """Its rollouts, by what they are asked to be; that condition is what its folder says."""
    found: dict[Condition, list[RolloutJob]] = {}
    for path, job in rollout_jobs(trial).items():
        condition = Condition(job.execution, job.latency_s)
        assert path.parent.name == condition.key
        found.setdefault(condition, []).append(job)
    return found


def test_every_condition_that_is_asked_for_is_what_is_driven(tmp_path: Path) -> None:
    every = trials(tmp_path)
    assert set(driven(every["unipi"])) == {Condition("open-loop", 0.1)}
    assert set(driven(every["lapa"])) == {
        Condition("two-rate", 0.1),
        *(Condition(how, s) for how in ("two-rate", "blocking") for s in (0.0, 0.3)),
    }  # fmt: skip
    assert set(driven(every["lapa-no-age"])) == {
        Condition("two-rate", s) for s in (0.1, 0.0, 0.3)
    }  # fmt: skip


def test_every_task_has_its_episodes_and_methods_meet_the_same_scenes(tmp_path: Path) -> None:
    every = trials(tmp_path)
    (jobs,) = driven(every["unipi"]).values()
    seeds = {task: [s for j in jobs if j.task == task for s in j.seeds] for task in ("a", "b")}
    assert all(len(set(scenes)) == len(scenes) == 7 for scenes in seeds.values())
    assert {job.simulator for job in jobs} == {"there"}
    assert {job.bundle for job in jobs} == {str(every["unipi"].bundle.resolve())}
    lapa = driven(every["lapa"])[Condition("two-rate", 0.1)]
    assert [job.seeds for job in lapa] == [job.seeds for job in jobs]
    other = driven(trials(tmp_path, seed=1)["lapa"])[Condition("two-rate", 0.1)]
    assert not {s for job in other for s in job.seeds} & {s for job in lapa for s in job.seeds}


def test_seeds_share_nothing(tmp_path: Path) -> None:
    first, second = (trials(tmp_path, seed)["lapa"] for seed in (0, 1))
    assert first.shared == tmp_path / "shared" / "0"
    assert second.shared == tmp_path / "shared" / "1"
    assert second.latents == tmp_path / "shared" / "1" / "latents"
    assert trials(tmp_path)["unipi"].latents is None
