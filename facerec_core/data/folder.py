"""A user's own faces: a folder or .zip with one folder an identity."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.forms import open_faces
from facerec_core.data.landmarks import read_landmarks
from facerec_core.data.pairs_file import parse_pairs, resolve_pairs
from facerec_core.data.source import ImageRef, PairRef, SourceIndex
from facerec_core.data.tree import IdentityTree, align
from facerec_core.errors import DataError
from facerec_core.options import DataOptions
from facerec_core.protocol import cap_identities, split_identities

ARCHIVES = (".zip",)


@dataclass(frozen=True)
class Trees:
    """The folder `data.root` and, where it is given, `data.train_root`; they share no identity."""

    root: IdentityTree
    train: IdentityTree | None
    crop: float

    def fingerprint(self) -> str:
        """Hash of the images' names and bytes and of the crop."""
        parts = [self.root.content(), self.train.content() if self.train else "", repr(self.crop)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def read(self, ref: ImageRef, size: int) -> NDArray[np.uint8]:
        """Decode one image to uint8 RGB [size, size, 3]; raises BrokenImageError."""
        tree = self.train if self.train and ref.name in self.train.paths else self.root
        return tree.read(ref.name, size, self.crop)


def open_trees(options: DataOptions, suffixes: tuple[str, ...]) -> Trees:
    """List `data.root` and `data.train_root`.

    Raises:
        DataError: either cannot be used, or they share an identity's name.
    """
    root = open_faces(options, "data.root", suffixes)
    if options.landmarks is not None:
        root = align(root, read_landmarks(options.landmarks, "data.landmarks"))
    if options.train_root is None:
        return Trees(root, None, options.crop)
    train = open_faces(options, "data.train_root", suffixes)
    if options.landmarks is not None:
        key = "data.landmarks" if options.train_landmarks is None else "data.train_landmarks"
        train = align(train, read_landmarks(options.train_landmarks or options.landmarks, key))
    shared = sorted(_folders(root) & _folders(train))
    if shared:
        raise DataError(
            f"data.train_root: {len(shared)} identities of {options.train_root} are in data.root={options.root} too, "
            f"such as {shared[0]}; nobody may be both trained and evaluated on: remove them, or rename other people"
        )
    return Trees(root, train, options.crop)


def _folders(tree: IdentityTree) -> set[str]:
    return {name.split("/")[0] for name in tree.paths}


def images_of(identities: Iterable[str], tree: IdentityTree) -> tuple[ImageRef, ...]:
    """All usable images of the given identities, by identity and name."""
    by_identity = tree.by_identity
    return tuple(ref for identity in sorted(identities) for ref in by_identity.get(identity, ()))


def counts_of(tree: IdentityTree, without: Collection[str] = ()) -> dict[str, int]:
    """How many usable images each identity has."""
    return {identity: len(refs) for identity, refs in tree.by_identity.items() if identity not in without}


def hold_out(tree: IdentityTree, options: DataOptions) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The identities that train and those of the same faces that validate, where the test images are others.

    `options.validation_fraction` of them validate, whole identities up to `options.max_validation_images`.
    """
    counts, fraction = counts_of(tree), options.validation_fraction
    _, chosen = split_identities(counts, (1 - fraction, fraction), options.seed)
    chosen_counts = {identity: counts[identity] for identity in chosen}
    most, each = options.max_validation_images, options.max_validation_images_each
    validation = cap_identities(chosen_counts, most, options.seed, each)
    return tuple(sorted(counts.keys() - set(validation))), validation


class FolderSource:
    """`data=folder`: one folder an identity, in a folder or a .zip, split by identity.

    With `data.train_root` all of that trains, and `data.root` is only evaluated on. With `data.pairs`, a file in
    LFW's format, the people it names are the test split and its pairs the test pairs.
    """

    def __init__(self, options: DataOptions) -> None:
        self._options = options

    @property
    def name(self) -> str:
        """The folder's name, without an archive's suffix."""
        return Path(str(self._options.root)).expanduser().absolute().stem

    @cached_property
    def _trees(self) -> Trees:
        return open_trees(self._options, ARCHIVES)

    def index(self) -> SourceIndex:
        """List and split the images; raises DataError."""
        trees, pairs = self._trees, self._pairs()
        train, validation, test = self._split(_people(pairs) if pairs is not None else None)
        options = self._options
        kept = self._capped(validation, options.max_validation_images, options.max_validation_images_each)
        tested = self._capped(test, options.max_test_images)
        return SourceIndex(
            train=images_of(train, trees.train or trees.root),
            validation=images_of(kept, trees.root),
            test=images_of(tested, trees.root),
            test_pairs=pairs,
            broken=(*trees.root.broken, *(trees.train.broken if trees.train else ())),
            left_out=images_of({*validation, *test} - {*kept, *tested}, trees.root),
        )

    def _capped(self, identities: Iterable[str], most_images: int | None, each: int | None = None) -> tuple[str, ...]:
        """Identities with at most that many images."""
        counts = counts_of(self._trees.root)
        found = {name: counts.get(name, 0) for name in identities}
        return cap_identities(found, most_images, self._options.seed, each)

    def _split(self, tested: set[str] | None) -> Sequence[tuple[str, ...]]:
        """The identities of train, validation and test."""
        options, trees = self._options, self._trees
        counts = counts_of(trees.root, without=tested or ())
        validation, test = options.validation_fraction, options.test_fraction
        if trees.train is not None:
            everyone = tuple(trees.train.by_identity)
            if tested is not None:
                return everyone, tuple(counts), tuple(tested)
            return everyone, *split_identities(counts, (validation, test), options.seed)
        if tested is not None:
            return *split_identities(counts, (1 - validation, validation), options.seed), tuple(tested)
        return split_identities(counts, (1 - validation - test, validation, test), options.seed)

    def _pairs(self) -> tuple[PairRef, ...] | None:
        options = self._options
        if options.pairs is None:
            return None
        path = Path(options.pairs).expanduser()
        lines = parse_pairs(read_text(path, "data.pairs"), f"data.pairs={options.pairs}")
        return resolve_pairs(lines, self._trees.root.paths, f"data.pairs={options.pairs}", str(options.root))

    def fingerprint(self) -> str:
        """Hash of the images' names and bytes and of the crop."""
        return self._trees.fingerprint()

    def read(self, ref: ImageRef, size: int) -> NDArray[np.uint8]:
        """Decode one image to uint8 RGB [size, size, 3]; raises BrokenImageError."""
        return self._trees.read(ref, size)


def _people(pairs: Iterable[PairRef]) -> set[str]:
    return {name.split("/")[0] for pair in pairs for name in (pair.first, pair.second)}


def read_text(path: Path, key: str) -> str:
    """The text of a small file the user named with `key`; raises DataError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{key}: cannot read {path}: {error.strerror}; needed: a text file in LFW's format") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{key}: {path} is not UTF-8 text") from error
