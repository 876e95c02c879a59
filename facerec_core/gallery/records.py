"""What a gallery holds, as frozen records. No representation of a record shows a fingerprint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facerec_core.gallery.fixed_point import ONE, to_fixed
from facerec_core.types import Scheme

Method = Literal["best", "mean"]
FAR_UNIT = 1_000_000_000
"""FARs are kept in billionths."""
CROP_UNIT = 1_000_000
"""Crops are kept in millionths."""


@dataclass(frozen=True)
class GalleryModel:
    """The int8 network whose fingerprints these are; `scheme` is None where nobody said how it was quantised.

    `output_scale` and `zero_point` are those of its output: real = output_scale * (int8 - zero_point).
    """

    sha256: str
    scheme: Scheme | None
    dimension: int
    input_side: int
    output_scale: float
    zero_point: int


@dataclass(frozen=True)
class Preparation:
    """How images become the network's input: decoded at `image_side` pixels from the central `crop`, then resized.

    `crop` is the side of the square in millionths of the shorter side.
    """

    image_side: int
    crop_millionths: int = CROP_UNIT

    @property
    def crop(self) -> float:
        """The crop as `data.crop` states it, 0-1."""
        return self.crop_millionths / CROP_UNIT


@dataclass(frozen=True)
class FarThreshold:
    """The least score that is accepted, in units of 2^-30, and the FAR it was chosen at in billionths.

    `far_billionths` 0 says that the threshold was set by hand.
    """

    far_billionths: int
    fixed: int

    @classmethod
    def of(cls, threshold: float, far: float | None = None) -> FarThreshold:
        """From a cosine and a FAR in 0-1, None for one set by hand."""
        return cls(round((far or 0.0) * FAR_UNIT), to_fixed(threshold))

    @property
    def threshold(self) -> float:
        """The least cosine similarity that is accepted."""
        return self.fixed / ONE

    @property
    def far(self) -> float | None:
        """The target FAR in 0-1, None where the threshold was set by hand."""
        return self.far_billionths / FAR_UNIT or None


@dataclass(frozen=True)
class Gallery:
    """Enrolled people and their fingerprints.

    Attributes:
        model: the network that made the fingerprints.
        preparation: how its images were prepared.
        method: a person's score is that of the best fingerprint, or the mean of the scores of all of them.
        thresholds: one to four; the first holds unless another is asked for.
        names: of the people, ascending by code point.
        first: int64 [people + 1], ascending: person p has the rows first[p] to first[p + 1] of `vectors`.
        vectors: int8 [fingerprints, dimension], as the network puts them out.
    """

    model: GalleryModel
    preparation: Preparation
    method: Method
    thresholds: tuple[FarThreshold, ...]
    names: tuple[str, ...] = ()
    first: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64), repr=False, compare=False)
    vectors: NDArray[np.int8] = field(default_factory=lambda: np.zeros((0, 0), np.int8), repr=False, compare=False)

    def fingerprints_of(self, person: int) -> NDArray[np.int8]:
        """The fingerprints int8 [n, dimension] of the person of that index."""
        return self.vectors[self.first[person] : self.first[person + 1]]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many fingerprints each person has."""
        return tuple(np.diff(self.first).tolist())
