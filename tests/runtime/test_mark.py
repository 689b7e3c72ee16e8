"""What a robot makes of the mark in a bundle: failed and changed ones do not run."""

import json
import logging

import pytest
from bundles import tiny_files, write_tiny_bundle

from lapa_edge.artifact import extend_bundle
from lapa_edge.errors import BundleError
from lapa_edge.runtime.control_loop import ControlLoop
from lapa_edge.runtime.head import build_head
from lapa_edge.runtime.mark import check_graph_mark
from lapa_edge.runtime.session import Session

WORDS = "reach the red block"


def marked(root, **mark):
    bundle = write_tiny_bundle(root)
    files = {name: entry.sha256 for name, entry in bundle.manifest.files.items()}
    return extend_bundle(
        bundle, {"parity.json": json.dumps({"files": files, "failures": [], **mark}).encode()}
    )


@pytest.mark.parametrize("head", ["native", "onnx"])
def test_a_bundle_whose_parity_failed_does_not_run_and_says_what_to_do(tmp_path, head):
    bundle = marked(tmp_path / "b", failures=["context_max_abs is 0.3, expected at most 0.0001"])
    wanted = r"its parity failed: context_max_abs is 0\.3.*; .*export it again from its run"
    with pytest.raises(BundleError, match=wanted):
        Session(bundle, WORDS)
    with pytest.raises(BundleError, match=wanted):
        build_head(bundle, head)
    with pytest.raises(BundleError, match=wanted):
        ControlLoop(bundle)


def test_a_graph_exchanged_after_the_comparison_does_not_run(tmp_path):
    bundle = marked(tmp_path / "b")
    Session(bundle, WORDS)
    other = tiny_files(bundle.spec, seed=1)["policy.onnx"]
    with pytest.raises(BundleError, match=r"policy\.onnx is not the file .* --steps verify"):
        Session(extend_bundle(bundle, {"policy.onnx": other}), WORDS)


def test_a_bundle_without_a_mark_runs(tmp_path):
    assert Session(write_tiny_bundle(tmp_path / "b"), WORDS).spec.latent


def test_a_damaged_mark_is_refused(tmp_path):
    bundle = extend_bundle(write_tiny_bundle(tmp_path / "b"), {"parity.json": b'{"failures": 3}'})
    with pytest.raises(BundleError, match=r"parity\.json is damaged"):
        Session(bundle, WORDS)


def test_an_engine_is_refused_where_it_failed_or_changed_and_warned_of_where_it_never_ran(
    tmp_path, caplog
):
    good, bad, new = (f"engines/sm86/{x}.engine" for x in ("good", "bad", "new"))
    bundle = extend_bundle(write_tiny_bundle(tmp_path / "b"), dict.fromkeys((good, bad, new), b"x"))
    mark = {
        "files": {name: entry.sha256 for name, entry in bundle.manifest.files.items()},
        "graphs": {good: {"failures": []}, bad: {"failures": ["cosine_min is 0.2"]}},
    }
    bundle = extend_bundle(bundle, {"parity.json": json.dumps(mark).encode()})
    with caplog.at_level(logging.WARNING):
        check_graph_mark(bundle, good)
        assert not caplog.records
        check_graph_mark(bundle, new)
    assert "never compared" in caplog.text and "--steps verify" in caplog.text
    with pytest.raises(BundleError, match=r"cosine_min is 0\.2; run the bundle in float32"):
        check_graph_mark(bundle, bad)
    with pytest.raises(BundleError, match="not the file that was compared"):
        check_graph_mark(extend_bundle(bundle, {good: b"y"}), good)
