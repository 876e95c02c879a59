"""Dot products of many int8 fingerprints, exact and fast: products of small integers in float32, a block at a time.

A sum of products of int8 numbers is an integer of at most 128 * 128 * n, and float32 holds every integer up to 2^24.
So up to 1024 numbers the matrix product of floats is exact, in whatever order it is summed. A block of fingerprints
becomes floats in the processor's cache and never in memory, which is faster than reading floats would be.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_EXACT = 1024
_BLOCK_FLOATS = 1 << 18
"""Floats of a block: one megabyte, which a core's second cache holds."""


def dots(
    vectors: NDArray[np.int8], sums: NDArray[np.int64], probe: NDArray[np.int8], zero_point: int
) -> NDArray[np.int64]:
    """Dot products int64 [n] of int8 [n, d] with int8 [d], the zero point taken off both.

    Args:
        vectors: fingerprints.
        sums: of the elements of each less the zero point, from `sums_and_squares`.
        probe: the fingerprint looked for.
        zero_point: of both.
    """
    raw = np.zeros(len(vectors), np.int64)
    wide = probe.astype(np.float32)
    for rows, columns, block in _float_blocks(vectors):
        raw[rows] += (block @ wide[columns]).astype(np.int64)
    # sum((a - z)(b - z)) = sum(a b) - z sum(b) - z sum(a - z)
    return raw - zero_point * (int(probe.sum(dtype=np.int64)) + sums)


def sums_and_squares(vectors: NDArray[np.int8], zero_point: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each of int8 [n, d], less the zero point: the sum of its elements and that of their squares, int64 [n]."""
    sums, squares = np.zeros(len(vectors), np.int64), np.zeros(len(vectors), np.int64)
    for rows, _, block in _float_blocks(vectors):
        sums[rows] += (block @ np.ones(block.shape[1], np.float32)).astype(np.int64)
        squares[rows] += np.einsum("nd,nd->n", block, block).astype(np.int64)
    length = vectors.shape[1]
    return sums - length * zero_point, squares - 2 * zero_point * sums + length * zero_point**2


def _float_blocks(vectors: NDArray[np.int8]) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
    """Rows, columns and float32 copy of every block; a copy is only good until the next.

    Whole fingerprints are copied, so that memory is read from front to back.
    """
    total, length = vectors.shape
    height = max(1, _BLOCK_FLOATS // max(1, length))
    room = np.empty((height, length), np.float32)
    for top in range(0, total, height):
        rows = slice(top, min(top + height, total))
        block = room[: rows.stop - top]
        block[...] = vectors[rows]
        for left in range(0, length, _EXACT):
            columns = slice(left, min(left + _EXACT, length))
            yield rows, columns, block[:, columns]
