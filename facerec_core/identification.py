"""Open-set identification as on a device: some people are enrolled, and a face may show one of them or a stranger.

Terms of ISO/IEC 19795-1 and of NIST's tests of one-to-many search (Grother, Ngan, Hanaoka, "Face Recognition Vendor
Test part 2: identification", NISTIR 8271, 2019). FPIR: share of strangers' searches that name anybody. FNIR: share of
enrolled people's searches in which they are not named, because somebody else is as similar or the threshold is not
reached. Only the most similar person is ever named, so both are at rank 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facerec_core import roc
from facerec_core.types import IdentificationRates, OverDraws

Unit = NDArray[np.float32]
Ints = NDArray[np.int64]
Rule = Literal["mean", "best"]

GALLERIES = (10, 100, 1000)
ENROLLED = (1, 3)
"""Images of each enrolled person."""

FPIRS = (1e-1, 1e-2)
DRAWS = 10
SEED = 2004
"""One seed for all, so that every variant on the same split enrols the same images."""

MOST_PROBES = 4000
"""Of enrolled people and of strangers each; FPIR 1e-2 takes 3,000."""


def identification(
    probes: Unit, labels: Ints, threshold: float | None, gallery: Unit | None = None, draws: int = DRAWS
) -> tuple[IdentificationRates, ...]:
    """Rates for each gallery size and each way to enrol that the images allow, over seeded random galleries.

    A size is left out where fewer people have enough images (one more than are enrolled), or where fewer than 30 images
    of strangers remain. Strangers are all who are not enrolled.

    Args:
        probes: fingerprints float32 [n, d] whose rows have length 1 or 0.
        labels: int64 [n], the person of each image, from 0 without gaps.
        threshold: the one a device has; None where none could be set.
        gallery: fingerprints of the same images to enrol instead, for instance of the float network; None: `probes`.
        draws: how many galleries of each kind.
    """
    source = probes if gallery is None else gallery
    found: list[IdentificationRates] = []
    for size in GALLERIES:
        for images in ENROLLED:
            drawn = list(_draws(labels, size, images, draws))
            if min((one.unknown.size for one in drawn), default=0) >= roc.MINIMUM_ERRORS:
                found.extend(_rates(probes, source, drawn, threshold))
    return tuple(found)


@dataclass(frozen=True)
class _Draw:
    """Enrolled images int64 [people, images]; images to search with, and which of the enrolled the known ones show."""

    enrolled: Ints
    known: Ints
    mate: Ints
    unknown: Ints


def _draws(labels: Ints, size: int, images: int, count: int) -> Iterator[_Draw]:
    """Random galleries; none where too few people have enough images."""
    images_each = np.bincount(labels)
    eligible = np.flatnonzero(images_each > images)
    starts = np.cumsum(images_each) - images_each
    # NumPy promises the numbers of RandomState for good, those of default_rng not from version to version.
    stream = np.random.RandomState([SEED, size, images])
    for _ in range(count if eligible.size >= size else 0):
        shuffled = np.lexsort((stream.random_sample(labels.size), labels))
        people = stream.choice(eligible, size, replace=False)
        enrolled = shuffled[starts[people][:, None] + np.arange(images)]
        place = np.full(images_each.size, -1)
        place[people] = np.arange(size)
        mate = place[labels]
        unknown = stream.permutation(np.flatnonzero(mate < 0))[:MOST_PROBES]
        mate[enrolled] = -1
        known = stream.permutation(np.flatnonzero(mate >= 0))[:MOST_PROBES]
        yield _Draw(enrolled, known, mate[known], unknown)


@dataclass(frozen=True)
class _Found:
    """Scores of one draw's searches, float32 each: of the mate, of the best other person, of a stranger's best."""

    mate: Unit
    other: Unit
    unknown: Unit

    def fnir(self, threshold: float) -> float:
        return 1.0 - float(np.mean((self.mate > self.other) & (self.mate >= threshold)))


def _rates(
    probes: Unit, gallery: Unit, drawn: Sequence[_Draw], threshold: float | None
) -> Iterator[IdentificationRates]:
    size, images = drawn[0].enrolled.shape
    found: dict[Rule, list[_Found]] = {"mean": [], "best": []}
    for draw in drawn:
        for rule, searched in _search(probes, gallery, draw).items():
            found[rule].append(searched)
    for rule, every in found.items():
        if rule == "mean" or images > 1:
            yield IdentificationRates(
                gallery=size,
                enrolled_images=images,
                rule=rule,
                draws=len(drawn),
                known_probes=min(draw.known.size for draw in drawn),
                unknown_probes=min(draw.unknown.size for draw in drawn),
                rank_1=_over([1.0 - one.fnir(-np.inf) for one in every]),
                fnir_at_fpir={roc.far_label(fpir): _fnir_at(every, fpir) for fpir in FPIRS},
                fnir=None if threshold is None else _over([one.fnir(threshold) for one in every]),
                unknown_rejected=None
                if threshold is None
                else _over([float(np.mean(one.unknown < threshold)) for one in every]),
            )


def _search(probes: Unit, gallery: Unit, draw: _Draw) -> dict[Rule, _Found]:
    """Similarity to a person: to the mean of the enrolled fingerprints, or to the most similar of them."""
    people, images = draw.enrolled.shape
    enrolled = gallery[draw.enrolled.T.ravel()]
    length = np.linalg.norm(enrolled.reshape(images, people, -1).sum(0), axis=1)
    length[length == 0] = 1.0
    searched = np.concatenate([draw.known, draw.unknown])
    each = (probes[searched] @ enrolled.T).reshape(searched.size, images, people)
    scores: dict[Rule, Unit] = {"mean": each.sum(1) / length, "best": each.max(1)}
    split = draw.known.size
    return {rule: _found(score[:split], draw.mate, score[split:]) for rule, score in scores.items()}


def _found(known: Unit, mate: Ints, unknown: Unit) -> _Found:
    own = np.take_along_axis(known, mate[:, None], axis=1)[:, 0]
    np.put_along_axis(known, mate[:, None], np.float32(-np.inf), axis=1)
    return _Found(own, known.max(1), unknown.max(1))


def _fnir_at(every: Sequence[_Found], fpir: float) -> OverDraws | None:
    """FNIR at the smallest threshold whose FPIR is no greater; None where some draw has too few strangers for it."""
    thresholds = [roc.threshold_at_far(one.unknown, fpir) for one in every]
    known = [(one, threshold) for one, threshold in zip(every, thresholds, strict=True) if threshold is not None]
    return _over([one.fnir(threshold) for one, threshold in known]) if len(known) == len(every) else None


def _over(values: Sequence[float]) -> OverDraws:
    return OverDraws(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0)
