"""The demo's recordings: what a killed run leaves behind, and seeds that never meet."""

from __future__ import annotations

from pathlib import Path

from clips import write_clips

from lapa_edge.demo import record as record_module
from lapa_edge.demo.plan import FIRST_DEMO_SEED, FIRST_ROLLOUT_SEED, FULL
from lapa_edge.evaluate.recording import MAX_TRIES, RETRY_STRIDE


def test_what_a_killed_run_left_is_not_taken_for_a_clip(tmp_path: Path) -> None:
    write_clips(tmp_path, 1, labelled=False)
    (tmp_path / "clip_0.mp4").rename(tmp_path / "reach_000001.mp4")
    (tmp_path / ".reach_000002.77.mp4").write_bytes(b"half")
    assert list(record_module._texts(tmp_path)) == ["reach_000001"]


def test_no_rollout_shows_a_recorded_scene() -> None:
    for seed in (0, 1, 7):
        rollouts, recorded = set[int](), set[int]()
        for task in FULL.tasks:
            first = FULL.first_seed(task, seed)
            rollouts |= set(
                range(
                    FIRST_ROLLOUT_SEED + first, FIRST_ROLLOUT_SEED + first + FULL.rollouts_per_task
                )
            )
            for start, count in (
                (first, FULL.videos_per_task),
                (FIRST_DEMO_SEED + first, FULL.demos_per_task),
            ):
                recorded |= {
                    s + attempt * RETRY_STRIDE
                    for s in range(start, start + count)
                    for attempt in range(MAX_TRIES)
                }
        assert not rollouts & recorded
