"""Judging one network on validation and test: the threshold from validation, then one look at test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.records import FaceData, FaceSet
from facerec_core.metrics import evaluate
from facerec_core.options import Recipe
from facerec_core.types import Evaluation, Split

Fingerprints = NDArray[np.float32]


def judge(
    embedded: Callable[[Split], Fingerprints], faces: FaceData, recipe: Recipe, gallery: Fingerprints | None = None
) -> tuple[Evaluation, Evaluation]:
    """Validation and test of one network.

    Args:
        embedded: its fingerprints of a split's images, float32 [n, d].
        faces: all three splits.
        recipe: what decides how they are judged.
        gallery: the float network's fingerprints of the test images, to search among as well; None: only among its own.

    Raises:
        DataError: a split has no genuine or no impostor pairs.
        FacerecError: a fingerprint is not finite.
    """
    validation = _judge(embedded("validation"), faces, "validation", recipe, None, None)
    return validation, _judge(embedded("test"), faces, "test", recipe, validation.threshold, gallery)


def _judge(
    fingerprints: Fingerprints,
    faces: FaceData,
    split: Split,
    recipe: Recipe,
    threshold: float | None,
    gallery: Fingerprints | None,
) -> Evaluation:
    own: FaceSet = getattr(faces, split)
    return evaluate(
        fingerprints,
        own.labels,
        getattr(faces, f"{split}_pairs"),
        split=split,
        identities=len(own.identities),
        target_far=recipe.target_far,
        threshold=threshold,
        groups=own.groups,
        replicates=recipe.eval.replicates,
        gallery=gallery,
    )
