"""Installing the workspace hides nothing of the pip package, and forgets nothing of its own."""

from __future__ import annotations

import ast
import sys
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest

PACKAGE = Path(__file__).parents[1]
MANIFEST = ElementTree.parse(PACKAGE / "package.xml").getroot()


def test_pips_version_is_what_importlib_tells(share):
    pytest.importorskip("lapa_edge", reason="NOT CHECKED: lapa-edge is not installed")
    install = share.parents[1]
    assert [path.name for path in install.rglob("*.egg-info")], "nothing of colcon's was installed"
    distribution = metadata.distribution("lapa-edge")
    assert not Path(str(distribution.locate_file(""))).is_relative_to(install)
    assert distribution.version == MANIFEST.findtext("version")


def test_the_workspace_has_no_module_named_like_pips(share):
    modules = {path.name for path in share.parents[1].rglob("site-packages/*")}
    assert "lapa_edge_ros" in modules
    assert not {name for name in modules if name.removesuffix(".py") == "lapa_edge"}


def test_scripts_ask_for_the_interpreter_on_the_path(share):
    scripts = sorted((share.parents[1] / "lib" / "lapa_edge").iterdir())
    assert [script.name for script in scripts] == ["policy_node", "replay"]
    for script in scripts:
        assert script.read_text().startswith("#!/usr/bin/env python3\n")


@pytest.mark.parametrize("folder", ["launch", "config"])
def test_every_file_is_installed(share, folder):
    there = {path.name for path in (PACKAGE / folder).iterdir() if path.is_file()}
    assert {path.name for path in (share / folder).iterdir() if path.is_file()} == there


def test_every_ros_package_that_is_imported_is_declared():
    declared = {element.text for element in MANIFEST.iter("exec_depend")}
    pip = {"lapa_edge", "lapa_edge_ros", "numpy", "cv2", "tyro", "rich", "msgspec"}
    files = [*(PACKAGE / "lapa_edge_ros").glob("*.py"), *(PACKAGE / "launch").glob("*.py")]
    imported = set().union(*(imports_of(path) for path in files))
    assert imported - pip - set(sys.stdlib_module_names) <= declared


def imports_of(path: Path) -> set[str]:
    """Top-level packages that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    sources = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in plain | sources}
