"""One export for all tests of this folder: it takes seconds, and they only read it."""

import shutil

import msgspec
import pytest
from agents import tiny_agent

from lapa_edge.artifact import load_bundle, write_bundle
from lapa_edge.export import bundle as bundle_module
from lapa_edge.export.bundle import export_checked_bundle
from lapa_edge.export.graphs import export_graphs
from lapa_edge.export.observations import random_observations
from lapa_edge.export.precision.calibrate import calibrate_policy
from lapa_edge.export.precision.graphs import make_graphs
from lapa_edge.tokenizer import Tokenizer


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


@pytest.fixture(scope="session")
def in_every_precision(checked_bundle, tmp_path_factory):
    """The tiny agent's bundle with its graphs in all precisions; not to be changed."""
    words = msgspec.json.decode(checked_bundle.path("tokenizer.json").read_bytes(), type=Tokenizer)
    seen = random_observations(checked_bundle.spec, words, 4)
    calibration = calibrate_policy(checked_bundle, seen, least=4)
    files = {name: checked_bundle.path(name).read_bytes() for name in checked_bundle.manifest.files}
    for precision in ("fp16", "bf16", "int8", "fp8"):
        files |= make_graphs(checked_bundle, precision, calibration)
    root = tmp_path_factory.mktemp("precisions") / "bundle"
    return write_bundle(root, checked_bundle.spec, files, {})


@pytest.fixture
def checked_bundle_copy(checked_bundle, tmp_path):
    """A copy that a test may change, alone in its folder."""
    return load_bundle(shutil.copytree(checked_bundle.root, tmp_path / "mine" / "bundle"))


@pytest.fixture
def graphs_at_hand(tiny_graphs, monkeypatch):
    """Exports of `tiny_agent` take the graphs that are there already."""
    monkeypatch.setattr(bundle_module, "export_graphs", lambda agent, spec: tiny_graphs)
