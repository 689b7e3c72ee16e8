"""Frames as the networks see them, in training and on the robot."""

import numpy as np
import pytest
import torch

from lapa_edge import _native
from lapa_edge.spec import FrameSpec
from lapa_edge.train.batches import (
    augment,
    augment_views,
    frames_to_tensor,
    tensor_to_frames,
)


@pytest.mark.parametrize("std", [(0.25, 0.25, 0.25), (0.229, 0.224, 0.225), (1.0, 1.0, 1.0)])
def test_training_and_robot_see_the_same_bits(std):
    spec = FrameSpec(height=16, width=48, mean=(0.485, 0.456, 0.406), std=std)
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 48, 3), np.uint8)
    seen = frames_to_tensor(frames, spec, torch.device("cpu"))
    assert seen.dtype == torch.float32
    for frame, planes in zip(frames, seen.numpy(), strict=True):
        expected = _native.preprocess_frame(frame, 16, 48, spec.mean, spec.std)
        np.testing.assert_array_equal(planes, expected, strict=True)
    np.testing.assert_array_equal(tensor_to_frames(seen, spec), frames)


def rng():
    return np.random.default_rng(3)


def test_each_camera_is_normalised_as_if_it_were_alone():
    spec = FrameSpec(height=4, width=6, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    one, other = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 6, 3), np.uint8)
    device = torch.device("cpu")
    both = frames_to_tensor(np.concatenate([one, other], axis=-1), spec, device)
    assert torch.equal(both[:, :3], frames_to_tensor(one, spec, device))
    assert torch.equal(both[:, 3:], frames_to_tensor(other, spec, device))


def test_one_camera_is_augmented_as_its_frames_are():
    frame = torch.randn(4, 3, 8, 8)
    (alone,) = augment([frame], rng(), 2, 0.1, 0.05, 0.3)
    assert torch.equal(augment_views(frame, rng(), 2, 0.1, 0.05, 0.3), alone)


def test_two_cameras_shift_by_themselves():
    frame = torch.randn(1, 3, 8, 8).repeat(16, 2, 1, 1)
    moved = augment_views(frame, rng(), 3, 0.0)
    assert moved.shape == frame.shape
    assert not torch.equal(moved[:, :3], moved[:, 3:])


def test_frames_that_belong_together_change_alike():
    frame = torch.randn(4, 3, 8, 8)
    one, other = augment([frame, frame.clone()], rng(), 2, 0.1, 0.2, 0.5)
    assert torch.equal(one, other)
    assert not torch.equal(one, frame)


def test_colours_turn_about_grey():
    frame = torch.rand(16, 3, 4, 4)
    (turned,) = augment([frame], rng(), 0, 0.0, colour=0.2)
    torch.testing.assert_close(turned.mean(1), frame.mean(1))  # as light as before
    assert not torch.allclose(turned, frame, atol=0.05)
    grey = torch.rand(16, 1, 4, 4).repeat(1, 3, 1, 1)
    torch.testing.assert_close(augment([grey], rng(), 0, 0.0, colour=0.2)[0], grey)


def test_a_rectangle_of_one_colour_is_hidden_and_no_more_than_told():
    frame = torch.full((64, 3, 20, 20), 9.0)
    (hidden,) = augment([frame], rng(), 0, 0.0, erase=0.5)
    for image in hidden:
        rows, columns = torch.nonzero((image != 9).all(0), as_tuple=True)
        if len(rows):
            patch = image[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert max(patch.shape[1:]) <= 11  # a side of 10 may touch 11 pixels
            assert (patch == patch[:, :1, :1]).all()
            assert (image != 9).all(0).sum() == patch[0].numel()
    shares = (hidden != 9).all(1).float().mean((1, 2))
    assert 0.01 < shares.mean() < 0.25
