import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from facerec_core.data.images import UndecodableError, decode_face, resize_face
from tests.image_files import picture


def encode(image: Image.Image, kind: str = "PNG", **save) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **save)
    return out.getvalue()


def halves(width: int, height: int) -> Image.Image:
    """Left half red, right half blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP"])
def test_every_format_gives_a_square_of_the_wanted_size(kind):
    face = decode_face(picture(0, 50, 30, kind), 24, 1.0)
    assert face.shape == (24, 24, 3)
    assert face.dtype == np.uint8


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "LA"])
def test_every_colour_mode_becomes_rgb(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert decode_face(encode(halves(40, 40).convert(mode), kind), 16, 1.0).shape == (16, 16, 3)


def test_a_palette_with_transparency_becomes_rgb():
    image = halves(20, 20).convert("P")
    assert decode_face(encode(image, transparency=bytes(range(200))), 16, 1.0).shape == (16, 16, 3)


def test_the_middle_of_a_wide_image_is_cut_out():
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 200
    assert decode_face(encode(Image.fromarray(pixels)), 20, 1.0).min() == 200


def test_crop_cuts_the_border_off():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[16:48, 16:48] = 100
    assert np.all(decode_face(encode(Image.fromarray(pixels)), 32, 0.5) == 100)
    assert decode_face(encode(Image.fromarray(pixels)), 32, 1.0).min() == 0


def test_exif_orientation_is_followed():
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: turn a quarter clockwise
    face = decode_face(encode(halves(32, 32), exif=exif), 32, 1.0)
    assert face[4, 16].tolist() == [255, 0, 0]
    assert face[28, 16].tolist() == [0, 0, 255]


def test_a_large_jpeg_and_its_small_copy_agree():
    gradient = np.linspace(0, 255, 1200)[None, :, None] * np.ones((1200, 1, 3))
    large = Image.fromarray(gradient.astype(np.uint8))
    face = decode_face(encode(large, "JPEG", quality=95), 32, 1.0)
    small = np.asarray(large.resize((32, 32), Image.Resampling.BOX))
    assert np.abs(face.astype(int) - small).max() <= 4


def huge_png(width: int, height: int) -> bytes:
    """A header that promises many pixels, and nothing behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + picture(0)[33:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello", "not a JPEG, PNG, BMP or WEBP image"),
        (picture(0, kind="GIF"), "not a JPEG, PNG, BMP or WEBP image"),
        (picture(0, kind="JPEG")[:-200], "truncated"),
        (picture(0)[:-500], "."),
        (picture(0, kind="WEBP")[:-100], "."),
        (picture(0, kind="BMP")[:-100], "truncated"),
        (huge_png(10_000, 8_000), "10000 x 8000 pixels are more than the 50,000,000 allowed"),
        (huge_png(60_000, 60_000), "."),
    ],
)
def test_unusable_bytes_are_refused_with_a_reason(data, reason):
    with pytest.raises(UndecodableError, match=reason) as raised:
        decode_face(data, 32, 1.0)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_damage_anywhere_is_refused_or_survived_but_never_crashes(kind):
    data, rng = picture(1, kind=kind), np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(data)
        for at in rng.integers(0, min(len(data), 400), 4):
            damaged[at] = rng.integers(256)
        with contextlib.suppress(UndecodableError):
            assert decode_face(bytes(damaged), 16, 1.0).shape == (16, 16, 3)


def test_resizing_keeps_the_colours():
    face = np.asarray(halves(64, 64))
    small = resize_face(face, 16)
    assert small.shape == (16, 16, 3)
    assert small[8, 2].tolist() == [255, 0, 0]
    assert small[8, 13].tolist() == [0, 0, 255]
    assert resize_face(face, 64) is face
    assert resize_face(face, 96).shape == (96, 96, 3)
