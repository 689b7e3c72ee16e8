"""Simulators in worker processes that stop when their parent does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import TypeVar

from lapa_edge.errors import LapaError

Job = TypeVar("Job")
Answer = TypeVar("Answer")


def run_in_workers(
    function: Callable[[Job], Answer], jobs: Sequence[Job], processes: int
) -> Iterator[Answer]:
    """Answers in the order they come; the first error, or Ctrl-C, ends every worker at once.

    Args:
        function: importable by name; what it takes, returns and raises must pickle.
        jobs: one call each.
        processes: at a time, at least 1.

    Raises:
        LapaError: of `function`, or where a worker died.
    """
    # spawn: the workers must not inherit the parent's torch, nor its OpenGL context.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_begin)
    done = False
    try:
        with _interrupts_ignored():  # and so in the workers, from their first instruction on
            futures = [pool.submit(function, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
        done = True
    except BrokenProcessPool as error:
        raise LapaError(
            "worker process",
            "ended without an answer; was it killed, or out of memory?",
            "run the same command again, with fewer --processes if memory is short",
        ) from error
    finally:
        if not done:
            for child in active_children():
                child.terminate()
        pool.shutdown(wait=done, cancel_futures=True)


def _begin() -> None:
    """In a worker: leave Ctrl-C to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore SIGINT for a moment; only the main thread may set handlers, so others do without."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
