"""The slow half: frames and instructions in, latents out, bad ones refused."""

import msgspec
import numpy as np
import pytest
from bundles import tiny_files, tiny_spec, write_tiny_bundle
from msgspec.structs import replace
from onnx import load_from_string, numpy_helper
from safetensors.numpy import load, save

from lapa_edge.artifact import extend_bundle, write_bundle
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


def write_seeing_bundle(root, **fields):
    """A tiny bundle whose spec has other `fields`."""
    spec = replace(tiny_spec(), **fields)
    return write_bundle(root, spec, tiny_files(spec), {})


def test_every_camera_counts_and_keeps_its_place(tmp_path):
    cameras = ("front", "wrist")
    policy = Policy(write_seeing_bundle(tmp_path / "tiny", cameras=cameras), "push")
    wrist = np.random.default_rng(1).integers(0, 256, (9, 12, 3), np.uint8)
    image = policy.preprocess([FRAME, wrist])
    assert image.shape == (1, 6, 16, 16)
    alone = Policy(write_tiny_bundle(tmp_path / "alone"), "push")
    for _ in range(2):  # the second time by preprocessors made for each camera's size
        assert (policy.preprocess((FRAME, wrist)) == image).all()
    assert (image[:, :3] == alone.preprocess(FRAME)).all()
    assert (image[:, 3:] == alone.preprocess(wrist)).all()
    before = policy.look([FRAME, wrist], 0.0).context.tolist()
    assert policy.look([wrist, FRAME], 0.0).context.tolist() != before


@pytest.mark.parametrize("frames", [FRAME, [FRAME], [FRAME] * 3, []])
def test_more_or_fewer_cameras_than_the_policy_has_are_refused(tmp_path, frames):
    policy = Policy(write_seeing_bundle(tmp_path / "tiny", cameras=("front", "wrist")), "push")
    got = 1 if isinstance(frames, np.ndarray) else len(frames)
    with pytest.raises(RuntimeInputError, match=rf"expected 2 \(front, wrist\), got {got}"):
        policy.look(frames, 0.0)


def test_the_camera_whose_frame_is_wrong_is_named(tmp_path):
    policy = Policy(write_seeing_bundle(tmp_path / "tiny", cameras=("front", "wrist")), "push")
    with pytest.raises(RuntimeInputError, match=r"camera frame of wrist: .*got float32"):
        policy.look([FRAME, FRAME.astype(np.float32)], 0.0)


def test_the_state_counts_for_a_policy_that_is_told_it_and_for_no_other(tmp_path):
    told = Policy(write_seeing_bundle(tmp_path / "told", policy_state=True), "push")
    state = np.array([0.1, 0.2, 0.3], np.float32)
    assert told.inputs(FRAME, state)["state"].tolist() == [[*state.tolist(), 1.0]]
    assert told.inputs(FRAME)["state"].tolist() == [[0.0] * 4]
    contexts = [told.look(FRAME, 0.0, x).context.tolist() for x in (state, -state, None)]
    assert contexts[0] != contexts[1] != contexts[2]
    deaf = Policy(write_tiny_bundle(tmp_path / "deaf"), "push")
    assert (deaf.look(FRAME, 0.0, state).context == deaf.look(FRAME, 0.0).context).all()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (np.zeros(2, np.float32), r"expected \[3\] \(joint_0, joint_1, joint_2\), got \(2,\)"),
        (np.array([0, np.nan, 0], np.float32), "state: expected finite numbers"),
    ],
)
def test_a_state_of_another_kind_is_refused(tmp_path, state, message):
    policy = Policy(write_seeing_bundle(tmp_path / "tiny", policy_state=True), "push")
    with pytest.raises(RuntimeInputError, match=message):
        policy.look(FRAME, 0.0, state)
