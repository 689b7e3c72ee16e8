"""The exported bundle against its checkpoint, driven from the same seeds."""

from dataclasses import replace

import pytest
from agents import write_tiny_run
from toy_environments import Line

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import ConfigError
from lapa_edge.evaluate import evaluation, registry
from lapa_edge.evaluate.environment import Entry
from lapa_edge.evaluate.evaluation import JobAnswer, RolloutJob
from lapa_edge.evaluate.rollout import Episode
from lapa_edge.export import closed_loop
from lapa_edge.export.bundle import export_checked_bundle
from lapa_edge.export.closed_loop import (
    DEFAULT_GRAPH,
    PYTORCH,
    drive,
    episodes_to_drive,
    judge,
    with_closed_loop,
)
from lapa_edge.export.drive_config import DriveConfig
from lapa_edge.export.observations import random_observations
from lapa_edge.export.verification import verify
from lapa_edge.export.verification_page import render
from lapa_edge.train.actions import read_agent

LINE = Entry(
    robot=Line.robot,
    step_limits={"walk": 40, "run": 40},
    build=lambda task, simulator: Line(),
    missing=lambda simulator: "",
    install="",
)
CONFIG = DriveConfig(environment="line", episodes=3, processes=1)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A run and its bundle, not to be changed."""
    folder = tmp_path_factory.mktemp("closed_loop")
    run = write_tiny_run(folder / "run")
    config, agent = read_agent(run)
    observations = random_observations(config.spec, config.tokenizer, 4)
    bundle, _ = export_checked_bundle(config, agent, folder / "bundle", {}, observations)
    return run.root, bundle


@pytest.fixture
def exported(material, monkeypatch):
    """The two, with an environment for their robot; workers in this process."""
    monkeypatch.setitem(registry.ENVIRONMENTS, "line", LINE)
    monkeypatch.setattr(
        evaluation, "run_jobs", lambda jobs, processes, worker: (worker(job) for job in jobs)
    )
    return material


def answers(task, wins):
    """One answer whose episodes succeed as `wins` says, seeds counting up."""
    job = RolloutJob(
        bundle="b", environment="e", task=task, seeds=tuple(range(len(wins))), latency_s=0.05
    )
    episodes = [Episode(seed=i, steps=9, success=bool(won)) for i, won in enumerate(wins)]
    return [JobAnswer(job=job, instruction="go", episodes=episodes, torch_imported=False)]


def sides(pytorch, int8):
    return {PYTORCH: answers("a", pytorch), "policy.int8.onnx": answers("a", int8)}


def test_bundle_and_checkpoint_drive_the_same_seeds_alike_and_a_second_call_only_reads(
    exported, tmp_path, monkeypatch
):
    run, bundle = exported
    done = []
    found = drive(run, bundle, CONFIG, tmp_path / "kept", done.append)
    assert sum(done) == episodes_to_drive(CONFIG, bundle, [DEFAULT_GRAPH]) == 6
    assert found.tasks == ["walk"] and found.episodes == 3
    assert found.seeds == [1_000_000, 1_000_001, 1_000_002]
    side = found.graphs[DEFAULT_GRAPH]
    assert (side.only_here, side.only_pytorch, found.failures) == (0, 0, [])
    monkeypatch.setattr(evaluation, "run_jobs", lambda jobs, *_: iter([None] if jobs else []))
    assert drive(run, bundle, CONFIG, tmp_path / "kept", done.append) == found


def test_a_bundle_that_surely_succeeds_less_often_fails_and_one_that_may_not_passes(exported):
    few = judge(
        CONFIG,
        ["a"],
        sides([1, 1, 0], [1, 0, 0]),
    )
    assert few.failures == []
    assert few.graphs["policy.int8.onnx"].only_pytorch == 1
    low, high = few.graphs["policy.int8.onnx"].difference_interval
    assert low < -1 / 3 < 0 < high
    many = judge(CONFIG, ["a"], sides([1] * 20, [0] * 20))
    (failure,) = many.failures
    assert "policy.int8.onnx succeeds in 0 of 20 episodes, PyTorch in 20" in failure
    report = with_closed_loop(verify(exported[1]), many)
    assert not report.passed
    assert "20 PyTorch" in render(report, "b")


def test_where_nobody_succeeds_the_page_says_that_this_tells_nothing(exported):
    found = judge(CONFIG, ["a"], sides([0] * 3, [0] * 3))
    page = render(with_closed_loop(verify(exported[1]), found), "b")
    assert "this tells nothing" in page


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (DriveConfig(environment="moon"), "one of: metaworld"),
        (DriveConfig(environment="line", tasks=("fly",)), "not a known line task"),
        (DriveConfig(environment="line", episodes=0), "--episodes: expected at least 1"),
    ],
)
def test_what_cannot_be_driven_is_refused_before_any_episode(exported, tmp_path, config, message):
    with pytest.raises(ConfigError, match=message):
        drive(*exported, config, tmp_path / "kept", lambda done: None)
    assert not (tmp_path / "kept").exists()


def test_another_robots_environment_is_refused(exported, tmp_path, monkeypatch):
    other = RobotSpec(50.0, ("x",), ("y",), (-1.0,), (1.0,), ("m",))
    monkeypatch.setitem(registry.ENVIRONMENTS, "line", replace(LINE, robot=other))
    with pytest.raises(ConfigError, match="line"):
        closed_loop.check_drive(CONFIG, exported[1])
