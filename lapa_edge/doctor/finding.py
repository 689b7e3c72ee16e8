"""One thing that was looked at, and the rule that no failure comes without its remedy."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["ok", "info", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found.

    Attributes:
        section: what was looked at: installed, machine, targets, bundle.
        name: of what within it.
        status: ok; info: worth knowing; warn: works, but look; fail: does not work.
        found: in words.
        remedy: what to do; there is one with every warning and failure.
    """

    section: str
    name: str
    status: Status
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        assert self.remedy or self.status in ("ok", "info"), f"{self.name}: no remedy"
