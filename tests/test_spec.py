"""The spec: lengths that agree, numbers in range, and where things lie in the head's input."""

from itertools import pairwise

import msgspec
import pytest
from bundles import tiny_spec

from lapa_edge.errors import ConfigError
from lapa_edge.spec import HEAD_PARTS, PolicySpec, check_spec


def changed(part, **fields):
    """The tiny spec with some fields of one part replaced."""
    spec = tiny_spec()
    new = msgspec.structs.replace(getattr(spec, part), **fields)
    return msgspec.structs.replace(spec, **{part: new})


@pytest.mark.parametrize(
    "lengths", [{}, {"n": 0}, {"s": 0}, {"blend_s": 0.5}, {"a": 1, "s": 1, "chunk": 1}]
)
def test_a_sound_spec_passes(lengths):
    check_spec(tiny_spec(**lengths))


@pytest.mark.parametrize(
    ("part", "fields", "complaint"),
    [
        ("action", {"units": ("m",)}, "action.units: expected 2 values, got 1"),
        ("action", {"stop": ()}, "action.stop: expected 2 values, got 0"),
        ("state", {"mean": (0.0,) * 4}, "state.mean: expected 3 values, got 4"),
        ("action", {"stop": (0.0, 2.0)}, r"action.velocity_1: .* got -1.0, 2.0, 1.0"),
        ("action", {"low": (0.5, -1.0)}, "action.velocity_0: expected low <= stop <= high"),
        ("action", {"high": (float("nan"), 1.0)}, r"action.high\[0\]: expected a finite number"),
        ("action", {"std": (0.0, 1.0)}, r"action.std\[0\]: expected a positive finite number"),
        ("state", {"std": (1.0, float("inf"), 1.0)}, r"state.std\[1\]"),
        ("frame", {"std": (1.0, 1.0, -1.0)}, r"frame.std\[2\]"),
        ("frame", {"height": 0}, "frame.height"),
        ("action", {"chunk": 0}, "action.chunk"),
        ("action", {"control_hz": float("nan")}, "action.control_hz"),
        ("timing", {"policy_hz": -1.0}, "timing.policy_hz"),
        ("timing", {"max_latent_age_s": float("inf")}, "timing.max_latent_age_s"),
        ("timing", {"blend_s": -0.01}, "timing.blend_s: expected 0 to 0.5, the max_latent_age_s"),
        ("timing", {"blend_s": 0.51}, "timing.blend_s: .* got 0.51"),
        ("timing", {"blend_s": float("nan")}, "timing.blend_s: .* got nan"),
        ("latent", {"k": 0}, "latent.k"),
    ],
)
def test_what_is_wrong_is_named(part, fields, complaint):
    with pytest.raises(ConfigError, match=complaint):
        check_spec(changed(part, **fields))


@pytest.mark.parametrize(
    ("part", "fields", "complaint"),
    [
        ("action", {"mean": (float("nan"), 0.0)}, r"action.mean\[0\]: expected a finite number"),
        ("state", {"mean": (0.0, float("inf"), 0.0)}, r"state.mean\[1\]"),
        ("frame", {"mean": (0.0, 0.0, float("nan"))}, r"frame.mean\[2\]"),
        ("action", {"high": (float("inf"), 1.0)}, r"action.high\[0\]"),
        ("action", {"low": (-1.0, -float("inf"))}, r"action.low\[1\]"),
    ],
)
def test_means_and_limits_are_finite(part, fields, complaint):
    with pytest.raises(ConfigError, match=complaint):
        check_spec(changed(part, **fields))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"kinds": ("delta",)}, r"action.kinds: expected 2 values, got 1"),
        ({"hold": (-1,)}, r"action.hold: expected 2 values, got 1"),
        ({"hold": (0, -1)}, r"action.hold of velocity_0: expected -1 for 'delta', got 0"),
        ({"kinds": ("delta", "gripper"), "hold": (-1, 1)}, r"expected -1 for 'gripper', got 1"),
        (
            {"kinds": ("absolute", "delta")},
            r"velocity_0: expected the index of one of the 3 states",
        ),
        ({"kinds": ("absolute", "delta"), "hold": (3, -1)}, r"of the 3 states .*, got 3"),
        ({"kinds": ("absolute",) * 2, "hold": (1, 1)}, r"state 1 is the target of two actions"),
    ],
)
def test_kinds_and_holds_that_do_not_go_together_are_refused(fields, complaint):
    with pytest.raises(ConfigError, match=complaint):
        check_spec(changed("action", **fields))


def test_positions_and_grippers_are_found():
    spec = changed("action", kinds=("gripper", "absolute"), hold=(-1, 2))
    check_spec(spec)
    assert (spec.action.holds, spec.action.grippers) == (((1, 2),), (0,))
    assert (tiny_spec().action.holds, tiny_spec().action.grippers) == ((), ())


@pytest.mark.parametrize(
    "parts",
    [
        HEAD_PARTS[1:],
        HEAD_PARTS[:2],
        ("latent", "context", "state", "chunk_index", "latent_age"),
        ("latent", "context", "state", "latent_age", "latent_age"),
    ],
)
def test_parts_that_are_no_heads_input_are_refused(parts):
    with pytest.raises(ConfigError, match="head_inputs: expected latent, context and state"):
        check_spec(msgspec.structs.replace(tiny_spec(), head_inputs=parts))


@pytest.mark.parametrize("cameras", [(), ("wrist", "wrist")])
def test_cameras_without_a_name_of_their_own_are_refused(cameras):
    with pytest.raises(ConfigError, match="cameras: expected different names"):
        check_spec(msgspec.structs.replace(tiny_spec(), cameras=cameras))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"decoding": "bins", "bins": 1}, "action.bins: expected at least 2 with bins decoding"),
        ({"bins": 256}, "action.bins: expected 0 with direct decoding, got 256"),
        ({"decoding": "flow"}, "action.flow_steps: expected at least 1 with flow decoding"),
        ({"flow_steps": 4}, "action.flow_steps: expected 0 with direct decoding, got 4"),
    ],
)
def test_numbers_of_another_decoding_are_refused(fields, complaint):
    with pytest.raises(ConfigError, match=complaint):
        check_spec(changed("action", **fields))


def test_two_parts_of_one_name_are_refused():
    with pytest.raises(ConfigError, match=r"state\.names: 'joint_0' stands twice"):
        check_spec(changed("state", names=("joint_0", "joint_1", "joint_0")))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_the_slices_tile_the_heads_input(n):
    spec = tiny_spec(n=n)
    slices = list(spec.head_slices().values())
    assert slices[0].start == 0
    assert all(a.stop == b.start for a, b in pairwise(slices))
    assert slices[-1].stop == spec.head_input_dim == n * 3 + 4 + 3 + 2 + 1
    assert spec.head_output_dim == 2 * 2


def test_a_spec_survives_json():
    spec = tiny_spec()
    assert msgspec.json.decode(msgspec.json.encode(spec), type=PolicySpec) == spec
