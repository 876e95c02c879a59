"""From a gallery to its file: one gallery has one encoding, whatever the order in which its people came."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import DataError
from facerec_core.gallery.layout import (
    HEADER,
    MAGIC,
    METHOD_CODES,
    MOST_BYTES,
    MOST_THRESHOLDS,
    SCHEME_CODES,
    VERSION,
    Layout,
    aligned,
    entry_type,
    inverse_norms_of,
    layout_of,
)
from facerec_core.gallery.records import Gallery


def encode(gallery: Gallery) -> bytes:
    """The file of a gallery whose records are as their descriptions say.

    Raises:
        DataError: more than 4 GiB.
    """
    names = [name.encode() + b"\0" for name in gallery.names]
    table = b"".join(names)
    layout = layout_of(gallery.model.dimension, len(gallery.vectors), len(names), len(table))
    if layout.file_bytes > MOST_BYTES:
        raise DataError(f"{len(gallery.vectors):,} fingerprints take {layout.file_bytes:,} bytes, allowed: 4 GiB")
    content = b"".join(
        (
            _header(gallery, layout, len(table)),
            _entries(gallery, layout.entry_bytes),
            _people(gallery.first, [len(name) for name in names]),
            table.ljust(aligned(len(table)), b"\0"),
        )
    )
    return content + struct.pack("<I", zlib.crc32(content))


def _header(gallery: Gallery, layout: Layout, names_bytes: int) -> bytes:
    model, preparation = gallery.model, gallery.preparation
    thresholds = [number for one in gallery.thresholds for number in (one.far_billionths, one.fixed)]
    return HEADER.pack(
        MAGIC, VERSION, HEADER.size, layout.file_bytes, model.dimension, layout.entry_bytes, len(gallery.vectors),
        len(gallery.names), layout.entries_offset, layout.people_offset, layout.names_offset, names_bytes,
        model.zero_point, SCHEME_CODES[model.scheme], METHOD_CODES[gallery.method], len(gallery.thresholds),
        model.output_scale, model.input_side, preparation.image_side, preparation.crop_millionths, bytes(8),
        bytes.fromhex(model.sha256), *thresholds, *[0] * (2 * MOST_THRESHOLDS - len(thresholds)),
    )  # fmt: skip


def _entries(gallery: Gallery, entry_bytes: int) -> bytes:
    rows = np.zeros(len(gallery.vectors), entry_type(gallery.model.dimension, entry_bytes))
    rows["vector"] = gallery.vectors.reshape(len(rows), gallery.model.dimension)
    rows["inverse_norm"] = inverse_norms_of(rows["vector"], gallery.model.zero_point)
    return rows.tobytes()


def _people(first: NDArray[np.int64], name_bytes: Sequence[int]) -> bytes:
    offsets = np.concatenate([[0], np.cumsum(name_bytes, dtype=np.int64)])
    return np.stack([first, offsets], axis=1).astype("<u4").tobytes()
