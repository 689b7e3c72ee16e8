"""A policy judged on a recorded dataset: what it would do, beside what was done.

At each frame the policy looks, and the head is asked for a chunk at the control step that comes
`latency_s` after it, the first that this latent drives (chunk index 0), with the recorded state and
the recorded action before. Its error is told
beside those of three policies that look at nothing: stand still, the mean action of the training,
and the last action again, which the head is told and could simply repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.cameras import same_clips
from lapa_edge.data.episode import Dataset, Episode
from lapa_edge.data.robot_match import find_mismatch
from lapa_edge.data.source import FrameSource
from lapa_edge.errors import ConfigError, DataError, RuntimeInputError
from lapa_edge.evaluate.offline_result import (
    COURSE_ANGLE_DEG,
    COURSE_LENGTH,
    LAST,
    MEAN,
    POLICY,
    STOP,
    SUBJECTS,
    Floats,
    OfflineEpisode,
    OfflineResult,
    summarise_offline,
)
from lapa_edge.evaluate.rollout import Instructable
from lapa_edge.runtime.head import HeadInput
from lapa_edge.runtime.session import Session
from lapa_edge.runtime.standstill import standing_still
from lapa_edge.spec import PolicySpec
from lapa_edge.tokenizer import check_instruction

KnownCodes = Mapping[str, tuple[NDArray[np.integer], NDArray[np.integer]]]
"""By clip, frames [m] and the codes [m, n] that stage 1 gives them."""


def evaluate_offline(
    open_session: Callable[[str], Session],
    dataset: Dataset,
    others: Sequence[Dataset] = (),
    *,
    latency_s: float = 0.0,
    every: int = 1,
    codes: KnownCodes | None = None,
    tick: Callable[[int], None] = lambda done: None,
    seed: int = 0,
) -> OfflineResult:
    """Judge a session on every labelled episode of a dataset.

    Args:
        open_session: an instruction to a session; opened once, and told each episode's words.
        dataset: its labelled episodes count; others are passed over.
        others: the same episodes as the policy's second camera saw them, its third, and so on.
        latency_s: age of the frame when the head is asked, seconds.
        every: looks at every so many frames.
        codes: what stage 1 reads between the frames, for the accuracy of the policy's codes.
        tick: called with 1 after each episode.
        seed: of the intervals.

    Raises:
        ConfigError: the dataset's robot or cameras are not the session's, or the codes are of
            another latent space.
        DataError: nothing is labelled, a camera lacks an episode, no frame has a control step after
            it, or the head gives no answer.
    """
    labelled = dataset.labelled.episodes
    if dataset.robot is None or not labelled:
        raise DataError(
            f"data {dataset.root}", "no episode has steps, so there is nothing to compare with",
            "give labelled data (see the README)",
        )  # fmt: skip
    _check_words(labelled)
    session = open_session(labelled[0].instruction)
    check_data(session.spec, dataset, others)
    seen = [
        same_clips(dataset.labelled, other, camera)
        for other, camera in zip(others, session.spec.cameras[1:], strict=True)
    ]
    if codes is not None:
        _check_codes(session.spec, codes)
    commonest = _commonest(codes) if codes else None
    directed = _directed(session.spec, labelled)
    each = []
    for i, episode in enumerate(labelled):
        videos = [one.video for one in (episode, *(other.episodes[i] for other in seen))]
        judged = _judge(
            session, episode, videos, latency_s, every, codes or {}, commonest, directed
        )
        if judged is not None:
            each.append(judged)
        tick(1)
    if not each:
        raise DataError(
            f"data {dataset.root}", f"no frame has a control step {latency_s:g} s after it",
            "check fps and time_s",
        )  # fmt: skip
    return summarise_offline(session.spec, each, latency_s, seed)


def check_data(spec: PolicySpec, dataset: Dataset, others: Sequence[Dataset] = ()) -> None:
    """Raise `ConfigError` where a dataset's state, actions or cameras are not the bundle's."""
    robot = dataset.robot
    assert robot is not None
    if found := find_mismatch(spec, robot):
        raise ConfigError(
            f"data {dataset.root}",
            f"{found.what}: the bundle expects {found.expected}, the data has {found.got}",
            found.remedy,
        )
    if len(spec.cameras) != 1 + len(others):
        raise ConfigError(
            f"data {dataset.root}",
            f"the bundle looks through {', '.join(spec.cameras)}, got {1 + len(others)} to read",
        )


def _check_words(episodes: Sequence[Episode]) -> None:
    """Raise `DataError` naming the first episode whose instruction no policy takes."""
    for episode in episodes:
        try:
            check_instruction(episode.instruction)
        except RuntimeInputError as error:
            raise DataError(f"episode {episode.name}", str(error)) from error


def _judge(
    session: Session,
    episode: Episode,
    videos: Sequence[FrameSource],
    latency_s: float,
    every: int,
    codes: KnownCodes,
    commonest: NDArray[np.integer] | None,
    directed: NDArray[np.bool_],
) -> OfflineEpisode | None:
    """One episode; None where no frame has a control step `latency_s` after it."""
    assert episode.steps is not None
    unknown: list[str] = []
    if isinstance(session.policy, Instructable):
        unknown = list(session.policy.set_instruction(episode.instruction))
    spec, steps = session.spec, episode.steps
    taken_s = np.arange(episode.frame_count) / episode.fps
    step_of = np.searchsorted(steps.time_s, taken_s + latency_s - 1e-6)
    known = dict(zip(*codes[episode.name], strict=True)) if episode.name in codes else {}
    chunks: dict[str, list[Floats]] = {subject: [] for subject in SUBJECTS}
    truth: list[NDArray[np.float32]] = []
    right = coded = whole = sequences = hits = 0
    head_input = HeadInput(spec)
    for index, views in enumerate(zip(*(video.read() for video in videos), strict=False)):
        if index % every or index >= len(step_of) or step_of[index] >= len(steps):
            continue
        step, seen_s = int(step_of[index]), float(taken_s[index])
        state = steps.state[step]
        latent = session.look(views[0] if len(views) == 1 else views, seen_s, state)
        before = steps.action[step - 1] if step else None
        still = standing_still(spec.action, state, before)
        last = still if before is None else before
        age_s = max(0.0, float(steps.time_s[step]) - seen_s)
        normalised = _ask(session, head_input.fill(latent, state, last, age_s, ticks=0), episode)
        chunks[POLICY].append(normalised.astype(np.float64) * spec.action.std + spec.action.mean)
        for subject, action in ((STOP, still), (MEAN, spec.action.mean), (LAST, last)):
            chunks[subject].append(np.tile(np.asarray(action, np.float64), (spec.action.chunk, 1)))
        truth.append(_following(steps.action, step, spec.action.chunk))
        if index in known:
            same = latent.codes == known[index]
            right, coded = right + int(same.sum()), coded + len(same)
            whole, sequences = whole + bool(same.all()), sequences + 1
            hits += int((commonest == known[index]).sum())
    if not truth:
        return None
    wanted = np.array(truth, np.float64)  # [m, p, a]
    low, high = np.array(spec.action.low), np.array(spec.action.high)
    # [m, p, a], as the robot would be told.
    judged = {name: np.clip(np.array(chunk), low, high) for name, chunk in chunks.items()}
    scored = {name: _score(chunk, wanted, spec) for name, chunk in judged.items()}
    ways = {name: _compare_ways(chunk, wanted, spec, directed) for name, chunk in judged.items()}
    return OfflineEpisode(
        name=episode.name,
        instruction=episode.instruction,
        moments=len(wanted),
        normalised={name: score[0].tolist() for name, score in scored.items()},
        physical={name: score[1].tolist() for name, score in scored.items()},
        cosine={name: float(cosine.sum()) for name, (cosine, _) in ways.items()},
        on_course={name: int(good.sum()) for name, (_, good) in ways.items()},
        moving=len(ways[POLICY][0]),
        right=right,
        coded=coded,
        whole=whole,
        sequences=sequences,
        commonest=hits,
        unknown=unknown,
    )


def _ask(session: Session, x: NDArray[np.float32], episode: Episode) -> NDArray[np.float32]:
    """The chunk ``[p, a]``; where a robot would be stopped, there is nothing to judge."""
    try:
        chunk = session.head.forward(x)
    except ValueError as error:  # the kernel's answer to an overflow
        raise DataError(f"episode {episode.name}", f"action head: {error}") from error
    if not np.isfinite(chunk).all():
        raise DataError(f"episode {episode.name}", "the action head answers NaN or infinity")
    return chunk.reshape(session.spec.action.chunk, -1)


def _score(chunk: Floats, wanted: Floats, spec: PolicySpec) -> tuple[Floats, Floats]:
    """Error summed over moments: by horizon [p], and by action [a]."""
    error = np.abs(chunk - wanted)  # [m, p, a]
    return (error / spec.action.std).mean(-1).sum(0), error.mean(1).sum(0)


def _compare_ways(
    chunk: Floats, wanted: Floats, spec: PolicySpec, directed: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Of every moment that moves: cosine to the recorded displacement, and whether on course."""
    ours, theirs = (_way(actions, spec, directed) for actions in (chunk, wanted))
    moves = np.linalg.norm(theirs, axis=1) > 1e-3
    ours, theirs = ours[moves], theirs[moves]
    far, wanted_far = (np.linalg.norm(way, axis=1) for way in (ours, theirs))
    lengths = far * wanted_far
    # Standing still points nowhere: its cosine is 0, neither right nor wrong.
    cosine = (ours * theirs).sum(1) / np.where(lengths > 0, lengths, np.inf)
    as_far = (far * COURSE_LENGTH >= wanted_far) & (far <= wanted_far * COURSE_LENGTH)
    return cosine, as_far & (cosine >= np.cos(np.deg2rad(COURSE_ANGLE_DEG)))


def _directed(spec: PolicySpec, episodes: Sequence[Episode]) -> NDArray[np.bool_]:
    """Which actions ``[a]`` make up the direction: displacements that vary in the data.

    One that never does says nothing of the way, and over its tiny spread it would be all of it.
    """
    actions = np.concatenate([e.steps.action for e in episodes if e.steps is not None])
    kinds = spec.action.kinds or ("delta",) * len(spec.action.names)
    varies = np.ptp(actions, axis=0) > 1e-6
    return np.array([kind == "delta" for kind in kinds]) & varies


def _way(chunk: Floats, spec: PolicySpec, directed: NDArray[np.bool_]) -> Floats:
    """Displacement over the chunk [m, a'], in units of the actions' spread."""
    way: Floats = chunk.sum(1)[:, directed] / np.array(spec.action.std)[directed]
    return way


def _following(action: NDArray[np.float32], step: int, p: int) -> NDArray[np.float32]:
    """``[p, a]`` from `step` on; the last one repeated, as in training."""
    return action[np.minimum(np.arange(step, step + p), len(action) - 1)]


def _check_codes(spec: PolicySpec, codes: KnownCodes) -> None:
    if spec.latent is None:
        raise ConfigError("codes", "the bundle predicts none", "leave --labels or --latents away")
    for clip, (_, found) in codes.items():
        if found.shape[1] != spec.latent.n or found.max(initial=0) >= spec.latent.k:
            raise ConfigError(
                f"codes of clip {clip}",
                f"expected {spec.latent.n} out of {spec.latent.k}, got {found.shape[1]} up to "
                f"{found.max(initial=0)}",
                "give the labels, or the stage-1 run, that the policy was trained on",
            )


def _commonest(codes: KnownCodes) -> NDArray[np.integer]:
    """The commonest code of each place ``[n]``: what a policy that looks at nothing would say."""
    stacked = np.concatenate([found for _, found in codes.values()])
    return np.array([np.bincount(column).argmax() for column in stacked.T])
