"""Whom a fingerprint is taken for: the best or the mean of a person's scores, and when it is nobody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.errors import DataError
from facerec_core.gallery.edit import with_person
from facerec_core.gallery.fixed_point import ONE, compare
from facerec_core.gallery.match import Matcher
from facerec_core.gallery.records import FarThreshold
from tests.galleries import drawn, empty, people


def naive(gallery, probe, method: str) -> list[int]:
    """Each person's score, one fingerprint after the other."""
    found = []
    for person in range(len(gallery.names)):
        each = [compare(one, probe, gallery.model.zero_point) for one in gallery.fingerprints_of(person)]
        found.append(max(each) if method == "best" else int(sum(each) / len(each)))
    return found


@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    method=st.sampled_from(["best", "mean"]),
    threshold=st.floats(-1, 1),
)
def test_matches_equal_those_of_one_after_the_other(seed, counts, method, threshold) -> None:
    gallery = people({f"P{i}": count for i, count in enumerate(counts)})
    (probe,) = drawn(seed, 1)
    least = FarThreshold.of(threshold).fixed
    match = Matcher(gallery, method).match(probe, least)
    expected = naive(gallery, probe, method)
    assert Matcher(gallery, method).person_scores(probe).tolist() == expected
    ranked = sorted(range(len(expected)), key=lambda person: (-expected[person], person))
    assert (match.person, match.score) == (ranked[0], expected[ranked[0]])
    assert match.known == (match.score >= least)
    assert match.second == (ranked[1] if len(ranked) > 1 else None)
    assert match.margin == (match.score - least) / ONE
    if match.second is not None:
        assert match.second_score == expected[match.second]
        assert match.margin_to_second == (match.score - match.second_score) / ONE


def test_an_enrolled_image_is_found_again() -> None:
    gallery = people({"Ada": 3, "Bob": 2, "Cleo": 1})
    match = Matcher(gallery).match(gallery.fingerprints_of(1)[1])
    assert (match.known, gallery.names[match.person]) == (True, "Bob")
    assert match.cosine == pytest.approx(1, abs=1e-5)


def test_best_and_mean_can_disagree() -> None:
    gallery = empty(dimension=2, zero_point=0)
    gallery, _ = with_person(gallery, "near once", np.array([[100, 0], [-100, 1]], np.int8))
    gallery, _ = with_person(gallery, "near twice", np.array([[70, 70], [80, 70]], np.int8))
    probe = np.array([100, 0], np.int8)
    assert gallery.names[Matcher(gallery).match(probe).person] == "near once"
    assert gallery.names[Matcher(gallery, "mean").match(probe).person] == "near twice"


def test_of_equal_scores_the_first_is_nearer_and_the_margin_is_nothing() -> None:
    gallery = empty(dimension=2, zero_point=0)
    for name in ("Bob", "Ada"):
        gallery, _ = with_person(gallery, name, np.array([[5, 5]], np.int8))
    match = Matcher(gallery).match(np.array([5, 4], np.int8))
    assert (match.person, match.second, match.margin_to_second) == (0, 1, 0.0)
    assert gallery.names[0] == "Ada"


def test_the_threshold_itself_is_enough_and_one_more_is_too_much() -> None:
    gallery = people({"Ada": 1})
    (probe,) = drawn(77, 1)
    score = Matcher(gallery).match(probe).score
    assert Matcher(gallery).match(probe, score).known
    assert not Matcher(gallery).match(probe, score + 1).known


def test_nobody_is_in_an_empty_gallery() -> None:
    match = Matcher(empty()).match(drawn(1, 1)[0], -ONE)
    assert (match.known, match.person, match.second, match.margin_to_second) == (False, None, None, None)


def test_a_fingerprint_of_length_zero_is_like_nobody() -> None:
    gallery = people({"Ada": 2, "Bob": 1})
    nothing = np.full(8, gallery.model.zero_point, np.int8)
    assert Matcher(gallery).person_scores(nothing).tolist() == [0, 0]
    assert not Matcher(gallery).match(nothing).known


def test_a_fingerprint_of_another_length_is_refused() -> None:
    with pytest.raises(DataError, match="got a fingerprint of 9 numbers, allowed: 8"):
        Matcher(people({"Ada": 1})).match(drawn(0, 1, 9)[0])
