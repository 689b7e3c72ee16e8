"""Every kind of policy leaves the trainer: it exports, agrees with PyTorch, and builds."""

import copy

import numpy as np
import onnx
import pytest
from agents import tiny_agent

from lapa_edge.errors import ConfigError, LapaError
from lapa_edge.export.answers import Answers
from lapa_edge.export.bundle import export_bundle
from lapa_edge.export.comparison import find_mismatches
from lapa_edge.export.graphs import POLICY, export_graphs
from lapa_edge.export.observations import random_observations
from lapa_edge.export.reference import build_reference
from lapa_edge.export.tensorrt_api import build_engine, find_builder
from lapa_edge.export.verification import verify
from lapa_edge.model import backbone

CAMERAS, STATE = ("front", "wrist"), ("joint_0", "joint_1", "joint_2")
EVERYTHING = {"cameras": CAMERAS, "state_names": STATE, "decoder": "autoregressive"}
OPTIONS = {
    "everything": (3, EVERYTHING),
    "no codes": (0, {"cameras": CAMERAS, "state_names": STATE}),
    "look state": (3, {"look_state": True}),
    "look state, no codes": (0, {"look_state": True, "state_names": STATE}),
    "timm vit": (3, {"backbone": "timm:test_vit"}),
    "timm cnn": (3, {"backbone": "timm:test_resnet"}),
}


@pytest.fixture(scope="module", params=OPTIONS)
def exported(request, tmp_path_factory):
    """A tiny agent of one kind, with its bundle."""
    n, options = OPTIONS[request.param]
    try:
        backbone.check_backbone(options.get("backbone", ""))
    except LapaError as error:
        pytest.skip(f"NO TIMM BACKBONE IS EXPORTED: {error}")
    config, agent = tiny_agent(n, **options)
    return config, agent, export_bundle(config, agent, tmp_path_factory.mktemp("o") / "bundle", {})


def test_the_bundle_does_what_the_agent_does(exported):
    config, agent, bundle = exported
    observations = random_observations(config.spec, config.tokenizer, 8)
    assert verify(bundle, build_reference(config, agent, observations)).failures == []


def test_the_graph_has_static_inputs_and_no_shape_arithmetic(exported):
    config, _, bundle = exported
    graph = onnx.load(bundle.path(POLICY)).graph
    shapes = {
        node.name: [dim.dim_value for dim in node.type.tensor_type.shape.dim]
        for node in [*graph.input, *graph.output]
    }
    assert shapes["image"] == [1, 3 * len(config.spec.cameras), 32, 32]
    assert shapes.get("state") == ([1, 4] if config.spec.policy_state else None)
    assert shapes.get("logits") == ([1, 3, 4] if config.spec.latent else None)
    assert not {"Shape", "NonZero", "Loop", "If"} & {node.op_type for node in graph.node}


def test_the_policy_builds_under_tensorrt(exported):
    bundle = exported[2]
    pytest.importorskip("tensorrt_rtx_bindings", reason="NO ENGINE IS BUILT")
    rtx = find_builder("tensorrt-rtx")
    built = build_engine(rtx, bundle.path(POLICY).read_bytes(), POLICY, "8.6", ("fp32",))
    assert built.precisions == ("fp32",)


def test_codes_that_follow_from_a_tie_are_not_counted_as_choices_of_their_own():
    codes = np.array([[0, 1, 2], [3, 3, 3]], np.int32)
    other = np.array([[0, 2, 1], [3, 3, 0]], np.int32)
    margin = np.full((2, 3), 0.5, np.float32)
    one, two = (Answers(None, c, None, {}, margin) for c in (codes, other))
    alone = find_mismatches(one, two, chained=False)
    assert [(x.observation, x.position) for x in alone] == [(0, 1), (0, 2), (1, 2)]
    chained = find_mismatches(one, two, chained=True)
    assert [(x.observation, x.position) for x in chained] == [(0, 1), (1, 2)]


def test_a_policy_that_is_another_is_found(exported):
    config, agent, bundle = exported
    other = copy.deepcopy(agent)
    if config.look_state:
        other.look_state.std.mul_(2)
    elif config.spec.policy_state:
        other.instructed.policy.set_state_scale((1.0,) * 3, (2.0,) * 3)
    else:
        other.instructed.policy.stem.scale.mul_(1.1)
    observations = random_observations(config.spec, config.tokenizer, 8)
    report = verify(bundle, build_reference(config, other, observations))
    assert any("context_max_abs" in failure for failure in report.failures)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": CAMERAS}, r"number of cameras: expected \[1\] as in the spec, got \[2\]"),
        ({"state_names": STATE}, r"policy state: expected \[0\] as in the spec, got \[3\]"),
    ],
)
def test_an_agent_with_other_senses_than_the_spec_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        export_graphs(tiny_agent(**options)[1], tiny_agent()[0].spec)
