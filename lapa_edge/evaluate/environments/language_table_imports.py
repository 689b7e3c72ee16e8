"""The published Language Table simulator, imported without the training stack it grew up in.

Its files import gym, tensorflow, tf_agents and others for base classes and type names only. Tiny
stand-ins take their places while the simulator is imported, whether the real ones are installed or
not (tensorflow alone would take seconds). `sys.modules` is as before afterwards: the simulator too
is known to this file alone, so that another module called `language_table` does no harm.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from lapa_edge.errors import MissingDependencyError
from lapa_edge.evaluate.environments.installed import absent, find_checkout, importing_from

VARIABLE = "LAPA_LANGUAGE_TABLE"
NEEDED = ("pybullet", "scipy", "cv2")
INSTALL = (
    "git clone https://github.com/google-research/language-table, "
    f"export {VARIABLE}=path/to/language-table, pip install pybullet scipy opencv-python-headless"
)
_MARKER = "language_table/environments/language_table.py"


@dataclass(frozen=True)
class Simulator:
    """What the adapter uses of it: the environment, its blocks, its rewards, its expert."""

    table: Any
    block_mode: Any
    rewards: dict[str, Any]
    oracle: Any


def find_missing(simulator: Path | None) -> str:
    """What is not here, "" where the simulator can run.

    Raises:
        ConfigError: the path given, by argument or environment variable, is no checkout.
    """
    found = find_checkout(VARIABLE, simulator, _MARKER) or _package()
    return ", ".join((*absent(*NEEDED), *(() if found else ("language_table",))))


def import_simulator(simulator: Path | None = None) -> Simulator:
    """The simulator of a checkout, else of the installed package; imported once per place.

    Raises:
        ConfigError: the path given is no checkout.
        MissingDependencyError: it, or what it runs on, is not here.
    """
    if missing := find_missing(simulator):
        raise MissingDependencyError("Language Table", f"not installed: {missing}", INSTALL)
    root = find_checkout(VARIABLE, simulator, _MARKER) or _package()
    assert root is not None  # it would be missing
    return _import_from(root)


def _package() -> Path | None:
    """Where the installed package lies, be it by an editable install, whose finder is its own.

    Not by `find_spec`, which answers with whatever was imported under the name.
    """
    specs = [finder.find_spec("language_table", None) for finder in sys.meta_path]
    folders = [f for spec in specs if spec for f in spec.submodule_search_locations or ()]
    roots = [Path(folder).parent for folder in folders]
    return next((root for root in roots if (root / _MARKER).is_file()), None)


@cache
def _import_from(root: Path) -> Simulator:
    with importing_from(root), _stand_ins():
        try:
            return _read_simulator()
        except ImportError as error:
            raise MissingDependencyError(
                "Language Table", f"it cannot be imported ({error})", INSTALL
            ) from error


def _read_simulator() -> Simulator:
    def load(path: str) -> Any:
        return importlib.import_module(f"language_table.environments.{path}")

    def reward(module: str, name: str) -> Any:
        return getattr(load(f"rewards.{module}"), name)

    return Simulator(
        table=load("language_table").LanguageTable,
        block_mode=load("blocks").LanguageTableBlockVariants.BLOCK_8,
        rewards={
            "blocktoblock": reward("block2block", "BlockToBlockReward"),
            "blocktoabsolutelocation": reward(
                "block2absolutelocation", "BlockToAbsoluteLocationReward"
            ),
            "blocktoblockrelativelocation": reward(
                "block2block_relative_location", "BlockToBlockRelativeLocationReward"
            ),
            "blocktorelativelocation": reward(
                "block2relativelocation", "BlockToRelativeLocationReward"
            ),
            "separate": reward("separate_blocks", "SeparateBlocksReward"),
        },
        oracle=load("oracles.push_oracle_rrt_slowdown").ObstacleOrientedPushOracleBoard2dRRT,
    )


class _Base:
    """A base class or a space that only takes its arguments."""

    def __init__(self, *_: object, **__: object) -> None: ...


@dataclass(frozen=True)
class _PolicyStep:
    action: Any


def _modules() -> dict[str, ModuleType]:
    """The stand-ins by dotted name, each set as an attribute of its parent."""
    contents: dict[str, dict[str, object]] = {
        "absl": {"logging": logging.getLogger("language_table")},
        "gym": {"Env": object},
        "gym.spaces": {"Box": _Base, "Dict": _Base},
        "imageio": {},
        "matplotlib": {},
        "matplotlib.patches": {},
        "matplotlib.pyplot": {},
        "six": {},
        "tensorflow": {},
        "tf_agents": {},
        "tf_agents.policies": {},
        "tf_agents.policies.py_policy": {"PyPolicy": _Base},
        "tf_agents.trajectories": {},
        "tf_agents.trajectories.policy_step": {"PolicyStep": _PolicyStep},
        "tf_agents.trajectories.time_step": {"TimeStep": _Base},
    }
    modules: dict[str, ModuleType] = {}
    for name, attributes in contents.items():
        module = modules[name] = ModuleType(name)
        vars(module).update(attributes)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    return modules


@contextmanager
def _stand_ins() -> Iterator[None]:
    modules = _modules()
    tops = {name.partition(".")[0] for name in modules} | {"language_table"}
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in tops}
    for name in before:
        del sys.modules[name]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in [n for n in sys.modules if n.partition(".")[0] in tops]:
            del sys.modules[name]
        sys.modules.update(before)
