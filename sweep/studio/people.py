"""The people whom a variant knows: in a gallery file where it is int8, in memory where it is float32.

A gallery holds what a device computes, so there is none of float32. Its fingerprints are compared as real numbers here,
for comparison with the others, and are gone when the studio stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facerec_core.gallery.edit import check_made_with, with_person, without_person
from facerec_core.gallery.files import locked, read_gallery, write_gallery
from facerec_core.gallery.fixed_point import ONE
from facerec_core.gallery.match import Matcher, by_person
from facerec_core.gallery.records import FarThreshold, Gallery, Method, Preparation
from facerec_core.metrics import unit_length


@dataclass(frozen=True)
class Scored:
    """Every person against one face: names ascending, how many fingerprints each has, and scores int64 [people].

    Scores are in units of 2^-30.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    scores: NDArray[np.int64]
    threshold: FarThreshold


class People(Protocol):
    """Whoever is enrolled for one variant; fingerprints are [n, dimension] as its network puts them out."""

    @property
    def preparation(self) -> Preparation:
        """How images become faces."""

    def counts(self) -> dict[str, int]:
        """How many fingerprints each person has, by name."""

    def check(self, name: str, fingerprints: NDArray[Any]) -> None:
        """Raise what `enrol` would of these fingerprints, and write nothing."""

    def enrol(self, name: str, fingerprints: NDArray[Any]) -> int:
        """Add a person's fingerprints; returns how many of them are new."""

    def remove(self, name: str) -> int:
        """Take a person out; returns how many fingerprints went, 0 where there is no such person."""

    def scored(self, fingerprint: NDArray[Any]) -> Scored:
        """Everybody against one fingerprint [dimension]."""


class GalleryPeople:
    """The people of a gallery file, which the verbs `identify` and `gallery` read, too.

    Args:
        path: the file; it is made when somebody is enrolled.
        empty: the gallery to begin with.

    Raises:
        DataError: the file is damaged, or was made with another network.
        StorageError: it cannot be read.
    """

    def __init__(self, path: Path, empty: Gallery) -> None:
        self.path = path
        self._empty = empty
        self._read()

    def _read(self) -> Gallery:
        """As it is now: another process may have changed it."""
        if not self.path.exists():
            return self._empty
        gallery = read_gallery(self.path)
        check_made_with(gallery, self._empty.model, f"--gallery: {self.path}")
        return gallery

    @property
    def preparation(self) -> Preparation:
        """That of the gallery."""
        return self._read().preparation

    def counts(self) -> dict[str, int]:
        """Fingerprints by name."""
        gallery = self._read()
        return dict(zip(gallery.names, gallery.counts, strict=True))

    def check(self, name: str, fingerprints: NDArray[Any]) -> None:
        """Make the gallery with them, in memory."""
        with_person(self._read(), name, fingerprints)

    def enrol(self, name: str, fingerprints: NDArray[Any]) -> int:
        """Write the gallery with them."""
        with locked(self.path):
            gallery, added = with_person(self._read(), name, fingerprints)
            write_gallery(self.path, gallery)
        return added

    def remove(self, name: str) -> int:
        """Write the gallery without them."""
        with locked(self.path):
            gallery = self._read()
            if name not in gallery.names:
                return 0
            rest = without_person(gallery, name)
            write_gallery(self.path, rest)
        return len(gallery.vectors) - len(rest.vectors)

    def scored(self, fingerprint: NDArray[Any]) -> Scored:
        """In the device's integers."""
        gallery = self._read()
        found = Matcher(gallery).person_scores(fingerprint)
        return Scored(gallery.names, gallery.counts, found, gallery.thresholds[0])


class MemoryPeople:
    """The people of a float network, as long as this process lives."""

    def __init__(self, preparation: Preparation, threshold: FarThreshold, method: Method) -> None:
        self._preparation = preparation
        self._threshold = threshold
        self._method = method
        self._known: dict[str, NDArray[np.float32]] = {}

    @property
    def preparation(self) -> Preparation:
        """That of the network's own images."""
        return self._preparation

    def counts(self) -> dict[str, int]:
        """Fingerprints by name, in the order of names."""
        return {name: len(self._known[name]) for name in sorted(self._known)}

    def check(self, name: str, fingerprints: NDArray[Any]) -> None:
        """Memory takes any."""

    def enrol(self, name: str, fingerprints: NDArray[Any]) -> int:
        """Keep them at unit length; the same fingerprint is kept once."""
        before = self._known.get(name, np.empty((0, fingerprints.shape[1]), np.float32))
        every = np.concatenate([before, unit_length(fingerprints)])
        once = np.sort(np.unique(every, axis=0, return_index=True)[1])
        self._known[name] = every[once]
        return len(once) - len(before)

    def remove(self, name: str) -> int:
        """Forget them."""
        return len(self._known.pop(name, ()))

    def scored(self, fingerprint: NDArray[Any]) -> Scored:
        """Cosines of real numbers, rounded to the units of a gallery's scores."""
        counts = self.counts()
        vectors = np.concatenate([np.empty((0, fingerprint.size), np.float32), *(self._known[name] for name in counts)])
        cosines = vectors.astype(np.float64) @ unit_length(fingerprint[None])[0].astype(np.float64)
        each = np.rint(np.clip(cosines, -1, 1) * ONE).astype(np.int64)
        first = np.concatenate([[0], np.cumsum(list(counts.values()), dtype=np.int64)]).astype(np.int64)
        return Scored(tuple(counts), tuple(counts.values()), by_person(each, first, self._method), self._threshold)
