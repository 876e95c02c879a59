"""What is said about duplicates and names, and about the counts of a split."""

import numpy as np
import pytest

from facerec_core.data.duplicates import Duplicate, Duplicates
from facerec_core.data.records import FaceSet
from facerec_core.types import BrokenImage
from sweep.data.file_sizes import FileSize
from sweep.data.findings import broken_findings, duplicate_findings, list_images, name_findings, normalised
from sweep.data.info import sizes_in_words, split_info


def face_set(**counts: int) -> FaceSet:
    """A split of people with so many images each."""
    labels = np.repeat(np.arange(len(counts)), list(counts.values())).astype(np.int64)
    names = tuple(f"{name}/{i}.jpg" for name, count in counts.items() for i in range(count))
    return FaceSet(np.zeros((len(names), 8, 8, 3), np.uint8), labels, names, tuple(counts))


@pytest.fixture
def splits():
    return {"train": face_set(Ada=2, Alan=1), "validation": face_set(Grace=2), "test": face_set(Kurt=1, Emmy=2)}


def test_images_are_numbered_through_all_splits(splits) -> None:
    listed = list_images(splits)
    assert [image.index for image in listed] == list(range(8))
    assert (listed[4].name, listed[4].identity, listed[4].split) == ("Grace/1.jpg", "Grace", "validation")


@pytest.mark.parametrize(
    ("first", "second", "kind", "severity"),
    [
        (0, 3, "duplicate across splits", "error"),
        (3, 6, "duplicate across splits", "error"),
        (0, 2, "duplicate of two people", "warning"),
        (6, 7, "duplicate of one person", "warning"),
    ],
)
def test_what_a_duplicate_means_depends_on_where_it_lies(splits, first, second, kind, severity) -> None:
    found = Duplicates((Duplicate(first, second, 6, False),), (), True)
    (finding,) = duplicate_findings(found, list_images(splits))
    assert (finding.kind, finding.severity, finding.distance_bits) == (kind, severity, 6)
    assert "6 of 256 bits differ" in finding.text
    assert [image.index for image in finding.images] == [first, second]


def test_equal_pixels_are_said_to_be_equal(splits) -> None:
    (finding,) = duplicate_findings(Duplicates((Duplicate(0, 5, 0, True),), (), True), list_images(splits))
    assert finding.text == "Ada/0.jpg (train) and Kurt/0.jpg (test): equal pixels"


def test_pairs_of_people_without_names_may_share_pictures_among_themselves(splits) -> None:
    pairs = (Duplicate(5, 6, 0, True), Duplicate(0, 6, 0, True), Duplicate(0, 1, 0, True))
    found = list(duplicate_findings(Duplicates(pairs, (), True), list_images(splits), nameless="test"))
    assert [finding.kind for finding in found] == ["duplicate across splits", "duplicate of one person"]


def test_a_search_that_ended_early_and_flat_pictures_are_told(splits) -> None:
    kinds = [(one.kind, one.severity) for one in duplicate_findings(Duplicates((), (2,), False), list_images(splits))]
    assert kinds == [("flat", "warning"), ("unfinished", "error")]


@pytest.mark.parametrize(
    "other",
    ["ada lovelace", "ADA_LOVELACE", " Ada  Lovelace", "Ada-Lovelace", "\uff21da Lovelace"],
    ids=["case", "underscore", "blanks", "dash", "wide letter"],
)
def test_spellings_of_one_name(other) -> None:
    assert normalised(other) == normalised("Ada_Lovelace")


def test_accents_in_either_form_are_one_and_no_accent_is_another() -> None:
    assert normalised("Rene\u0301") == normalised("Ren\u00e9") != normalised("Rene")
    assert normalised("Gau\u00df") == normalised("GAUSS")


@pytest.mark.parametrize(("allow_shared", "severity"), [(False, "error"), (True, "warning")])
def test_a_name_in_two_splits(allow_shared, severity) -> None:
    splits = {
        "train": face_set(Ada_Lovelace=2, B=1),
        "validation": face_set(C=1),
        "test": face_set(**{"ada lovelace": 1}),
    }
    (finding,) = name_findings(splits, allow_shared)
    assert (finding.kind, finding.severity) == ("shared identity", severity)
    assert finding.text == "Ada_Lovelace (train), ada lovelace (test)"


def test_a_name_twice_in_one_split_is_a_warning() -> None:
    (finding,) = name_findings({"train": face_set(Ada=1, ADA=2), "test": face_set(C=1)}, allow_shared=False)
    assert (finding.kind, finding.severity, finding.text) == ("similar names", "warning", "Ada, ADA (train)")


@pytest.mark.parametrize(
    ("skipped", "refusal", "expected"),
    [
        (False, "1 broken image", [("broken", "error")]),
        (True, None, [("broken", "warning")]),
        (True, "too few people", [("broken", "warning"), ("refused", "error")]),
    ],
)
def test_broken_images_are_errors_unless_a_sweep_skips_them(skipped, refusal, expected) -> None:
    found = broken_findings((BrokenImage("a/1.jpg", "the file is empty"),), skipped, refusal)
    assert [(one.kind, one.severity) for one in found] == expected


def test_what_else_keeps_a_sweep_from_beginning_is_an_error() -> None:
    assert [one.text for one in broken_findings((), False, "too few people")] == ["too few people"]
    assert list(broken_findings((), False, None)) == []


def test_images_a_person() -> None:
    info = split_info("train", face_set(a=1, b=1, c=2, d=4, e=5, f=9))
    assert (info.images, info.identities) == (22, 6)
    assert (info.fewest_images, info.median_images, info.most_images) == (1, 3.0, 9)
    assert info.identities_by_images == {"1": 2, "2": 1, "3": 0, "4": 1, "5+": 2}
    assert split_info("test", face_set(a=1, b=2), named=False).identities is None


def test_sizes_in_words() -> None:
    few = (FileSize(250, 250, 1200), FileSize(64, 80, 1))
    assert sizes_in_words(few) == "1,200 of 250 × 250, 1 of 64 × 80"
    many = tuple(FileSize(100 + i, 200, 10 - i) for i in range(6))
    assert sizes_in_words(many) == "6 sizes, shorter side 100 to 105, median 102, most often 100 × 200 (10)"
    assert sizes_in_words(None).startswith("none")
