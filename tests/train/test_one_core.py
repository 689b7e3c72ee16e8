"""The clock of a training, over all its sittings."""

from __future__ import annotations

import time
from pathlib import Path

from lapa_edge.train.one_core import processor_seconds, processor_time


def spend(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_processor_time_adds_up_over_sittings_and_leaves_out_waiting(tmp_path: Path) -> None:
    path = tmp_path / "run" / "seconds.json"
    assert processor_seconds(path) == 0
    for _ in range(2):
        with processor_time(path):
            spend(0.06)
            time.sleep(0.3)
    assert 0.12 <= processor_seconds(path) < 0.4
