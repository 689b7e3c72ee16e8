"""Image messages to arrays; needs no ROS."""

import array
from types import SimpleNamespace

import numpy as np
import pytest
from lapa_edge_ros.image import CHANNELS, image_view

from lapa_edge.errors import RuntimeInputError


def message(encoding="rgb8", height=3, width=5, padding=0, **changes):
    """An image message whose every byte differs from its neighbours."""
    step = width * CHANNELS.get(encoding, 3) + padding
    data = array.array("B", [i % 251 for i in range(step * height)])
    fields = {"height": height, "width": width, "encoding": encoding, "step": step, "data": data}
    return SimpleNamespace(**{**fields, **changes})


@pytest.mark.parametrize("padding", [0, 1, 7])
def test_rows_begin_at_every_step(padding):
    said = message(padding=padding)
    image = image_view(said)
    assert image.shape == (3, 5, 3)
    for row in range(3):
        assert image[row].ravel().tolist() == said.data[row * said.step :][:15].tolist()


@pytest.mark.parametrize("encoding", CHANNELS)
def test_no_pixel_is_copied(encoding):
    said = message(encoding, padding=2)
    assert np.shares_memory(image_view(said), np.frombuffer(said.data, np.uint8))


def test_bgr_is_turned_around():
    assert image_view(message("bgr8"))[0, 0].tolist() == [2, 1, 0]


def test_grey_becomes_three_equal_channels():
    image = image_view(message("mono8"))
    assert image.shape == (3, 5, 3)
    assert (image == image[..., :1]).all()
    assert image[0, :, 0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"encoding": "16UC1"}, "expected encoding rgb8, bgr8, mono8, got '16UC1'"),
        ({"encoding": ""}, "got ''"),
        ({"height": 0}, "expected pixels, got 0 rows of 5"),
        ({"width": 0}, "expected pixels, got 3 rows of 0"),
        ({"step": 14}, "step: expected at least 15 bytes, got 14"),
        ({"step": 16}, r"expected step \* height = 48 bytes, got 45"),
        ({"data": array.array("B")}, r"expected step \* height = 45 bytes, got 0"),
    ],
)
def test_contradictions_are_refused(changes, complaint):
    with pytest.raises(RuntimeInputError, match=complaint):
        image_view(message(**changes))
