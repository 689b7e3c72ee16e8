"""What can go wrong is looked for before ten minutes are spent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from lapa_edge.errors import ConfigError, DataError
from lapa_edge.evaluate.environments.metaworld import MetaWorld
from lapa_edge.train.run_directory import read_json, write_text

# Videos, decoded frames, checkpoints, rollouts: about 0.4 GB in the full demo.
NEEDED_BYTES = 2_000_000_000


def check_out(root: Path, seed: int, quick: bool) -> None:
    """Claim `root` for this demo, or check that it is the one being resumed.

    Raises:
        ConfigError: `root` holds something else, or a demo with other flags.
        DataError: the disk is too full.
    """
    settings = {"seed": seed, "quick": quick}
    path = root / "demo.json"
    if path.is_file():
        found = read_json(path, dict[str, int | bool])
        if found != settings:
            raise ConfigError(
                f"--out {root}", f"holds a demo with {found}, expected {settings}",
                "give its flags to go on with it, or choose another --out",
            )  # fmt: skip
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ConfigError(f"--out {root}", "is no empty directory", "choose another --out")
    there = next(p for p in (root, *root.resolve().parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < NEEDED_BYTES:
        raise DataError(
            f"--out {root}",
            f"expected {NEEDED_BYTES / 1e9:.0f} GB of free disk, found {free / 1e9:.1f} GB",
            "free some space, or choose another --out",
        )
    root.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(settings))


def check_rendering() -> None:
    """Render one frame, so that a missing OpenGL is named at once."""
    environment = MetaWorld("reach", height=32, width=32)
    environment.reset(0)
    environment.frame()
    environment.close()
