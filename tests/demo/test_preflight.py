"""What is refused before any work."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from lapa_edge.demo.preflight import check_out
from lapa_edge.errors import ConfigError, DataError


def test_a_demo_goes_on_only_with_its_own_flags(tmp_path: Path) -> None:
    check_out(tmp_path / "demo", seed=1, quick=False)
    check_out(tmp_path / "demo", seed=1, quick=False)
    with pytest.raises(ConfigError, match="holds a demo with"):
        check_out(tmp_path / "demo", seed=2, quick=False)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="is no empty directory"):
        check_out(tmp_path, seed=0, quick=False)


def test_a_full_disk_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(DataError, match=r"expected 2 GB of free disk, found 0\.0 GB"):
        check_out(tmp_path / "demo", seed=0, quick=False)
    assert not (tmp_path / "demo" / "demo.json").exists()
