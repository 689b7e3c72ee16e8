"""Checkouts that the user points to, and the refusals of those who have none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lapa_edge.errors import ConfigError, LapaError, MissingDependencyError
from lapa_edge.evaluate.environments.installed import absent, find_checkout, importing_from
from lapa_edge.evaluate.registry import ENVIRONMENTS, build_environment

MARKER = "tool/__init__.py"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "tool").mkdir()
    (tmp_path / MARKER).touch()
    return tmp_path


def test_a_path_given_wins_over_the_environment_variable(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAPA_TOOL", "/nowhere")
    assert find_checkout("LAPA_TOOL", checkout, MARKER) == checkout.resolve()
    monkeypatch.setenv("LAPA_TOOL", str(checkout))
    assert find_checkout("LAPA_TOOL", None, MARKER) == checkout.resolve()
    monkeypatch.delenv("LAPA_TOOL")
    assert find_checkout("LAPA_TOOL", None, MARKER) is None


def test_a_path_that_is_no_checkout_is_named_with_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"tool/__init__.py, it is not there; pass the folder"):
        find_checkout("LAPA_TOOL", tmp_path, MARKER)
    monkeypatch.setenv("LAPA_TOOL", "/nowhere")
    with pytest.raises(ConfigError, match=r"LAPA_TOOL=/nowhere: .* there is no such folder"):
        find_checkout("LAPA_TOOL", None, MARKER)


def test_a_folder_is_importable_only_for_a_while(tmp_path: Path) -> None:
    (tmp_path / "only_for_a_while.py").write_text("here = True\n")
    before = list(sys.path)
    assert absent("only_for_a_while") == ("only_for_a_while",)
    with importing_from(tmp_path):
        assert absent("only_for_a_while") == ()
    assert sys.path == before


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_refuses_an_unknown_task_before_it_looks_for_its_simulator(
    name: str,
) -> None:
    with pytest.raises(ConfigError, match=r"task 'juggle': not a known .* task; one of: "):
        build_environment(name, "juggle")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_entry_agrees_with_itself(name: str) -> None:
    entry = ENVIRONMENTS[name]
    assert entry.tasks()
    assert entry.unseen <= set(entry.tasks())
    assert all(limit > 0 for limit in entry.step_limits.values())
    assert "pip install" in entry.install


@pytest.mark.parametrize("name", ["simpler", "libero", "language_table"])
def test_an_environment_that_is_not_installed_says_what_is_missing_and_how_to_get_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LAPA_SIMPLER", "LAPA_LANGUAGE_TABLE"):
        monkeypatch.delenv(variable, raising=False)
    entry = ENVIRONMENTS[name]
    if not entry.missing(None):
        pytest.skip(f"{name} is installed here, so its refusal was not checked")
    with pytest.raises(
        MissingDependencyError,
        match=r"not installed.*; (git clone .*https://github|pip install .*hf-libero)",
    ):
        build_environment(name, entry.tasks()[0])


@pytest.mark.parametrize("name", ["simpler", "language_table"])
def test_a_wrong_simulator_path_is_refused(name: str, tmp_path: Path) -> None:
    task = ENVIRONMENTS[name].tasks()[0]
    with pytest.raises(LapaError, match=r"expected a checkout with .*, it is not there"):
        build_environment(name, task, tmp_path)
