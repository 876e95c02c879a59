"""Whose fingerprint is this? The arithmetic of `facerec_core/device/c/facerec_match.c`, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import DataError
from facerec_core.gallery.blocks import dots, sums_and_squares
from facerec_core.gallery.fixed_point import ONE, inverse_norm, inverse_norms, scores
from facerec_core.gallery.records import Gallery, Method


@dataclass(frozen=True)
class Match:
    """The nearest person of a gallery; scores are in units of 2^-30.

    `person` and `second` are indices into `Gallery.names`, None where the gallery has no such person, and then the
    score is -ONE. Of equal scores the person first in order is nearer. `known` says whether `score` reaches
    `threshold`; where it does not, the face is of nobody in the gallery.
    """

    known: bool
    person: int | None
    score: int
    second: int | None
    second_score: int
    threshold: int

    @property
    def cosine(self) -> float:
        """The score as a cosine similarity, -1 to 1."""
        return self.score / ONE

    @property
    def margin(self) -> float:
        """How far the score lies above the threshold, as a cosine; below 0 for an unknown face."""
        return (self.score - self.threshold) / ONE

    @property
    def margin_to_second(self) -> float | None:
        """How far the nearest person is ahead of the second, as a cosine; None where there is no second."""
        return None if self.second is None else (self.score - self.second_score) / ONE


class Matcher:
    """A gallery made ready to be searched many times.

    Args:
        gallery: it is looked at in place, beside it 16 bytes a fingerprint are held.
        method: instead of the gallery's own.
    """

    def __init__(self, gallery: Gallery, method: Method | None = None) -> None:
        self._gallery = gallery
        self._method = method or gallery.method
        self._sums, squares = sums_and_squares(gallery.vectors, gallery.model.zero_point)
        self._inverse = inverse_norms(squares)

    def fingerprint_scores(self, probe: NDArray[np.int8]) -> NDArray[np.int64]:
        """The score of every fingerprint, int64 [n], against int8 [dimension].

        Raises:
            DataError: a fingerprint of another length.
        """
        model = self._gallery.model
        if probe.shape != (model.dimension,):
            raise DataError(f"got a fingerprint of {probe.size} numbers, allowed: {model.dimension}")
        found = dots(self._gallery.vectors, self._sums, probe, model.zero_point)
        return scores(found, self._inverse, inverse_norm(probe, model.zero_point))

    def person_scores(self, probe: NDArray[np.int8]) -> NDArray[np.int64]:
        """The score of every person, int64 [people]: the best fingerprint's, or the mean, rounded towards zero."""
        return by_person(self.fingerprint_scores(probe), self._gallery.first, self._method)

    def match(self, probe: NDArray[np.int8], threshold: int | None = None) -> Match:
        """The nearest person to a fingerprint.

        Args:
            probe: int8 [dimension], from the gallery's network.
            threshold: least score that is accepted, in units of 2^-30; None: the gallery's first.

        Raises:
            DataError: a fingerprint of another length.
        """
        return nearest(self.person_scores(probe), self._gallery.thresholds[0].fixed if threshold is None else threshold)


def by_person(each: NDArray[np.int64], first: NDArray[np.int64], method: Method) -> NDArray[np.int64]:
    """The score of every person, int64 [people], from that of every fingerprint, int64 [n].

    Args:
        each: scores of the fingerprints, a person's one after the other.
        first: int64 [people + 1], as `Gallery.first`.
        method: "best" takes a person's highest score, "mean" the mean, rounded towards zero.
    """
    starts = first[:-1]
    if not len(starts):
        return np.zeros(0, np.int64)
    if method == "best":
        best: NDArray[np.int64] = np.maximum.reduceat(each, starts)
        return best
    total: NDArray[np.int64] = np.add.reduceat(each, starts)
    mean: NDArray[np.int64] = np.sign(total) * (np.abs(total) // np.diff(first))
    return mean


def nearest(people: NDArray[np.int64], least: int) -> Match:
    """The verdict on scores int64 [people] in units of 2^-30, and on the least score that is accepted."""
    person = _first_of_highest(people)
    if person is None:
        return Match(False, None, -ONE, None, -ONE, least)
    score = int(people[person])
    others = people.copy()
    others[person] = -ONE - 1
    second = _first_of_highest(others) if len(others) > 1 else None
    return Match(score >= least, person, score, second, -ONE if second is None else int(others[second]), least)


def _first_of_highest(values: NDArray[np.int64]) -> int | None:
    return int(values.argmax()) if len(values) else None
