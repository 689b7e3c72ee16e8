"""What this machine answers to a case: kernels, codes, actions. Runs on the robot and beside it.

    python answers.py CASE OUT.npz                         CASE: a folder from case.py
    python answers.py CASE OUT.npz --latents OTHER.npz     acts on the latents of other answers too

``kernel@set`` is a kernel's answer from one instruction set. ``actions`` are those on the given
latents, this machine's own where none are given; ``actions_alone`` on its own; ``loop_actions`` are
the native loop's on the given ones.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lapa_edge import _native
from lapa_edge.artifact import Bundle, load_bundle
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.loop_options import LoopOptions
from lapa_edge.runtime.policy import Latent
from lapa_edge.runtime.safety import Command
from lapa_edge.runtime.session import Session

LOOK_PERIOD_S, TICK_PERIOD_S = 0.1, 0.015


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("case", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--latents", type=Path)
    arguments = parser.parse_args()
    inputs = np.load(arguments.case / "inputs.npz")

    answers = {}
    for name in _native.instruction_sets():
        _native.choose_instruction_set(name)
        answers |= {f"{kernel}@{name}": value for kernel, value in kernel_answers(inputs)}

    bundle = load_bundle(arguments.case / "bundle")
    session = Session(bundle, "push the red block left")
    own = [session.look(frame, look * LOOK_PERIOD_S) for look, frame in enumerate(inputs["frames"])]
    for field in ("codes", "vector", "context"):
        answers[field] = np.stack([getattr(latent, field) for latent in own])
    given = read_latents(arguments.latents) if arguments.latents else own
    answers["actions"] = act(session, given, inputs["states"])
    answers["actions_alone"] = act(session, own, inputs["states"])
    loop = SteppedLoop(bundle)
    answers["loop_actions"] = act(loop, given, inputs["states"])
    loop.run_thread(given[0], inputs["states"][0, 0])
    np.savez(arguments.out, **answers)


def kernel_answers(inputs: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Each kernel's name and answer, from the active instruction set."""
    yield "nearest_code", _native.nearest_code(inputs["x"], inputs["small_codebook"])
    yield "nearest_code_large", _native.nearest_code(inputs["x"], inputs["large_codebook"])
    yield "nearest_code_tied", _native.nearest_code(inputs["tied_x"], inputs["tied_codebook"])
    weights, calibration = (read_folder(inputs, name) for name in ("weights", "calibration"))
    for precision, ranges in {"f32": None, "bf16": None, "int8": calibration}.items():
        head = _native.ActionHead(weights, precision=precision, calibration=ranges)
        yield f"action_head_{precision}", head.forward(inputs["head_x"])
    frame = inputs["frames"][0]
    yield "resize_frame", _native.resize_frame(frame, 131, 97)
    yield "preprocess_frame", _native.preprocess_frame(frame, 224, 224, (0.5,) * 3, (0.2,) * 3)


def read_folder(inputs: dict[str, np.ndarray], folder: str) -> dict[str, np.ndarray]:
    """``{name: array}`` of what the case calls ``folder/name``."""
    names = [name.split("/", 1) for name in inputs if "/" in name]
    return {name: inputs[f"{at}/{name}"] for at, name in names if at == folder}


def read_latents(path: Path) -> list[Latent]:
    """The latents that another machine answered."""
    answers = np.load(path)
    rows = zip(answers["codes"], answers["vector"], answers["context"], strict=True)
    return [Latent(*row, look * LOOK_PERIOD_S) for look, row in enumerate(rows)]


class SteppedLoop:
    """The native loop, asked as a `Session` is; and its thread."""

    def __init__(self, bundle: Bundle) -> None:
        self._loop = ControlLoop(bundle, LoopOptions(max_state_age_s=60))
        self.accept = self._loop.set_latent

    def reset(self) -> None:
        self._loop.reset(0.0)

    def act(self, state: np.ndarray, now_s: float) -> Command:
        self._loop.set_observation(state, now_s)
        return self._loop.step(now_s)

    def run_thread(self, latent: Latent, state: np.ndarray) -> None:
        """Until it has moved the robot ten times, with the latent made new at each look."""
        end_s = time.monotonic() + 60
        with self._loop as loop:
            while (ticks := loop.stats().statuses["moving"]) < 10:
                assert time.monotonic() < end_s, f"the thread moved the robot {ticks} times in 60 s"
                loop.set_latent(replace(latent, seen_at_s=time.monotonic()))
                loop.set_observation(state, time.monotonic())
                time.sleep(0.01)
        assert loop.latest_action().stopped, "a loop that has ended stands still"


def act(session: Session | SteppedLoop, latents: list[Latent], states: np.ndarray) -> np.ndarray:
    """The actions [looks, ticks, a] of a robot that gets these latents and is in these states."""
    session.reset()
    actions = []
    for latent, rows in zip(latents, states, strict=True):
        session.accept(latent)
        for tick, state in enumerate(rows, 1):
            command = session.act(state, latent.seen_at_s + tick * TICK_PERIOD_S)
            assert command.stopped is None, command.stopped
            actions.append(command.action)
    return np.reshape(actions, (*states.shape[:2], -1))


if __name__ == "__main__":
    main()
