"""A gallery pinned byte for byte: every later version has to read version 1, and to write it so."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from facerec_core.gallery.decoding import decode
from facerec_core.gallery.edit import with_person
from facerec_core.gallery.encoding import encode
from facerec_core.gallery.match import Matcher
from facerec_core.gallery.records import FarThreshold, Gallery, GalleryModel, Preparation

FILE = Path(__file__).with_name("gallery_version_1.fpdb")


def made() -> Gallery:
    """Two people, three fingerprints of six numbers, two thresholds."""
    model = GalleryModel("00112233445566778899aabbccddeeff" * 2, "ptq_int8", 6, 96, 0.0234375, -12)
    thresholds = (FarThreshold.of(0.4375, 1e-3), FarThreshold.of(0.375, 1e-2))
    gallery = Gallery(model, Preparation(128, 875_000), "mean", thresholds)
    gallery, _ = with_person(gallery, "Zoë", np.array([[-128, 0, 127, 5, -12, 9]], np.int8))
    gallery, _ = with_person(gallery, "Ada", np.array([[1, 2, 3, 4, 5, 6], [-7, 80, -90, 10, 11, -12]], np.int8))
    return gallery


def test_it_is_written_byte_for_byte() -> None:
    assert encode(made()) == FILE.read_bytes()


def test_it_is_read_and_judged_as_before() -> None:
    gallery = decode(FILE.read_bytes(), FILE.name)
    assert gallery == made()
    assert (gallery.names, gallery.counts) == (("Ada", "Zoë"), (2, 1))
    match = Matcher(gallery).match(np.array([0, 1, 2, 3, 4, 50], np.int8))
    assert (match.known, match.person, match.second) == (True, 0, 1)
    assert (match.score, match.second_score) == (493_209_597, 190_853_022)
