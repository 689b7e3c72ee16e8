"""What may calibrate a bundle's policy, and what is recorded of it."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from lapa_edge.artifact import extend_bundle
from lapa_edge.errors import BundleError, ConfigError, DataError, RuntimeInputError
from lapa_edge.export.observations import random_observations
from lapa_edge.export.precision.calibrate import PolicyCalibration, calibrate_policy
from lapa_edge.export.precision.graphs import graph_file, make_graphs, parse_precisions
from lapa_edge.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def seen(checked_bundle):
    words = msgspec.json.decode(checked_bundle.path("tokenizer.json").read_bytes(), type=Tokenizer)
    return random_observations(checked_bundle.spec, words, 8)


@pytest.fixture(scope="module")
def calibration(checked_bundle, seen):
    return calibrate_policy(checked_bundle, seen, least=8)


def test_the_record_names_the_observations_the_graph_and_the_camera(
    checked_bundle, seen, calibration
):
    assert calibration.sha256 == seen.sha256()
    assert calibration.onnx_sha256 == checked_bundle.manifest.files["policy.onnx"].sha256
    assert calibration.camera_sizes == ((120, 160),)
    assert calibration.observations == 8
    assert len(calibration.ranges) == 8 and min(calibration.ranges.values()) > 0


def test_8_bits_add_the_graph_and_its_calibration_and_16_bits_both_graphs(
    checked_bundle, calibration
):
    files = make_graphs(checked_bundle, "int8", calibration)
    assert files.keys() == {"policy.int8.onnx", "calibration.json"}
    assert msgspec.json.decode(files["calibration.json"], type=PolicyCalibration) == calibration
    assert make_graphs(checked_bundle, "fp16").keys() == {
        "policy.fp16.onnx",
        "action_head.fp16.onnx",
    }
    assert make_graphs(checked_bundle, "fp32") == {}
    with pytest.raises(ConfigError, match="needs ranges of real observations"):
        make_graphs(checked_bundle, "int8")


def test_too_few_observations_are_refused_with_both_numbers(checked_bundle, seen):
    with pytest.raises(DataError, match="expected at least 9 observations, got 8; give more clips"):
        calibrate_policy(checked_bundle, seen, least=9)


def test_frames_of_two_cameras_are_refused(checked_bundle, seen):
    frames = [*seen.frames[:-1], np.zeros((48, 64, 3), np.uint8)]
    with pytest.raises(DataError, match="frames of one camera, got 160 x 120 and 64 x 48"):
        calibrate_policy(checked_bundle, replace(seen, frames=frames), least=8)


def test_frames_of_another_camera_than_the_robots_are_refused(checked_bundle, seen):
    with pytest.raises(DataError, match="of the robot's camera, 640 x 480, got 160 x 120"):
        calibrate_policy(checked_bundle, seen, least=8, camera_size=(480, 640))
    assert calibrate_policy(checked_bundle, seen, least=8, camera_size=(120, 160))


def test_a_calibration_of_another_camera_than_the_bundles_is_refused_unless_it_is_said(
    checked_bundle_copy, seen, calibration
):
    bundle = extend_bundle(
        checked_bundle_copy, make_graphs(checked_bundle_copy, "int8", calibration)
    )
    other = replace(seen, frames=[frame[:48, :64] for frame in seen.frames])
    with pytest.raises(
        DataError, match=r"as the bundle was .*, 160 x 120, got 64 x 48; .*--camera"
    ):
        calibrate_policy(bundle, other, least=8)
    assert calibrate_policy(bundle, other, least=8, camera_size=(48, 64)).camera_sizes == (
        (48, 64),
    )
    assert calibrate_policy(bundle, seen, least=8) == calibration
    spoilt = extend_bundle(bundle, {"calibration.json": b"{"})
    with pytest.raises(BundleError, match=r"calibration\.json is damaged"):
        calibrate_policy(spoilt, seen, least=8)


def test_more_cameras_than_the_policy_has_are_refused(checked_bundle, seen):
    frames = [(frame, frame) for frame in seen.frames]
    with pytest.raises(RuntimeInputError, match="camera frames: expected 1"):
        calibrate_policy(checked_bundle, replace(seen, frames=frames), least=8)


def test_precisions_are_read_in_order_and_odd_ones_named():
    assert parse_precisions("int8, fp16") == ("fp32", "fp16", "int8")
    with pytest.raises(ConfigError, match="'int4' is none of fp32, fp16, bf16, int8, fp8"):
        parse_precisions("int4")


def test_the_head_has_graphs_in_16_bits_and_none_in_8():
    assert graph_file("policy", "fp8") == "policy.fp8.onnx"
    assert graph_file("action_head", "bf16") == "action_head.bf16.onnx"
    assert graph_file("action_head", "int8") == "action_head.onnx"
