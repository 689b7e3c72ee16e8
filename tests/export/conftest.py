"""One export for all tests of this folder: it takes seconds, and they only read it."""

import shutil

import pytest
from agents import tiny_agent

from lapa_edge.artifact import load_bundle
from lapa_edge.export import bundle as bundle_module
from lapa_edge.export.bundle import export_checked_bundle
from lapa_edge.export.graphs import export_graphs
from lapa_edge.export.observations import random_observations


@pytest.fixture(scope="session")
def tiny_graphs():
    """The graphs of `tiny_agent`, by file name."""
    config, agent = tiny_agent()
    return export_graphs(agent, config.spec)


@pytest.fixture(scope="session")
def checked_bundle(tiny_graphs, tmp_path_factory):
    """The bundle of `tiny_agent`, compared with it; not to be changed."""
    config, agent = tiny_agent()
    observations = random_observations(config.spec, config.tokenizer, 16)
    root = tmp_path_factory.mktemp("export") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle_module, "export_graphs", lambda agent, spec: tiny_graphs)
        return export_checked_bundle(config, agent, root, {"run": "x"}, observations)[0]


@pytest.fixture
def checked_bundle_copy(checked_bundle, tmp_path):
    """A copy that a test may change, alone in its folder."""
    return load_bundle(shutil.copytree(checked_bundle.root, tmp_path / "mine" / "bundle"))


@pytest.fixture
def graphs_at_hand(tiny_graphs, monkeypatch):
    """Exports of `tiny_agent` take the graphs that are there already."""
    monkeypatch.setattr(bundle_module, "export_graphs", lambda agent, spec: tiny_graphs)
