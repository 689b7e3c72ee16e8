"""Bundles that are broken in earnest: what is wrong is named, and there is a remedy for it."""

import enum
import json
import re
from types import SimpleNamespace

import msgspec
import pytest
from bundles import tiny_files, write_tiny_bundle
from emulated_engines import RtxRuntime

from lapa_edge.artifact import MANIFEST, extend_bundle
from lapa_edge.doctor import engines
from lapa_edge.doctor.bundle import check_bundle
from lapa_edge.doctor.engines import header_damage
from lapa_edge.export.engines import build_engines
from lapa_edge.export.tensorrt_api import find_builder
from lapa_edge.runtime.backends.sidecar import Host, Sidecar
from lapa_edge.runtime.backends.tensorrt_library import TensorRT
from lapa_edge.runtime.mark import MARK, NO_DATA

POLICY_ENGINE = "engines/sm86/policy.engine"
HOST = Host("tensorrt-rtx", "1.7.1.116", "8.6")


def failures(root, host=None):
    found = [x for x in check_bundle(root, host) if x.status == "fail"]
    assert all(x.remedy for x in found)
    return {x.name: f"{x.found}; {x.remedy}" for x in found}


def warnings(root):
    return {x.name: x.remedy for x in check_bundle(root) if x.status == "warn"}


@pytest.fixture
def bundle(tmp_path):
    return write_tiny_bundle(tmp_path / "b")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Engines for compute capability 8.6, as TensorRT for RTX really builds them."""
    pytest.importorskip("tensorrt_rtx_bindings", reason="NO ENGINE IS LOOKED INTO")
    whole = write_tiny_bundle(tmp_path_factory.mktemp("engines") / "b")
    return build_engines(whole, "orin-nano", find_builder("tensorrt-rtx"))


def with_engine(bundle, built, spoil=lambda data: data, **sidecar):
    """`bundle`, its manifest in order, with an engine that was spoilt before it was written."""
    beside = msgspec.json.decode(built.path(f"{POLICY_ENGINE}.json").read_bytes(), type=Sidecar)
    return extend_bundle(
        bundle,
        {
            POLICY_ENGINE: spoil(built.path(POLICY_ENGINE).read_bytes()),
            f"{POLICY_ENGINE}.json": msgspec.json.encode(
                msgspec.structs.replace(beside, **sidecar)
            ),
        },
    )


def test_a_whole_bundle_has_no_failure_and_is_known_as_never_compared(bundle):
    assert failures(bundle.root) == {}
    assert warnings(bundle.root).keys() == {"parity"}


def test_every_damaged_file_is_named_not_only_the_first(bundle):
    weights, graph = (bundle.path(x) for x in ("weights.safetensors", "policy.onnx"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    graph.write_bytes(graph.read_bytes()[:100])
    bundle.path("tokenizer.json").unlink()
    (bundle.root / "notes.txt").touch()
    found = failures(bundle.root)
    assert found.keys() == {"weights.safetensors", "policy.onnx", "tokenizer.json"}
    assert "expected sha256" in found["weights.safetensors"]
    assert "got 100" in found["policy.onnx"]
    assert "missing" in found["tokenizer.json"]
    assert warnings(bundle.root)["notes.txt"] == "delete it"


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (b"\x00\x01 not json", "is damaged"),
        (b'{"schema_version": 99}', "upgrade lapa-edge"),
        (None, "no readable manifest.json"),
    ],
)
def test_a_manifest_that_does_not_read_is_the_only_thing_said(bundle, manifest, words):
    path = bundle.root / MANIFEST
    path.unlink() if manifest is None else path.write_bytes(manifest)
    found = failures(bundle.root)
    assert found.keys() == {MANIFEST}
    assert words in found[MANIFEST]


def test_a_graph_of_random_bytes_and_a_head_of_another_robot_are_named(bundle):
    other = write_tiny_bundle(bundle.root.parent / "other", s=5)
    spoilt = extend_bundle(
        bundle,
        {
            "text_encoder.onnx": b"\x07" * 300,
            "weights.safetensors": other.path("weights.safetensors").read_bytes(),
        },
    )
    found = failures(spoilt.root)
    assert found.keys() == {"text_encoder.onnx", "native head"}
    assert "ONNX Runtime refuses it" in found["text_encoder.onnx"]


def test_a_failed_parity_and_an_exchanged_graph_say_what_to_run(bundle):
    hashes = {name: entry.sha256 for name, entry in bundle.manifest.files.items()}
    mark = {"files": hashes, "failures": ["code_match_percent is 80, expected at least 99.5"]}
    marked = extend_bundle(bundle, {"parity.json": json.dumps(mark).encode()})
    assert "code_match_percent is 80" in failures(marked.root)["parity"]
    assert "lapa-export RUN" in failures(marked.root)["parity"]
    mark["failures"] = []
    exchanged = extend_bundle(
        bundle,
        {
            "parity.json": json.dumps(mark).encode(),
            "policy.onnx": tiny_files(bundle.spec, seed=1)["policy.onnx"],
        },
    )
    assert "--steps verify" in failures(exchanged.root)["policy.onnx"]


@pytest.mark.parametrize(
    ("source", "status"),
    [("64 frames from 9 clips of demos", "ok"), (f"64 random observations: {NO_DATA}", "warn")],
)
def test_a_bundle_that_was_compared_on_noise_alone_is_not_called_good(bundle, source, status):
    hashes = {name: entry.sha256 for name, entry in bundle.manifest.files.items()}
    mark = msgspec.json.encode({"source": source, "files": hashes})
    found = check_bundle(extend_bundle(bundle, {MARK: mark}).root)
    passed = next(finding for finding in found if finding.name == "parity")
    assert passed.status == status
    assert ("random frames only" in passed.found) == (status == "warn")


def test_an_engine_that_fits_this_machine_and_graph_is_in_order(bundle, built):
    host = Host(HOST.builder, find_builder("tensorrt-rtx").version, "8.6")
    assert failures(with_engine(bundle, built).root, host) == {}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data[: len(data) // 2], "is cut: its header says"),
        (lambda data: b"\x07" * 2000, "is no TensorRT engine: it begins with 07 07 07 07"),
        (lambda data: b"", "is no TensorRT engine: it begins with nothing"),
    ],
)
def test_an_engine_that_was_spoilt_before_it_was_written_is_found(bundle, built, spoil, words):
    found = failures(with_engine(bundle, built, spoil).root)
    assert found.keys() == {POLICY_ENGINE}
    assert words in found[POLICY_ENGINE]
    assert "lapa-export" in found[POLICY_ENGINE]


@pytest.mark.parametrize(
    ("sidecar", "words"),
    [
        ({"compute_capability": "8.9"}, "compute capability: .*8.9.*8.6"),
        ({"builder_version": "9.9"}, "TensorRT: .*9.9.*1.7"),
        ({"onnx_sha256": "0" * 64}, "graph policy.onnx: .*000000000000"),
    ],
)
def test_an_engine_of_another_gpu_version_or_graph_names_both_sides(bundle, built, sidecar, words):
    host = Host(HOST.builder, find_builder("tensorrt-rtx").version, "8.6")
    spoilt = with_engine(bundle, built, **sidecar)
    found = failures(spoilt.root, host)
    assert found.keys() == {POLICY_ENGINE}
    assert re.search(words, found[POLICY_ENGINE])
    # Without a GPU, an engine for another machine is no fault; one of another graph is.
    assert (failures(spoilt.root) == {}) == ("onnx_sha256" not in sidecar)


def test_the_header_of_a_real_engine_is_whole(built):
    assert header_damage(built.path(POLICY_ENGINE).read_bytes()) == ""


def test_an_engine_that_tensorrt_for_rtx_calls_invalid_is_a_failure_with_its_remedy(
    bundle, built, monkeypatch
):
    host = Host(HOST.builder, find_builder("tensorrt-rtx").version, "8.6")
    whole = with_engine(bundle, built)

    class Reasons(enum.IntFlag):
        OLD_CUDA_DRIVER = 4

    runtime = RtxRuntime(SimpleNamespace())
    runtime.says = RtxRuntime.Validity.INVALID, 4
    module = SimpleNamespace(
        ILogger=type("ILogger", (), {}), Runtime=lambda logger: runtime,
        EngineValidity=RtxRuntime.Validity, EngineInvalidityDiagnostics=Reasons,
    )  # fmt: skip
    library = TensorRT(module, "tensorrt-rtx", host.version, "13")
    monkeypatch.setattr(engines, "find_tensorrt", lambda name: library)
    found = failures(whole.root, host)
    assert found.keys() == {POLICY_ENGINE}
    assert "the CUDA driver is too old for it; update the GPU's driver" in found[POLICY_ENGINE]
