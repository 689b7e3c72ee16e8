"""A checked export: what it holds, and what it leaves behind when it fails."""

import msgspec
import numpy as np
import pytest
import torch
from agents import tiny_agent
from safetensors.numpy import load_file

from lapa_edge.artifact import load_bundle
from lapa_edge.errors import BundleError
from lapa_edge.export.bundle import export_bundle, export_checked_bundle
from lapa_edge.export.observations import random_observations
from lapa_edge.runtime.session import Session
from lapa_edge.tokenizer import Tokenizer


def export(root, n=3):
    config, agent = tiny_agent(n)
    observations = random_observations(config.spec, config.tokenizer, 4)
    return config, agent, export_checked_bundle(config, agent, root, {"run": "x"}, observations)[0]


@pytest.mark.parametrize("n", [3, 0])
def test_a_session_runs_the_exported_bundle(tmp_path, n):
    config, _, bundle = export(tmp_path / "bundle", n)
    session = Session(load_bundle(bundle.root), "reach the red block")
    session.accept(session.look(np.zeros((20, 30, 3), np.uint8), 0.0))
    command = session.act(np.zeros(len(config.spec.state.names), np.float32), 0.1)
    assert command.stopped is None


def test_the_bundle_carries_codebook_head_and_tokenizer(tmp_path):
    config, agent, bundle = export(tmp_path / "bundle")
    weights = load_file(bundle.path("weights.safetensors"))
    np.testing.assert_array_equal(weights.pop("codebook"), agent.codebook.numpy())
    assert weights.keys() == {f"action_head.{name}" for name in agent.head.state_dict()}
    raw = bundle.path("tokenizer.json").read_bytes()
    assert msgspec.json.decode(raw, type=Tokenizer) == config.tokenizer
    assert bundle.path("parity.json").is_file()


def test_an_unchecked_bundle_has_no_parity_file(tmp_path):
    config, agent = tiny_agent(n=0)
    bundle = export_bundle(config, agent, tmp_path / "bundle", {})
    assert "parity.json" not in bundle.manifest.files
    assert "codebook" not in load_file(bundle.path("weights.safetensors"))


def test_a_failed_export_leaves_the_old_bundle_and_nothing_else(tmp_path):
    config, agent, bundle = export(tmp_path / "bundle")
    before = bundle.manifest
    with torch.no_grad():
        agent.head.output.bias[0] = float("nan")
    observations = random_observations(config.spec, config.tokenizer, 2)
    with pytest.raises((BundleError, ValueError)):
        export_checked_bundle(config, agent, bundle.root, {}, observations)
    assert load_bundle(bundle.root).manifest == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_that_is_no_bundle_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("four years of work")
    config, agent = tiny_agent()
    observations = random_observations(config.spec, config.tokenizer, 1)
    with pytest.raises(BundleError, match="is not a bundle"):
        export_checked_bundle(config, agent, tmp_path, {}, observations)
    assert (tmp_path / "thesis.txt").read_text() == "four years of work"
