"""The figures of a verification when there are too many pairs to keep their scores: counted, not stored.

Scores are counted in bins of STEP. A score is at least a multiple of STEP exactly when its bin is, so every rate at
such a threshold is exact; what is coarser than with `roc` is only which thresholds there are, and a tie is two scores
in one bin. The memory is the same for any number of pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facerec_core import roc
from facerec_core.errors import DataError

Floats = NDArray[np.floating[Any]]
Counts = NDArray[np.int64]

EXACT_PAIRS = 10_000_000
"""Up to here scores are kept, which takes about 20 bytes a pair while figures are made of them."""

STEPS_A_UNIT = 2**20
STEP = 1 / STEPS_A_UNIT
"""About 1e-6. A power of two, so that every multiple from -1 to 1 is a float32."""

_BINS = 2 * STEPS_A_UNIT + 1
_CHUNK = 1 << 22


class Verification(Protocol):
    """The figures of genuine and impostor scores; what each means is said in `roc`."""

    @property
    def genuine_pairs(self) -> int:
        """How many genuine pairs there are."""

    @property
    def impostor_pairs(self) -> int:
        """How many impostor pairs there are."""

    def auc(self) -> float:
        """See `roc.auc`."""

    def eer(self) -> float:
        """See `roc.eer`."""

    def threshold_at_far(self, far: float) -> float | None:
        """See `roc.threshold_at_far`."""

    def threshold_accepting(self, allowed: int) -> float:
        """See `roc.threshold_accepting`."""

    def tar_at_fars(self, fars: Sequence[float]) -> tuple[float | None, ...]:
        """See `roc.tar_at_fars`."""

    def realised(self, threshold: float) -> tuple[float | None, float | None]:
        """See `roc.realised`."""


@dataclass(frozen=True)
class Kept:
    """Genuine scores [g] and impostor scores [m] themselves."""

    genuine: Floats
    impostor: Floats

    @property
    def genuine_pairs(self) -> int:
        """How many genuine pairs there are."""
        return self.genuine.size

    @property
    def impostor_pairs(self) -> int:
        """How many impostor pairs there are."""
        return self.impostor.size

    @cached_property
    def _ordered(self) -> tuple[Floats, Floats]:
        """Both kinds sorted, once for all figures."""
        return np.sort(self.genuine), np.sort(self.impostor)

    def auc(self) -> float:
        """See `roc.auc`."""
        return roc.auc(*self._ordered)

    def eer(self) -> float:
        """See `roc.eer`."""
        return roc.eer(*self._ordered)

    def threshold_at_far(self, far: float) -> float | None:
        """See `roc.threshold_at_far`."""
        return roc.threshold_at_far(self._ordered[1], far)

    def threshold_accepting(self, allowed: int) -> float:
        """See `roc.threshold_accepting`."""
        return roc.threshold_accepting(self._ordered[1], allowed)

    def tar_at_fars(self, fars: Sequence[float]) -> tuple[float | None, ...]:
        """See `roc.tar_at_fars`."""
        return roc.tar_at_fars(*self._ordered, fars)

    def realised(self, threshold: float) -> tuple[float | None, float | None]:
        """See `roc.realised`."""
        return roc.realised(self.genuine, self.impostor, threshold)


@dataclass(frozen=True)
class Tally:
    """How many scores lie in each bin, int64 [bins], and how many reach a threshold that was given beforehand."""

    genuine: Counts
    impostor: Counts
    given: float | None
    accepted: tuple[int, int]

    @classmethod
    def of(cls, chunks: Iterable[tuple[Floats, Floats]], given: float | None) -> Tally:
        """Count chunks of genuine and impostor scores in -1 to 1; `given` is a threshold to be counted at exactly.

        Raises:
            DataError: one of the two kinds is missing.
        """
        counts = np.zeros((2, _BINS), np.int64)
        accepted = [0, 0]
        for chunk in chunks:
            for kind, scores in enumerate(chunk):
                _count(scores, counts[kind])
                if given is not None:
                    accepted[kind] += int(np.count_nonzero(scores >= given))
        genuine, impostor = counts.sum(1).tolist()
        if not (genuine and impostor):
            raise DataError(f"a ROC needs genuine and impostor pairs, got {genuine} genuine and {impostor} impostor")
        return cls(counts[0], counts[1], given, (accepted[0], accepted[1]))

    @cached_property
    def _reaching(self) -> tuple[Counts, Counts]:
        """Genuine and impostor pairs in each bin and above it; a last bin holds none."""
        above = (np.append(counts[::-1].cumsum()[::-1], 0) for counts in (self.genuine, self.impostor))
        genuine, impostor = above
        return genuine, impostor

    @property
    def genuine_pairs(self) -> int:
        """How many genuine pairs there are."""
        return int(self._reaching[0][0])

    @property
    def impostor_pairs(self) -> int:
        """How many impostor pairs there are."""
        return int(self._reaching[1][0])

    def auc(self) -> float:
        """See `roc.auc`."""
        beaten_or_tied = self.impostor_pairs - self._reaching[1][1:]
        twice = int(np.dot(self.genuine, 2 * beaten_or_tied - self.impostor))
        return twice / (2 * self.genuine_pairs * self.impostor_pairs)

    def eer(self) -> float:
        """See `roc.eer`."""
        genuine, impostor = self._reaching
        tar, far = genuine[::-1] / self.genuine_pairs, impostor[::-1] / self.impostor_pairs
        gap = far + tar - 1.0
        after = int(np.argmax(gap >= 0))
        before = after - 1
        share = -gap[before] / (gap[after] - gap[before])
        return float(far[before] + share * (far[after] - far[before]))

    def _cut(self, allowed: int) -> int:
        """The lowest bin that no more than `allowed` of the impostors reach."""
        return int(np.argmax(self._reaching[1] <= allowed))

    def threshold_at_far(self, far: float) -> float | None:
        """See `roc.threshold_at_far`; a multiple of STEP."""
        if not roc.resolves(far, self.impostor_pairs):
            return None
        return self.threshold_accepting(roc.allowed_accepts(far, self.impostor_pairs))

    def threshold_accepting(self, allowed: int) -> float:
        """See `roc.threshold_accepting`; a multiple of STEP."""
        cut = self._cut(allowed)
        return cut * STEP - 1.0 if cut else -math.inf

    def tar_at_fars(self, fars: Sequence[float]) -> tuple[float | None, ...]:
        """See `roc.tar_at_fars`."""
        genuine, pairs = self._reaching[0], self.impostor_pairs
        cuts = (self._cut(roc.allowed_accepts(far, pairs)) if roc.resolves(far, pairs) else None for far in fars)
        return tuple(None if cut is None else int(genuine[cut]) / self.genuine_pairs for cut in cuts)

    def realised(self, threshold: float) -> tuple[float | None, float | None]:
        """See `roc.realised`; for the given threshold and for multiples of STEP."""
        genuine, impostor = self.accepted
        if threshold != self.given:
            cut = 0 if threshold == -math.inf else math.ceil((threshold + 1.0) * STEPS_A_UNIT)
            genuine, impostor = (int(reaching[cut]) for reaching in self._reaching)
        return impostor / self.impostor_pairs, genuine / self.genuine_pairs


def _count(scores: Floats, counts: Counts) -> None:
    """Add scores to bins; in float64 neither the sum nor the product is rounded."""
    for start in range(0, scores.size, _CHUNK):
        places = (scores[start : start + _CHUNK].astype(np.float64) + 1.0) * STEPS_A_UNIT
        counts += np.bincount(places.astype(np.int64), minlength=_BINS)
