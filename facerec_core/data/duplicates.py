"""Pictures that occur twice: equal pixels, and pixels that are nearly equal.

Aligned faces look alike when they are small: of 64-bit hashes thousands of pairs of different people agree. So the
perceptual hash has 256 bits, and all pairs are compared, which buckets cannot spare at that length: at 32 differing
bits of 256 no part of a hash is long enough to sort by. The price is known: 4 words a pair, whatever the pictures.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Images = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Report = Callable[[str, int, int], None]

HASH_BITS = 256
NEAR_BITS = 32
"""Hashes that differ in at most so many bits belong to the same picture; docs/data.md has what that finds."""

MAX_PAIRS = 100_000
"""The search for near duplicates ends here: there is something wrong with the set as a whole."""

_THUMBNAIL = 64
_COEFFICIENTS = 16
_FLAT_LEVELS = 2.0
"""Standard deviation in grey levels below which a picture shows nothing, and its hash is noise."""

_WORDS = HASH_BITS // 64
_CHUNK = 512
_DENSE_WORDS = 2
_ROWS, _COLUMNS = 256, 2048
"""Pairs compared at once: few enough for the processor's cache."""


@dataclass(frozen=True)
class Duplicate:
    """Two images of the same picture by index, `first` below `second`; `distance_bits` is 0 where pixels are equal."""

    first: int
    second: int
    distance_bits: int
    exact: bool


@dataclass(frozen=True)
class Duplicates:
    """What was found: pairs by index, images without contrast, and whether the search went through to the end.

    Images of equal pixels are each paired with the first of them only, and only that one is compared further.
    """

    pairs: tuple[Duplicate, ...]
    flat: tuple[int, ...]
    complete: bool


def find_duplicates(splits: Sequence[Images], report: Report) -> Duplicates:
    """Find equal and nearly equal pictures over all splits.

    Needs 64 bytes an image beside the images, which may be memory-mapped; the time grows with the square of their
    number.

    Args:
        splits: uint8 RGB [n, side, side, 3] each; indices count through them in order.
        report: called with (what is done, done, in all).

    Returns:
        Pairs sorted by index, at most MAX_PAIRS of them only nearly equal.
    """
    total = sum(map(len, splits))
    digests: list[bytes] = []
    hashes, contrast = np.empty((total, _WORDS), np.uint64), np.empty(total, np.float32)
    for chunk in _chunks(splits):
        part = slice(len(digests), len(digests) + len(chunk))
        hashes[part], contrast[part] = perceptual_hashes(chunk)
        digests += [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in chunk]
        report("hashing images", len(digests), total)
    equal, distinct = _equal(digests)
    compared = distinct[contrast[distinct] >= _FLAT_LEVELS]
    near, complete = near_pairs(hashes[compared], NEAR_BITS, report)
    pairs = equal + [Duplicate(int(compared[i]), int(compared[j]), bits, False) for i, j, bits in near]
    flat = tuple(np.flatnonzero(contrast < _FLAT_LEVELS).tolist())
    return Duplicates(tuple(sorted(pairs, key=lambda pair: (pair.first, pair.second))), flat, complete)


def _chunks(splits: Sequence[Images]) -> Iterator[Images]:
    for images in splits:
        for start in range(0, len(images), _CHUNK):
            yield np.asarray(images[start : start + _CHUNK])


def _equal(digests: Sequence[bytes]) -> tuple[list[Duplicate], NDArray[np.int64]]:
    """Pairs of equal images, and the index of the first image of each picture."""
    first: dict[bytes, int] = {}
    pairs = []
    for index, digest in enumerate(digests):
        if (earlier := first.setdefault(digest, index)) != index:
            pairs.append(Duplicate(earlier, index, 0, True))
    return pairs, np.fromiter(first.values(), np.int64, len(first))


def perceptual_hashes(images: Images) -> tuple[Hashes, NDArray[np.float32]]:
    """Hash pictures so that small changes flip few bits.

    The 16 x 16 lowest frequencies (DCT-II) of the grey picture at 64 x 64, each above or below their median: the
    pHash of Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010, section 3.2.1, with
    more coefficients.

    Args:
        images: uint8 RGB [n, side, side, 3].

    Returns:
        uint64 [n, 4], and the standard deviation of the grey levels at 64 x 64, float32 [n].
    """
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        small = np.stack(list(pool.map(_thumbnail, images)))
    basis = _dct_basis()
    frequencies = (basis @ small @ basis.T).reshape(len(small), -1)
    median = np.median(frequencies[:, 1:], axis=1, keepdims=True)  # without the mean brightness
    bits = np.packbits(frequencies > median, axis=1)
    return bits.view(np.uint64), small.std(axis=(1, 2))


def _thumbnail(image: Images) -> NDArray[np.float32]:
    grey = Image.fromarray(image).convert("L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return np.asarray(grey, np.float32)


def _dct_basis() -> NDArray[np.float32]:
    """The first rows of the DCT-II matrix, float32 [16, 64]."""
    rows, columns = np.arange(_COEFFICIENTS)[:, None], np.arange(_THUMBNAIL)[None, :]
    return np.cos(np.pi * rows * (2 * columns + 1) / (2 * _THUMBNAIL)).astype(np.float32)


def near_pairs(hashes: Hashes, limit_bits: int, report: Report) -> tuple[list[tuple[int, int, int]], bool]:
    """All pairs of hashes that differ in few bits, by comparing every hash with every later one.

    Args:
        hashes: uint64 [n, words].
        limit_bits: the most bits a pair may differ in.
        report: called with ("comparing images", rows done, rows in all).

    Returns:
        (first, second, differing bits) of each pair, first below second, and whether all pairs were compared: the
        search ends early when there are more than MAX_PAIRS.
    """
    words = np.ascontiguousarray(hashes.T)
    count = len(hashes)
    found: list[tuple[int, int, int]] = []

    def near(start: int) -> list[tuple[int, int, int]]:
        blocks = (_block(words, start, column, limit_bits) for column in range(start, count, _COLUMNS))
        return list(islice(chain.from_iterable(blocks), MAX_PAIRS + 1))

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=workers) as pool:
        starts = range(0, count, _ROWS)
        for first in range(0, len(starts), workers):
            for pairs in pool.map(near, starts[first : first + workers]):
                found += pairs
            report("comparing images", min(starts[first] + workers * _ROWS, count), count)
            if len(found) > MAX_PAIRS:
                return found[:MAX_PAIRS], False
    return found, True


def _block(words: Hashes, row: int, column: int, limit_bits: int) -> Iterator[tuple[int, int, int]]:
    """Near pairs of one block of rows with one block of columns; numpy releases the interpreter's lock meanwhile.

    The first words are compared of every pair, the others only where those leave it possible.
    """
    rows, columns = words[:, row : row + _ROWS], words[:, column : column + _COLUMNS]
    differing = np.zeros((rows.shape[1], columns.shape[1]), np.uint8)
    mixed = np.empty(differing.shape, np.uint64)
    for ours, theirs in zip(rows[:_DENSE_WORDS], columns[:_DENSE_WORDS], strict=True):
        np.bitwise_xor(ours[:, None], theirs[None, :], out=mixed)
        differing += np.bitwise_count(mixed)
    i, j = np.nonzero(differing <= limit_bits)
    i, j = i[row + i < column + j], j[row + i < column + j]
    bits = np.bitwise_count(rows[:, i] ^ columns[:, j]).sum(axis=0, dtype=np.int64)
    for k in np.flatnonzero(bits <= limit_bits):
        yield row + int(i[k]), column + int(j[k]), int(bits[k])
