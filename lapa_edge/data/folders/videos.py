"""A plain folder of clips in, a dataset out: the layout that asks least of a user.

    clips/
      any/depth/a.mp4 ...      or clips/videos/...
      instructions.csv         optional; also .jsonl, .json
      steps.parquet robot.json optional; the clips they name become labelled

Hidden files are passed over. Damaged clips are skipped and named, up to a share that says the
folder itself is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lapa_edge.data.damage import MAX_DAMAGED, check_damage
from lapa_edge.data.episode import Dataset, Episode, RobotSpec, Steps
from lapa_edge.data.folders.instructions import (
    attach_instructions,
    clip_name,
    find_instructions,
    match_clips,
    read_instructions,
    write_instructions,
)
from lapa_edge.data.folders.probe import probe_videos
from lapa_edge.data.folders.steps import STEPS_NAME, read_steps, write_labels
from lapa_edge.data.video import VIDEO_SUFFIXES
from lapa_edge.errors import DataError

__all__ = ["read_folder", "write_instructions", "write_labels"]


def read_folder(
    root: Path, instructions: Path | None = None, max_damaged: float = MAX_DAMAGED
) -> Dataset:
    """Read every clip below ``root``; nothing is decoded yet but each clip's first frame.

    A clip's name is its path below ``root`` (below ``root/videos`` for clips in there) without
    the suffix.

    Args:
        root: the folder.
        instructions: a file for `read_instructions`; else one that lies in ``root``, if any.
        max_damaged: share of clips, 0 to 1, that may be damaged.

    Raises:
        DataError: no videos, too many damaged ones, or instructions or steps that do not fit.
    """
    videos = find_videos(root)
    episodes, damaged = probe_videos(videos)
    check_damage(f"folder {root}", tuple(damaged.values()), len(videos), max_damaged)
    return add_labels(root, episodes, damaged, instructions)


def add_labels(
    root: Path, episodes: list[Episode], damaged: dict[str, str], instructions: Path | None = None
) -> Dataset:
    """Make a dataset of the clips below ``root`` and of the instructions and steps beside them.

    Args:
        root: where ``instructions.*``, ``steps.parquet`` and ``robot.json`` may lie.
        episodes: the clips that can be read.
        damaged: why each of the others cannot, by clip name; labels may mention them.
        instructions: a file to read instead of the one in ``root``.

    Raises:
        DataError: instructions or steps that do not fit.
    """
    source = instructions or find_instructions(root)
    if source is not None:
        texts = read_instructions(source)
        episodes = list(attach_instructions(episodes, texts, f"instructions {source}", damaged))
    robot: RobotSpec | None = None
    if (root / STEPS_NAME).is_file():
        robot, steps = read_steps(root)
        episodes = attach_steps(episodes, steps, f"steps {root / STEPS_NAME}", damaged)
    return Dataset(root, tuple(episodes), robot, tuple(damaged.values()))


def find_videos(root: Path) -> dict[str, Path]:
    """Video files below ``root`` by clip name, sorted by name.

    Raises:
        DataError: the folder is missing, holds no video, or two videos share a name.
    """
    if not root.is_dir():
        raise DataError(f"folder {root}", "no such folder" if not root.exists() else "not a folder")
    paths: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file():
            continue
        if inside.parts[0] == "videos":
            inside = path.relative_to(root / "videos")
        name = clip_name(inside.as_posix())
        if name in paths:
            raise DataError(f"clip {name}", f"both {paths[name]} and {path}", "rename one of them")
        paths[name] = path
    if not paths:
        known = ", ".join(VIDEO_SUFFIXES)
        raise DataError(f"folder {root}", "it holds no videos", f"files ending in {known} are read")
    return dict(sorted(paths.items()))


def attach_steps(
    episodes: list[Episode], steps: dict[str, Steps], source: str, damaged: dict[str, str]
) -> list[Episode]:
    """Give the episodes that ``steps`` names their steps.

    Raises:
        DataError: a clip is named that does not exist, or steps and frames do not overlap.
    """
    names = match_clips(steps, [e.name for e in episodes], source, damaged)
    by_name = {name: steps[clip] for clip, name in names.items()}
    return [replace(e, steps=by_name.get(e.name)) for e in episodes]
