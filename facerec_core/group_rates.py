"""Rates of each group of people at the one threshold a device has, and how far the groups lie apart.

A pair belongs to a group when both of its images do; pairs across groups belong to none. So a group's impostors are
strangers of the same group, as in ISO/IEC 19795-10:2024 and Grother, Ngan, Hanaoka, "Face Recognition Vendor Test
part 3: demographic effects", NISTIR 8280, 2019.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.roc import MINIMUM_ERRORS, far_floor, resolves
from facerec_core.types import NO_GROUP, GroupRates

Floats = NDArray[np.floating[Any]]
Ids = NDArray[np.int16]
Scored = tuple[Floats, Ids]
"""Scores [m] of some pairs, and the group of each."""

ACROSS = -1
"""The group of a pair whose images are in two."""


@dataclass(frozen=True)
class Pool:
    """Images with their groups: `names` the groups, sorted; `ids` int16 [n] indices into them."""

    names: tuple[str, ...]
    ids: Ids

    @classmethod
    def of(cls, groups: Sequence[str]) -> Pool:
        """From the name of each image's group."""
        names = tuple(sorted(set(groups), key=lambda name: (name == NO_GROUP, name)))
        number = {name: index for index, name in enumerate(names)}
        return cls(names, np.fromiter((number[name] for name in groups), np.int16, len(groups)))

    def of_block(self, rows: slice, columns: slice) -> Ids:
        """The group of each pair of a row and a column: int16 [rows, columns], ACROSS where they differ."""
        mine, others = self.ids[rows, None], self.ids[None, columns]
        return np.where(mine == others, mine, np.int16(ACROSS))

    def of_pairs(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> Ids:
        """The group of each pair of images, given as indices [m]: int16 [m], ACROSS where they differ."""
        return np.where(self.ids[first] == self.ids[second], self.ids[first], np.int16(ACROSS))


def group_rates(
    scored: Iterable[tuple[Scored, Scored]],
    pool: Pool,
    labels: NDArray[np.int64],
    *,
    threshold: float | None,
    target_far: float,
) -> tuple[GroupRates, ...]:
    """The rates of every group at `threshold`, by name, images without a group last.

    By the rule of 30 (`roc.far_floor`) a FAR is given where the group's impostors resolve `target_far`, and a TAR
    where it has at least 30 genuine pairs.

    Args:
        scored: chunks of genuine and of impostor pairs.
        pool: the groups of the images.
        labels: int64 [n], the identity of each image.
        threshold: pairs are accepted when score >= threshold; None where none could be set.
        target_far: the FAR the threshold was set for.
    """
    count = len(pool.names)
    pairs, accepted = np.zeros((2, count), np.int64), np.zeros((2, count), np.int64)
    for chunk in scored:
        for kind, (scores, ids) in enumerate(chunk):
            pairs[kind] += _by_id(ids, count)
            if threshold is not None:
                accepted[kind] += _by_id(ids[scores >= threshold], count)
    images = np.bincount(pool.ids, minlength=count)

    def rate(kind: int, index: int, *, resolved: bool) -> float | None:
        return int(accepted[kind, index]) / int(pairs[kind, index]) if resolved and threshold is not None else None

    return tuple(
        GroupRates(
            group=name,
            images=int(images[index]),
            identities=len(np.unique(labels[pool.ids == index])),
            genuine_pairs=int(pairs[0, index]),
            impostor_pairs=int(pairs[1, index]),
            far=rate(1, index, resolved=resolves(target_far, int(pairs[1, index]))),
            tar=rate(0, index, resolved=pairs[0, index] >= MINIMUM_ERRORS),
        )
        for index, name in enumerate(pool.names)
    )


def _by_id(ids: Ids, count: int) -> NDArray[np.int64]:
    return np.bincount(ids[ids != ACROSS], minlength=count)


@dataclass(frozen=True)
class Spread:
    """The group a device treats worst, and worst rate / best rate; None where too few groups have a rate.

    `far_ratio` is at least 1 and a lower bound: the best FAR counts as no less than what its pairs can resolve, and
    there is none where the worst FAR itself rests on fewer than 30 pairs. `tar_ratio` is at most 1.
    """

    far_group: str | None = None
    far: float | None = None
    far_ratio: float | None = None
    tar_group: str | None = None
    tar: float | None = None
    tar_ratio: float | None = None


def spread(groups: Sequence[GroupRates]) -> Spread:
    """Compare the groups; images without a group are none."""
    fars = [(rates.far, rates) for rates in groups if rates.far is not None and rates.group != NO_GROUP]
    tars = [(rates.tar, rates) for rates in groups if rates.tar is not None and rates.group != NO_GROUP]
    highest = max(fars, key=lambda pair: pair[0], default=None)
    lowest = min(tars, key=lambda pair: pair[0], default=None)
    best_tar = max((tar for tar, _ in tars), default=0.0)
    return Spread(
        far_group=highest[1].group if highest else None,
        far=highest[0] if highest else None,
        far_ratio=_far_ratio(fars),
        tar_group=lowest[1].group if lowest else None,
        tar=lowest[0] if lowest else None,
        tar_ratio=lowest[0] / best_tar if lowest and len(tars) > 1 and best_tar else None,
    )


def _far_ratio(fars: Sequence[tuple[float, GroupRates]]) -> float | None:
    if len(fars) < 2:
        return None
    worst, rates = max(fars, key=lambda pair: pair[0])
    if worst < far_floor(rates.impostor_pairs):
        return None
    return worst / min(max(far, far_floor(other.impostor_pairs)) for far, other in fars)
