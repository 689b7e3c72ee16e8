"""Filling a frame store: clips are decoded, resized and appended, and each finished one noted.

    directory/
      frames.u8       uint8 [frames so far, h, w, 3]
      progress.jsonl  what is being built, then one line per finished clip

A build that was killed goes on behind the last finished clip. `frame_store` holds the lock
around all of this and opens the result.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lapa_edge.data.episode import Dataset, Episode
from lapa_edge.errors import DataError

VERSION = 2  # 1 was resized by another filter
FRAMES_NAME, PROGRESS_NAME = "frames.u8", "progress.jsonl"
REPORT_EVERY = 256  # frames

Resize = Callable[[NDArray[np.uint8], int, int], NDArray[np.uint8]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StoreBuild:
    """One build: which clips, at which size (pixels), into which directory.

    Attributes:
        done: a line per clip that is finished, either ``name, offset, count`` (in frames) or
            ``name, skipped`` (the reason).
    """

    dataset: Dataset
    directory: Path
    height: int
    width: int
    done: list[dict[str, Any]] = field(default_factory=list)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one stored frame."""
        return self.height * self.width * 3

    @property
    def end(self) -> int:
        """Frames of all finished clips."""
        return sum(line.get("count", 0) for line in self.done)

    @property
    def waiting(self) -> list[Episode]:
        """Clips that are not finished."""
        finished = {line["name"] for line in self.done}
        return [e for e in self.dataset.episodes if e.name not in finished]

    def fingerprint(self) -> str:
        """Changes when a clip is added, removed, reordered or rewritten, or the size changes."""
        clips = [[e.name, e.frame_count, *e.video.stamp()] for e in self.dataset.episodes]
        text = json.dumps([VERSION, self.height, self.width, clips])
        return hashlib.sha256(text.encode()).hexdigest()

    def resume(self, fingerprint: str) -> None:
        """Take over what an interrupted build of the same store left, else clear the directory."""
        path, frames_path = self.directory / PROGRESS_NAME, self.directory / FRAMES_NAME
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        whole = text[: text.rfind("\n") + 1]  # a kill may leave half a line
        lines = _parsed(whole)
        if lines and lines[0].get("fingerprint") == fingerprint and frames_path.is_file():
            self.done.extend(lines[1:])
            # A shorter file was cut by someone else; the lines no longer describe it.
            if frames_path.stat().st_size >= self.end * self.frame_bytes:
                path.write_text(whole, encoding="utf-8")
                return
            self.done.clear()
        frames_path.unlink(missing_ok=True)
        path.write_text(json.dumps({"fingerprint": fingerprint}) + "\n", encoding="utf-8")

    def check_disk(self) -> None:
        """Raise DataError unless the waiting clips fit on the disk."""
        frames = sum(e.frame_count for e in self.waiting)
        needed, free = frames * self.frame_bytes, shutil.disk_usage(self.directory).free
        if needed > free:
            raise DataError(
                f"frame store {self.directory}",
                f"{frames} frames of {self.height}x{self.width} need {needed / 1e9:.2f} GB, "
                f"{free / 1e9:.2f} GB are free",
                "make room, or choose another directory, fewer clips or smaller frames",
            )

    def decode(self, resize: Resize, progress: Progress | None) -> None:
        """Append the waiting clips; one that fails is noted as skipped."""
        total = sum(e.frame_count for e in self.dataset.episodes)
        waiting = self.waiting
        seen = total - sum(e.frame_count for e in waiting)
        with (
            (self.directory / FRAMES_NAME).open("ab") as frames,
            (self.directory / PROGRESS_NAME).open("a", encoding="utf-8") as lines,
        ):
            for episode in waiting:
                # Drops what a kill or a damaged clip left behind the last whole clip.
                frames.truncate(self.end * self.frame_bytes)

                def report(count: int, before: int = seen) -> None:
                    if progress:
                        progress(min(before + count, total), total)

                line = self._append(episode, frames, resize, report)
                # In this order: a line must never promise frames that did not reach the disk.
                frames.flush()
                os.fsync(frames.fileno())
                lines.write(json.dumps(line) + "\n")
                lines.flush()
                self.done.append(line)
                seen += episode.frame_count
                report(episode.frame_count)
            frames.truncate(self.end * self.frame_bytes)

    def _append(
        self, episode: Episode, file: BinaryIO, resize: Resize, report: Callable[[int], None]
    ) -> dict[str, Any]:
        """Decode one clip onto the end of ``file`` and return its line."""
        count = 0
        try:
            for frame in episode.video.read():
                self._write_frame(file, frame, resize)
                count += 1
                if count % REPORT_EVERY == 0:
                    report(count)
            if count != episode.frame_count:
                # Steps find their frame by number: one missing would shift all behind it.
                raise DataError(
                    str(episode.video),
                    f"the dataset says {episode.frame_count} frames, decoding gave {count}",
                )
        except DataError as error:
            return {"name": episode.name, "skipped": str(error)}
        return {"name": episode.name, "offset": self.end, "count": count}

    def _write_frame(self, file: BinaryIO, frame: NDArray[np.uint8], resize: Resize) -> None:
        if frame.shape[:2] != (self.height, self.width):
            frame = resize(frame, self.height, self.width)
        assert frame.dtype == np.uint8 and frame.nbytes == self.frame_bytes
        file.write(np.ascontiguousarray(frame).data)


def _parsed(text: str) -> list[dict[str, Any]]:
    """The lines of a progress file; none where it is not one."""
    try:
        return [dict(json.loads(line)) for line in text.splitlines()]
    except (ValueError, TypeError):
        return []
