"""Golden vectors: faces, the fingerprints they have to give, a small gallery, and who has to be found in it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facerec_core.gallery.edit import with_person
from facerec_core.gallery.encoding import encode
from facerec_core.gallery.fixed_point import ONE
from facerec_core.gallery.match import Match, Matcher
from facerec_core.gallery.records import Gallery, Method
from facerec_core.tflite import quantize_input
from facerec_core.types import TensorScale

METHODS: tuple[Method, ...] = ("best", "mean")

Images = NDArray[np.uint8]
Fingerprint = Callable[[Images], NDArray[np.int8]]
"""From uint8 RGB [n, side, side, 3] to int8 [n, dimension]."""


@dataclass(frozen=True)
class Faces:
    """Faces for the golden vectors: `enrolled` uint8 [n, side, side, 3] a person, and `probes` of whomever.

    `origin` says where they come from, in a sentence for the model card.
    """

    origin: str
    enrolled: tuple[Images, ...] = field(repr=False)
    probes: Images = field(repr=False)


@dataclass(frozen=True)
class GoldenMatch:
    """What one probe has to give against the gallery, with one way of matching and one threshold in 2^-30."""

    probe: int
    method: Method
    threshold: int
    match: Match


@dataclass(frozen=True)
class Golden:
    """Everything the self-test compares; no representation shows a fingerprint.

    Attributes:
        origin: where the faces come from.
        gallery: the people enrolled.
        probes: uint8 [n, side, side, 3].
        fingerprints: of the probes, int8 [n, dimension].
        matches: every probe with both ways of matching, at the gallery's threshold and on either side of its score.
        levels: int8 [256], the input a pixel value becomes.
    """

    origin: str
    gallery: Gallery = field(repr=False)
    probes: Images = field(repr=False)
    fingerprints: NDArray[np.int8] = field(repr=False)
    matches: tuple[GoldenMatch, ...] = field(repr=False)
    levels: NDArray[np.int8] = field(repr=False)

    @property
    def gallery_file(self) -> bytes:
        """The gallery as an .fpdb file."""
        return encode(self.gallery)


def make_golden(faces: Faces, empty: Gallery, scale: TensorScale, fingerprint: Fingerprint) -> Golden:
    """Enrol the faces and match the probes.

    Args:
        faces: at the network's side.
        empty: a gallery of the network without people.
        scale: of the network's input.
        fingerprint: LiteRT's reference kernels, whose outputs are the device's.

    Raises:
        DataError: a fingerprint of length zero, which no gallery takes.
    """
    gallery = empty
    for number, images in enumerate(faces.enrolled):
        gallery, _ = with_person(gallery, f"Person {number + 1}", fingerprint(images))
    probes = fingerprint(faces.probes)
    levels = quantize_input(np.arange(256, dtype=np.uint8), scale)
    matches = tuple(_matches(gallery, probes))
    return Golden(faces.origin, gallery, faces.probes, probes, matches, levels)


def _matches(gallery: Gallery, probes: NDArray[np.int8]) -> Iterator[GoldenMatch]:
    """Both verdicts come up for every probe: known at its own score, unknown one step above it."""
    for method in METHODS:
        matcher = Matcher(gallery, method)
        for number, probe in enumerate(probes):
            score = matcher.match(probe).score
            thresholds = (gallery.thresholds[0].fixed, score, min(score + 1, ONE))
            for threshold in dict.fromkeys(thresholds):
                yield GoldenMatch(number, method, threshold, matcher.match(probe, threshold))


def verdict_counts(golden: Golden) -> tuple[int, int]:
    """How many matches are of a known person, and how many of nobody."""
    known = sum(one.match.known for one in golden.matches)
    return known, len(golden.matches) - known


def golden_record(golden: Golden) -> dict[str, object]:
    """The golden vectors for JSON; fingerprints as lists of numbers."""
    names = golden.gallery.names
    return {
        "origin": golden.origin,
        "people": list(names),
        "levels": golden.levels.tolist(),
        "probes": [
            {"image": picture_name(number), "fingerprint": vector.tolist()}
            for number, vector in enumerate(golden.fingerprints)
        ],
        "matches": [
            {
                "probe": one.probe,
                "method": one.method,
                "threshold_q30": one.threshold,
                "known": one.match.known,
                "nearest": None if one.match.person is None else names[one.match.person],
                "score_q30": one.match.score,
                "second": None if one.match.second is None else names[one.match.second],
                "second_score_q30": one.match.second_score,
            }
            for one in golden.matches
        ],
    }


def picture_name(probe: int) -> str:
    """The file that shows a probe."""
    return f"face_{probe}.png"


def pictures(probes: Images) -> dict[str, bytes]:
    """The probes as PNG files, whose pixels are the input's."""
    return {picture_name(number): _png(pixels) for number, pixels in enumerate(probes)}


def _png(pixels: Images) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def split_given(images: Sequence[Images], origin: str) -> Faces:
    """Faces that a user gave, each of another person as far as is known: the first half is enrolled, all are probes.

    Args:
        images: two or more, uint8 [side, side, 3] each.
        origin: where they come from.
    """
    enrolled = images[: (len(images) + 1) // 2]
    return Faces(origin, tuple(image[None] for image in enrolled), np.stack(images))
