"""The tiny agent's policy, and inputs that it might see."""

import numpy as np
import onnxruntime
import pytest


@pytest.fixture(scope="session")
def policy(tiny_graphs):
    """``policy.onnx`` of `tiny_agent`, in float32."""
    return tiny_graphs["policy.onnx"]


@pytest.fixture(scope="session")
def feeds(policy):
    """Twelve inputs of `policy`."""
    rng = np.random.default_rng(0)
    sizes = {node.name: node.shape for node in session(policy).get_inputs()}
    return [
        {name: rng.standard_normal(size).astype(np.float32) for name, size in sizes.items()}
        for _ in range(12)
    ]


def session(graph):
    """ONNX Runtime on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="session")
def answers():
    """A graph's outputs to inputs, ``{name: [m, ...]}``."""

    def ask(graph, feeds):
        runs = session(graph)
        names = [node.name for node in runs.get_outputs()]
        rows = [runs.run(names, feed) for feed in feeds]
        return {name: np.stack([row[i] for row in rows]) for i, name in enumerate(names)}

    return ask
