"""Galleries with people more or less; every function returns a new gallery."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import DataError
from facerec_core.gallery.fixed_point import squared_norm
from facerec_core.gallery.names import printable
from facerec_core.gallery.records import Gallery, GalleryModel


def check_made_with(gallery: Gallery, model: GalleryModel, source: str) -> None:
    """Refuse to compare fingerprints of two networks, which mean nothing to each other.

    Args:
        gallery: of one network.
        model: the network in use.
        source: the gallery's name, for the message.

    Raises:
        DataError: they are not the same file, byte by byte.
    """
    made = gallery.model
    if made.sha256 != model.sha256:
        raise DataError(
            f"{source}: was made with another network ({_in_words(made)}) than --model ({_in_words(model)}), and "
            "fingerprints of two networks, or of two variants of one, cannot be compared; allowed: --model naming the "
            "network it was made with, or a new gallery"
        )


def _in_words(model: GalleryModel) -> str:
    scheme = model.scheme or "int8"
    return f"{scheme}, {model.input_side} px, {model.dimension}-d, SHA-256 {model.sha256[:12]}"


def with_person(gallery: Gallery, name: str, vectors: NDArray[np.int8]) -> tuple[Gallery, int]:
    """The gallery with fingerprints int8 [n, dimension] of one person, and how many of them are new.

    Those that the person has already are not taken twice. `name` is what `names.canonical_name` returns.

    Raises:
        DataError: fingerprints of another length, or of length zero, which are like nobody.
    """
    _check_fingerprints(gallery, vectors)
    known = name in gallery.names
    person = bisect_left(gallery.names, name)
    begin = int(gallery.first[person])
    end = int(gallery.first[person + 1]) if known else begin
    fresh = _unseen(vectors, gallery.vectors[begin:end])
    before, after = gallery.first[: person + 1], gallery.first[person + 1 if known else person :]
    if not len(fresh):
        return gallery, 0
    old = gallery.vectors.reshape(-1, gallery.model.dimension)
    return replace(
        gallery,
        names=gallery.names if known else (*gallery.names[:person], name, *gallery.names[person:]),
        first=np.concatenate([before, after + len(fresh)]),
        vectors=np.concatenate([old[:end], fresh, old[end:]]),
    ), len(fresh)


def _check_fingerprints(gallery: Gallery, vectors: NDArray[np.int8]) -> None:
    dimension = gallery.model.dimension
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise DataError(f"got fingerprints of {vectors.shape[-1]} numbers, allowed: {dimension}")
    if not all(squared_norm(vector, gallery.model.zero_point) for vector in vectors):
        raise DataError("got a fingerprint of length zero, which is like nobody's; allowed: a network that was trained")


def _unseen(vectors: NDArray[np.int8], known: NDArray[np.int8]) -> NDArray[np.int8]:
    seen = {vector.tobytes() for vector in known}
    rows = []
    for row, vector in enumerate(vectors):
        if vector.tobytes() not in seen:
            rows.append(row)
        seen.add(vector.tobytes())
    return vectors[rows]


def without_person(gallery: Gallery, name: str) -> Gallery:
    """The gallery without a person and all their fingerprints.

    Raises:
        DataError: nobody of that name is in it.
    """
    if name not in gallery.names:
        raise DataError(
            f"--name: got '{printable(name)}', allowed: one of the {len(gallery.names):,} people that "
            "`python -m sweep gallery list --gallery FILE` lists"
        )
    person = gallery.names.index(name)
    begin, end = int(gallery.first[person]), int(gallery.first[person + 1])
    return replace(
        gallery,
        names=(*gallery.names[:person], *gallery.names[person + 1 :]),
        first=np.concatenate([gallery.first[:person], gallery.first[person + 1 :] - (end - begin)]),
        vectors=np.concatenate([gallery.vectors[:begin], gallery.vectors[end:]]),
    )
