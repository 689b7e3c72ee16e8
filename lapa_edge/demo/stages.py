"""Which stages of a demo are done and how long each took, over all the runs it needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console

from lapa_edge.train.run_directory import read_json, write_text


class Stage(msgspec.Struct):
    """Seconds spent so far, and whether the stage is done."""

    seconds: float = 0.0
    done: bool = False


class StageLog:
    """``stages.json``: written at the end of every stage, and when one is interrupted."""

    def __init__(self, path: Path, console: Console) -> None:
        self._path, self._console = path, console
        self.stages = read_json(path, dict[str, Stage]) if path.is_file() else {}

    @contextmanager
    def run(self, name: str) -> Iterator[bool]:
        """Time a stage. Yields False where it was done in an earlier run: skip its work."""
        stage = self.stages.setdefault(name, Stage())
        fresh = not stage.done
        if fresh:
            self._console.rule(f"[bold]{name}", align="left")
        started = time.monotonic()
        try:
            yield fresh
            stage.done = True
        finally:
            if fresh:
                stage.seconds += time.monotonic() - started
                encoded = msgspec.json.format(msgspec.json.encode(self.stages))
                write_text(self._path, encoded.decode())

    def forget(self, *names: str) -> None:
        """Let stages whose results were lost run again."""
        for name in names:
            self.stages.setdefault(name, Stage()).done = False

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, in the order they ran."""
        return {name: round(stage.seconds, 2) for name, stage in self.stages.items()}
