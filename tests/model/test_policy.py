"""The policy's options: several cameras, the robot's state, codes one after another."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lapa_edge.errors import ConfigError
from lapa_edge.model.policy import LatentPolicy, PolicyConfig, state_input


def small_policy(n: int = 3, k: int = 5, **options: Any) -> LatentPolicy:
    torch.manual_seed(0)
    config = PolicyConfig(
        height=16, width=16, patch=8, d=16, heads=2, layers=1, text_dim=6, context_dim=4, **options
    )
    return LatentPolicy(config, n, k).eval()


def draw(policy: LatentPolicy, b: int = 2) -> tuple[Tensor, Tensor]:
    views = len(policy.config.cameras)
    return torch.randn(b, 3 * views, 16, 16), torch.randn(b, 6)


def test_swapping_two_cameras_changes_the_answer_though_they_share_a_stem() -> None:
    policy = small_policy(cameras=("front", "wrist"))
    frame, text = draw(policy)
    logits, context = policy(frame, text)
    swapped = torch.cat([frame[:, 3:], frame[:, :3]], dim=1)
    assert logits.shape == (2, 3, 5)
    assert not torch.allclose(policy(swapped, text)[1], context)
    policy.camera.data.zero_()  # what tells them apart
    torch.testing.assert_close(policy(swapped, text)[1], policy(frame, text)[1])


def test_each_camera_is_seen_in_its_own_sample() -> None:
    policy = small_policy(cameras=("front", "wrist"))
    frame, text = draw(policy)
    alone = policy(frame[1:], text[1:])[1]
    torch.testing.assert_close(policy(frame, text)[1][1:], alone)


def test_an_unknown_state_is_one_state_whatever_it_held() -> None:
    policy = small_policy(state_names=("x", "y"))
    policy.set_state_scale((1.0, -2.0), (0.5, 4.0))
    frame, text = draw(policy)
    known = torch.tensor([True, False])
    one = state_input(torch.tensor([[1.0, 2.0], [3.0, float("nan")]]), known)
    other = state_input(torch.tensor([[9.0, 2.0], [7.0, 0.0]]), known)
    contexts = [policy(frame, text, state)[1] for state in (one, other, None)]
    assert not torch.allclose(contexts[0][0], contexts[1][0])
    assert torch.equal(contexts[0][1], contexts[1][1])
    torch.testing.assert_close(contexts[2][1], contexts[0][1])


def test_the_state_is_normalised_by_what_travels_with_the_weights() -> None:
    policy = small_policy(state_names=("x",))
    frame, text = draw(policy, 1)
    state = torch.tensor([[3.0, 1.0]])
    plain = policy(frame, text, torch.tensor([[0.5, 1.0]]))[1]
    policy.set_state_scale((2.0,), (2.0,))
    torch.testing.assert_close(policy(frame, text, state)[1], plain)
    assert {"state_mean", "state_std"} <= policy.state_dict().keys()


def test_taught_with_its_own_choices_the_decoder_says_what_it_says_alone() -> None:
    policy = small_policy(n=4, decoder="autoregressive")
    frame, text = draw(policy, 3)
    alone, context = policy(frame, text)
    taught, same = policy(frame, text, codes=alone.argmax(-1))
    assert alone.shape == (3, 4, 5)
    torch.testing.assert_close(taught, alone)
    assert torch.equal(same, context)


def test_a_code_changes_those_after_it_and_none_before() -> None:
    policy = small_policy(n=4, decoder="autoregressive")
    frame, text = draw(policy, 1)
    one, other = (policy(frame, text, codes=torch.tensor([codes]))[0][0] for codes in (
        [0, 1, 2, 3], [0, 4, 2, 3],
    ))  # fmt: skip
    assert torch.equal(one[:2], other[:2])
    assert not torch.allclose(one[2], other[2])
    assert not torch.allclose(one[3], other[3])


def test_codes_that_hang_together_are_learned_one_after_another_alone() -> None:
    """The same frame, half the time 0 0 and half the time 1 1: never 0 1."""
    wrong = {}
    for decoder in ("parallel", "autoregressive"):
        policy = small_policy(n=2, k=2, decoder=decoder).train()
        frame, text = draw(policy, 1)
        codes = torch.tensor([[0, 0], [1, 1]])
        optimizer = torch.optim.Adam(policy.parameters(), 1e-2)
        for _ in range(30):
            logits = policy(frame.expand(2, -1, -1, -1), text.expand(2, -1), codes=codes)[0]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), codes.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        wrong[decoder] = loss.item()
    assert wrong["parallel"] > 0.69  # log 2: a coin for each code
    assert wrong["autoregressive"] < 0.4  # half of that: a coin for the first alone


def test_without_a_plan_there_is_nothing_to_decode() -> None:
    policy = small_policy(n=0, decoder="autoregressive")
    logits, context = policy(*draw(policy))
    assert logits.shape == (2, 0, 5)
    assert context.shape == (2, 4)


def test_a_plain_policy_keeps_the_weights_names_and_draws_of_older_runs() -> None:
    names = {name.split(".")[0] for name in small_policy().state_dict()}
    assert names == {"stem", "from_text", "query", "trunk", "norm", "to_logits", "to_context"}
    one, other = small_policy(), small_policy(cameras=("a", "b"), state_names=("x",))
    assert all(torch.equal(v, other.state_dict()[n]) for n, v in one.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": ()}, r"cameras: expected different names, got \[\]"),
        ({"cameras": ("a", "a")}, "expected different names"),
        ({"backbone": "resnet18"}, "expected timm:NAME or nothing, got 'resnet18'"),
        ({"backbone_weights": "w.safetensors"}, "belong to no backbone"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PolicyConfig(**options)
