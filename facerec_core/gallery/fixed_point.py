"""Cosine similarity of int8 fingerprints in integers, the same as `facerec_core/device/c/facerec_score.c`.

With a and b the fingerprints less the zero point, every element within -255 to 255:

    dot           = sum(a * b)                              at most 4096 * 255^2 < 2^28
    inverse_norm  = floor(2^31 / sqrt(sum(a * a)))          at most 2^31; 0 for a fingerprint of length zero
    score         = dot * inverse_norm(a) * inverse_norm(b) / 2^32, towards zero

By Cauchy's inequality |dot| <= |a| |b|, so the product never exceeds 2^62 and the score never 2^30. Rounding an inverse
norm down makes it too small by at most |a| / 2^31, of itself, and |a| <= 255 * sqrt(4096) = 16320: the score is at most
1.6e-5 nearer to zero than the cosine, at 640 numbers at most 6.1e-6.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MOST_DIMENSIONS = 4096
FRACTION_BITS = 30
ONE = 1 << FRACTION_BITS
"""The score of a cosine of 1."""
_NORM_BITS = 31
_SHIFT = 2 * _NORM_BITS - FRACTION_BITS


def to_fixed(cosine: float) -> int:
    """A cosine as a score; what lies beyond -1 or 1 becomes the nearest of them."""
    return round(min(max(cosine, -1.0), 1.0) * ONE)


def inverse_norms(squared: NDArray[np.int64]) -> NDArray[np.int64]:
    """floor(2^31 / sqrt(squared)) of int64 [n] within 0 to 4096 * 255^2, exactly; 0 where `squared` is 0."""
    quotient = np.int64(1 << 2 * _NORM_BITS) // np.maximum(squared, 1)
    root = np.sqrt(quotient.astype(np.float64)).astype(np.int64)
    root -= root * root > quotient  # a double rounds the quotient, so its root may be one off
    root += (root + 1) * (root + 1) <= quotient
    return np.where(squared == 0, np.int64(0), root)


def squared_norm(fingerprint: NDArray[np.int8], zero_point: int) -> int:
    """The squared length of int8 [d], in the network's own steps."""
    centred = fingerprint.astype(np.int64) - zero_point
    return int(centred @ centred)


def inverse_norm(fingerprint: NDArray[np.int8], zero_point: int) -> int:
    """floor(2^31 / length) of int8 [d]; 0 for one of length zero."""
    squared = squared_norm(fingerprint, zero_point)
    return math.isqrt((1 << 2 * _NORM_BITS) // squared) if squared else 0


def scores(dots: NDArray[np.int64], inverse: NDArray[np.int64], inverse_probe: int) -> NDArray[np.int64]:
    """Scores int64 [n] of dot products and inverse norms, both int64 [n], and one inverse norm."""
    product = dots * inverse * inverse_probe
    return (product + ((product >> 63) & ((1 << _SHIFT) - 1))) >> _SHIFT


def compare(first: NDArray[np.int8], second: NDArray[np.int8], zero_point: int) -> int:
    """The score of two fingerprints int8 [d] of one network."""
    dot = (first.astype(np.int64) - zero_point) @ (second.astype(np.int64) - zero_point)
    inverse = np.array([inverse_norm(first, zero_point)], np.int64)
    return int(scores(np.array([dot], np.int64), inverse, inverse_norm(second, zero_point))[0])
