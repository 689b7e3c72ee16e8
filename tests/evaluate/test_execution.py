"""Blocking and open-loop execution, tick by tick, beside the two rates of the robot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bundles import tiny_spec, write_tiny_bundle
from numpy.typing import NDArray
from toy_environments import Line

from lapa_edge.errors import ConfigError
from lapa_edge.evaluate.execution import (
    WAITING,
    ExecutionMode,
    PlayingHead,
    build_execution,
)
from lapa_edge.evaluate.rollout import Episode, run_episode
from lapa_edge.runtime.session import Session

P = 4


class CountingHead:
    """Answers chunks 1, 2, 3, ... in its first action dimension, ten per call; keeps its inputs."""

    def __init__(self) -> None:
        self.asked: list[NDArray[np.float32]] = []

    def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        self.asked.append(x.copy())
        chunk = np.zeros((P, 2), np.float32)
        chunk[:, 0] = 0.1 * len(self.asked) + 0.01 * np.arange(P)
        return chunk.ravel()


def drive(
    folder: Path,
    mode: ExecutionMode,
    latency_s: float,
    execute_steps: int | None = None,
    blend_s: float = 0.0,
) -> tuple[Episode, list[float], CountingHead]:
    """An episode, its commands along dimension 0 in normalised units (NaN: stopped), the head."""
    bundle = write_tiny_bundle(
        folder / f"bundle-{blend_s}", policy_hz=10.0, control_hz=50.0, chunk=P, blend_s=blend_s
    )
    head = CountingHead()
    session = Session.of(bundle.spec, Session(bundle, "walk").policy, head)
    line = Line(goal=1e9)
    execution = build_execution(mode, session, execute_steps)
    episode = run_episode(session, line, 0, latency_s, execution=execution)
    action = bundle.spec.action
    told = [(float(a[0]) - action.mean[0]) / action.std[0] for a in line.actions]
    stopped = -action.mean[0] / action.std[0]
    return episode, [np.nan if np.isclose(x, stopped) else x for x in told], head


def test_two_rates_ask_the_head_at_every_tick(tmp_path: Path) -> None:
    episode, _, head = drive(tmp_path, "two-rate", 0.06)
    assert len(head.asked) == episode.steps - episode.stops == 37


def test_blocking_stands_still_while_it_computes_then_plays_its_steps(tmp_path: Path) -> None:
    episode, told, head = drive(tmp_path, "blocking", 0.06, execute_steps=3)
    one_round = [np.nan] * 3 + [0.1, 0.11, 0.12]
    assert told[:6] == pytest.approx(one_round, nan_ok=True, abs=1e-5)
    assert told[6:12] == pytest.approx([np.nan] * 3 + [0.2, 0.21, 0.22], nan_ok=True, abs=1e-5)
    assert episode.look_s[:3] == pytest.approx([0, 6 / 50, 12 / 50])
    assert set(episode.reasons) == {WAITING}
    assert len(head.asked) == len(episode.look_s)  # one chunk per look


def test_blocking_without_latency_never_stops(tmp_path: Path) -> None:
    episode, told, _ = drive(tmp_path, "blocking", 0.0)
    assert episode.stops == 0
    assert told[:5] == pytest.approx([0.1, 0.11, 0.12, 0.13, 0.2], abs=1e-5)


def test_blocking_looks_again_where_its_chunk_may_not_be_played_on(tmp_path: Path) -> None:
    # Answers are 0.48 s old at their first action, and too old past 0.5 s.
    episode, told, _ = drive(tmp_path, "blocking", 0.48)
    assert np.isfinite(told[24:26]).all()
    assert episode.look_s[:2] == pytest.approx([0, 27 / 50])


def test_open_loop_plays_each_chunk_from_its_start_and_stops_at_its_end(tmp_path: Path) -> None:
    episode, told, _ = drive(tmp_path, "open-loop", 0.06)
    # Looks at ticks 0, 5, 10: answers at 3, 8, 13, and four actions each.
    expected = [np.nan] * 3 + [0.1, 0.11, 0.12, 0.13, np.nan, 0.2, 0.21, 0.22, 0.23, np.nan]
    assert told[:13] == pytest.approx(expected, nan_ok=True, abs=1e-5)
    assert any("chunk is played to its end" in reason for reason in episode.reasons)


def test_open_loop_starts_from_the_state_at_the_look_and_knows_no_age(tmp_path: Path) -> None:
    _, _, head = drive(tmp_path, "open-loop", 0.06)
    at, spec = tiny_spec(chunk=P).head_slices(), tiny_spec(chunk=P)
    first, second = head.asked[0], head.asked[1]
    assert first[at["latent_age"]] == 0
    assert first[at["state"]][0] == pytest.approx((0 - spec.state.mean[0]) / 0.5)
    # At tick 5 the point had made two of the first chunk's steps.
    place = sum((0.1 + 0.01 * i) * 0.4 + 0.05 for i in range(2))
    assert second[at["state"]][0] == pytest.approx((place - spec.state.mean[0]) / 0.5, abs=1e-5)


def test_a_chunk_is_bounded_like_any_other_action(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle", chunk=P)

    class Wild:
        def forward(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.full(2 * P, 1e6, np.float32)

    session = Session.of(bundle.spec, Session(bundle, "walk").policy, Wild())
    execution = build_execution("open-loop", session)
    state = np.zeros(3, np.float32)
    execution.accept(session.look(np.zeros((16, 16, 3), np.uint8), 0.0), state)
    assert (execution.act(state, 0.0).action <= 1.0).all()
    stale = execution.act(state, 0.6)  # the gate's limit is 0.5 s, whatever is left to play
    assert stale.stopped is not None
    assert "old" in stale.stopped


def test_a_chunk_is_made_of_its_own_latent_alone(tmp_path: Path) -> None:
    at = tiny_spec(chunk=P).head_slices()

    def contexts(mode: ExecutionMode, blend_s: float) -> list[list[float]]:
        _, _, head = drive(tmp_path, mode, 0.0, blend_s=blend_s)
        return [x[at["context"]].tolist() for x in head.asked]

    for mode in ("blocking", "open-loop"):
        assert contexts(mode, 0.06) == contexts(mode, 0.0)
    assert contexts("two-rate", 0.06) != contexts("two-rate", 0.0), "where it does lead over"


def test_past_its_end_a_played_chunk_raises() -> None:
    head = PlayingHead(CountingHead(), tiny_spec(chunk=P))
    x = np.zeros(tiny_spec(chunk=P).head_input_dim, np.float32)
    for _ in range(P):
        assert head.forward(x).shape == (2 * P,)
    with pytest.raises(ValueError, match="played to its end"):
        head.forward(x)


@pytest.mark.parametrize(
    ("mode", "steps", "problem"),
    [
        ("blocking", 5, "--execute-steps: expected 1 to 4, the length of a chunk, got 5"),
        ("blocking", 0, "--execute-steps: expected 1 to 4"),
        ("two-rate", 2, "--execute-steps: only blocking execution knows them, got two-rate"),
    ],
)
def test_steps_that_a_chunk_or_a_mode_has_not_are_refused(
    tmp_path: Path, mode: ExecutionMode, steps: int, problem: str
) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle", chunk=P)
    with pytest.raises(ConfigError, match=problem):
        build_execution(mode, Session(bundle, "walk"), steps)
