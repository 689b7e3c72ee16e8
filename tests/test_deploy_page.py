"""docs/deploy.md against the code: every message it explains exists, every refusal is explained."""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "deploy.md"
REFUSALS = (
    "LapaError", "BundleError", "ConfigError", "MissingDependencyError", "DataError",
    "RuntimeInputError",
)  # fmt: skip
# Where a message is raised that someone meets who exports, copies and runs a bundle.
MET = ("artifact.py", "export/**/*.py", "runtime/backends/*.py", "runtime/mark.py")
GAP = "…"


def words(node):
    """A string literal with `GAP` for what is filled in; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(x.value if isinstance(x, ast.Constant) else GAP for x in node.values)
    return None


@functools.cache
def literals():
    trees = (ast.parse(path.read_text()) for path in (ROOT / "lapa_edge").rglob("*.py"))
    return {text for tree in trees for node in ast.walk(tree) if (text := words(node))}


def refusals():
    """The problem of every refusal that states it in place."""
    for pattern in MET:
        for path in sorted((ROOT / "lapa_edge").glob(pattern)):
            for node in ast.walk(ast.parse(path.read_text())):
                raised = isinstance(node, ast.Call) and getattr(node.func, "id", "") in REFUSALS
                text = words(node.args[1]) if raised and len(node.args) > 1 else None
                if text and re.search(r"\w", text):  # others pass on what the driver says
                    yield f"{path.name}: {text}", text


def quoted():
    """The messages in the first columns of the page's tables."""
    return re.findall(r"^\| `(.+?)` \|", PAGE.read_text(), re.M)


def as_pattern(message):
    """What a quoted message matches: `GAP` is anything, and it may be a part of a longer one."""
    return re.compile(".*".join(re.escape(part) for part in message.split(GAP)), re.S)


# A message of gaps alone would explain anything.
EXPLAINED = [as_pattern(message) for message in quoted() if len(re.findall(r"\w", message)) > 5]


@pytest.mark.parametrize("message", quoted())
def test_every_explained_message_is_one_of_the_codes(message):
    assert any(as_pattern(message).search(text) for text in literals())


def test_the_page_explains_enough_for_this_test_to_mean_something():
    assert len(quoted()) > 60 and len(list(refusals())) > 40


def test_every_refusal_is_explained():
    missing = [place for place, text in refusals() if not any(p.search(text) for p in EXPLAINED)]
    assert missing == []


def test_every_command_in_the_page_has_the_flags_it_names():
    from lapa_edge.cli.export import ExportFlags
    from lapa_edge.export.drive_config import DriveConfig

    flags = set(re.findall(r"--([a-z][a-z.-]*)", " ".join(export_lines())))
    known = {name.replace("_", "-") for name in ExportFlags.__dataclass_fields__}
    known |= {f"drive.{name.replace('_', '-')}" for name in DriveConfig.__dataclass_fields__}
    assert flags and flags <= known


def export_lines():
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.S)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.startswith("lapa-export")]
