"""One door for all layouts: a path in, a dataset out.

To add a layout, write a reader beside these and a line in `LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lapa_edge.data.damage import MAX_DAMAGED
from lapa_edge.data.episode import Dataset, is_labelled
from lapa_edge.data.folder import read_folder
from lapa_edge.data.instructions import attach_instructions, read_instructions
from lapa_edge.data.language_table import is_language_table, read_language_table
from lapa_edge.data.video import VIDEO_SUFFIXES
from lapa_edge.errors import ConfigError, DataError

SPLITS = ("train", "val", "all")


@dataclass(frozen=True)
class ReadOptions:
    """How to read a dataset; what a layout does not know is refused by it, not passed over."""

    instructions: Path | None = None
    """A file that overrides the dataset's own instructions."""
    split: str = "train"
    """``train``, ``val`` or ``all`` where the layout knows splits."""
    labelled_share: float = 1.0
    """Share of the labelled episodes, 0 to 1, that keep their steps; always the same ones, spread
    evenly. The rest still serve as video."""
    camera: str = ""
    """Which camera of several; empty takes the layout's first."""
    max_damaged: float = MAX_DAMAGED
    """Share of the episodes, 0 to 1, that may be damaged and are skipped."""

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ConfigError("split", f"expected one of {', '.join(SPLITS)}, got {self.split}")
        for name in ("labelled_share", "max_damaged"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(name, f"expected 0 to 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Layout:
    """One way in which datasets lie on disk."""

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Dataset]


def read_dataset(root: Path, options: ReadOptions | None = None) -> Dataset:
    """Read a dataset, recognising its layout.

    Raises:
        DataError: no known layout, or the reader of the layout refuses.
        ConfigError: an option that this layout does not know.
    """
    options = options or ReadOptions()
    for layout in LAYOUTS:
        if layout.recognises(root):
            return layout.read(root, options)
    raise DataError(
        f"dataset {root}",
        "it holds nothing that is known" if root.exists() else "no such file or folder",
        f"known layouts: {known_layouts()}",
    )


def known_layouts() -> str:
    """What `read_dataset` recognises, for messages and help."""
    return "; ".join(layout.name for layout in LAYOUTS)


def _folder(root: Path, options: ReadOptions) -> Dataset:
    _one_camera(root, options)
    _one_split(root, options)
    dataset = read_folder(root, options.instructions, options.max_damaged)
    return _keep_labelled_share(dataset, options.labelled_share)


def _language_table(root: Path, options: ReadOptions) -> Dataset:
    _one_camera(root, options)
    dataset = read_language_table(
        root, options.split, labelled_share=options.labelled_share, max_damaged=options.max_damaged
    )
    return _name_anew(dataset, options)


def _holds_videos(root: Path) -> bool:
    return any(path.suffix.lower() in VIDEO_SUFFIXES for path in root.rglob("*"))


def _one_split(root: Path, options: ReadOptions) -> None:
    if options.split == "val":
        raise ConfigError(
            "split",
            f"expected train or all, for {root} has no splits, got val",
            "keep clips for validation in a folder of their own",
        )


def _one_camera(root: Path, options: ReadOptions) -> None:
    if options.camera:
        raise ConfigError("camera", f"{root} has one camera only, got {options.camera}")


def _name_anew(dataset: Dataset, options: ReadOptions) -> Dataset:
    """Replace the dataset's instructions by the given ones."""
    if options.instructions is None:
        return dataset
    texts = read_instructions(options.instructions)
    source = f"instructions {options.instructions}"
    return replace(dataset, episodes=attach_instructions(dataset.episodes, texts, source))


def _keep_labelled_share(dataset: Dataset, share: float) -> Dataset:
    """Take the steps from all but an evenly spread ``share`` of the labelled episodes."""
    names = [e.name for e in dataset.labelled.episodes]
    kept = {name for i, name in enumerate(names) if is_labelled(i, share)}
    return replace(
        dataset,
        episodes=tuple(e if e.name in kept else replace(e, steps=None) for e in dataset.episodes),
    )


# The first that recognises a folder reads it: the particular before the general.
LAYOUTS = (
    Layout(
        "Language Table (episodes.parquet, steps.parquet, video128/)",
        is_language_table,
        _language_table,
    ),
    Layout(
        f"a folder of videos ({' '.join(VIDEO_SUFFIXES)}; instructions.csv, steps.parquet and "
        "robot.json beside them)",
        _holds_videos,
        _folder,
    ),
)
