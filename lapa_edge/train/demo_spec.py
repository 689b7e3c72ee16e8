"""What labelled demos say of their robot: the spec of an agent, with its normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset, Episode, RobotSpec, Steps
from lapa_edge.data.robot_match import find_mismatch
from lapa_edge.errors import DataError
from lapa_edge.spec import (
    HEAD_PARTS,
    ActionSpec,
    Decoding,
    FrameSpec,
    HeadPart,
    LatentSpec,
    PolicySpec,
    StateSpec,
    TextSpec,
    TimingSpec,
    check_blend,
)

# The share of a policy period in which a latent takes over. On demos of Meta-World it took away
# nine tenths of what a take-over jumped beyond an ordinary tick; a whole period takes away little
# more, and the head hears of a change later.
BLEND_PERIODS = 0.5
PAPERS_BINS = 256
FLOW_STEPS = 4


def timing_of(
    policy_hz: float, max_latent_age_s: float, blend_s: float | None = None
) -> TimingSpec:
    """The timing of a new agent; a latent takes over in half a policy period, unless told.

    Raises:
        ConfigError: a `blend_s` that is negative or longer than a latent may drive.
    """
    if blend_s is None:  # what is no rate or no age is refused with the rest of the spec
        period_s = 1 / policy_hz if policy_hz else 0.0
        blend_s = min(BLEND_PERIODS * period_s, max_latent_age_s)
        return TimingSpec(policy_hz=policy_hz, max_latent_age_s=max_latent_age_s, blend_s=blend_s)
    timing = TimingSpec(policy_hz=policy_hz, max_latent_age_s=max_latent_age_s, blend_s=blend_s)
    check_blend(timing)
    return timing


def spec_from_demos(
    dataset: Dataset,
    frame: FrameSpec,
    latent: LatentSpec | None,
    text: TextSpec,
    timing: TimingSpec,
    context_dim: int,
    chunk: int,
    head_inputs: tuple[HeadPart, ...] = HEAD_PARTS,
    decoding: Decoding = "direct",
) -> PolicySpec:
    """The spec of an agent grounded by these demos, normalisation measured on them.

    Raises:
        DataError: there are no labelled demos, or nothing says what their numbers mean.
    """
    robot = dataset.robot
    if robot is None or not dataset.labelled.episodes:
        raise DataError(
            f"data {dataset.root}", "expected labelled demos (steps.parquet and robot.json)",
            "see the README on labelled data",
        )  # fmt: skip
    demos = dataset.labelled.episodes
    state = np.concatenate([steps_of(e).state for e in demos])
    return PolicySpec(
        frame=frame,
        latent=latent,
        context_dim=context_dim,
        state=StateSpec(names=robot.state_names, mean=_mean(state), std=_std(state)),
        action=_action_spec(robot, demos, chunk, decoding),
        text=text,
        timing=timing,
        head_inputs=head_inputs,
    )


def check_demos(spec: PolicySpec, dataset: Dataset) -> None:
    """Raise `DataError` where the demos are of another robot than the spec was made for."""
    if dataset.robot is None:
        expected = ", ".join((*spec.state.names, *spec.action.names))
        raise DataError(f"data {dataset.root}", f"expected {expected}, got no labelled demos")
    if found := find_mismatch(spec, dataset.robot):
        raise DataError(
            f"data {dataset.root}",
            f"{found.what}: expected {found.expected}, got {found.got}",
            "give demos of the robot that the settings name",
        )


def steps_of(episode: Episode) -> Steps:
    """The steps of a labelled episode."""
    assert episode.steps is not None
    return episode.steps


def normalise(
    x: NDArray[np.floating], mean: tuple[float, ...], std: tuple[float, ...]
) -> NDArray[np.float32]:
    """``(x - mean) / std`` of rows ``[t, d]``, float32."""
    return ((x - np.array(mean)) / np.array(std)).astype(np.float32)


def _action_spec(
    robot: RobotSpec, demos: tuple[Episode, ...], chunk: int, decoding: Decoding
) -> ActionSpec:
    action = np.concatenate([steps_of(e).action for e in demos])
    mean, std = list(_mean(action)), list(_std(action))
    for i, kind in enumerate(robot.kinds):
        if kind == "gripper":
            # Open and shut: by its range, for the share of time it is shut says nothing.
            low, high = robot.action_low[i], robot.action_high[i]
            mean[i], std[i] = (low + high) / 2, (high - low) / 2
    plain = all(kind == "delta" for kind in robot.kinds)
    return ActionSpec(
        names=robot.action_names,
        units=robot.action_units,
        low=robot.action_low,
        high=robot.action_high,
        mean=tuple(mean),
        std=tuple(std),
        stop=robot.action_stop or _stop(robot, demos),
        chunk=chunk,
        control_hz=robot.control_hz,
        kinds=() if plain else robot.kinds,
        hold=() if plain else _hold(robot),
        decoding=decoding,
        bins=PAPERS_BINS if decoding == "bins" else 0,
        flow_steps=FLOW_STEPS if decoding == "flow" else 0,
    )


def _stop(robot: RobotSpec, demos: tuple[Episode, ...]) -> tuple[float, ...]:
    """Zero for a displacement; elsewhere how the demos begin, their median.

    It is sent where nothing better is known: before the first state, and before the first command.
    """
    first = np.median([steps_of(e).action[0] for e in demos], axis=0)
    begin = np.clip(first, robot.action_low, robot.action_high)
    return tuple(
        0.0 if kind == "delta" else float(value)
        for kind, value in zip(robot.kinds, begin, strict=True)
    )


def _hold(robot: RobotSpec) -> tuple[int, ...]:
    return tuple(
        robot.state_names.index(name) if kind == "absolute" else -1
        for name, kind in zip(robot.action_names, robot.kinds, strict=True)
    )


def _mean(x: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(float(v) for v in x.mean(0, dtype=np.float64))


def _std(x: NDArray[np.float32]) -> tuple[float, ...]:
    # A dimension that never moves must not blow up its noise.
    return tuple(float(max(v, 1e-2)) for v in x.std(0, dtype=np.float64))
