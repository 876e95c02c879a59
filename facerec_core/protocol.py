"""Who is in which split, and which image pairs are compared: pure functions of counts, labels and a seed.

Identities are the unit everywhere: no person is in two splits, and no person is in two folds of drawn pairs, so
that a threshold is never chosen on a person it is then judged on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.records import Pairs
from facerec_core.errors import DataError

FOLDS = 10
"""The number of folds of the LFW protocol (Huang et al., "Labeled Faces in the Wild", 2007)."""

MAX_PAIRS = 6000
"""As many pairs as LFW's View 2 has."""

MIN_EVALUATED_IDENTITIES = 4
"""Two folds with two people each: below that no impostor pair has a threshold from other people."""

MIN_GENUINE_IDENTITIES = 2
"""One person with two images in each of two folds."""

Labels = NDArray[np.int64]


def split_identities(counts: Mapping[str, int], shares: Sequence[float], seed: int) -> tuple[tuple[str, ...], ...]:
    """Deal identities into one group a share, at random but the same for the same identities and seed.

    Identities with one image and those with several are dealt separately, so that every group gets its part of
    both. Where there are enough identities each group gets at least MIN_EVALUATED_IDENTITIES.

    Args:
        counts: images of each identity; the order of the mapping does not matter.
        shares: the groups' sizes relative to each other, each above 0.
        seed: of the shuffle.

    Returns:
        The identities of each group, sorted; every identity is in exactly one group.
    """
    rng = np.random.default_rng(seed)
    several = sorted(identity for identity, count in counts.items() if count > 1)
    single = sorted(identity for identity, count in counts.items() if count <= 1)
    sizes = _apportion(len(counts), shares)
    several_sizes = _several_sizes(sizes, len(several))
    rng.shuffle(several)
    rng.shuffle(single)
    groups = []
    for size, of_several in zip(sizes, several_sizes, strict=True):
        of_single = size - of_several
        groups.append(tuple(sorted(several[:of_several] + single[:of_single])))
        several, single = several[of_several:], single[of_single:]
    return tuple(groups)


def _apportion(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that sum to `total`, in proportion to `shares` (largest remainder), small groups topped up."""
    ideal = np.asarray(shares, dtype=float) / sum(shares) * total
    sizes = np.floor(ideal).astype(int)
    for index in np.argsort(sizes - ideal, kind="stable")[: total - int(sizes.sum())]:
        sizes[index] += 1
    floor = min(MIN_EVALUATED_IDENTITIES, total // len(shares))
    while sizes.min() < floor:
        sizes[sizes.argmax()] -= 1
        sizes[sizes.argmin()] += 1
    return [int(size) for size in sizes]


def _several_sizes(sizes: Sequence[int], several: int) -> list[int]:
    """How many of each group's identities have several images: in proportion, and two at least if possible."""
    sizes_left = np.asarray(sizes)
    out = np.minimum(sizes_left, min(MIN_GENUINE_IDENTITIES, several // max(1, len(sizes))))
    while out.sum() < several:
        lack = (sizes_left - out) / np.maximum(sizes_left, 1)
        out[int(lack.argmax())] += 1
    return [int(size) for size in out]


def cap_identities(
    counts: Mapping[str, int], max_images: int | None, seed: int, each: int | None = None
) -> tuple[str, ...]:
    """Identities that together have at most `max_images` images, those with several images first.

    Genuine pairs need several images of a person, so they are what a small validation set must not lose. No identity
    counts for more than `each` images.
    """
    if each is not None:
        counts = {identity: min(count, each) for identity, count in counts.items()}
    if max_images is None:
        return tuple(sorted(counts))
    shuffled = sorted(counts)
    np.random.default_rng(seed).shuffle(shuffled)
    kept, images = [], 0
    for identity in sorted(shuffled, key=lambda name: counts[name] < 2):
        if images + counts[identity] <= max_images:
            kept.append(identity)
            images += counts[identity]
    return tuple(sorted(kept))


def check_evaluable(labels: Labels, split: str, hint: str) -> None:
    """Raise DataError unless the split has enough identities, and enough with two images, to be judged on."""
    counts = np.bincount(labels) if len(labels) else np.zeros(0, dtype=int)
    identities, genuine = int((counts > 0).sum()), int((counts > 1).sum())
    if identities < MIN_EVALUATED_IDENTITIES or genuine < MIN_GENUINE_IDENTITIES:
        raise DataError(
            f"the {split} split has {identities} identities, {genuine} of them with two or more images; "
            f"needed: {MIN_EVALUATED_IDENTITIES} and {MIN_GENUINE_IDENTITIES}; {hint}"
        )


def draw_pairs(labels: Labels, seed: int, folds: int = FOLDS, max_pairs: int = MAX_PAIRS) -> Pairs:
    """Draw as many genuine as impostor pairs, in folds that share no identity.

    Identities are dealt into folds and both kinds of pairs are drawn inside a fold. There are fewer folds than
    asked for when there are too few identities with two images, and at most `max_pairs` pairs.

    Args:
        labels: int64 [n], the identity of each image.
        seed: of the draw.
        folds: how many folds, at least 2.
        max_pairs: the most pairs over all folds.

    Raises:
        DataError: too few identities to draw both kinds of pairs in two folds.
    """
    check_evaluable(labels, "evaluated", "add identities, or images to those with one")
    rng = np.random.default_rng(seed)
    members = _by_identity(labels)
    several = sum(len(images) > 1 for images in members)
    folds = min(folds, several, len(members) // 2)
    quota = max(1, max_pairs // (2 * folds))
    # Those with most images first, so that every fold has its part of the genuine pairs.
    dealt = sorted((members[i] for i in rng.permutation(len(members))), key=len, reverse=True)
    parts = [_draw_fold(dealt[fold::folds], quota, rng) for fold in range(folds)]
    return Pairs(
        first=np.concatenate([part[0] for part in parts]),
        second=np.concatenate([part[1] for part in parts]),
        same=np.concatenate([part[2] for part in parts]),
        fold=np.repeat(np.arange(folds, dtype=np.int64), [len(part[0]) for part in parts]),
    )


def assign_folds(same: NDArray[np.bool_], seed: int, folds: int = FOLDS) -> NDArray[np.int64]:
    """Deal given pairs into folds at random, genuine and impostor pairs evenly: int64 [n] from 0."""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(same), dtype=np.int64)
    for kind in (True, False):
        where = np.flatnonzero(same == kind)
        fold[where] = rng.permutation(np.arange(len(where)) % folds)
    return fold


def _by_identity(labels: Labels) -> list[NDArray[np.int64]]:
    """The image indices of each identity that has any."""
    order = np.argsort(labels, kind="stable").astype(np.int64)
    _, starts = np.unique(labels[order], return_index=True)
    return np.split(order, starts[1:])


def _draw_fold(
    identities: Sequence[NDArray[np.int64]], quota: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """`quota` genuine and as many impostor pairs, or fewer of both where one kind is short."""
    genuine = _draw_genuine(identities, quota, rng)
    impostor = _draw_impostor(identities, len(genuine), rng)
    genuine = genuine[: len(impostor)]
    both = np.concatenate([genuine, impostor])
    same = np.arange(len(both)) < len(genuine)
    return both[:, 0], both[:, 1], same


def _draw_genuine(identities: Sequence[NDArray[np.int64]], quota: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Distinct pairs of one person, the people taken in turns so that one with many images does not rule."""
    turns = [_pairs_within(images, quota, rng) for images in identities if len(images) > 1]
    rounds = max(map(len, turns))
    dealt = [pairs[turn] for turn in range(rounds) for pairs in turns if turn < len(pairs)]
    return np.asarray(dealt[:quota], dtype=np.int64)


def _pairs_within(images: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most `most` distinct pairs [n, 2] of the given images, in random order."""
    total = len(images) * (len(images) - 1) // 2
    ranks = rng.choice(total, size=min(most, total), replace=False)
    # Pair r of the lower triangle, counted row by row: the larger index is the row.
    larger = np.floor((1 + np.sqrt(1 + 8 * ranks)) / 2).astype(np.int64)
    smaller = ranks - larger * (larger - 1) // 2
    return np.stack([images[smaller], images[larger]], axis=1)


def _draw_impostor(identities: Sequence[NDArray[np.int64]], quota: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most `quota` distinct pairs [n, 2] of two people."""
    images = np.concatenate(identities)
    person = np.repeat(np.arange(len(identities)), [len(i) for i in identities])
    ends = np.cumsum([len(i) for i in identities])[person]
    # Behind its own person's last image an image has len(images) - end partners: rank all such pairs in one line.
    partners = len(images) - ends
    starts = np.cumsum(partners) - partners
    total = int(partners.sum())
    ranks = rng.choice(total, size=min(quota, total), replace=False)
    first = np.searchsorted(starts, ranks, side="right") - 1
    second = ends[first] + ranks - starts[first]
    return np.stack([images[first], images[second]], axis=1)
