"""A progress bar that stands still while something is timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lapa_edge.progress import progress_bar

REFRESH_S = 0.5


@contextmanager
def show_progress(rounds: int) -> Iterator[tuple[Callable[[str], None], Callable[[int], None]]]:
    """Gives `on_step` and `on_round`; the bar is redrawn when they are called, at no other time."""
    bar = progress_bar()
    bar.live.auto_refresh = False  # else its thread takes the interpreter from what is timed
    task = bar.add_task("", total=rounds)
    drawn_s = 0.0

    def on_step(description: str) -> None:
        bar.update(task, description=description, refresh=True)

    def on_round(done: int) -> None:
        nonlocal drawn_s
        now_s = time.monotonic()
        if now_s - drawn_s > REFRESH_S or done == rounds:
            bar.update(task, description="rounds", completed=done, refresh=True)
            drawn_s = now_s

    with bar:
        yield on_step, on_round
