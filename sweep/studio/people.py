"""The people whom a variant knows: in a gallery file where it is int8, in memory where it is float32.

A gallery holds what a device computes, so there is none of float32. Its fingerprints are compared as real numbers here,
for comparison with the others, and are gone when the studio stops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facerec_core.gallery.edit import check_made_with, with_person, without_person
from facerec_core.gallery.files import read_gallery
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


@dataclass(frozen=True)
class Change:
    """What a variant's people are to become; nothing of it has happened yet.

    Args:
        count: how many fingerprints come or go.
        galleries: files to write, none where nothing changes.
        keep: called when the files of every variant have been written; cannot fail.
    """

    count: int
    galleries: Mapping[Path, Gallery] = field(default_factory=dict)
    keep: Callable[[], object] = lambda: None


class People(Protocol):
    """Whoever is enrolled for one variant; fingerprints are [n, dimension] as its network puts them out."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What has to be locked while a change is made."""

    @property
    def preparation(self) -> Preparation:
        """How images become faces."""

    def counts(self) -> dict[str, int]:
        """How many fingerprints each person has, by name."""

    def enrolling(self, name: str, fingerprints: NDArray[Any]) -> Change:
        """A person's fingerprints more, those that are new."""

    def removing(self, name: str) -> Change:
        """A person less; nothing changes where there is no such person."""

    def scored(self, fingerprint: NDArray[Any]) -> Scored:
        """Everybody against one fingerprint [dimension]."""


class GalleryPeople:
    """The people of a gallery file, which the verbs `identify` and `gallery` read, too.

    Args:
        path: the file; it is made when somebody is enrolled.
        empty: the gallery to begin with.
        accept: raises what it holds against the gallery that is there.

    Raises:
        DataError: the file is damaged, or was made with another network.
        StorageError: it cannot be read.
    """

    def __init__(self, path: Path, empty: Gallery, accept: Callable[[Gallery], None] | None = None) -> None:
        self.path = path
        self._empty = empty
        gallery = self._read()
        if accept is not None:
            accept(gallery)

    def _read(self) -> Gallery:
        """As it is now: another process may have changed it."""
        if not self.path.exists():
            return self._empty
        gallery = read_gallery(self.path)
        check_made_with(gallery, self._empty.model, f"--gallery: {self.path}")
        return gallery

    @property
    def files(self) -> tuple[Path, ...]:
        """The gallery's."""
        return (self.path,)

    @property
    def preparation(self) -> Preparation:
        """That of the gallery."""
        return self._read().preparation

    def counts(self) -> dict[str, int]:
        """Fingerprints by name."""
        gallery = self._read()
        return dict(zip(gallery.names, gallery.counts, strict=True))

    def enrolling(self, name: str, fingerprints: NDArray[Any]) -> Change:
        """The gallery with them."""
        gallery, added = with_person(self._read(), name, fingerprints)
        return Change(added, {self.path: gallery} if added else {})

    def removing(self, name: str) -> Change:
        """The gallery without them."""
        gallery = self._read()
        if name not in gallery.names:
            return Change(0)
        rest = without_person(gallery, name)
        return Change(len(gallery.vectors) - len(rest.vectors), {self.path: rest})

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
    def files(self) -> tuple[Path, ...]:
        """None."""
        return ()

    @property
    def preparation(self) -> Preparation:
        """That of the network's own images."""
        return self._preparation

    def counts(self) -> dict[str, int]:
        """Fingerprints by name, in the order of names."""
        return {name: len(self._known[name]) for name in sorted(self._known)}

    def enrolling(self, name: str, fingerprints: NDArray[Any]) -> Change:
        """Keep them at unit length; the same fingerprint is kept once."""
        before = self._known.get(name, np.empty((0, fingerprints.shape[1]), np.float32))
        every = np.concatenate([before, unit_length(fingerprints)])
        once = np.sort(np.unique(every, axis=0, return_index=True)[1])
        return Change(len(once) - len(before), keep=partial(self._known.update, {name: every[once]}))

    def removing(self, name: str) -> Change:
        """Forget them."""
        return Change(len(self._known.get(name, ())), keep=partial(self._known.pop, name, None))

    def scored(self, fingerprint: NDArray[Any]) -> Scored:
        """Cosines of real numbers, rounded to the units of a gallery's scores."""
        counts = self.counts()
        vectors = np.concatenate([np.empty((0, fingerprint.size), np.float32), *(self._known[name] for name in counts)])
        cosines = vectors.astype(np.float64) @ unit_length(fingerprint[None])[0].astype(np.float64)
        each = np.rint(np.clip(cosines, -1, 1) * ONE).astype(np.int64)
        first = np.concatenate([[0], np.cumsum(list(counts.values()), dtype=np.int64)]).astype(np.int64)
        return Scored(tuple(counts), tuple(counts.values()), by_person(each, first, self._method), self._threshold)
