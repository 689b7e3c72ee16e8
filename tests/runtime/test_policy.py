"""The slow half: frames and instructions in, latents out, bad ones refused."""

import msgspec
import numpy as np
import pytest
from bundles import tiny_files, tiny_spec, write_tiny_bundle
from onnx import load_from_string, numpy_helper
from safetensors.numpy import load, save

from lapa_edge.artifact import extend_bundle
from lapa_edge.errors import BundleError, RuntimeInputError
from lapa_edge.runtime import reference
from lapa_edge.runtime.policy import Policy
from lapa_edge.tokenizer import build_tokenizer

FRAME = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.fixture
def bundle(tmp_path):
    return write_tiny_bundle(tmp_path / "tiny")


def test_a_latent_is_the_codebook_rows_of_its_codes(bundle):
    latent = Policy(bundle, "push the red block").look(FRAME, 4.5)
    codebook = load(bundle.path("weights.safetensors").read_bytes())["codebook"]
    assert latent.codes.shape == (2,)
    assert latent.codes.dtype == np.int32
    assert (latent.vector == codebook[latent.codes].ravel()).all()
    assert latent.context.shape == (4,)
    assert latent.seen_at_s == 4.5


def test_without_codes_only_the_context_speaks(tmp_path):
    latent = Policy(write_tiny_bundle(tmp_path / "tiny", n=0), "push").look(FRAME, 0.0)
    assert (latent.codes.size, latent.vector.size, latent.context.size) == (0, 0, 4)


def test_the_frame_and_the_instruction_both_matter(bundle):
    policy = Policy(bundle, "push the red block")
    before = policy.look(FRAME, 0.0).context.tolist()
    assert policy.look(255 - FRAME, 0.0).context.tolist() != before
    assert policy.set_instruction("reach left zebra") == ["zebra"]
    assert policy.instruction == "reach left zebra"
    assert policy.look(FRAME, 0.0).context.tolist() != before


def test_a_refused_instruction_changes_nothing(bundle):
    policy = Policy(bundle, "push")
    before = policy.look(FRAME, 0.0).context.tolist()
    with pytest.raises(RuntimeInputError, match="at most 2000 characters"):
        policy.set_instruction("a" * 3000)
    assert policy.instruction == "push"
    assert policy.look(FRAME, 0.0).context.tolist() == before


def test_preprocessing_is_the_references(bundle):
    spec = bundle.spec.frame
    expected = reference.preprocess_frame(FRAME, spec.height, spec.width, spec.mean, spec.std)
    assert (Policy(bundle, "push").preprocess(FRAME)[0] == expected).all()


def test_frames_of_one_camera_after_those_of_another(bundle):
    policy, spec = Policy(bundle, "push"), bundle.spec.frame
    small, large = FRAME, np.tile(FRAME, (3, 9, 1))
    for frame in (small, 255 - small, large, small, large[::-1]):
        expected = reference.preprocess_frame(frame, spec.height, spec.width, spec.mean, spec.std)
        assert (policy.preprocess(frame)[0] == expected).all()
    with pytest.raises(RuntimeInputError, match="got float32"):
        policy.preprocess(large.astype(np.float32))


def test_a_frame_need_not_be_contiguous(bundle):
    policy = Policy(bundle, "push")
    mirrored = FRAME[..., ::-1]  # as a BGR camera gives it
    grey = np.broadcast_to(FRAME[..., :1], FRAME.shape)
    for view in (mirrored, grey):
        expected = policy.preprocess(np.ascontiguousarray(view))
        assert (policy.preprocess(view) == expected).all()


@pytest.mark.parametrize(
    "frame",
    [
        FRAME.astype(np.float32),
        FRAME.transpose(2, 0, 1),
        FRAME[..., :1],
        FRAME[None],
        FRAME[:0],
        np.zeros((4, 4, 4), np.uint8),
    ],
)
def test_a_frame_of_another_kind_is_refused(bundle, frame):
    with pytest.raises(RuntimeInputError, match="camera frame"):
        Policy(bundle, "push").look(frame, 0.0)


def test_logits_of_nan_do_not_pass_for_a_code(bundle):
    graph = load_from_string(bundle.path("policy.onnx").read_bytes())
    (bias,) = [i for i in graph.graph.initializer if i.name == "all.bias"]
    poisoned = numpy_helper.to_array(bias).copy()
    poisoned[-1] = np.nan  # the last of the logits; the context before them stays finite
    bias.CopyFrom(numpy_helper.from_array(poisoned, "all.bias"))
    spoilt = extend_bundle(bundle, {"policy.onnx": graph.SerializeToString()})
    latent = Policy(spoilt, "push").look(FRAME, 0.0)
    assert np.isfinite(latent.context).all()
    assert np.isnan(latent.vector).all()


def weights_without(name):
    """The tiny bundle's weights with one array left out."""
    weights = load(tiny_files(tiny_spec())["weights.safetensors"])
    return save({key: value for key, value in weights.items() if key != name})


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("policy.onnx", b"not a graph", "ONNX Runtime refuses it"),
        ("text_encoder.onnx", b"", "ONNX Runtime refuses it"),
        ("tokenizer.json", b"{}", r"tokenizer\.json: "),
        (
            "tokenizer.json",
            msgspec.json.encode(build_tokenizer(["push"], max_tokens=9)),
            "expected max_tokens 6, got 9",
        ),
        ("weights.safetensors", b"", r"weights\.safetensors: "),
        ("weights.safetensors", weights_without("codebook"), r"expected codebook \[4, 3\]"),
        ("weights.safetensors", save({"codebook": np.zeros((5, 3), np.float32)}), r"got \[5, 3\]"),
    ],
)
def test_a_bundle_that_does_not_fit_itself_is_refused(bundle, name, data, complaint):
    with pytest.raises(BundleError, match=complaint):
        Policy(extend_bundle(bundle, {name: data}), "push")


def test_a_graph_for_another_image_size_is_refused_on_the_first_look(bundle):
    other = tiny_files(tiny_spec(height=32))["policy.onnx"]
    policy = Policy(extend_bundle(bundle, {"policy.onnx": other}), "push")
    with pytest.raises(RuntimeInputError, match=r"image: expected float32 \[1, 3, 32, 16\]"):
        policy.look(FRAME, 0.0)
