"""Where the fields of a gallery file `.fpdb` lie, version 1. docs/gallery_format.md describes every one."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facerec_core.gallery.blocks import sums_and_squares
from facerec_core.gallery.fixed_point import inverse_norms
from facerec_core.gallery.records import Method
from facerec_core.types import Scheme

MAGIC = b"FPDB"
VERSION = 1
MOST_THRESHOLDS = 4
MOST_BYTES = 2**32 - 1
HEADER = struct.Struct("<4sHHIHHIIIIIIbBBBfHHI8s32s" + "Ii" * MOST_THRESHOLDS)
SCHEME_CODES: dict[Scheme | None, int] = {None: 0, "ptq_int8": 1, "qat_int8": 2}
METHOD_CODES: dict[Method, int] = {"best": 1, "mean": 2}
PERSON_BYTES = 8
NORM_BYTES = 4
CRC_BYTES = 4
ALIGNMENT = 4


class Header(NamedTuple):
    """The fields of the header in their order; `thresholds` are the eight numbers at its end."""

    magic: bytes
    version: int
    header_bytes: int
    file_bytes: int
    dimension: int
    entry_bytes: int
    entries: int
    people: int
    entries_offset: int
    people_offset: int
    names_offset: int
    names_bytes: int
    zero_point: int
    scheme: int
    method: int
    thresholds_used: int
    output_scale: float
    input_side: int
    image_side: int
    crop_millionths: int
    reserved: bytes
    sha256: bytes
    thresholds: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Where things lie in a file: sizes and offsets in bytes."""

    entry_bytes: int
    entries_offset: int
    people_offset: int
    names_offset: int
    file_bytes: int


def layout_of(dimension: int, entries: int, people: int, names_bytes: int) -> Layout:
    """The layout that the counts decide."""
    entry_bytes = NORM_BYTES + aligned(dimension)
    people_offset = HEADER.size + entries * entry_bytes
    names_offset = people_offset + (people + 1) * PERSON_BYTES
    end = names_offset + aligned(names_bytes) + CRC_BYTES
    return Layout(entry_bytes, HEADER.size, people_offset, names_offset, end)


def aligned(size_bytes: int) -> int:
    """The size with the zeros behind it that align what follows."""
    return -(-size_bytes // ALIGNMENT) * ALIGNMENT


def entry_type(dimension: int, entry_bytes: int) -> np.dtype[np.void]:
    """One fingerprint in the file, as numpy sees it."""
    padding = entry_bytes - NORM_BYTES - dimension
    return np.dtype([("inverse_norm", "<u4"), ("vector", "i1", (dimension,)), ("padding", "i1", (padding,))])


def inverse_norms_of(vectors: NDArray[np.int8], zero_point: int) -> NDArray[np.int64]:
    """What the file says of the lengths of fingerprints int8 [n, dimension]: int64 [n]."""
    return inverse_norms(sums_and_squares(vectors, zero_point)[1])
