"""What every method of a comparison learns from: recorded first, or read where it lies.

The steps of the video are shown to the method that pretrains on true actions, and to no other.
"""

from __future__ import annotations

from pathlib import Path

from lapa_edge.compare.config import CompareConfig, DataConfig, RecordConfig
from lapa_edge.data.dataset import ReadOptions, read_dataset
from lapa_edge.data.episode import Dataset
from lapa_edge.errors import DataError
from lapa_edge.evaluate.recording_set import ClipSet, record_sets
from lapa_edge.evaluate.scenes import Use, scene_seeds
from lapa_edge.spec import FrameSpec
from lapa_edge.train.frames import open_frames
from lapa_edge.train.methods import Material

FRAMES = "frames"
SEES_ACTIONS = ("actionvla",)


def prepare_material(config: CompareConfig, out: Path, processes: int) -> None:
    """Record what is missing and decode every frame, before workers ask for it."""
    if config.record:
        record_sets(_clip_sets(config.record, out), processes)
    material = open_material(config, out, "scratch")
    policy = config.training.networks.policy
    for dataset in (material.video, material.demos):
        material.frames(dataset, FrameSpec(height=policy.height, width=policy.width))


def open_material(config: CompareConfig, out: Path, method: str) -> Material:
    """The video and the demos as `method` may see them; frames are kept in ``out/frames``.

    Raises:
        DataError: a dataset is absent or damaged, or no demo is labelled.
    """
    share = 1.0 if method in SEES_ACTIONS else 0.0
    video, demos = _read(config, out, video_share=share)
    if not demos.episodes:
        raise DataError(
            f"dataset {demos.root}", "no episode has steps to learn from", "name other demos"
        )
    return Material(video, demos, lambda dataset, frame: open_frames(dataset, frame, out / FRAMES))


def demos_folder(config: CompareConfig, out: Path) -> Path:
    """Where the labelled episodes lie."""
    if config.record:
        return out / "demos"
    assert config.data
    return Path(config.data.demos or config.data.video)


def _read(config: CompareConfig, out: Path, video_share: float) -> tuple[Dataset, Dataset]:
    folder = demos_folder(config, out)
    if config.record:
        video = read_dataset(out / "video", ReadOptions(labelled_share=video_share))
        return video, read_dataset(folder).labelled
    assert config.data
    video = read_dataset(Path(config.data.video), _options(config.data, video_share))
    demos = read_dataset(folder, _options(config.data, config.data.labelled_share))
    return video, demos.labelled


def _options(data: DataConfig, labelled_share: float) -> ReadOptions:
    return ReadOptions(
        split=data.split, labelled_share=labelled_share, camera=data.camera, fps=data.fps
    )


def _clip_sets(record: RecordConfig, out: Path) -> tuple[ClipSet, ClipSet]:
    """The same clips for all seeds: what differs between trainings is the training."""

    def clips(use: Use, folder: str, count: int, noise: float) -> ClipSet:
        seeds = {task: scene_seeds(use, i, 0, count) for i, task in enumerate(record.tasks)}
        simulator = Path(record.simulator) if record.simulator else None
        return ClipSet(
            out / folder, record.environment, seeds, record.camera_hz, noise, True, simulator
        )

    return (
        clips("videos", "video", record.videos_per_task, record.noise),
        clips("demos", "demos", record.demos_per_task, 0.0),
    )
