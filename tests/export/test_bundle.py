"""A checked export: what it holds, and what it leaves behind when it fails."""

import msgspec
import numpy as np
import pytest
import torch
from agents import tiny_agent
from safetensors.numpy import load_file

from lapa_edge.artifact import load_bundle
from lapa_edge.errors import BundleError, DataError
from lapa_edge.export import bundle as bundle_module
from lapa_edge.export.bundle import export_bundle, export_checked_bundle
from lapa_edge.export.observations import random_observations
from lapa_edge.export.reference import build_reference
from lapa_edge.export.verification import check_verified, verify
from lapa_edge.runtime.session import Session
from lapa_edge.tokenizer import Tokenizer


def test_a_session_runs_the_exported_bundle(checked_bundle):
    session = Session(load_bundle(checked_bundle.root), "reach the red block")
    session.accept(session.look(np.zeros((20, 30, 3), np.uint8), 0.0))
    command = session.act(np.zeros(len(checked_bundle.spec.state.names), np.float32), 0.1)
    assert command.stopped is None


def test_the_bundle_carries_codebook_head_and_tokenizer(checked_bundle):
    config, agent = tiny_agent()
    weights = load_file(checked_bundle.path("weights.safetensors"))
    np.testing.assert_array_equal(weights.pop("codebook"), agent.codebook.numpy())
    layers = [name.removesuffix(".weight") for name in agent.head.state_dict() if "weight" in name]
    assert weights.keys() == {
        *(f"action_head.{name}" for name in agent.head.state_dict()),
        *(f"action_head.calibration.{layer}" for layer in layers),
    }
    raw = checked_bundle.path("tokenizer.json").read_bytes()
    assert msgspec.json.decode(raw, type=Tokenizer) == config.tokenizer
    assert checked_bundle.path("parity.json").is_file()


def test_a_policy_without_codes_exports_runs_and_has_no_codebook(tmp_path):
    config, agent = tiny_agent(n=0)
    observations = random_observations(config.spec, config.tokenizer, 4)
    bundle, report = export_checked_bundle(config, agent, tmp_path / "b", {}, observations)
    assert "codebook" not in load_file(bundle.path("weights.safetensors"))
    assert "code_match_percent" not in report.measured
    session = Session(bundle, "reach the red block")
    assert session.look(np.zeros((20, 30, 3), np.uint8), 0.0).codes.shape == (0,)


@pytest.mark.parametrize("decoding", ["bins", "flow"])
def test_every_decoding_exports_agrees_and_drives_a_session(tmp_path, decoding):
    config, agent = tiny_agent(decoding=decoding)
    observations = random_observations(config.spec, config.tokenizer, 8)
    bundle, report = export_checked_bundle(config, agent, tmp_path / "b", {}, observations)
    assert report.measured["native_head_max_abs"] < 1e-5
    session = Session(bundle, "reach the red block")
    session.accept(session.look(np.zeros((20, 30, 3), np.uint8), 0.0))
    assert session.act(np.zeros(3, np.float32), 0.1).stopped is None
    other = tiny_agent(decoding=decoding)[1]
    with torch.no_grad():
        if other.bins is None:
            other.head.output.bias += 0.01
        else:
            other.bins.means += 0.01
    with pytest.raises(BundleError, match=r"native_head_max_abs is 0\.01"):
        check_verified(bundle, verify(bundle, build_reference(config, other, observations)))


def test_an_unchecked_bundle_has_no_parity_file(tmp_path, graphs_at_hand):
    config, agent = tiny_agent()
    bundle = export_bundle(config, agent, tmp_path / "bundle", {})
    assert "parity.json" not in bundle.manifest.files


def test_a_failed_export_leaves_the_old_bundle_and_nothing_else(
    checked_bundle_copy, graphs_at_hand, monkeypatch
):
    root, before = checked_bundle_copy.root, checked_bundle_copy.manifest
    config, agent = tiny_agent()
    observations = random_observations(config.spec, config.tokenizer, 2)
    other = bundle_module.native_weights(tiny_agent(seed=1)[1], {})
    monkeypatch.setattr(bundle_module, "native_weights", lambda *_: other)
    with pytest.raises(BundleError, match="native_head_max_abs is"):
        export_checked_bundle(config, agent, root, {}, observations)
    assert load_bundle(root).manifest == before
    assert [path.name for path in root.parent.iterdir()] == [root.name]


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    config, agent = tiny_agent()
    with torch.no_grad():
        agent.head.output.bias[0] = float("nan")
    with pytest.raises(DataError, match=r"weights head\.output\.bias: expected finite"):
        export_bundle(config, agent, tmp_path / "bundle", {})
    assert not (tmp_path / "bundle").exists()


def test_a_folder_that_is_no_bundle_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("four years of work")
    config, agent = tiny_agent()
    observations = random_observations(config.spec, config.tokenizer, 1)
    with pytest.raises(BundleError, match="is not a bundle"):
        export_checked_bundle(config, agent, tmp_path, {}, observations)
    assert (tmp_path / "thesis.txt").read_text() == "four years of work"
