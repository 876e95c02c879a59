"""From a file to the gallery in it: everything is checked before anything is used.

Everything that can be derived has one allowed value, so whatever is accepted encodes to the same bytes again. The C
library accepts and refuses the same files.
"""

from __future__ import annotations

import math
import zlib
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import DataError
from facerec_core.gallery.fixed_point import MOST_DIMENSIONS, ONE
from facerec_core.gallery.layout import (
    CRC_BYTES,
    HEADER,
    MAGIC,
    METHOD_CODES,
    MOST_THRESHOLDS,
    SCHEME_CODES,
    VERSION,
    Header,
    Layout,
    entry_type,
    inverse_norms_of,
    layout_of,
)
from facerec_core.gallery.names import MOST_NAME_BYTES
from facerec_core.gallery.records import CROP_UNIT, FAR_UNIT, FarThreshold, Gallery, GalleryModel, Preparation

T = TypeVar("T")
_SINGLE_FIELDS = len(Header._fields) - 1


def decode(content: bytes, source: str) -> Gallery:
    """The gallery of a file; the fingerprints stay where they lie in `content`.

    Args:
        content: the file.
        source: its name, for messages.

    Raises:
        DataError: truncated, damaged, of another version, or not a gallery.
    """
    header, layout = _read_header(content, source)
    body = np.frombuffer(content, np.uint8)
    entries = body[layout.entries_offset : layout.people_offset].view(entry_type(header.dimension, layout.entry_bytes))
    people = body[layout.people_offset : layout.names_offset].view("<u4").reshape(-1, 2).astype(np.int64)
    vectors: NDArray[np.int8] = entries["vector"]
    _demand(not entries["padding"].any(), source, "padding that is not zero")
    lengths = inverse_norms_of(vectors, header.zero_point)
    _demand(np.array_equal(entries["inverse_norm"], lengths), source, "a length that is not the fingerprint's")
    _check_people(people, header, source)
    table = content[layout.names_offset : layout.file_bytes - CRC_BYTES]
    _demand(not any(table[header.names_bytes :]), source, "padding that is not zero")
    return Gallery(
        model=_model(header),
        preparation=Preparation(header.image_side, header.crop_millionths),
        method=_name_of(METHOD_CODES, header.method),
        thresholds=_thresholds(header),
        names=_names(table, people[:, 1].tolist(), source),
        first=people[:, 0],
        vectors=vectors,
    )


def _name_of(codes: dict[T, int], code: int) -> T:
    return next(name for name, known in codes.items() if known == code)


def _demand(condition: bool, source: str, what: str) -> None:
    if not condition:
        raise DataError(
            f"{source}: got a damaged gallery ({what}), allowed: a whole one; take a copy, or enrol the people again"
        )


def _read_header(content: bytes, source: str) -> tuple[Header, Layout]:
    if content[: len(MAGIC)] != MAGIC:
        raise DataError(f"{source}: got a file that is no gallery, allowed: an .fpdb made by `python -m sweep enroll`")
    _demand(len(content) > HEADER.size, source, f"truncated: {len(content):,} bytes")
    values = HEADER.unpack_from(content)
    header = Header._make((*values[:_SINGLE_FIELDS], values[_SINGLE_FIELDS:]))
    if header.version != VERSION:
        raise DataError(
            f"{source}: got a gallery of format version {header.version}, allowed: {VERSION}; use the release that "
            "made it, or enrol the people again"
        )
    whole = len(content) == header.file_bytes
    _demand(whole, source, f"{len(content):,} bytes, {header.file_bytes:,} expected")
    crc = int.from_bytes(content[-CRC_BYTES:], "little")
    _demand(crc == zlib.crc32(memoryview(content)[:-CRC_BYTES]), source, "the checksum does not fit the content")
    layout = layout_of(header.dimension, header.entries, header.people, header.names_bytes)
    _check_layout(header, layout, source)
    _check_values(header, source)
    return header, layout


def _check_layout(header: Header, layout: Layout, source: str) -> None:
    stated = (header.entry_bytes, header.entries_offset, header.people_offset, header.names_offset, header.file_bytes)
    derived = (layout.entry_bytes, layout.entries_offset, layout.people_offset, layout.names_offset, layout.file_bytes)
    fits = stated == derived and header.header_bytes == HEADER.size
    _demand(fits, source, "offsets that do not follow from the counts")


def _check_values(header: Header, source: str) -> None:
    known = header.scheme in SCHEME_CODES.values() and header.method in METHOD_CODES.values()
    _demand(known, source, f"scheme {header.scheme}, method {header.method}")
    _demand(1 <= header.dimension <= MOST_DIMENSIONS, source, f"{header.dimension} numbers a fingerprint")
    _demand(math.isfinite(header.output_scale) and header.output_scale > 0, source, "the scale of the output")
    _demand(header.input_side > 0 and header.image_side > 0, source, "the side of the images")
    _demand(0 < header.crop_millionths <= CROP_UNIT, source, "the crop of the images")
    _demand(not any(header.reserved), source, "reserved bytes that are not zero")
    _demand(1 <= header.thresholds_used <= MOST_THRESHOLDS, source, f"{header.thresholds_used} thresholds")
    unused = header.thresholds[2 * header.thresholds_used :]
    _demand(not any(unused), source, "thresholds beyond the last")
    used = _thresholds(header)
    fine = all(one.far_billionths <= FAR_UNIT and -ONE <= one.fixed <= ONE for one in used)
    _demand(fine, source, "a threshold or FAR beyond 1")


def _thresholds(header: Header) -> tuple[FarThreshold, ...]:
    pairs = zip(header.thresholds[::2], header.thresholds[1::2], strict=True)
    return tuple(FarThreshold(far, fixed) for far, fixed in pairs)[: header.thresholds_used]


def _model(header: Header) -> GalleryModel:
    return GalleryModel(
        sha256=header.sha256.hex(),
        scheme=_name_of(SCHEME_CODES, header.scheme),
        dimension=header.dimension,
        input_side=header.input_side,
        output_scale=header.output_scale,
        zero_point=header.zero_point,
    )


def _check_people(people: NDArray[np.int64], header: Header, source: str) -> None:
    """Everyone has a fingerprint and a name, and nothing belongs to nobody."""
    for column, last in ((0, header.entries), (1, header.names_bytes)):
        offsets = people[:, column]
        fits = offsets[0] == 0 and offsets[-1] == last and bool((np.diff(offsets) > 0).all())
        _demand(fits, source, "a table of people that does not fit the fingerprints or names")


def _names(table: bytes, offsets: list[int], source: str) -> tuple[str, ...]:
    names: list[str] = []
    for start, end in pairwise(offsets):
        name = table[start:end]
        ended = name.endswith(b"\0") and name.count(0) == 1
        _demand(ended and 1 < len(name) <= MOST_NAME_BYTES + 1, source, f"the name of person {len(names)}")
        try:
            names.append(name[:-1].decode())
        except UnicodeDecodeError:
            _demand(False, source, f"the name of person {len(names)} is not UTF-8")
    ascending = all(first < second for first, second in pairwise(names))
    _demand(ascending, source, "names that are not in order")
    return tuple(names)
