"""Stages 2 and 3 in two processes that meet over gloo, and in one that does the work of both.

    python stage_pairs.py ROOT

ROOT holds ``clips``, ``labels`` and ``latents``; there go ``policy`` and ``actions``, undisturbed,
and ``policy-killed`` and ``actions-killed``, of which the second process is killed by SIGKILL
half-way: in the first sitting that of stage 2, in the second that of stage 3. Each process writes
what it ended with to ``RUN-rankN.safetensors``.

The pairs are forked, told what torchrun tells its own: three sittings import torch but once.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from lapa_edge.data.dataset import read_dataset
from lapa_edge.data.labels import read_labels
from lapa_edge.spec import FrameSpec, TimingSpec
from lapa_edge.train import loop
from lapa_edge.train.actions import actions_config, train_actions
from lapa_edge.train.frames import open_frames
from lapa_edge.train.latents import read_latent_model
from lapa_edge.train.policy import policy_config, read_policy, train_policy
from lapa_edge.train.presets import PRESETS
from lapa_edge.train.run_directory import RunDirectory

DEBUG = PRESETS["debug"]
LOOP = loop.LoopConfig(steps=8, batch=3, log_every=2, warmup_steps=2, checkpoint_every_s=0.0)
KILLED_AT = 5
FRAME = FrameSpec(height=DEBUG.policy.height, width=DEBUG.policy.width)


def train_stage2(root: Path, out: Path) -> nn.Module:
    dataset, labels = read_dataset(root / "clips"), read_labels(root / "labels")
    config = policy_config(dataset, labels, DEBUG.policy, LOOP)
    store = open_frames(dataset, FRAME, root / "cache")
    return train_policy(config, dataset, store, labels, RunDirectory(out))


def train_stage3(root: Path, out: Path) -> nn.Module:
    """On the undisturbed stage 2, whose trunk goes on learning."""
    dataset = read_dataset(root / "clips").labelled
    stage2, instructed = read_policy(RunDirectory(root / "policy"))
    _, latents = read_latent_model(RunDirectory(root / "latents"))
    config = actions_config(
        dataset,
        latent=stage2.latent,
        tokenizer=stage2.tokenizer,
        policy=stage2.model,
        head=DEBUG.head,
        timing=TimingSpec(policy_hz=5.0, max_latent_age_s=0.3),
        chunk=3,
        loop=LOOP,
        trunk_rate=0.5,
    )
    codebook = latents.quantizer.codebook.detach().clone()
    store = open_frames(dataset, FRAME, root / "cache")
    return train_actions(config, (instructed, codebook), dataset, store, RunDirectory(out))


STAGES: dict[str, Callable[[Path, Path], nn.Module]] = {
    "policy": train_stage2,
    "actions": train_stage3,
}


def train_as_two(
    label: str, build: Callable[[], nn.Module], loss: loop.LossFunction, *rest: Any, **named: Any
) -> nn.Module:
    """`loop.train` in one process, with the mean of the losses that two would have."""
    steps = count()

    def both(model: nn.Module, _: np.random.Generator) -> loop.Losses:
        step = next(steps)
        one, other = (loss(model, loop._seed_step(LOOP.seed, step, rank)) for rank in (0, 1))
        return (one[0] + other[0]) / 2, one[1]

    return loop.train(label, build, both, *rest, **named)


def _sit(root: Path, sitting: int, rank: int, port: int) -> None:
    """One of the two processes of a sitting."""
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    told |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in told.items()}
    seed_step, kill = loop._seed_step, False

    def seed_step_or_die(seed: int, step: int, process: int) -> np.random.Generator:
        if kill and process == 1 and step == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        return seed_step(seed, step, process)

    loop._seed_step = seed_step_or_die
    for number, (name, train) in enumerate(STAGES.items(), start=1):
        for run in (name, f"{name}-killed"):
            kill = run != name and sitting == number
            weights = train(root, root / run).state_dict()
            whole = {key: value.contiguous() for key, value in weights.items()}
            save_file(whole, root / f"{run}-rank{rank}.safetensors")
    torch.distributed.destroy_process_group()


def _fork(root: Path, sitting: int, rank: int, port: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _sit(root, sitting, rank, port)
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    return pid


def _pair(root: Path, sitting: int) -> list[int]:
    """The exit codes of both; where one ends in failure the other is ended, as torchrun does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = [_fork(root, sitting, rank, port) for rank in (0, 1)]
    codes = dict.fromkeys(running, 0)
    while running:
        pid, status = os.wait()
        running.remove(pid)
        codes[pid] = os.waitstatus_to_exitcode(status)
        if codes[pid]:
            for other in running:
                os.kill(other, signal.SIGKILL)
    return list(codes.values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    for _sitting in (1, 2, 3):
        print(_sitting, *_pair(Path(sys.argv[1]), _sitting))
