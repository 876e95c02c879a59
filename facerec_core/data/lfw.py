"""Labeled Faces in the Wild: View 1, the protocol for choosing among networks, and View 2, for reporting the choice.

Source: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", UMass TR 07-49, 2007.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.folder import Trees, counts_of, hold_out, images_of, open_trees
from facerec_core.data.lfw_protocol import (
    VIEW_1,
    VIEW_2,
    PairList,
    People,
    ProtocolFiles,
    View1,
    read_view_1,
    read_view_2,
)
from facerec_core.data.pairs_file import resolve_pairs, stem
from facerec_core.data.source import ImageRef, PairRef, SourceIndex
from facerec_core.data.store import ARCHIVE_SUFFIXES
from facerec_core.data.tree import IdentityTree
from facerec_core.errors import DataError
from facerec_core.options import DataOptions
from facerec_core.protocol import cap_identities, split_identities
from facerec_core.types import BrokenImage

_ENOUGH = 0.5
"""Validation pairs are drawn when less than this part of pairsDevTrain.txt is about people who validate."""


class LfwSource:
    """`data=lfw`.

    View 1 is tested on the people of peopleDevTest and the pairs of pairsDevTest. With `data.train_root` all of that
    trains and the people of peopleDevTrain validate; without it they are split into train and validation.

    View 2 is tested on the pairs of pairs.txt and the images they name. Everybody in LFW may be among them, so
    `data.train_root` brings those who train and those who validate.
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

    def _files(self, needed: tuple[str, ...]) -> ProtocolFiles:
        folder = None if self._options.pairs is None else Path(self._options.pairs).expanduser()
        return ProtocolFiles(self._root, self._trees.root.store, folder, needed)

    def index(self) -> SourceIndex:
        """List the images of the chosen view; one that a people file counts and nobody finds is broken.

        Raises:
            DataError: images or protocol files that cannot be used.
        """
        return self._view_1() if self._options.view == 1 else self._view_2()

    def _view_1(self) -> SourceIndex:
        trees, view = self._trees, read_view_1(self._files(VIEW_1))
        if not (view.train_people.names | view.test_people.names) & trees.root.by_identity.keys():
            files = f"{view.train_people.file} and {view.test_people.file}"
            raise DataError(f"data.root: {self._root} holds none of the people in {files}")
        absent = self._absent(view.train_people, view.test_people)
        train, validation = self._split(view)
        used = {*train, *validation, *view.test_people.names}
        return SourceIndex(
            train=images_of(train, trees.train or trees.root),
            validation=images_of(validation, trees.root),
            test=images_of(view.test_people.names, trees.root),
            validation_pairs=self._validation_pairs(view, validation, absent),
            test_pairs=self._resolve(view.test_pairs, view.test_people, absent),
            broken=(*absent, *self._broken()),
            left_out=images_of(trees.root.by_identity.keys() - used, trees.root),
        )

    def _view_2(self) -> SourceIndex:
        root, train = self._trees.root, self._training()
        view = read_view_2(self._files(VIEW_2))
        absent = () if view.people is None else self._absent(view.people)
        pairs = self._resolve(view.pairs, view.people, absent)
        named = {name for pair in pairs for name in (pair.first, pair.second)}
        trained, validation = hold_out(train, self._options)
        return SourceIndex(
            train=images_of(trained, train),
            validation=images_of(validation, train),
            test=tuple(ref for ref in root.refs if ref.name in named),
            test_pairs=pairs,
            broken=(*absent, *self._broken()),
            left_out=tuple(ref for ref in root.refs if ref.name not in named),
        )

    def _training(self) -> IdentityTree:
        if self._trees.train is None:
            raise DataError("data.train_root: got None, allowed with data.view=2: faces of other people to train on")
        return self._trees.train

    def _broken(self) -> tuple[BrokenImage, ...]:
        train = self._trees.train
        return (*self._trees.root.broken, *(train.broken if train else ()))

    def _absent(self, *people: People) -> tuple[BrokenImage, ...]:
        """Images that the people files count and that are not there."""
        stems = {str(PurePosixPath(name).with_suffix("")) for name in self._trees.root.paths}
        return tuple(
            BrokenImage(name, f"absent, though {part.file} counts it")
            for part in people
            for person in part.lines
            for number in range(1, person.images + 1)
            if (name := stem(person.name, number)) not in stems
        )

    def _split(self, view: View1) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The identities of train and validation."""
        options, trees = self._options, self._trees
        named = view.train_people.names
        counts = {identity: count for identity, count in counts_of(trees.root).items() if identity in named}
        if trees.train is None:
            fraction = options.validation_fraction
            train, validation = split_identities(counts, (1 - fraction, fraction), options.seed)
        else:
            train, validation = tuple(trees.train.by_identity), tuple(counts)
        counts = {identity: counts[identity] for identity in validation}
        return train, cap_identities(
            counts, options.max_validation_images, options.seed, options.max_validation_images_each
        )

    def _validation_pairs(
        self, view: View1, validation: Collection[str], absent: Iterable[BrokenImage]
    ) -> tuple[PairRef, ...] | None:
        """The pairs of pairsDevTrain whose people validate; None, so that pairs are drawn, when those are too few."""
        kept = set(validation)
        pairs = self._resolve(view.train_pairs, view.train_people, absent)
        usable = tuple(pair for pair in pairs if {_person(pair.first), _person(pair.second)} <= kept)
        return usable if len(usable) >= _ENOUGH * len(pairs) else None

    def _resolve(
        self, parts: Iterable[PairList], people: People | None, absent: Iterable[BrokenImage]
    ) -> tuple[PairRef, ...]:
        """The pairs as image names; everybody in them has to be among `people`, where those are known."""
        names = [*self._trees.root.paths, *(image.name for image in absent)]
        out: list[PairRef] = []
        for part in parts:
            pairs = resolve_pairs(part.lines, names, part.file, str(self._root))
            named = {_person(name) for pair in pairs for name in (pair.first, pair.second)}
            if people is not None and (strangers := sorted(named - people.names)):
                raise DataError(f"{part.file} names {strangers[0]}, who is not in {people.file}")
            out += pairs
        return tuple(out)

    def fingerprint(self) -> str:
        """Hash of the images' names and bytes and of the crop."""
        return self._trees.fingerprint()

    def read(self, ref: ImageRef, size: int) -> NDArray[np.uint8]:
        """Decode one image to uint8 RGB [size, size, 3]; raises BrokenImageError."""
        return self._trees.read(ref, size)


def _person(name: str) -> str:
    return name.split("/")[0]
