"""Faces in memory: what every data source delivers and everything downstream reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_core.types import BrokenImage, DataSummary


@dataclass(frozen=True)
class Pairs:
    """Image pairs for accuracy at a threshold; a pair's threshold comes from the other folds.

    `first` and `second` are int64 [n] indices into a FaceSet, `same` is bool [n], `fold` int64 [n] from 0. Where they
    are `exclusive` nothing is known of other pairs, because people have no names, and only these may be scored.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    same: NDArray[np.bool_]
    fold: NDArray[np.int64]
    exclusive: bool = False


@dataclass(frozen=True)
class FaceSet:
    """One split: `images` uint8 RGB [n, side, side, 3] (memory-mapped), `labels` int64 [n] from 0.

    `names[i]` names image i, `identities[labels[i]]` its person, `groups[i]` the group of people it belongs to;
    `groups` is empty where groups are not known.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    identities: tuple[str, ...]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class FaceData:
    """Three splits that share no identity, at one resolution."""

    name: str
    fingerprint: str
    train: FaceSet
    validation: FaceSet
    test: FaceSet
    validation_pairs: Pairs
    test_pairs: Pairs
    broken: tuple[BrokenImage, ...] = ()

    @property
    def summary(self) -> DataSummary:
        """The counts and the fingerprint, as they go into a record."""
        return DataSummary(
            name=self.name,
            fingerprint=self.fingerprint,
            train_images=len(self.train.names),
            train_identities=len(self.train.identities),
            validation_images=len(self.validation.names),
            validation_identities=len(self.validation.identities),
            test_images=len(self.test.names),
            test_identities=None if self.test_pairs.exclusive else len(self.test.identities),
            broken=self.broken,
        )
