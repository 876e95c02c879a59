"""Which of a source's images are used, and how the delivered ones are paired: pure functions of the index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.records import FaceSet, Pairs
from facerec_core.data.source import ImageRef, PairRef, SourceIndex
from facerec_core.errors import DataError
from facerec_core.options import DataOptions
from facerec_core.protocol import assign_folds, check_evaluable, draw_pairs
from facerec_core.types import NO_GROUP, BrokenImage

_NAMED = 3
"""How many names an error lists."""


def check_splits(index: SourceIndex, options: DataOptions) -> None:
    """Raise DataError unless validation and test can be judged on."""
    for split, refs in (("validation", index.validation), ("test", index.test)):
        check_evaluable(_labels(refs)[1], split, f"use more people or more images of each{_knob(split, options)}")


def _knob(split: str, options: DataOptions) -> str:
    """Which key gives a split more people."""
    if options.kind == "synthetic":
        return ", or raise data.synthetic.eval_identities"
    if split == "validation" and options.max_validation_images is not None:
        return ", or raise data.max_validation_images"
    return f", or raise data.{split}_fraction" if options.kind == "folder" else ""


def few_of_each(index: SourceIndex, options: DataOptions) -> SourceIndex:
    """The index with at most `max_validation_images_each` images of whoever validates, those in given pairs first.

    A person with n images makes n (n - 1) / 2 genuine pairs: one with hundreds would decide what is chosen.
    """
    each = options.max_validation_images_each
    if each is None:
        return index
    paired = {name for pair in index.validation_pairs or () for name in (pair.first, pair.second)}
    of_each: Counter[str] = Counter()
    kept = set()
    for ref in sorted(index.validation, key=lambda ref: ref.name not in paired):
        of_each[ref.identity] += 1
        if of_each[ref.identity] <= each or ref.name in paired:
            kept.add(ref.name)
    validation = tuple(ref for ref in index.validation if ref.name in kept)
    dropped = tuple(ref for ref in index.validation if ref.name not in kept)
    return replace(index, validation=validation, left_out=(*index.left_out, *dropped))


def _labels(refs: Sequence[ImageRef]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    identities = tuple(sorted({ref.identity for ref in refs}))
    label = {identity: i for i, identity in enumerate(identities)}
    return identities, np.fromiter((label[ref.identity] for ref in refs), np.int64, len(refs))


def without_broken(index: SourceIndex, found: Iterable[BrokenImage], options: DataOptions) -> SourceIndex:
    """The index without broken images and without the training identities that are too small then.

    Args:
        index: of the source.
        found: images that turned out broken when decoded, besides those the index lists.
        options: say what may be skipped.

    Raises:
        DataError: there are such images or identities and they may not be skipped.
    """
    broken = (*index.broken, *found)
    if broken and not options.skip_broken:
        raise DataError(
            f"{len(broken)} broken {_plural('image', len(broken))}: "
            f"{_some([f'{image.name} ({image.reason})' for image in broken])}; "
            "mend or remove them, or set data.skip_broken=true"
        )
    names = {image.name for image in broken}
    train = tuple(ref for ref in index.train if ref.name not in names)
    small = check_small(train, options)
    return replace(
        index,
        train=tuple(ref for ref in train if ref.identity not in small),
        validation=tuple(ref for ref in index.validation if ref.name not in names),
        test=tuple(ref for ref in index.test if ref.name not in names),
        validation_pairs=_usable(index.validation_pairs, names),
        test_pairs=_usable(index.test_pairs, names),
        broken=broken,
    )


def check_small(train: Sequence[ImageRef], options: DataOptions) -> set[str]:
    """The training identities with too few images.

    Raises:
        DataError: there are some and `data.skip_small` is off, or fewer than two others remain.
    """
    counts = Counter(ref.identity for ref in train)
    small = {identity for identity, count in counts.items() if count < options.min_images}
    if small and not options.skip_small:
        listed = [f"{identity} ({counts[identity]})" for identity in sorted(small)]
        raise DataError(
            f"{len(small)} training {_plural('identity', len(small))} with fewer than {options.min_images} images: "
            f"{_some(listed)}; lower data.min_images, or set data.skip_small=true to leave them out"
        )
    if len(counts) - len(small) < 2:
        raise DataError(
            f"{len(counts) - len(small)} of {len(counts)} training identities have data.min_images="
            f"{options.min_images} images or more; at least 2 identities are needed to train"
        )
    return small


def _usable(pairs: tuple[PairRef, ...] | None, broken: Collection[str]) -> tuple[PairRef, ...] | None:
    if pairs is None:
        return None
    return tuple(pair for pair in pairs if pair.first not in broken and pair.second not in broken)


def face_set(refs: Sequence[ImageRef], images: NDArray[np.uint8], group_of: Mapping[str, str]) -> FaceSet:
    """One split; `images[i]` shows `refs[i]`, and `group_of` gives an image's group by name where there are groups."""
    identities, labels = _labels(refs)
    groups = tuple(group_of.get(ref.name, NO_GROUP) for ref in refs) if group_of else ()
    return FaceSet(images, labels, tuple(ref.name for ref in refs), identities, groups)


def pair_up(refs: Sequence[PairRef] | None, faces: FaceSet, seed: int, folds: int) -> Pairs:
    """Pairs by index into `faces`: the given ones, or drawn ones where None are given.

    Given pairs keep their prescribed folds; without them they are dealt into `folds`.

    Raises:
        DataError: genuine or impostor pairs are missing.
    """
    if refs is None:
        return draw_pairs(faces.labels, seed, folds)
    row = {name: i for i, name in enumerate(faces.names)}
    same = np.fromiter((pair.same for pair in refs), np.bool_, len(refs))
    if not same.any() or same.all():
        raise DataError(
            f"data.pairs: {int(same.sum())} genuine and {int((~same).sum())} impostor pairs can be used; "
            "both kinds are needed"
        )
    prescribed = [pair.fold for pair in refs if pair.fold is not None]
    fold = np.asarray(prescribed, np.int64) if len(prescribed) == len(refs) else assign_folds(same, seed, folds)
    return Pairs(
        first=np.fromiter((row[pair.first] for pair in refs), np.int64, len(refs)),
        second=np.fromiter((row[pair.second] for pair in refs), np.int64, len(refs)),
        same=same,
        fold=fold,
    )


def _plural(noun: str, count: int) -> str:
    if count == 1:
        return noun
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    listed = ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    # File names may hold line breaks and worse; an error is one line.
    return "".join(char if char.isprintable() else "?" for char in listed)
