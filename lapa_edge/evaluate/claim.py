"""A results folder belongs to one evaluation: what decides the result is written down in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from lapa_edge.data.files import replacing
from lapa_edge.errors import ConfigError, DataError

CLAIM = "evaluation.json"


def claim(out: Path, settings: Mapping[str, object]) -> None:
    """Begin an evaluation in `out`, or check that the one there has the same settings.

    Raises:
        ConfigError: `out` is a file, holds something else, or an evaluation with other settings.
        DataError: what is written there is damaged.
    """
    path = out / CLAIM
    wanted = msgspec.json.decode(msgspec.json.encode(settings), type=dict[str, object])
    if not path.is_file():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(f"--out {out}", "is no empty folder", "choose another --out")
        with replacing(path) as partial:
            partial.write_bytes(msgspec.json.format(msgspec.json.encode(wanted)))
        return
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except msgspec.MsgspecError as error:
        raise DataError(f"file {path}", f"is damaged ({error})", "choose another --out") from error
    for key in sorted({*wanted, *found}):
        if wanted.get(key) != found.get(key):
            raise ConfigError(
                f"--out {out}",
                f"holds an evaluation with {key} {found.get(key)!r}, expected {wanted.get(key)!r}",
                "give its flags to go on with it, or choose another --out",
            )
