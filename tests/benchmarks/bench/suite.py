"""The whole run: contests built and compared, rounds measured, claims judged.

Every contest takes part in every round, so that a bad second of the machine falls on all of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.contest import Claim, Contest, check_parity
from bench.probe import Probe
from bench.report import (
    Report,
    Timing,
    Verdict,
    peer_versions,
    read_caches,
    read_commit,
    spread_of,
)
from bench.rounds import measure_rounds, plan_block, repeated
from bench.targets import CODEBOOKS, FRAME, HEADS, TOKENS
from lapa_edge import _native
from lapa_edge.runtime.profile import describe_machine

OnRound = Callable[[int], None]
Times = dict[tuple[str, str], NDArray[np.float64]]  # by contest and candidate: [rounds]
EMPTY = ("", "empty call")


@dataclass(frozen=True)
class Settings:
    """See the flags of kernels.py."""

    groups: tuple[str, ...]
    rounds: int
    block_us: float
    compiled: bool
    seed: int


def run_suite(settings: Settings, on_step: Callable[[str], None], on_round: OnRound) -> Report:
    """Everything, on the active instruction set.

    Args:
        settings: what and how long.
        on_step: told what begins before the rounds.
        on_round: told after each round how many are done.

    Raises:
        LapaError: a candidate's result is wrong, or there is no compiler.
        ImportError: an alternative is not installed.
    """
    started = time.monotonic()
    machine = describe_machine()
    machine = msgspec.structs.replace(machine, versions=machine.versions | peer_versions())
    instruction_set = _native.active_instruction_set()
    on_step("machine")
    probe = Probe(instruction_set)
    gauges = probe.gauge()
    on_step("alternatives")
    rng = np.random.default_rng(settings.seed)
    contests = build_contests(settings, probe, instruction_set, rng)
    errors = {contest.title: check_parity(contest) for contest in contests}
    times = measure(contests, settings, rng, on_round)
    return Report(
        machine=machine,
        instruction_set=instruction_set,
        commit=read_commit(),
        load_after=os.getloadavg()[0],
        seconds=time.monotonic() - started,
        rounds=settings.rounds,
        empty_call_us=spread_of(times[EMPTY]),
        gauges=gauges.best(probe.gauge()),
        caches=read_caches(),
        verdicts=[judge(c, claim, times) for c in contests for claim in c.claims],
        timings=[
            Timing(
                contest=contest.title,
                name=candidate.name,
                role=candidate.role,
                us=spread_of(times[contest.title, candidate.name]),
                error=errors[contest.title].get(candidate.name),
            )
            for contest in contests
            for candidate in contest.candidates
        ],
    )


def build_contests(
    settings: Settings, probe: Probe, instruction_set: str, rng: np.random.Generator
) -> list[Contest]:
    """Those of the groups asked for; the libraries of the others are not imported."""
    contests = []
    if "head" in settings.groups:
        from bench.head import build_head_contest

        contests += [build_head_contest(t, probe, rng, compiled=settings.compiled) for t in HEADS]
    if "code" in settings.groups:
        from bench.codebook import build_codebook_contest, build_tokens_contest

        contests.append(build_tokens_contest(TOKENS, rng))
        contests += [build_codebook_contest(target, probe, rng) for target in CODEBOOKS]
    if "frame" in settings.groups:
        from bench.frame import build_frame_contest

        contests.append(build_frame_contest(FRAME, probe, instruction_set, rng))
    return contests


def measure(
    contests: Sequence[Contest], settings: Settings, rng: np.random.Generator, on_round: OnRound
) -> Times:
    """Microseconds of every candidate, and of a call that does nothing, in every round."""
    runs = {EMPTY: repeated([].clear)}
    for contest in contests:
        runs |= {(contest.title, candidate.name): candidate.run for candidate in contest.candidates}
    blocks = [plan_block(run, settings.block_us) for run in runs.values()]
    took_us = np.empty((settings.rounds, len(runs)))
    for index, row in enumerate(measure_rounds(blocks, settings.rounds, rng)):
        took_us[index] = row
        on_round(index + 1)
    return dict(zip(runs, took_us.T, strict=True))


def judge(contest: Contest, claim: Claim, times: Times) -> Verdict:
    """The claim in numbers: ratios are taken round by round, then summarised."""

    def time_of(name: str) -> NDArray[np.float64]:
        return times[contest.title, name]

    def fastest(names: Sequence[str]) -> str:
        return min(names, key=lambda name: float(np.median(time_of(name))))

    us = time_of(claim.ours)
    peer = fastest(claim.peers)
    rival = fastest([c.name for c in contest.candidates if c.role == "peer"])
    return Verdict(
        group=contest.group,
        subject=contest.title,
        kernel=claim.ours,
        us=spread_of(us),
        peer=peer,
        peer_us=spread_of(time_of(peer)),
        ratio=spread_of(time_of(peer) / us),
        must=claim.must,
        must_us=claim.must_us,
        rival=rival,
        rival_ratio=spread_of(time_of(rival) / us),
        floor=claim.floor,
        floor_us=spread_of(time_of(claim.floor)) if claim.floor else None,
        distance=spread_of(us / time_of(claim.floor)) if claim.floor else None,
        aim=claim.aim,
        aim_us=claim.aim_us,
    )
