"""Photographs for docs/tutorial.md, rendered: a folder a person to train on, and a few files of people to recognise.

python -m docs.tutorial_photos FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from facerec_core.data.faces import draw_capture, draw_genes, render

PEOPLE, IMAGES, SIDE = 50, 8, 128
DIFFICULTY = 0.5
NAMES = ("ada", "ben", "stranger")
NAMED_IMAGES = 3


def photo(person: int, image: int) -> Image.Image:
    """One rendered photograph; the same for the same numbers."""
    genes, capture = (
        np.random.Generator(np.random.PCG64(np.random.SeedSequence(7, spawn_key=key)))
        for key in ((person,), (person, image))
    )
    return Image.fromarray(render(draw_genes(genes), draw_capture(capture, DIFFICULTY), SIDE))


def write(folder: Path) -> None:
    """`train/PERSON/IMAGE.png` of PEOPLE people, and `NAME_IMAGE.png` of others."""
    for person in range(PEOPLE):
        own = folder / "train" / f"person_{person:02d}"
        own.mkdir(parents=True, exist_ok=True)
        for image in range(IMAGES):
            photo(person, image).save(own / f"{image}.png")
    for number, name in enumerate(NAMES):
        for image in range(NAMED_IMAGES):
            photo(PEOPLE + number, image).save(folder / f"{name}_{image + 1}.png")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
