"""The end of the context: where the robot was when the policy looked."""

import pytest
import torch
from agents import tiny_agent
from msgspec.structs import replace

from lapa_edge.errors import ConfigError
from lapa_edge.model.policy import state_input

STATES = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.25, -0.5]])


@pytest.fixture
def look():
    """What the agent sees, with these states told or hidden."""
    config, agent = tiny_agent(look_state=True)
    agent.look_state.mean.copy_(torch.tensor([0.5, 0.0, 1.0]))
    agent.look_state.std.copy_(torch.tensor([1.0, 2.0, 0.5]))
    frame = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ids = torch.from_numpy(config.tokenizer.encode("push left")).expand(2, -1)

    @torch.no_grad()
    def look(states, known=True):
        told = state_input(states, torch.tensor([known, known]))
        return agent.look(frame, ids, told)

    return look


def test_the_context_ends_with_the_normalised_state(look):
    context = look(STATES)[2]
    assert context.shape == (2, 8 + 4)
    expected = torch.tensor([[0.0, -0.5, 2.0, 1.0], [2.5, 0.125, -3.0, 1.0]])
    assert torch.allclose(context[:, 8:], expected)


def test_the_plan_does_not_depend_on_it(look):
    (logits, latent, context), other = look(STATES), look(2 * STATES)
    assert torch.equal(logits, other[0])
    assert torch.equal(latent, other[1])
    assert torch.equal(context[:, :8], other[2][:, :8])


def test_an_unknown_state_is_zero_whatever_it_holds(look):
    unknown = look(torch.full_like(STATES, torch.nan), known=False)[2]
    assert not unknown[:, 8:].any()


@pytest.mark.parametrize(
    ("setting", "problem"),
    [({"latent_input": "quantized"}, "quantized hides"), ({}, "the robot has no state")],
)
def test_where_it_could_not_be_told_it_is_refused(setting, problem):
    config, _ = tiny_agent(look_state=True)
    spec = config.spec
    if not setting:
        spec = replace(spec, state=replace(spec.state, names=(), mean=(), std=()))
    with pytest.raises(ConfigError, match=problem):
        type(config)(**{**vars(config), "spec": spec, **setting})
