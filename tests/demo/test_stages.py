"""The stage log: what is done is skipped, and time adds up over the runs it took."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from lapa_edge.demo.stages import StageLog


def test_a_done_stage_is_skipped_in_the_next_run(tmp_path: Path) -> None:
    for expected in (True, False):
        with StageLog(tmp_path / "stages.json", Console(quiet=True)).run("one") as fresh:
            assert fresh is expected


def test_an_interrupted_stage_runs_again_and_keeps_its_seconds(tmp_path: Path) -> None:
    log = StageLog(tmp_path / "stages.json", Console(quiet=True))
    with pytest.raises(KeyboardInterrupt), log.run("one"):
        raise KeyboardInterrupt
    again = StageLog(tmp_path / "stages.json", Console(quiet=True))
    assert again.stages["one"].seconds > 0
    with again.run("one") as fresh:
        assert fresh
    assert again.stages["one"].done
