"""From an image file's bytes to a square face, and from one side length to another."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from facerec_core.data.alignment import LandmarksError, Points, onto_template, scale_of, warp

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
    return _decode(data, lambda image: _square(_upright(image, size / (crop * min(image.size))), size, crop))


def decode_aligned(data: bytes, size: int, points: Points) -> NDArray[np.uint8]:
    """Decode, turn upright by the EXIF tag, and take the landmarks onto the template.

    Args:
        data: a JPEG, PNG, BMP or WebP file.
        size: side of the result in pixels.
        points: float64 [5, 2], the landmarks in the upright image (`alignment` says in which order).

    Returns:
        uint8 RGB [size, size, 3]; what lies outside the image is black.

    Raises:
        UndecodableError: as `decode_face`, or landmarks that lie elsewhere or that no face can be aligned by.
    """
    try:
        to_face = onto_template(points, size)
    except LandmarksError as error:
        raise UndecodableError(str(error)) from error
    return _decode(data, lambda image: _aligned(image, to_face, points, size))


def _aligned(image: Image.Image, to_face: NDArray[np.float64], points: Points, size: int) -> NDArray[np.uint8]:
    longer_side = max(image.size)
    upright = _upright(image, scale_of(to_face))
    reduced = round(longer_side / max(upright.size))  # a JPEG may come out at a half, a quarter or an eighth
    middle = points.mean(0) / reduced
    if not (0 <= middle[0] < upright.width and 0 <= middle[1] < upright.height):
        raise UndecodableError(
            f"landmarks that lie outside the image, around {points[:, 0].mean():.0f}, "
            f"{points[:, 1].mean():.0f}; are they those of another version of it?"
        )
    return warp(upright, to_face * (reduced, reduced, 1), size)


def _decode(data: bytes, make: Callable[[Image.Image], NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """What `make` makes of the opened image; raises UndecodableError."""
    if not data:
        raise UndecodableError(EMPTY)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise UndecodableError(f"{width} x {height} pixels are more than the {MAX_PIXELS:,} allowed")
            return make(opened)
    except UnidentifiedImageError:
        raise UndecodableError(f"not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image") from None
    except _DECODE_ERRORS as error:
        raise UndecodableError(" ".join(str(error).split()) or type(error).__name__) from error


def _upright(opened: Image.Image, scale: float) -> Image.Image:
    """The image as RGB, turned by its EXIF tag; no smaller than wanted when it is then scaled by `scale`."""
    wanted = (max(1, round(side * _SIDE_LIMIT * scale)) for side in opened.size)
    width, height = wanted
    opened.draft("RGB", (width, height))
    upright = ImageOps.exif_transpose(opened)
    if "transparency" in upright.info:
        upright = upright.convert("RGBA")
    return upright.convert("RGB")


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
