"""People coming and going, their names, and galleries of another network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.errors import DataError
from facerec_core.gallery.decoding import decode
from facerec_core.gallery.edit import check_made_with, with_person, without_person
from facerec_core.gallery.encoding import encode
from facerec_core.gallery.names import MOST_NAME_BYTES, canonical_name, printable
from facerec_core.gallery.records import FarThreshold
from tests.galleries import drawn, empty, model, people

NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)


@given(st.dictionaries(NAMES, st.integers(1, 3), max_size=6), st.integers(0, 100))
def test_a_gallery_is_read_back_as_it_was_written(counts, seed) -> None:
    gallery = people(counts, empty(dimension=3 + seed % 9, method="mean"))
    content = encode(gallery)
    back = decode(content, "gallery")
    assert back == gallery
    assert back.names == tuple(sorted(counts))
    assert back.counts == tuple(counts[name] for name in back.names)
    assert np.array_equal(back.vectors, gallery.vectors.reshape(back.vectors.shape))
    assert encode(back) == content


def test_the_order_of_enrolment_leaves_no_trace() -> None:
    forth, back = empty(), empty()
    for number in (0, 1, 2):
        forth, _ = with_person(forth, f"P{number}", drawn(number, 2))
        back, _ = with_person(back, f"P{2 - number}", drawn(2 - number, 2))
    assert encode(forth) == encode(back)


def test_more_images_of_somebody_join_the_others() -> None:
    gallery = people({"Ada": 2, "Bob": 1})
    more, added = with_person(gallery, "Ada", drawn(50, 2))
    assert (added, more.names, more.counts) == (2, ("Ada", "Bob"), (4, 1))
    assert np.array_equal(more.fingerprints_of(0)[2:], drawn(50, 2))
    assert np.array_equal(more.fingerprints_of(1), gallery.fingerprints_of(1))


def test_an_image_twice_is_one_fingerprint() -> None:
    gallery, added = with_person(empty(), "Ada", np.concatenate([drawn(1, 2), drawn(1, 1)]))
    assert (added, gallery.counts) == (2, (2,))
    again, added = with_person(gallery, "Ada", drawn(1, 1))
    assert (added, encode(again)) == (0, encode(gallery))


@pytest.mark.parametrize("name", ["Ada", "Bob", "Cleo"])
def test_whoever_is_removed_leaves_no_trace(name) -> None:
    gallery = people({"Ada": 2, "Bob": 3, "Cleo": 1})
    rest = without_person(gallery, name)
    assert name not in rest.names
    gone = gallery.fingerprints_of(gallery.names.index(name))
    assert all(vector.tobytes() not in encode(rest) for vector in gone)
    restored, _ = with_person(rest, name, gone)
    assert encode(restored) == encode(gallery)


def test_removing_nobody_is_refused_and_the_name_is_escaped() -> None:
    with pytest.raises(DataError, match=r"--name: got 'A\\x1b\[2J', allowed: one of the 1 people"):
        without_person(people({"Ada": 1}), "A\x1b[2J")


def test_fingerprints_that_do_not_belong_are_refused() -> None:
    with pytest.raises(DataError, match="numbers, allowed: 8"):
        with_person(empty(), "Ada", drawn(1, 1, 7))
    with pytest.raises(DataError, match="length zero"):
        with_person(empty(), "Ada", np.full((1, 8), -3, np.int8))


def test_a_fingerprint_takes_at_most_32_bytes_more_than_its_length() -> None:
    """With a name of up to 15 bytes for every single fingerprint, and everything but the header counted."""
    for dimension in (1, 127, 128, 448, 640, 1281):
        counts = {f"{number:015d}": 1 for number in range(50)}
        empty_bytes = len(encode(empty(dimension)))
        content = encode(people(counts, empty(dimension)))
        assert (len(content) - empty_bytes) / 50 <= dimension + 32


def test_another_network_is_refused_and_both_are_named() -> None:
    gallery = people({"Ada": 1})
    check_made_with(gallery, gallery.model, "faces.fpdb")
    other = replace(model(), sha256="00" * 32, scheme="ptq_int8", input_side=128)
    with pytest.raises(DataError) as caught:
        check_made_with(gallery, other, "faces.fpdb")
    for part in ("faces.fpdb", "qat_int8, 96 px, 8-d, SHA-256 3fa907", "ptq_int8, 128 px", "or a new gallery"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    ["", "  ", "a\0b", "a\nb", "\x1b[31mred", "\u202eevil", "x" * 129, "é" * 65, "\ud800", "a\u200bb", "\u200d\u200c"],
)
def test_what_is_no_name(bad) -> None:
    with pytest.raises(DataError, match="--name: got '") as caught:
        canonical_name(bad, "--name")
    assert str(caught.value).isprintable()


def test_names_are_composed_and_trimmed() -> None:
    assert canonical_name("  Ade\u0301la ", "--name") == "Ad\u00e9la"
    assert len(canonical_name("é" * (MOST_NAME_BYTES // 2), "--name").encode()) == MOST_NAME_BYTES


@pytest.mark.parametrize(
    "name",
    [
        "می\u200cخواهم",
        "ශ්\u200dරී",
        "\U0001f469\u200d\U0001f680",
        "\U0001fae8",
        "a\u00a0b",
        "\U000e0fff",
        "\ue000",
        "O'Neil; x",
    ],
)
def test_names_of_every_script_are_taken(name) -> None:
    """With joiners, without; assigned in a later Unicode than this Python's, or never."""
    assert canonical_name(name, "--name") == name
    assert printable(name).isprintable()


def test_printable_lets_nothing_through_that_acts() -> None:
    assert printable("Zoë 李\x07\x1b\u202e\ud800") == "Zoë 李\\x07\\x1b\\u202e\\ud800"


def test_no_representation_shows_a_fingerprint() -> None:
    gallery = people({"Ada": 1})
    assert "vectors" not in repr(gallery)
    assert "first" not in repr(gallery)


def test_thresholds_keep_cosine_and_far() -> None:
    one = FarThreshold.of(0.4375, 1e-4)
    assert (one.threshold, one.far) == (0.4375, 1e-4)
    assert FarThreshold.of(0.5).far is None
