"""Mean true motion by code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lapa_edge.errors import DataError
from lapa_edge.evaluate.latents.arrows import measure_arrows, planar_dims
from lapa_edge.evaluate.latents.motion import Motion
from lapa_edge.evaluate.latents.usage import common_sequences


@pytest.mark.parametrize(
    ("names", "units", "expected"),
    [
        (("target_dx", "target_dy"), ("m", "m"), (0, 1)),
        (("grip", "y", "x"), ("", "m", "m"), (2, 1)),
        (("hand_dx", "hand_dy", "hand_dz", "grip"), ("cm",) * 3 + ("",), (0, 1)),
        (("a0", "a1", "a2"), ("rad", "m", "m"), (1, 2)),
        (("joint_1", "joint_2"), ("rad", "rad"), None),
        (("max", "my"), ("", ""), None),
    ],
)
def test_the_plane_is_found_by_name_and_then_by_unit(
    names: tuple[str, ...], units: tuple[str, ...], expected: tuple[int, int] | None
) -> None:
    assert planar_dims(names, units) == expected


CODES = np.array([[0, 5], [0, 5], [0, 5], [1, 5], [0, 7]], np.int32)
VALUE = np.array([[1.0, 0], [3, 0], [99, 99], [0, 2], [5, 5]])
MOTION = Motion(("x", "y"), ("m", "m"), VALUE, np.array([True, True, False, True, True]))


def test_arrows_are_means_over_the_pairs_with_known_motion() -> None:
    found = measure_arrows(CODES, MOTION, common_sequences(CODES, 8))
    first = found.sequences[0]
    assert (first.codes, first.count, first.mean) == ((0, 5), 2, (2.0, 0.0))
    assert first.covariance == ((2.0, 0.0), (0.0, 0.0))
    assert [[arrow.codes for arrow in position] for position in found.positions] == [
        [(0,), (1,)], [(5,), (7,)],
    ]  # fmt: skip
    assert found.positions[0][0].mean == (3.0, 5 / 3)
    assert found.positions[0][1].covariance == ((0.0, 0.0), (0.0, 0.0))


def test_only_the_frequent_of_many_codes_are_kept() -> None:
    codes = np.arange(1000, dtype=np.int32)[:, None] // np.array([3], np.int32)
    motion = Motion(("x", "y"), ("m", "m"), np.ones((1000, 2)), np.ones(1000, np.bool_))
    found = measure_arrows(codes, motion, common_sequences(codes, 8))
    assert len(found.sequences) == len(found.positions[0]) == 8


def test_a_robot_without_a_plane_is_told_so() -> None:
    motion = replace(MOTION, names=("joint_1", "joint_2"), units=("rad", "rad"))
    with pytest.raises(DataError, match="got joint_1, joint_2"):
        measure_arrows(CODES, motion, common_sequences(CODES, 8))
