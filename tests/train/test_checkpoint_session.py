"""A checkpoint drives the robot as the bundle made of it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from agents import tiny_agent, write_tiny_run
from toy_environments import Line

from lapa_edge.data.episode import RobotSpec
from lapa_edge.errors import DataError, RuntimeInputError
from lapa_edge.evaluate.evaluation import RolloutJob, open_bundle
from lapa_edge.evaluate.rollout import run_episode
from lapa_edge.export.bundle import export_bundle
from lapa_edge.runtime.session import Session
from lapa_edge.spec import PolicySpec
from lapa_edge.train.checkpoint_session import open_checkpoint


def _job(bundle: Path | str = "", checkpoint: Path | str = "") -> RolloutJob:
    return RolloutJob(
        bundle=str(bundle),
        checkpoint=str(checkpoint),
        environment="line",
        task="line",
        seeds=(0,),
        latency_s=0.04,
    )


def _line(spec: PolicySpec) -> Line:
    line = Line(goal=1e9)
    line.robot = RobotSpec(
        control_hz=spec.action.control_hz,
        state_names=spec.state.names,
        action_names=spec.action.names,
        action_low=spec.action.low,
        action_high=spec.action.high,
        action_units=spec.action.units,
    )
    return line


def _drive(session: Session) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    line = _line(session.spec)
    episode = run_episode(session, line, seed=4, latency_s=0.04)
    return np.array(line.actions), episode.codes


@pytest.mark.parametrize("n", [3, 0])
def test_bundle_and_checkpoint_drive_the_same_episode(tmp_path: Path, n: int) -> None:
    run = write_tiny_run(tmp_path / "run", n)
    config, agent = tiny_agent(n)
    bundle = export_bundle(config, agent, tmp_path / "bundle", {})
    ours, our_codes = _drive(open_checkpoint(_job(checkpoint=run.root), "walk"))
    theirs, their_codes = _drive(open_bundle(_job(bundle=bundle.root), "walk"))
    assert our_codes == their_codes
    assert np.abs(ours).max() > 0
    # The networks agree to float32's rounding; forty steps of feedback let it grow a little.
    assert np.abs(ours - theirs).max() < 1e-4


def test_a_frame_of_another_shape_is_refused_as_the_runtime_does(tmp_path: Path) -> None:
    session = open_checkpoint(_job(checkpoint=write_tiny_run(tmp_path / "run").root), "walk")
    with pytest.raises(RuntimeInputError, match="camera frame"):
        session.look(np.zeros((3, 32, 32), np.uint8), 0.0)


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no config\.json"):
        open_checkpoint(_job(checkpoint=tmp_path), "walk")
