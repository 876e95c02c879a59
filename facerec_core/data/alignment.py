"""Five-point alignment: the similarity that takes a face's landmarks onto a template, and the one resampling by it.

Points are (x, y) in pixels, x to the right and y downwards, the centre of the top left pixel at (0, 0), in the order
left eye, right eye, nose, left and right corner of the mouth; left and right as one sees them in the image.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Points = NDArray[np.float64]

ALIGNMENT_VERSION = 1
"""Raise it whenever a change alters pixels: cached faces are told apart by it."""

TEMPLATE_SIDE = 112
TEMPLATE: Points = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where the landmarks lie in an aligned face of 112 x 112 pixels, the usual form of ArcFace's training images.

Source: https://github.com/deepinsight/insightface, python-package/insightface/utils/face_align.py, `arcface_dst`
(in older versions `arcface_src`).
"""

_CENTRE = 0.5
"""From coordinates of pixel centres to coordinates of the plane, in which the first pixel reaches from 0 to 1."""

_CLEARLY = 1.2
"""Mirrored landmarks fit the mirrored template better by more than this; those of a profile fit both alike."""

_MARGIN = 3
"""Source pixels around the face that the bicubic kernel may touch, with one to spare."""


class LandmarksError(Exception):
    """Landmarks that no face can be aligned by; the message is the reason, without the image's name."""


def similarity(points: Points, target: Points) -> NDArray[np.float64]:
    """The rotation, scaling and shift that take `points` nearest to `target` in the sense of least squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE PAMI 13(4),
    1991, equations 40 to 42. In the plane its solution is the complex number <p, q> / <p, p> of the centred points,
    which cannot be a reflection.

    Args:
        points: float64 [n, 2].
        target: float64 [n, 2].

    Returns:
        float64 [2, 3], which times (x, y, 1) gives the point in the target.

    Raises:
        LandmarksError: the points are not finite, all but coincide, or fit the target only mirrored.
    """
    if not np.isfinite(points).all():
        raise LandmarksError("landmarks that are no finite numbers")
    source, wanted = points @ (1, 1j), target @ (1, 1j)
    p, q = source - source.mean(), wanted - wanted.mean()
    spread = float(np.vdot(p, p).real)
    if spread < len(points):  # a standard deviation of one pixel
        raise LandmarksError("landmarks that lie all but on one point")
    fit, mirrored = np.vdot(p, q), np.dot(p, q)
    if abs(mirrored) > _CLEARLY * abs(fit):
        raise LandmarksError("landmarks that are mirrored: are left and right exchanged?")
    turn = complex(fit) / spread
    shift = complex(wanted.mean()) - turn * complex(source.mean())
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def onto_template(points: Points, size: int) -> NDArray[np.float64]:
    """`similarity` of five landmarks onto TEMPLATE at `size` pixels, between coordinates of the two planes.

    Raises:
        LandmarksError: see `similarity`.
    """
    return similarity(points + _CENTRE, (TEMPLATE + _CENTRE) * (size / TEMPLATE_SIDE))


def scale_of(matrix: NDArray[np.float64]) -> float:
    """How many times larger the similarity float64 [2, 3] makes things."""
    return math.hypot(matrix[0, 0], matrix[1, 0])


def warp(image: Image.Image, to_face: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    """Resample an RGB image into the face; what lies outside the image is black.

    Where the face is enlarged this is one bicubic resampling. Where it shrinks, whole pixels are averaged first and
    the rest is sampled at twice the density, so that no detail turns into a pattern that is not there.

    Args:
        image: RGB.
        to_face: float64 [2, 3] from the plane of the image to that of the face.
        size: side of the face in pixels.

    Returns:
        uint8 [size, size, 3].
    """
    shrink = 1.0 / scale_of(to_face)
    reduce = max(1, math.floor(shrink + 1e-9))
    density = 2 if shrink > 1.0 + 1e-9 else 1
    to_image = np.linalg.inv(np.vstack([to_face, [0.0, 0.0, 1.0]]))
    left, top, right, bottom = _around(to_image, size, image.size, reduce * _MARGIN)
    if left >= right or top >= bottom:
        return np.zeros((size, size, 3), np.uint8)
    part = image.reduce(reduce, box=(left, top, right, bottom))
    matrix = to_image[:2] / (reduce * density)
    matrix[:, 2] = (to_image[:2, 2] - (left, top)) / reduce
    side = size * density
    face = part.transform((side, side), Image.Transform.AFFINE, matrix.ravel().tolist(), Image.Resampling.BICUBIC)
    return np.asarray(face.reduce(density) if density > 1 else face)


def _around(
    to_image: NDArray[np.float64], size: int, image_size: tuple[int, int], margin: int
) -> tuple[int, int, int, int]:
    """The part of the image that shows the face: left, top, right, bottom in pixels."""
    corners = to_image[:2] @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    low = np.clip(np.floor(corners.min(1)) - margin, 0, image_size)
    high = np.clip(np.ceil(corners.max(1)) + margin, 0, image_size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
