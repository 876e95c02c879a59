"""The embedded default data: rendered people, made on the fly, nothing to download.

Every image follows from the seed, its split, its person and its number alone, so any of them can be made by
itself, in any process, and more people or images leave the earlier ones as they were.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.faces import draw_capture, draw_genes, render
from facerec_core.data.source import ImageRef, SourceIndex
from facerec_core.errors import DataError
from facerec_core.options import DataOptions

RENDERER_VERSION = 1
"""Raise it whenever a change alters pixels: caches and records of runs are told apart by it."""

SPLITS = ("train", "validation", "test")


class SyntheticSource:
    """A FaceSource of procedurally rendered people; person i of one split is nobody in another."""

    name = "synthetic"

    def __init__(self, options: DataOptions) -> None:
        self._options = options.synthetic
        self._seed = options.seed

    def index(self) -> SourceIndex:
        """List the images of the three splits; nothing is rendered."""
        o = self._options
        return SourceIndex(
            train=_references("train", o.train_identities, o.train_images),
            validation=_references("validation", o.eval_identities, o.eval_images),
            test=_references("test", o.eval_identities, o.eval_images),
        )

    def fingerprint(self) -> str:
        """Hash of what decides the pixels behind a name: renderer, seed and difficulty."""
        decides = [RENDERER_VERSION, self._seed, self._options.difficulty]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()

    def read(self, ref: ImageRef, size: int) -> NDArray[np.uint8]:
        """Render the image of that name as uint8 RGB [size, size, 3].

        Raises:
            DataError: a name that is not SPLIT/PERSON/IMAGE, such as test/0012/0003.
        """
        split, person, image = _parse(ref.name)
        genes = draw_genes(self._generator(split, person))
        capture = draw_capture(self._generator(split, person, image), self._options.difficulty)
        return render(genes, capture, size)

    def _generator(self, *key: int) -> np.random.Generator:
        """Seeded through spawn keys: plain entropy is padded with zeros, which would make (1, 2) equal (1, 2, 0)."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._seed, spawn_key=key)))


def _references(split: str, identities: int, images: int) -> tuple[ImageRef, ...]:
    return tuple(
        ImageRef(f"{split}/{person:04d}/{image:04d}", f"{split}/{person:04d}")
        for person in range(identities)
        for image in range(images)
    )


def _parse(name: str) -> tuple[int, int, int]:
    parts = name.split("/")
    if len(parts) != 3 or parts[0] not in SPLITS or not (parts[1].isdecimal() and parts[2].isdecimal()):
        raise DataError(f"synthetic image: got {name!r}, allowed: SPLIT/PERSON/IMAGE such as test/0012/0003")
    return SPLITS.index(parts[0]), int(parts[1]), int(parts[2])
