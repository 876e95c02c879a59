"""Rendered faces for golden vectors: nobody's, so that they may be handed on with the firmware."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.faces import draw_capture, draw_genes, render
from facerec_core.export.golden import Faces

PEOPLE, ENROLLED_IMAGES, STRANGERS = 3, 2, 1
DIFFICULTY = 0.5
SEED = 112_2019
ORIGIN = "rendered; they show nobody"


def rendered_faces(side: int) -> Faces:
    """Three people with two images each to enrol; another image of each, one of a stranger, and one that was enrolled.

    Args:
        side: of the images in pixels.
    """
    enrolled = tuple(
        np.stack([_face(person, image, side) for image in range(ENROLLED_IMAGES)]) for person in range(PEOPLE)
    )
    unseen = [_face(person, ENROLLED_IMAGES, side) for person in range(PEOPLE + STRANGERS)]
    return Faces(ORIGIN, enrolled, np.stack([*unseen, enrolled[0][0]]))


def _face(person: int, image: int, side: int) -> NDArray[np.uint8]:
    genes = draw_genes(_generator(person))
    return render(genes, draw_capture(_generator(person, image), DIFFICULTY), side)


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(SEED, spawn_key=key)))
