"""The seam between where faces come from and everything that uses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facerec_core.types import BrokenImage


@dataclass(frozen=True)
class ImageRef:
    """One image of one person; `name` is unique in its source, such as "Ada_Lovelace/0001.jpg"."""

    name: str
    identity: str


@dataclass(frozen=True)
class PairRef:
    """Two images by name, whether they show the same person, and the fold (from 0) where one is prescribed."""

    first: str
    second: str
    same: bool
    fold: int | None = None


@dataclass(frozen=True)
class SourceIndex:
    """What a source holds, in the order in which it is delivered; the splits share no identity.

    `validation_pairs` and `test_pairs` are None where the pairs are to be drawn. `broken` lists the
    images known to be unusable before decoding; they are in no split, nor are those `left_out`, which could be used.
    `test_pairs_only` says that nothing is known of other pairs of test images than `test_pairs`.
    """

    train: tuple[ImageRef, ...]
    validation: tuple[ImageRef, ...]
    test: tuple[ImageRef, ...]
    validation_pairs: tuple[PairRef, ...] | None = None
    test_pairs: tuple[PairRef, ...] | None = None
    broken: tuple[BrokenImage, ...] = ()
    left_out: tuple[ImageRef, ...] = ()
    test_pairs_only: bool = False


class FaceSource(Protocol):
    """Somewhere faces come from. Construct it with DataOptions; `read` may be called from several threads."""

    @property
    def name(self) -> str:
        """A short name for records, such as "synthetic" or the folder's name."""

    def index(self) -> SourceIndex:
        """List the images of the three splits without decoding any; the same answer every time.

        Raises:
            DataError: nothing usable is there.
        """

    def fingerprint(self) -> str:
        """Hash of everything that decides what `read` returns for a name and a size (but not of the splits)."""

    def read(self, ref: ImageRef, size: int) -> NDArray[np.uint8]:
        """Return the face as uint8 RGB [size, size, 3].

        Raises:
            BrokenImageError: the image cannot be used.
        """
