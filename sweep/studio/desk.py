"""What the page does: enrol photos with every variant at once, identify one with any of them, take people out.

Photographs are held in memory while they are looked at, and are neither written nor logged.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.images import resize_face
from facerec_core.data.tree import visible_fault
from facerec_core.errors import BrokenImageError, DataError, FacerecError, StorageError
from facerec_core.gallery.files import locked, write_galleries
from facerec_core.gallery.names import canonical_name, printable
from facerec_core.types import Candidate
from sweep.gallery.faces import prepared_face
from sweep.gallery.models import Network
from sweep.studio.answer import Answer, answer_of
from sweep.studio.board import Boards
from sweep.studio.people import Change, People


@dataclass(frozen=True)
class Photo:
    """An image file somebody dropped; its representation does not show it."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Variant:
    """One numeric scheme of the candidate: its network, its size on disk, and whom it knows."""

    label: str
    network: Network
    size_bytes: int
    people: People


@dataclass(frozen=True)
class Enrolled:
    """What became of photos: the name as it is kept, photos that are new, and those that were there already."""

    name: str
    added: int
    already: int


@dataclass(frozen=True)
class Person:
    """Somebody enrolled, with the number of photos for each variant's key."""

    name: str
    photos: Mapping[str, int]


def photos_text(count: int) -> str:
    """1 photo, 2 photos."""
    return f"{count:,} photo" if count == 1 else f"{count:,} photos"


class Desk:
    """The variants of one candidate behind one counter.

    Args:
        title: what the network is called.
        folder: where galleries are kept.
        variants: by key, such as "ptq_int8".
        first: the key that is shown first.
        boards: to choose from.
        candidate: the architecture; None where it is not known.
        max_bytes: of an image, `data.max_image_bytes`.
    """

    def __init__(
        self,
        title: str,
        folder: Path,
        variants: Mapping[str, Variant],
        first: str,
        boards: Boards,
        candidate: Candidate | None,
        max_bytes: int,
    ) -> None:
        self.title = title
        self.folder = folder
        self.variants = dict(variants)
        self.first = first
        self.boards = boards
        self.candidate = candidate
        self.max_bytes = max_bytes
        self._one_at_a_time = threading.Lock()

    def enrol(self, name: str, photos: Sequence[Photo]) -> Enrolled:
        """Enrol photos of one person with every variant, or with none.

        Raises:
            DataError: a name that is none, a broken image, no photo, or a fingerprint that cannot be compared.
            StorageError: a gallery cannot be written; nobody is enrolled anywhere.
        """
        kept = canonical_name(name, "name")
        if not photos:
            raise DataError("got no photo, allowed: one or more of the person to enrol")
        with self._one_at_a_time:
            made = {key: self._fingerprints(one, photos) for key, one in self.variants.items()}
            with self._changing():
                changes = [
                    self.variants[key].people.enrolling(kept, fingerprints) for key, fingerprints in made.items()
                ]
                _keep(changes, f"{kept} was not enrolled")
        added = max(change.count for change in changes)
        return Enrolled(kept, added, len(photos) - added)

    def identify(self, photo: Photo, key: str) -> Answer:
        """Who is on a photo, says the variant of that key.

        Raises:
            DataError: a broken image, or a gallery that was damaged meanwhile.
            StorageError: a gallery cannot be read.
        """
        variant = self.variants[key]
        with self._one_at_a_time:
            return answer_of(variant.people.scored(self._fingerprints(variant, [photo])[0]))

    def seen(self, photo: Photo, key: str) -> NDArray[np.uint8]:
        """The face uint8 [side, side, 3] as the network of that key gets it.

        Raises:
            BrokenImageError: it cannot be decoded.
        """
        return self._face(self.variants[key], photo)

    def remove(self, name: str) -> int:
        """Take a person out of every variant; returns the most photos that went from one.

        A gallery that cannot be read keeps nobody in the others.

        Raises:
            DataError: a gallery cannot be read; says which, and which ones the person is out of.
            StorageError: a gallery cannot be written; the person is in all of them still.
        """
        changes: dict[str, Change] = {}
        troubles: dict[str, FacerecError] = {}
        with self._one_at_a_time, self._changing():
            for variant in self.variants.values():
                try:
                    changes[variant.label] = variant.people.removing(name)
                except FacerecError as error:
                    troubles[variant.label] = error
            _keep(list(changes.values()), f"{name} was not removed")
        if troubles:
            raise _half_removed(name, changes, troubles)
        return max(change.count for change in changes.values())

    def people(self) -> tuple[Person, ...]:
        """Everybody, by name.

        Raises:
            DataError: a gallery was damaged meanwhile.
        """
        counts = {key: variant.people.counts() for key, variant in self.variants.items()}
        names = sorted({name for known in counts.values() for name in known})
        return tuple(Person(name, {key: known.get(name, 0) for key, known in counts.items()}) for name in names)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """No other process changes the galleries meanwhile."""
        with locked(*(path for variant in self.variants.values() for path in variant.people.files)):
            yield

    def _fingerprints(self, variant: Variant, photos: Sequence[Photo]) -> NDArray[Any]:
        faces = [self._face(variant, photo) for photo in photos]
        return np.concatenate([variant.network.interpreter.raw(face[None]) for face in faces])

    def _face(self, variant: Variant, photo: Photo) -> NDArray[np.uint8]:
        shown = printable(photo.name)
        if fault := visible_fault(len(photo.content), self.max_bytes):
            raise BrokenImageError(shown, fault)
        face = prepared_face(photo.content, shown, variant.people.preparation)
        return resize_face(face, variant.network.model.input_side)


def _keep(changes: Sequence[Change], otherwise: str) -> None:
    """Make the changes of all variants, or none; the memory follows the files.

    Raises:
        StorageError: a gallery cannot be written; begins with `otherwise`.
    """
    try:
        write_galleries({path: gallery for change in changes for path, gallery in change.galleries.items()})
    except StorageError as error:
        raise StorageError(f"{otherwise}: {error}") from error
    for change in changes:
        change.keep()


def _half_removed(name: str, changes: Mapping[str, Change], troubles: Mapping[str, FacerecError]) -> DataError:
    out = f", but from {' and '.join(changes)}" if changes else ""
    return DataError(f"{name} was not removed from {' and '.join(troubles)}{out}: {next(iter(troubles.values()))}")
