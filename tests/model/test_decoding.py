"""The decodings in torch: bins of the demos, and that torch and the robot's numpy say the same."""

import msgspec
import numpy as np
import pytest
import torch
from bundles import tiny_spec

from lapa_edge.model.decoding import ActionBins, chunk_loss, decode_chunk
from lapa_edge.runtime.decoding import BinTable, decode_head
from lapa_edge.train.action_bins import fill_bins


def spec_of(decoding, **more):
    spec = tiny_spec()
    action = msgspec.structs.replace(spec.action, decoding=decoding, **more)
    return msgspec.structs.replace(spec, action=action)


def filled(actions, bins=4, kinds=()):
    table = ActionBins(actions.shape[1], bins)
    fill_bins(table, spec_of("bins", bins=bins, kinds=kinds).action, actions.astype(np.float32))
    return table


def test_bins_hold_as_many_actions_each_and_stand_for_their_mean():
    values = np.random.default_rng(0).permutation(np.arange(400.0))
    table = filled(np.stack([values, -values], axis=1))
    assert table.count.tolist() == [4, 4]
    assert table.means[0].tolist() == pytest.approx([49.5, 149.5, 249.5, 349.5])
    index = table.index(torch.tensor([[0.0, 0.0], [399.0, -399.0], [100.0, -1e9]]))
    assert index[:, 0, 0].tolist() == [0, 3, 1]
    assert index[:, 0, 1].tolist() == [3, 0, 0]


def test_repeated_values_leave_fewer_bins_and_none_empty():
    rest = np.zeros(90)
    few = np.concatenate([rest, np.full(5, -1.0), np.full(5, 2.0)])
    table = filled(np.stack([few, np.ones(100)], axis=1), bins=16)
    assert table.count.tolist() == [3, 1]
    assert table.means[0, :3].tolist() == [-1, 0, 2]
    assert table.means[1, 0] == 1
    index = table.index(torch.from_numpy(np.stack([few, np.ones(100)], 1)).float())
    assert torch.bincount(index[:, 0, 0]).tolist() == [5, 90, 5]


def test_a_gripper_has_two_bins_split_at_the_middle_of_its_range():
    actions = np.stack([np.linspace(-1, 1, 50), np.where(np.arange(50) < 3, 0.8, -1.0)], axis=1)
    table = filled(actions, kinds=("delta", "gripper"))
    assert table.count.tolist() == [4, 2]
    assert table.means[1, :2].tolist() == pytest.approx([-1, 0.8])
    assert table.index(torch.tensor([[0.0, -0.1], [0.0, 0.1]]))[:, 0, 1].tolist() == [0, 1]


def test_absent_bins_learn_nothing_and_are_never_chosen():
    table = filled(np.stack([np.repeat([0.0, 1.0], 20), np.arange(40.0)], axis=1))
    spec = spec_of("bins", bins=4)
    output = torch.zeros(3, 16, requires_grad=True)
    wanted = torch.tensor([[0.0, 15, 1, 9]]).repeat(3, 1)
    loss, metrics = chunk_loss(spec.action, lambda _: output, output, wanted, table)
    loss.backward()
    assert output.grad.view(3, 2, 2, 4)[:, :, 0, 2:].abs().max() == 0
    assert loss.item() == pytest.approx((np.log(2) + np.log(4)) / 2)
    assert metrics["bin_accuracy"] == 0.5
    high = torch.arange(16.0)[None]
    assert decode_chunk(spec.action, lambda _: high, high, table, high)[0, 0] == 1


@pytest.mark.parametrize("decoding", ["bins", "flow"])
def test_torch_and_the_robot_decode_alike(decoding):
    spec = spec_of(decoding, **({"bins": 4} if decoding == "bins" else {"flow_steps": 3}))
    table = filled(np.random.default_rng(1).standard_normal((200, 2)))
    torch.manual_seed(0)
    network = torch.nn.Linear(spec.head_input_dim, spec.head_output_dim)

    class Robot:
        def forward(self, x):
            with torch.no_grad():
                return network(torch.from_numpy(x.copy())).numpy()

    bins = BinTable(table.means.numpy(), table.count.numpy()) if decoding == "bins" else None
    head = decode_head(Robot(), spec, bins)
    x = torch.randn(5, spec.head_told_dim)
    for row in x:
        noise = head._draws(row.numpy()) if decoding == "flow" else np.zeros(spec.chunk_dim)
        noise = torch.from_numpy(noise)[None]
        with torch.no_grad():
            expected = decode_chunk(spec.action, network, row[None], table, noise)[0].numpy()
        np.testing.assert_allclose(head.forward(row.numpy()), expected, rtol=1e-5, atol=1e-6)


def test_the_near_steps_of_a_long_chunk_count_for_as_much_as_all_of_it():
    spec = tiny_spec(a=2, chunk=48)
    near, far = torch.zeros(3, 48, 2), torch.zeros(3, 48, 2)
    near[:, :8], far[:, 8:] = 1.0, 1.0
    for wanted, expected in ((near, (1 + 8 / 48) / 2), (far, (0 + 40 / 48) / 2)):
        loss, _ = chunk_loss(
            spec.action, torch.zeros_like, wanted.flatten(1), wanted.flatten(1), None
        )
        assert loss.item() == pytest.approx(expected)


def test_a_flow_learns_both_of_two_ways_where_regression_takes_neither():
    spec = spec_of("flow", flow_steps=8)
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(spec.head_input_dim, 64), torch.nn.ReLU(), torch.nn.Linear(64, 4)
    )
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    x = torch.zeros(128, spec.head_told_dim)
    for _ in range(300):
        wanted = (torch.randint(0, 2, (128, 1)) * 2 - 1).float().expand(-1, 4)
        loss, _ = chunk_loss(spec.action, network, x, wanted, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        chunk = decode_chunk(spec.action, network, x, None, torch.randn(128, 4))
    assert chunk.abs().mean() > 0.6
    assert chunk.mean(1).sign().float().mean().abs() < 0.6
