"""The exported graphs: what they are called, how they are shaped, what they must not carry."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from agents import tiny_agent

from lapa_edge import _native
from lapa_edge.errors import ConfigError
from lapa_edge.export.graphs import (
    ACTION_HEAD,
    POLICY,
    TEXT_ENCODER,
    export_graph,
    export_graphs,
)
from lapa_edge.model.action_head import ActionHead, ActionHeadConfig


def values(nodes):
    return {
        node.name: (
            node.type.tensor_type.elem_type,
            [dim.dim_value for dim in node.type.tensor_type.shape.dim],
        )
        for node in nodes
    }


@pytest.fixture
def exported(tiny_graphs):
    return tiny_agent()[0].spec, tiny_graphs


def test_every_graph_has_the_static_inputs_and_outputs_of_the_spec(exported):
    spec, graphs = exported
    f32, i64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    wanted = {
        POLICY: (
            {"image": (f32, [1, 3, 32, 32]), "text": (f32, [1, spec.text.d])},
            {"logits": (f32, [1, 3, 4]), "context": (f32, [1, 8])},
        ),
        TEXT_ENCODER: ({"ids": (i64, [1, 6])}, {"text": (f32, [1, spec.text.d])}),
        ACTION_HEAD: (
            {"x": (f32, [1, spec.head_input_dim])},
            {"chunk": (f32, [1, spec.head_output_dim])},
        ),
    }
    assert graphs.keys() == wanted.keys()
    for name, (inputs, outputs) in wanted.items():
        graph = onnx.load_from_string(graphs[name]).graph
        assert values(graph.input) == inputs
        assert values(graph.output) == outputs


def test_the_opset_is_one_that_tensorrt_10_3_reads(exported):
    for data in exported[1].values():
        opsets = {x.domain: x.version for x in onnx.load_from_string(data).opset_import}
        assert opsets.keys() == {""}
        assert 17 <= opsets[""] <= 20


def test_graphs_carry_no_paths_and_no_shape_arithmetic(exported):
    for data in exported[1].values():
        assert b"/lapa_edge/" not in data
        assert b"stack_trace" not in data
        model = onnx.load_from_string(data)
        assert not {"Shape", "NonZero", "Where", "Loop"} & {
            node.op_type for node in model.graph.node
        }


def test_exporting_again_gives_the_same_bytes_says_nothing_and_keeps_training_mode(exported, capfd):
    config, agent = tiny_agent()
    agent.train()
    assert export_graphs(agent, config.spec) == exported[1]
    assert agent.training
    assert capfd.readouterr() == ("", "")


def test_a_gated_head_exports_and_the_kernel_says_what_its_graph_says():
    torch.manual_seed(0)
    head = ActionHead(9, 5, ActionHeadConfig(width=12, blocks=2, gated=True)).eval()
    x = torch.randn(1, 9)
    graph = export_graph(head, (x,), ["x"], ["chunk"])
    (chunk,) = onnxruntime.InferenceSession(graph).run(None, {"x": x.numpy()})
    weights = {name: tensor.numpy() for name, tensor in head.state_dict().items()}
    answer = _native.ActionHead(weights).forward(x.numpy())
    np.testing.assert_allclose(answer, chunk, rtol=1e-5, atol=1e-6)  # another order of additions


def test_an_agent_of_another_size_is_refused_by_name():
    _, agent = tiny_agent(n=3)
    other = tiny_agent(n=2)[0].spec
    with pytest.raises(ConfigError, match=r"latent n: expected \[2\] as in the spec, got \[3\]"):
        export_graphs(agent, other)
