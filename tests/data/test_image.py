from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lapa_edge.data.image import decode_image, read_image
from lapa_edge.errors import DataError

from .conftest import moving_square

PICTURE = moving_square(1)[0]  # [48, 64, 3]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [("PNG", {}, 0), ("WEBP", {"lossless": True}, 0), ("JPEG", {"quality": 95}, 8)],
)
def test_image_comes_back(kind: str, options: dict[str, object], error: int) -> None:
    frame = decode_image(encoded(Image.fromarray(PICTURE), kind, **options), "image")
    assert (frame.dtype, frame.shape) == (np.uint8, (48, 64, 3))
    assert frame.flags.c_contiguous and frame.flags.writeable
    assert np.abs(frame.astype(int) - PICTURE).mean() <= error


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_modes_become_rgb(mode: str) -> None:
    image = Image.fromarray(PICTURE).convert(mode)
    frame = decode_image(encoded(image, "PNG"), "image")
    np.testing.assert_array_equal(frame, np.array(image.convert("RGB")))


def test_palette_with_transparency_is_read_without_a_warning() -> None:
    image = Image.fromarray(PICTURE).convert("P")
    frame = decode_image(encoded(image, "PNG", transparency=bytes(range(256))), "image")
    np.testing.assert_array_equal(frame, np.array(image.convert("RGB")))


def test_cmyk_jpeg_keeps_its_colours() -> None:
    red = Image.new("RGB", (32, 16), (200, 30, 30)).convert("CMYK")
    frame = decode_image(encoded(red, "JPEG", quality=95), "image")
    assert frame.shape == (16, 32, 3)
    np.testing.assert_allclose(frame.reshape(-1, 3).mean(axis=0), (200, 30, 30), atol=6)


def test_rotation_mark_is_obeyed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise to view
    frame = decode_image(encoded(Image.fromarray(PICTURE), "PNG", exif=exif.tobytes()), "image")
    np.testing.assert_array_equal(frame, np.rot90(PICTURE, -1))


def test_16_bit_grey_is_refused_as_a_depth_map() -> None:
    depth = encoded(Image.fromarray(np.full((4, 4), 700, np.uint16)), "PNG")
    with pytest.raises(DataError, match=r"cam/1.png: .* got 16-bit grey \(a depth image\?\)"):
        decode_image(depth, "image cam/1.png")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animation_is_refused(kind: str) -> None:
    frames = [Image.fromarray(frame) for frame in moving_square(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="expected one image, got an animation of 3"):
        decode_image(data, "image")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_cut_image_is_refused(kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(DataError, match=r"image a: not a (readable )?JPEG, PNG or WebP"):
        decode_image(data[: int(len(data) * share)], "image a")


def test_changed_png_fails_its_checksum() -> None:
    data = bytearray(encoded(Image.fromarray(PICTURE), "PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(DataError, match="not a readable"):
        decode_image(bytes(data), "image")


@pytest.mark.parametrize(
    "data",
    [b"", b"words\n" * 40, encoded(Image.fromarray(PICTURE), "GIF")],
    ids=["empty", "words", "gif"],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DataError, match=r"image a: (the image is empty|not a JPEG, PNG or WebP)"):
        decode_image(data, "image a")


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP"]), data=st.data())
def test_damaged_bytes_give_a_frame_or_a_data_error(kind: str, data: st.DataObject) -> None:
    image = bytearray(encoded(Image.fromarray(PICTURE), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    try:
        frame = decode_image(bytes(image), "image")
    except DataError:
        return
    assert (frame.dtype, frame.ndim, frame.shape[2]) == (np.uint8, 3, 3)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.png: cannot be read \(No such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory"):
        read_image(tmp_path)
