"""Trainings side by side: each on one thread, with no bar of its own, its processor time kept."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path

import torch

from lapa_edge.train.run_directory import read_json, write_text

TICK_S = 2.0


def quiet() -> redirect_stderr[StringIO]:
    """Whoever trains many has a bar of its own; those of its trainings would draw over it."""
    return redirect_stderr(StringIO())


@contextmanager
def one_core() -> Iterator[None]:
    """In a worker: torch computes on one thread, and stderr is the parent's."""
    torch.set_num_threads(1)
    with quiet():
        yield


@contextmanager
def processor_time(path: Path) -> Iterator[None]:
    """Add this process's processor time, seconds, to what `path` holds (JSON), as it goes.

    Written every `TICK_S`, so that a killed process loses no more; steps that are taken again
    after a kill count twice.
    """
    before = processor_seconds(path)
    began, done = time.process_time(), threading.Event()

    def write() -> None:
        write_text(path, json.dumps(round(before + time.process_time() - began, 2)))

    def tick() -> None:
        while not done.wait(TICK_S):
            write()

    path.parent.mkdir(parents=True, exist_ok=True)
    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        write()


def processor_seconds(path: Path) -> float:
    """What `processor_time` has written there; 0 where nothing is."""
    return read_json(path, float) if path.is_file() else 0.0
