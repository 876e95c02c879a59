"""From an image file's bytes to a square face, and from one side length to another."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 50_000_000
"""Images with more pixels are refused unread: no camera's face is that large, a decompression bomb is."""

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
EMPTY = "the file is empty"

_SIDE_LIMIT = 3
"""Pillow may decode a large picture at a coarser scale as long as this many pixels remain for each wanted one."""

# What Pillow's decoders are known to raise on damaged files; UnidentifiedImageError is an OSError.
_DECODE_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    AttributeError,
    struct.error,
    zlib.error,
    Warning,
    Image.DecompressionBombError,
)


class UndecodableError(Exception):
    """The bytes are no usable image; the message is the reason, without the name."""


def decode_face(data: bytes, size: int, crop: float) -> NDArray[np.uint8]:
    """Decode, turn upright by the EXIF tag, and cut the central square out.

    Args:
        data: a JPEG, PNG, BMP or WebP file.
        size: side of the result in pixels.
        crop: side of the square as a part of the shorter side, above 0 and at most 1.

    Returns:
        uint8 RGB [size, size, 3], resampled with Lanczos' filter over the area each pixel covers.

    Raises:
        UndecodableError: empty, damaged, of another format, or more than MAX_PIXELS pixels.
    """
    if not data:
        raise UndecodableError(EMPTY)
    try:
        return _decode(data, size, crop)
    except UnidentifiedImageError:
        raise UndecodableError(f"not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image") from None
    except _DECODE_ERRORS as error:
        raise UndecodableError(" ".join(str(error).split()) or type(error).__name__) from error


def _decode(data: bytes, size: int, crop: float) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        width, height = opened.size
        if width * height > MAX_PIXELS:
            raise UndecodableError(f"{width} x {height} pixels are more than the {MAX_PIXELS:,} allowed")
        scale = _SIDE_LIMIT * size / (crop * min(width, height))
        opened.draft("RGB", (round(width * scale), round(height * scale)))
        upright = ImageOps.exif_transpose(opened)
        if "transparency" in upright.info:
            upright = upright.convert("RGBA")
        return _square(upright.convert("RGB"), size, crop)


def _square(image: Image.Image, size: int, crop: float) -> NDArray[np.uint8]:
    side = crop * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=_SIDE_LIMIT))


def resize_face(face: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resample uint8 [side, side, 3] to [size, size, 3] with Lanczos' filter."""
    if face.shape[0] == size:
        return face
    return np.asarray(Image.fromarray(face).resize((size, size), Image.Resampling.LANCZOS))
