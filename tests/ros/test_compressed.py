"""Compressed image messages to arrays, or to a refusal; needs no ROS."""

from types import SimpleNamespace

import numpy as np
import pytest
from lapa_edge_ros.compressed import check_compressed, decode_image

from lapa_edge.errors import RuntimeInputError

cv2 = pytest.importorskip("cv2", reason="OpenCV is missing: pip install opencv-python-headless")

# Red on the left, blue on the right, in OpenCV's order.
PICTURE = np.zeros((24, 32, 3), np.uint8)
PICTURE[:, :16, 2] = PICTURE[:, 16:, 0] = 200


def message(kind, picture=PICTURE, form=None, cut=0, tail=b""):
    data = cv2.imencode(f".{kind}", picture)[1].tobytes()
    return SimpleNamespace(format=form or kind, data=data[: len(data) - cut] + tail)


@pytest.mark.parametrize(("kind", "tolerance"), [("png", 0), ("jpg", 12)])
def test_a_picture_becomes_rgb(kind, tolerance):
    image = decode_image(message(kind))
    assert image.shape == (24, 32, 3)
    assert image.dtype == np.uint8
    assert np.abs(image[12, 4].astype(int) - (200, 0, 0)).max() <= tolerance
    assert np.abs(image[12, 28].astype(int) - (0, 0, 200)).max() <= tolerance


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_grey_becomes_three_equal_channels(kind):
    image = decode_image(message(kind, PICTURE[..., 0]))
    assert image.shape == (24, 32, 3)
    assert (image == image[..., :1]).all()


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("cut", [1, 2, 20, 300])
def test_a_picture_that_is_cut_off_is_refused_not_half_shown(kind, cut):
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    with pytest.raises(RuntimeInputError, match="cut off before its end"):
        decode_image(message(kind, noise, cut=cut))


def test_every_damaged_byte_of_a_png_is_refused():
    whole = message("png").data
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x55
        with pytest.raises(RuntimeInputError):
            check_compressed(SimpleNamespace(format="png", data=bytes(damaged)))


def test_zeros_behind_a_jpeg_are_a_cameras_padding():
    assert decode_image(message("jpg", tail=bytes(64))).shape == (24, 32, 3)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (message("bmp"), "expected a JPEG or PNG"),
        (message("png", form="16UC1; compressedDepth png"), "expected a JPEG or PNG"),
        (message("png", np.zeros((4, 4), np.uint16)), "got 16 bits"),
        (message("png", np.zeros((4, 4, 4), np.uint8)), "got 8 bits of colour type 6"),
        (SimpleNamespace(format="jpeg", data=b""), "expected a JPEG or PNG"),
        (SimpleNamespace(format="jpeg", data=b"\xff\xd8\xff\xff\xd9"), "OpenCV cannot decode"),
    ],
)
def test_what_is_no_8_bit_picture_is_refused(said, complaint):
    with pytest.raises(RuntimeInputError, match=complaint):
        decode_image(said)
