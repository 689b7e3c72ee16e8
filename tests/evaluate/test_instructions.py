"""Instructions that a policy won't understand, as an evaluation meets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bundles import write_tiny_bundle
from numpy.typing import NDArray

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import RuntimeInputError
from lapa_edge.evaluate import evaluation


class Still:
    """An environment of two steps that asks for anything."""

    name, max_steps = "still", 2

    def __init__(self, instruction: str, robot: RobotSpec) -> None:
        self.instruction, self.robot = instruction, robot

    def reset(self, seed: int) -> None:
        pass

    def frame(self) -> NDArray[np.uint8]:
        return np.zeros((16, 16, 3), np.uint8)

    def state(self) -> NDArray[np.float32]:
        return np.zeros(len(self.robot.state_names), np.float32)

    def step(self, action: NDArray[np.float32]) -> bool:
        return False

    def expert_action(self) -> NDArray[np.float32]:
        return np.zeros(len(self.robot.action_names), np.float32)

    def close(self) -> None:
        pass


def evaluate(root: Path, monkeypatch: pytest.MonkeyPatch, instruction: str) -> None:
    """One rollout in this process, of an environment that asks for `instruction`."""
    bundle = write_tiny_bundle(root / "bundle")
    action = bundle.spec.action
    robot = RobotSpec(
        control_hz=action.control_hz, state_names=bundle.spec.state.names,
        action_names=action.names, action_low=action.low, action_high=action.high,
        action_units=action.units,
    )  # fmt: skip
    monkeypatch.setattr(evaluation, "build_environment", lambda *_: Still(instruction, robot))
    job = evaluation.RolloutJob(
        bundle=str(bundle.root), environment="still", task="stay", seeds=(0,), latency_s=0.0
    )
    evaluation.run_job(job)


def test_words_that_training_never_met_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    evaluate(tmp_path, monkeypatch, "push the zebra 🦓")
    assert "training never met 'zebra', '🦓'" in caplog.text


@pytest.mark.parametrize(
    ("instruction", "problem"),
    [("a" * 10_000, "at most 2000 characters, got 10000"), ("push\x07", "U.0007 at position 4")],
)
def test_what_nobody_says_ends_the_evaluation(
    instruction: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeInputError, match=problem):
        evaluate(tmp_path, monkeypatch, instruction)


def test_an_environment_without_words_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    evaluate(tmp_path, monkeypatch, "")
    assert not caplog.records
