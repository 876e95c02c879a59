"""Galleries for tests: a few people with fingerprints drawn from a seed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from facerec_core.gallery.edit import with_person
from facerec_core.gallery.records import FarThreshold, Gallery, GalleryModel, Method, Preparation

SHA256 = "3fa9" + "07" * 30


def model(dimension: int = 8, zero_point: int = -3) -> GalleryModel:
    return GalleryModel(SHA256, "qat_int8", dimension, 96, 0.0234375, zero_point)


def empty(
    dimension: int = 8,
    zero_point: int = -3,
    method: Method = "best",
    thresholds: tuple[FarThreshold, ...] | None = None,
) -> Gallery:
    chosen = thresholds or (FarThreshold.of(0.25, 1e-3),)
    return Gallery(model(dimension, zero_point), Preparation(128, 875_000), method, chosen)


def drawn(seed: int, count: int, dimension: int = 8) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-128, 128, (count, dimension), np.int8)


def people(counts: Mapping[str, int], gallery: Gallery | None = None) -> Gallery:
    """A gallery with so many fingerprints of each."""
    gallery = gallery or empty()
    for seed, (name, count) in enumerate(counts.items()):
        vectors = drawn(seed, count, gallery.model.dimension)
        vectors[(vectors == gallery.model.zero_point).all(1)] ^= 1  # length zero is refused
        gallery, _ = with_person(gallery, name, vectors)
    return gallery


def with_checksum(content: bytes) -> bytes:
    """The same bytes with the checksum that fits them, as somebody would leave them who means harm."""
    return content[:-4] + zlib.crc32(content[:-4]).to_bytes(4, "little")
