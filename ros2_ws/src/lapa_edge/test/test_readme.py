"""The README's tables are the node's, both ways."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from lapa_edge_ros.table import TABLE, Empty

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text()


def table_below(head: str) -> list[list[str]]:
    """Rows of the table whose first column is called ``head``, without backquotes."""
    lines = README.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
    return rows


def cells_of(row) -> list[str]:
    """What the README must say of a parameter, the meaning aside."""
    if isinstance(row.default, Empty):
        default = "[]"
    elif isinstance(row.default, str):
        default = row.default or "empty"
    else:
        default = f"{row.default}".lower() if isinstance(row.default, bool) else f"{row.default:g}"
    span = ", ".join(row.choices) or "-"
    if row.bounds:
        span = "{:g} to {:g}".format(*row.bounds)
    return [row.name, row.unit or "-", default, span, row.change]


def test_every_parameter_has_its_unit_default_range_and_time():
    assert [row[:5] for row in table_below("Parameter")] == [cells_of(row) for row in TABLE]


def test_no_parameter_is_left_without_a_meaning():
    assert all(len(row) == 6 and row[5] for row in table_below("Parameter"))


@pytest.mark.parametrize("head", ["Launch argument"])
def test_every_launch_argument_has_its_default(head):
    told = {name: default for name, default, _ in table_below(head)}
    assert told == launch_defaults()


def launch_defaults() -> dict[str, str]:
    """Name and default of policy.launch.py's arguments, read without launch."""
    tree = ast.parse((PACKAGE / "launch" / "policy.launch.py").read_text())
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                # (type, default, text) or (default, text)
                found[ast.literal_eval(key)] = ast.literal_eval(value.elts[-2]) or "empty"
    return found


def test_services_are_those_that_the_node_offers():
    code = (PACKAGE / "lapa_edge_ros" / "services.py").read_text()
    offered = re.findall(r'create_service\(\w+, "(.*?)"', code)
    assert [row[0] for row in table_below("Service")] == offered


def test_what_the_readme_links_to_is_there():
    heads = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}
    assert set(re.findall(r"\]\(#(.*?)\)", README)) <= anchors


def test_files_that_the_readme_names_are_there():
    for name in re.findall(r"config/(\w+\.\w+)", README):
        assert (PACKAGE / "config" / name).is_file(), name
    for name in re.findall(r"lapa_edge (\w+\.launch\.py)", README):
        assert (PACKAGE / "launch" / name).is_file(), name
