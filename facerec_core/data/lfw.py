"""Labeled Faces in the Wild under its View 1 protocol, the one meant for choosing among models.

Source: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", UMass TR 07-49, 2007.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.folder import Trees, counts_of, images_of, open_trees, read_text
from facerec_core.data.pairs_file import (
    PairLine,
    PeopleLine,
    parse_pairs,
    parse_people,
    resolve_pairs,
    stem,
)
from facerec_core.data.source import ImageRef, PairRef, SourceIndex
from facerec_core.data.store import ARCHIVE_SUFFIXES, UnreadableError
from facerec_core.errors import DataError
from facerec_core.options import DataOptions
from facerec_core.protocol import cap_identities, split_identities
from facerec_core.types import BrokenImage

FILES = ("peopleDevTrain.txt", "peopleDevTest.txt", "pairsDevTrain.txt", "pairsDevTest.txt")

BESIDE = ("", "lfw-protocol")
"""Folders looked into beside the images."""

_ENOUGH = 0.5
"""Validation pairs are drawn when less than this part of pairsDevTrain.txt is about people who validate."""


@dataclass(frozen=True)
class _View1:
    """The four protocol files."""

    train_people: tuple[PeopleLine, ...]
    test_people: tuple[PeopleLine, ...]
    train_pairs: tuple[PairLine, ...]
    test_pairs: tuple[PairLine, ...]


class LfwSource:
    """`data=lfw`: tested on the people of peopleDevTest and the pairs of pairsDevTest.

    With `data.train_root` all of that trains and the people of peopleDevTrain validate; without it they are split
    into train and validation.
    """

    name = "lfw"

    def __init__(self, options: DataOptions) -> None:
        self._options = options

    @cached_property
    def _trees(self) -> Trees:
        return open_trees(self._options, ARCHIVE_SUFFIXES)

    @cached_property
    def _root(self) -> Path:
        return Path(str(self._options.root)).expanduser()

    @cached_property
    def _view(self) -> _View1:
        texts = [self._text(file) for file in FILES]
        view = _View1(
            parse_people(texts[0], FILES[0]),
            parse_people(texts[1], FILES[1]),
            parse_pairs(texts[2], FILES[2]),
            parse_pairs(texts[3], FILES[3]),
        )
        trained, tested = ({line.name for line in people} for people in (view.train_people, view.test_people))
        if shared := sorted(trained & tested):
            raise DataError(f"{shared[0]} is in both {FILES[0]} and {FILES[1]}; nobody may be trained and tested on")
        if not (trained | tested) & self._trees.root.by_identity.keys():
            raise DataError(f"data.root: {self._root} holds none of the people in {FILES[0]} and {FILES[1]}")
        return view

    def _text(self, file: str) -> str:
        """A protocol file: from the folder `data.pairs`, from among the images, or from beside them."""
        if self._options.pairs is not None:
            folder = Path(self._options.pairs).expanduser()
            if not folder.is_dir():
                raise DataError(
                    f"data.pairs: {folder} is not a folder; with data=lfw it is where {', '.join(FILES)} lie"
                )
            return read_text(folder / file, "data.pairs")
        store = self._trees.root.store
        inside = [member.path for member in store.members() if PurePosixPath(member.path).name == file]
        if inside:
            try:
                return store.read(min(inside, key=len)).decode("utf-8")
            except (UnreadableError, UnicodeDecodeError) as error:
                raise DataError(f"data.root: {file} in {self._root} cannot be read: {error}") from error
        beside = [self._root.absolute().parent / folder / file for folder in BESIDE]
        found = next((path for path in beside if path.is_file()), None)
        if found is None:
            raise DataError(
                f"data.root: {file} is neither in {self._root} nor beside it; "
                f"put {', '.join(FILES)} there, or set data.pairs=FOLDER to where they lie"
            )
        return read_text(found, "data.root")

    def index(self) -> SourceIndex:
        """List the images of View 1; one that its people files count and nobody finds is broken. Raises DataError."""
        trees, view = self._trees, self._view
        absent = self._absent()
        train, validation = self._split()
        return SourceIndex(
            train=images_of(train, trees.train or trees.root),
            validation=images_of(validation, trees.root),
            test=images_of((line.name for line in view.test_people), trees.root),
            validation_pairs=self._validation_pairs(validation, absent),
            test_pairs=self._pairs(view.test_pairs, {line.name for line in view.test_people}, absent, FILES[3]),
            broken=(*absent, *trees.root.broken, *(trees.train.broken if trees.train else ())),
        )

    def _absent(self) -> tuple[BrokenImage, ...]:
        """Images that the people files count and that are not there."""
        stems = {str(PurePosixPath(name).with_suffix("")) for name in self._trees.root.paths}
        return tuple(
            BrokenImage(name, f"absent, though {file} counts it")
            for file, people in zip(FILES, (self._view.train_people, self._view.test_people), strict=False)
            for person in people
            for number in range(1, person.images + 1)
            if (name := stem(person.name, number)) not in stems
        )

    def _split(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The identities of train and validation."""
        options, trees = self._options, self._trees
        named = {line.name for line in self._view.train_people}
        counts = {identity: count for identity, count in counts_of(trees.root).items() if identity in named}
        if trees.train is None:
            fraction = options.validation_fraction
            train, validation = split_identities(counts, (1 - fraction, fraction), options.seed)
        else:
            train, validation = tuple(trees.train.by_identity), tuple(counts)
        counts = {identity: counts[identity] for identity in validation}
        return train, cap_identities(counts, options.max_validation_images, options.seed)

    def _validation_pairs(self, validation: Iterable[str], absent: Iterable[BrokenImage]) -> tuple[PairRef, ...] | None:
        """The pairs of pairsDevTrain whose people validate; None, so that pairs are drawn, when those are too few."""
        lines = self._view.train_pairs
        people = {line.name for line in self._view.train_people}
        kept = set(validation)
        pairs = self._pairs(lines, people, absent, FILES[2])
        usable = tuple(pair for pair in pairs if {_person(pair.first), _person(pair.second)} <= kept)
        return usable if len(usable) >= _ENOUGH * len(lines) else None

    def _pairs(
        self, lines: Iterable[PairLine], people: set[str], absent: Iterable[BrokenImage], file: str
    ) -> tuple[PairRef, ...]:
        names = [*self._trees.root.paths, *(image.name for image in absent)]
        pairs = resolve_pairs(lines, names, file, str(self._root))
        named = {_person(name) for pair in pairs for name in (pair.first, pair.second)}
        if strangers := sorted(named - people):
            raise DataError(f"{file} names {strangers[0]}, who is not in {file.replace('pairs', 'people')}")
        return pairs

    def fingerprint(self) -> str:
        """Hash of the images' names and bytes and of the crop."""
        return self._trees.fingerprint()

    def read(self, ref: ImageRef, size: int) -> NDArray[np.uint8]:
        """Decode one image to uint8 RGB [size, size, 3]; raises BrokenImageError."""
        return self._trees.read(ref, size)


def _person(name: str) -> str:
    return name.split("/")[0]
