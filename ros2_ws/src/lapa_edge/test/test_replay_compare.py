"""Two series of actions: which belong together, and how far they lie apart."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lapa_edge", reason="NOT CHECKED: lapa-edge is not installed")
from lapa_edge_ros.replay_compare import Actions, collect_actions, compare_actions

from lapa_edge.errors import DataError


def actions(times, *columns, names=(), topic="/recorded"):
    return Actions(topic, tuple(names), np.array(times, float), np.array(columns, float).T)


def test_errors_are_per_dimension():
    found = compare_actions(
        actions([0, 1, 2], [0, 1, 2], [5, 5, 5], names=["x", "y"]),
        actions([0, 1, 2], [1, 2, 6], [5, 5, 5], names=["x", "y"]),
        match_s=0.1,
    )
    x, y = found.dimensions
    assert (x.name, x.mean_error, x.max_error) == ("x", 2.0, 4.0)
    assert x.correlation == pytest.approx(np.corrcoef([0, 1, 2], [1, 2, 6])[0, 1])
    assert (y.mean_error, y.correlation) == (0.0, None)  # a constant correlates with nothing
    assert found.worst is x


def test_each_recorded_action_meets_the_nearest_in_time():
    found = compare_actions(
        actions([0.00, 1.00, 2.06, 3.00], [0, 1, 2, 3]),
        actions([0.04, 0.96, 2.00, 2.10, 9.0], [0, 1, -1, 2, 7]),
        match_s=0.05,
    )
    assert (found.matched, found.unmatched) == (3, 1)
    assert found.dimensions[0].max_error == 0.0


def test_a_single_answer_is_enough():
    found = compare_actions(actions([0, 1], [3, 4]), actions([1.0], [4]), match_s=0.1)
    assert (found.matched, found.unmatched) == (1, 1)
    assert found.dimensions[0].correlation is None


def test_dimensions_go_by_name_where_both_have_names():
    recorded = actions([0, 1], [1, 1], [2, 2], names=["elbow", "wrist"])
    ours = actions([0, 1], [2, 2], [1, 1], names=["wrist", "elbow"])
    found = compare_actions(recorded, ours, 0.1)
    assert [(d.name, d.max_error) for d in found.dimensions] == [("elbow", 0), ("wrist", 0)]


@pytest.mark.parametrize(
    ("names", "columns"),
    [(["elbow", "jaw"], ([1, 1], [2, 2])), ((), ([1, 1],))],
    ids=["other names", "other number"],
)
def test_other_dimensions_are_refused(names, columns):
    recorded = actions([0, 1], [1, 1], [2, 2], names=["elbow", "wrist"])
    with pytest.raises(DataError, match="elbow, wrist"):
        compare_actions(recorded, actions([0, 1], *columns, names=names), 0.1)


def test_a_node_that_never_answered_in_time_is_an_error():
    with pytest.raises(DataError, match="none of 2 has one on /ours"):
        compare_actions(actions([0, 1], [1, 1]), actions([5, 6], [1, 1], topic="/ours"), 0.1)


@pytest.mark.parametrize(
    ("series", "problem"),
    [
        ([], "got none"),
        ([(0.0, (), [1.0, 2.0]), (0.1, (), [1.0])], "expected 2 without names throughout, got 1"),
        ([(0.0, ("a",), [1.0]), (0.1, ("b",), [1.0])], "expected a throughout, got b"),
        ([(0.5, (), [float("nan")])], r"not finite 0\.500 s into the bag"),
    ],
)
def test_a_series_that_is_none_is_named(series, problem):
    with pytest.raises(DataError, match=f"actions /arm: .*{problem}"):
        collect_actions("/arm", series)
