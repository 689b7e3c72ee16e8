"""A bundle's moments beside PyTorch's answers: every kind of agent, every kind of wrong."""

import numpy as np
import pytest
import torch
from agents import tiny_agent

from lapa_edge.export.bundle import export_bundle
from lapa_edge.export.side_by_side import (
    hold_head,
    hold_policy,
    read_moments,
    read_observations,
)
from lapa_edge.runtime.backends.onnx_graph import OnnxGraph

KINDS = [
    {"decoding": "flow", "look_state": True, "state_names": ("joint_0", "joint_1", "joint_2")},
    {"decoding": "bins", "n": 0},
    {"decoder": "autoregressive", "cameras": ("front", "wrist")},
]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_the_graphs_of_every_kind_of_agent_hold_beside_it(tmp_path, options):
    config, agent = tiny_agent(**options)
    bundle = export_bundle(config, agent, tmp_path / "bundle", {})
    moments = list(read_moments(bundle, read_observations(bundle, 6)))
    look, move = (OnnxGraph(bundle.path(x)) for x in ("policy.onnx", "action_head.onnx"))
    expected, chunks = [], []
    with torch.inference_mode():
        for moment in moments:
            logits, context = agent.see(*map(torch.from_numpy, moment.inputs.values()))
            codes = {"logits": logits.numpy()} if config.spec.latent else {}
            expected.append({**codes, "context": context.numpy()})
            chunks.append({"chunk": agent.head(torch.from_numpy(moment.x)).numpy()})
    chained = options.get("decoder") == "autoregressive"
    got = [look.run(**moment.inputs) for moment in moments]
    measured, failures = hold_policy(expected, got, "fp32", chained)
    assert failures == [] and measured["context_max_abs"] < 1e-5
    assert ("code_match_percent" in measured) == bool(config.spec.latent)
    measured, failures = hold_head(chunks, [move.run(x=x.x) for x in moments], "fp32")
    assert failures == [] and measured["cosine_min"] > 0.99999


def test_the_moments_are_those_that_the_bundle_was_verified_on(checked_bundle):
    seen = read_observations(checked_bundle, 5)
    assert len(seen) == 5 and seen.source.startswith("16 random observations")
    states = [moment.x for moment in read_moments(checked_bundle, seen)]
    assert len({x.tobytes() for x in states}) == 5


LOGITS = np.array([[[0, 1, 2], [3, 0, 1]]], np.float32)  # [1, n, k]
RIGHT = {"logits": LOGITS, "context": np.ones((1, 2), np.float32)}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"logits": LOGITS[..., ::-1]}, "code_match_percent is 0, expected at least 99.5"),
        ({"logits": LOGITS * np.nan}, "code_match_percent is 0"),
        ({"context": np.full((1, 2), np.nan, np.float32)}, "context_max_abs is nan"),
        ({"context": np.full((1, 2), 1.25, np.float32)}, "context_max_abs is 0.25"),
        ({"context": np.ones((1, 3), np.float32)}, "shapes: expected "),
    ],
)
def test_wrong_answers_of_a_policy_break_a_limit(wrong, words):
    assert hold_policy([RIGHT], [RIGHT], "fp32", False)[1] == []
    failures = hold_policy([RIGHT], [{**RIGHT, **wrong}], "fp32", False)[1]
    assert any(x.startswith(words) for x in failures)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [([1, 2.25], "max_abs is 0.25"), ([1, np.nan], "max_abs is nan"), ([1, 2, 3], "shapes: ")],
)
def test_wrong_answers_of_a_head_break_a_limit(wrong, words):
    right = [{"chunk": np.array([[1, 2]], np.float32)}]
    assert hold_head(right, right, "fp32")[1] == []
    failures = hold_head(right, [{"chunk": np.array([wrong], np.float32)}], "fp32")[1]
    assert any(x.startswith(words) for x in failures)
