"""Which backend is opened, and what is refused before anything is loaded."""

import msgspec
import numpy as np
import pytest
from bundles import write_tiny_bundle

from lapa_edge.artifact import extend_bundle
from lapa_edge.errors import BundleError, ConfigError, MissingDependencyError
from lapa_edge.runtime.backends.opening import engine_targets, find_engine, open_graph
from lapa_edge.runtime.backends.sidecar import Host
from lapa_edge.runtime.policy import Policy
from lapa_edge.runtime.session import Session

FRAME = np.zeros((24, 32, 3), np.uint8)


@pytest.fixture
def bundle(tmp_path):
    return write_tiny_bundle(tmp_path / "bundle")


def with_engines(bundle, **capabilities):
    """The bundle with an engine of nothing for each target, and honest sidecars."""
    files = {}
    for target, capability in capabilities.items():
        sidecar = {
            "board": target, "stand_in": False, "builder": "tensorrt", "builder_version": "10.3.0",
            "cuda": "12.6", "compute_capability": capability, "onnx": "policy.onnx",
            "onnx_sha256": bundle.manifest.files["policy.onnx"].sha256, "precisions": ["fp32"],
            "flags": [],
        }  # fmt: skip
        files[f"engines/{target}/policy.engine"] = b"never read"
        files[f"engines/{target}/policy.engine.json"] = msgspec.json.encode(sidecar)
    return extend_bundle(bundle, files)


def test_the_engine_of_this_machine_is_found_among_others(bundle):
    bundle = with_engines(bundle, orin="8.7", thor="11.0")
    targets = engine_targets(bundle, "policy")
    assert targets == ["orin", "thor"]
    host = Host("tensorrt", "10.3.0", "11.0")
    assert find_engine(bundle, targets, "policy", host).parent.name == "thor"


def test_where_none_fits_every_reason_is_told(bundle):
    two = with_engines(bundle, orin="8.7", thor="11.0")
    here = Host("tensorrt", "10.3.0", "8.9")
    with pytest.raises(BundleError) as caught:
        find_engine(two, ["orin", "thor"], "policy", here)
    for words in ("for 8.7, here is 8.9", "for 11.0, here is 8.9", "lapa-export"):
        assert words in str(caught.value)
    with pytest.raises(BundleError, match=r"TensorRT: it was built for tensorrt 10\.3\.0, here is"):
        find_engine(two, ["thor"], "policy", Host("tensorrt", "10.16.0", "11.0"))


def test_another_graph_of_the_bundle_looks_where_it_is_named(bundle):
    other = bundle.path("policy.onnx").read_bytes()
    bundle = extend_bundle(bundle, {"policy.int8.onnx": other})
    default, named = Policy(bundle, "push"), Policy(bundle, "push", graph="policy.int8")
    assert (default.look(FRAME, 0.0).context == named.look(FRAME, 0.0).context).all()


def test_a_session_passes_its_backend_on(bundle):
    with pytest.raises(BundleError, match=r"has no engine of policy\.onnx; build one"):
        Session(bundle, "push", backend="tensorrt")
    with pytest.raises(BundleError, match=r"has no file 'policy\.fp16\.onnx'"):
        Session(bundle, "push", graph="policy.fp16")


def test_a_device_that_is_not_there_is_refused_and_never_replaced(bundle):
    with pytest.raises(MissingDependencyError, match=r"CUDAExecutionProvider.*onnxruntime-gpu"):
        open_graph(bundle, device="cuda")
    with pytest.raises(ConfigError, match="TensorRT has no CPU"):
        open_graph(bundle, backend="tensorrt", device="cpu")
    with pytest.raises(ConfigError, match="threads: expected 0 or more, got -2"):
        open_graph(bundle, threads=-2)
