"""One door for all layouts: a path in, a dataset out.

To add a layout, write a reader beside these and a line in `LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lapa_edge.data.bags.reader import is_bag, read_bags
from lapa_edge.data.damage import MAX_DAMAGED
from lapa_edge.data.episode import Dataset, is_labelled
from lapa_edge.data.folders.frames import is_frame_folder, read_frame_folder
from lapa_edge.data.folders.instructions import attach_instructions, read_instructions
from lapa_edge.data.folders.something import is_something, read_something
from lapa_edge.data.folders.steps import ROBOT_NAME, read_robot
from lapa_edge.data.folders.videos import read_folder
from lapa_edge.data.language_table import is_language_table, read_language_table
from lapa_edge.data.lerobot.reader import is_lerobot, read_lerobot
from lapa_edge.data.rlds.reader import is_rlds, read_rlds
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
    """Which camera or image topic of several; empty takes the layout's first."""
    fps: float | None = None
    """Camera rate in Hz where the layout does not tell it: folders of frames, unknown RLDS."""
    instruction_topic: str = ""
    """Topic of a bag that carries the instruction; empty takes the usual names."""
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


def _language_table(root: Path, options: ReadOptions) -> Dataset:
    _without(root, options, "camera", "fps", "instruction_topic")
    dataset = read_language_table(
        root, options.split, labelled_share=options.labelled_share, max_damaged=options.max_damaged
    )
    return _name_anew(dataset, options)


def _lerobot(root: Path, options: ReadOptions) -> Dataset:
    _without(root, options, "fps", "instruction_topic")
    return _name_and_label_anew(
        read_lerobot(
            root, split=options.split, camera=options.camera, max_damaged=options.max_damaged
        ),
        options,
    )


def _rlds(root: Path, options: ReadOptions) -> Dataset:
    _without(root, options, "instruction_topic")
    dataset = read_rlds(
        root,
        split=options.split,
        camera=options.camera,
        fps=options.fps,
        max_damaged=options.max_damaged,
    )
    return _name_and_label_anew(dataset, options)


def _something(root: Path, options: ReadOptions) -> Dataset:
    _without(root, options, "camera", "fps", "instruction_topic")
    dataset = read_something(root, split=options.split, max_damaged=options.max_damaged)
    return _name_anew(dataset, options)


def _bags(root: Path, options: ReadOptions) -> Dataset:
    _without(root, options, "fps", "val")
    dataset = read_bags(
        root,
        options.instructions,
        camera=options.camera,
        instruction_topic=options.instruction_topic,
        max_damaged=options.max_damaged,
    )
    return _keep_labelled_share(dataset, options.labelled_share)


def _frame_folder(root: Path, options: ReadOptions) -> Dataset:
    _without(root, options, "camera", "instruction_topic", "val")
    dataset = read_frame_folder(
        root, options.instructions, fps=options.fps, max_damaged=options.max_damaged
    )
    return _keep_labelled_share(dataset, options.labelled_share)


def _folder(root: Path, options: ReadOptions) -> Dataset:
    _without(root, options, "camera", "fps", "instruction_topic", "val")
    dataset = read_folder(root, options.instructions, options.max_damaged)
    return _keep_labelled_share(dataset, options.labelled_share)


def _holds_videos(root: Path) -> bool:
    return any(path.suffix.lower() in VIDEO_SUFFIXES for path in root.rglob("*"))


def _without(root: Path, options: ReadOptions, *unknown: str) -> None:
    """Refuse the options that this layout has no use for."""
    for name in unknown:
        if name == "val" and options.split == "val":
            raise ConfigError(
                "split",
                f"expected train or all, for {root} has no splits, got val",
                "keep clips for validation in a folder of their own",
            )
        if given := getattr(options, name, None):
            raise ConfigError(name, f"{root} has no choice of it, got {given}", "leave it out")


def _name_anew(dataset: Dataset, options: ReadOptions) -> Dataset:
    """Replace the dataset's instructions by the given ones."""
    if options.instructions is None:
        return dataset
    texts = read_instructions(options.instructions)
    source = f"instructions {options.instructions}"
    return replace(dataset, episodes=attach_instructions(dataset.episodes, texts, source))


def _name_and_label_anew(dataset: Dataset, options: ReadOptions) -> Dataset:
    named = _describe_anew(_name_anew(dataset, options))
    return _keep_labelled_share(named, options.labelled_share)


def _describe_anew(dataset: Dataset) -> Dataset:
    """Take the robot from a ``robot.json`` beside the data, which may say more than the data do.

    Neither LeRobot nor RLDS tells a displacement from a position, nor an action's true limits.
    """
    path = dataset.root / ROBOT_NAME
    if dataset.robot is None or not path.is_file():
        return dataset
    told, found = read_robot(path), dataset.robot
    for what in ("state_names", "action_names"):
        if getattr(told, what) != getattr(found, what):
            raise DataError(
                f"robot {path}",
                f"{what}: expected {', '.join(getattr(found, what))} as in the data, "
                f"got {', '.join(getattr(told, what))}",
            )
    return replace(dataset, robot=told)


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
    Layout("LeRobot v2.1 or v3.0 (meta/info.json)", is_lerobot, _lerobot),
    Layout("RLDS (*.tfrecord shards)", is_rlds, _rlds),
    Layout("Something-Something (NUMBER.webm and its label JSON)", is_something, _something),
    Layout("MCAP or rosbag2 (.mcap, .db3)", is_bag, _bags),
    Layout("folders of frames (clip/NUMBER.jpg)", is_frame_folder, _frame_folder),
    Layout(
        f"a folder of videos ({' '.join(VIDEO_SUFFIXES)}; instructions.csv, steps.parquet and "
        "robot.json beside them)",
        _holds_videos,
        _folder,
    ),
)
