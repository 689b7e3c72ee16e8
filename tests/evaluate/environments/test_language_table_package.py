"""Language Table as an installed package, as a checkout, and where there is neither."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from language_table_simulator import write_simulator

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("cv2") is None or importlib.util.find_spec("scipy") is None,
    reason="OPENCV OR SCIPY IS NOT INSTALLED: nothing here was checked",
)
EPISODE = """
import json, sys
import numpy as np
from lapa_edge.errors import LapaError
from lapa_edge.evaluate.registry import build_environment

path = list(sys.path)
try:
    table = build_environment("language_table", "separate")
except LapaError as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
    sys.exit()
table.reset(3)
start, frame, solved = table.state().tolist(), list(table.frame().shape), []
for _ in range(2):
    solved.append(table.step(np.array([0.1, 0.0], np.float32)))
    scored = table.score()
kind = type(table._env)
table.close()
print(json.dumps({
    "file": kind.file, "seen": kind.seen, "clients": kind.clients, "start": start, "frame": frame,
    "instruction": table.instruction, "solved": solved, "scored": scored,
    "left behind": [n for n in sys.modules if n.split(".")[0] in ("language_table", "gym")],
    "path is as before": sys.path == path,
}))
"""
# What `pip install -e` leaves behind: a finder that knows where the sources are.
EDITABLE = """
import sys
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "language_table":
            return spec_from_file_location(name, "{checkout}/language_table/__init__.py")

sys.meta_path.append(Finder)
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages: a PyBullet of the name, which nothing here calls."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "pybullet.py").touch()
    return tmp_path / "site"


def play(folder: Path, site: Path, checkout: Path | None = None) -> dict[str, Any]:
    """An episode in a process of its own, which imports from `site` as from site-packages."""
    (folder / "elsewhere").mkdir()
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    here = {name: value for name, value in os.environ.items() if name != "LAPA_LANGUAGE_TABLE"}
    told = {"LAPA_LANGUAGE_TABLE": str(checkout)} if checkout else {}
    done = subprocess.run(
        [sys.executable, "-c", EPISODE],
        cwd=folder / "elsewhere",
        env={**here, **told, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_an_installed_package_is_played_and_leaves_nothing_behind(
    tmp_path: Path, site: Path
) -> None:
    write_simulator(site)
    found = play(tmp_path, site)
    assert found["file"] == str(site / "language_table" / "environments" / "language_table.py")
    assert found["seen"] == "stand-ins"
    assert found["instruction"] == "push block 3 to 1"
    assert found["start"] == pytest.approx([0.3, 0.0])
    assert found["frame"] == [128, 128, 3]
    assert (found["solved"], found["scored"]) == ([False, True], 1.0)
    assert (found["clients"], found["left behind"]) == (0, [])
    assert found["path is as before"]


def test_an_editable_install_is_found_where_its_finder_says(tmp_path: Path, site: Path) -> None:
    checkout = write_simulator(tmp_path / "checkout")
    (site / "sitecustomize.py").write_text(EDITABLE.format(checkout=checkout))
    assert Path(play(tmp_path, site)["file"]).is_relative_to(checkout)


def test_a_checkout_that_is_named_wins_over_the_installed_package(
    tmp_path: Path, site: Path
) -> None:
    write_simulator(site)
    checkout = write_simulator(tmp_path / "checkout")
    assert Path(play(tmp_path, site, checkout)["file"]).is_relative_to(checkout)


def test_another_package_of_the_name_is_not_taken_for_it(tmp_path: Path, site: Path) -> None:
    (site / "language_table").mkdir()
    (site / "language_table" / "__init__.py").touch()
    error = play(tmp_path, site)["error"]
    assert "MissingDependencyError: environment language_table: not installed: lang" in error
    assert "git clone https://github.com/google-research/language-table" in error


def test_where_there_is_neither_the_error_says_what_is_missing_and_how_to_get_it(
    tmp_path: Path, site: Path
) -> None:
    error = play(tmp_path, site)["error"]
    assert error.startswith(
        "MissingDependencyError: environment language_table: not installed: language_table; "
        "git clone https://github.com/google-research/language-table, export LAPA_LANGUAGE_TABLE="
    )


def test_a_package_that_lacks_a_file_is_told_by_what_python_said(
    tmp_path: Path, site: Path
) -> None:
    write_simulator(site)
    (site / "language_table" / "environments" / "blocks.py").unlink()
    error = play(tmp_path, site)["error"]
    assert "it cannot be imported (No module named 'language_table.environments.blocks')" in error
