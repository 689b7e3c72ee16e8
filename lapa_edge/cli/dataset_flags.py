"""The flags of every command that reads a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lapa_edge.data.dataset import ReadOptions
    from lapa_edge.data.episode import Dataset

FRAME_CACHE = Path("~/.cache/lapa-edge/frames")


@dataclass(frozen=True)
class DatasetFlags:
    """Which episodes of which dataset."""

    data: Path
    """A folder of videos or of frames, LeRobot, RLDS, MCAP or rosbag2, Something-Something, or
    Language Table."""
    instructions: Path | None = None
    """Instructions elsewhere: CSV, JSONL, JSON or Parquet, by clip."""
    split: Literal["train", "val", "all"] = "train"
    """Which episodes, where the dataset has splits."""
    camera: str = ""
    """Which camera or image topic of several; the first, unless given."""
    fps: float | None = None
    """Camera rate in Hz, where the dataset does not tell it (folders of frames, some RLDS)."""
    instruction_topic: str = ""
    """Topic of a bag that carries the instruction."""
    max_damaged: float = 0.1
    """Largest share of damaged episodes, 0 to 1, that is skipped and named; more is an error."""
    cache: Path = FRAME_CACHE
    """Where decoded frames are kept."""

    def read(self, labelled_share: float = 1.0) -> Dataset:
        """The dataset; `labelled_share` of its labelled episodes keep their steps."""
        from lapa_edge.data.dataset import read_dataset

        return read_dataset(self.data, self.options(labelled_share))

    def options(self, labelled_share: float = 1.0) -> ReadOptions:
        """The flags as the readers take them."""
        from lapa_edge.data.dataset import ReadOptions

        return ReadOptions(
            instructions=self.instructions,
            split=self.split,
            labelled_share=labelled_share,
            camera=self.camera,
            fps=self.fps,
            instruction_topic=self.instruction_topic,
            max_damaged=self.max_damaged,
        )
