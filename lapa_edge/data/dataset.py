"""One door for all layouts: a path in, a dataset out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lapa_edge.data.episode import Dataset, is_labelled
from lapa_edge.data.folder import read_folder
from lapa_edge.data.instructions import attach_instructions, read_instructions
from lapa_edge.data.language_table import is_language_table, read_language_table
from lapa_edge.data.video import VIDEO_SUFFIXES
from lapa_edge.errors import ConfigError, DataError

KNOWN_LAYOUTS = (
    "a folder of videos (with optional instructions.csv, steps.parquet and robot.json), "
    "Language Table (episodes.parquet, steps.parquet, video128/)"
)


def read_dataset(
    root: Path,
    instructions: Path | None = None,
    split: str = "train",
    labelled_share: float = 1.0,
) -> Dataset:
    """Read a dataset, recognising its layout.

    Args:
        root: the dataset's folder.
        instructions: a file that overrides the dataset's own instructions.
        split: ``train``, ``val`` or ``all`` where the layout knows splits; a plain folder is all
            ``train``.
        labelled_share: share of the labelled episodes, 0 to 1, that keep their steps; always the
            same ones, spread evenly. The rest still serve as video.

    Raises:
        DataError: no known layout, or the reader of the layout refuses.
        ConfigError: an unknown split or a share outside 0 to 1.
    """
    if is_language_table(root):
        dataset = read_language_table(root, split, labelled_share=labelled_share)
        if instructions is None:
            return dataset
        texts = read_instructions(instructions)
        named = attach_instructions(dataset.episodes, texts, f"instructions {instructions}")
        return replace(dataset, episodes=named)
    check_plain(root, split)
    return keep_labelled_share(read_folder(root, instructions), labelled_share)


def check_plain(root: Path, split: str) -> None:
    """Raise unless ``root`` can be read as a plain folder of clips."""
    if not root.is_dir():
        problem = "not a folder" if root.exists() else "no such folder"
        raise DataError(f"dataset {root}", problem, f"known layouts: {KNOWN_LAYOUTS}")
    if (root / "meta" / "info.json").is_file() or any(root.glob("*.tfrecord*")):
        # Its videos alone would read as unlabelled clips, and nobody would notice.
        raise DataError(
            f"dataset {root}",
            "LeRobot and RLDS datasets are not read yet",
            f"known layouts: {KNOWN_LAYOUTS}",
        )
    if not any(path.suffix.lower() in VIDEO_SUFFIXES for path in root.rglob("*")):
        raise DataError(
            f"dataset {root}",
            f"it holds no videos ({', '.join(VIDEO_SUFFIXES)})",
            f"known layouts: {KNOWN_LAYOUTS}",
        )
    if split not in ("train", "all"):
        raise ConfigError(
            "split",
            f"expected train or all, for {root} is a plain folder, got {split}",
            "keep clips for validation in a folder of their own",
        )


def keep_labelled_share(dataset: Dataset, share: float) -> Dataset:
    """Take the steps from all but an evenly spread ``share`` of the labelled episodes."""
    names = [e.name for e in dataset.labelled.episodes]
    kept = {name for i, name in enumerate(names) if is_labelled(i, share)}
    return replace(
        dataset,
        episodes=tuple(e if e.name in kept else replace(e, steps=None) for e in dataset.episodes),
    )
