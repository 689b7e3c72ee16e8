"""Frames as the networks see them, in training and on the robot."""

import numpy as np
import pytest
import torch

from lapa_edge import _native
from lapa_edge.spec import FrameSpec
from lapa_edge.train.batches import frames_to_tensor, tensor_to_frames


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
