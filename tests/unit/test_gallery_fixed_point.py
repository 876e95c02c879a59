"""Scores in integers against the cosine in double precision, at the extremes of what a fingerprint can be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.gallery.blocks import dots, sums_and_squares
from facerec_core.gallery.fixed_point import (
    MOST_DIMENSIONS,
    ONE,
    compare,
    inverse_norm,
    inverse_norms,
    scores,
    squared_norm,
    to_fixed,
)

STATED_ERROR = 1.6e-5
"""docs/gallery_format.md; at 640 numbers 6.1e-6."""


def cosine(first, second, zero_point: int) -> float:
    a, b = first.astype(np.float64) - zero_point, second.astype(np.float64) - zero_point
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@given(
    seed=st.integers(0, 10_000),
    dimension=st.sampled_from([1, 2, 3, 64, 640, 1279, MOST_DIMENSIONS]),
    zero_point=st.sampled_from([-128, -3, 0, 127]),
    spread=st.sampled_from([1, 5, 128]),
)
def test_a_score_is_the_cosine_and_never_further_from_zero(seed, dimension, zero_point, spread) -> None:
    rng = np.random.default_rng(seed)
    low, high = max(-128, zero_point - spread), min(128, zero_point + spread + 1)
    first, second = rng.integers(low, high, (2, dimension), np.int8)
    if not (squared_norm(first, zero_point) and squared_norm(second, zero_point)):
        assert compare(first, second, zero_point) == 0
        return
    found, true = compare(first, second, zero_point) / ONE, cosine(first, second, zero_point)
    assert abs(found - true) <= (STATED_ERROR if dimension > 640 else 6.1e-6)
    assert abs(found) <= abs(true) + 1e-12
    assert compare(second, first, zero_point) == compare(first, second, zero_point)


@pytest.mark.parametrize(("value", "zero_point"), [(127, -128), (-128, 127), (-128, 0), (127, 0)])
def test_the_longest_fingerprint_stays_within_its_integers(value, zero_point) -> None:
    longest = np.full(MOST_DIMENSIONS, value, np.int8)
    assert squared_norm(longest, zero_point) <= MOST_DIMENSIONS * 255**2 < 2**28
    score = compare(longest, longest, zero_point)
    assert 1 - STATED_ERROR <= score / ONE <= 1


def test_opposite_fingerprints_round_towards_zero_alike() -> None:
    first = np.array([3, -5, 9], np.int8)
    other = np.array([7, 1, 4], np.int8)
    assert compare(first, other, 0) == -compare(first, -other, 0)


def test_a_step_of_one_number_has_the_largest_inverse_norm() -> None:
    assert inverse_norm(np.array([1], np.int8), 0) == 2**31
    assert inverse_norm(np.array([5], np.int8), 5) == 0
    assert compare(np.array([1], np.int8), np.array([1], np.int8), 0) == ONE
    assert compare(np.array([5], np.int8), np.array([6], np.int8), 5) == 0


@given(st.lists(st.integers(0, MOST_DIMENSIONS * 255**2), min_size=1, max_size=50))
def test_inverse_norms_equal_whole_number_arithmetic(squared) -> None:
    expected = [math.isqrt(2**62 // value) if value else 0 for value in squared]
    assert inverse_norms(np.array(squared, np.int64)).tolist() == expected


def test_inverse_norms_around_every_perfect_square_of_the_quotient() -> None:
    """Where a double rounds the quotient up to a square, its root would be one too large."""
    squared = np.unique([2**62 // root**2 + step for root in range(65_000, 2**20, 997) for step in (-1, 0, 1)])
    squared = squared[squared <= MOST_DIMENSIONS * 255**2]
    assert len(squared) > 1000
    assert inverse_norms(squared).tolist() == [math.isqrt(2**62 // int(value)) for value in squared]


def test_the_product_reaches_two_to_the_62_and_no_further() -> None:
    one = np.array([1], np.int64)
    assert scores(one, one << 31, 1 << 31).tolist() == [ONE]
    assert scores(-one, one << 31, 1 << 31).tolist() == [-ONE]


@pytest.mark.parametrize("dimension", [1, 7, 1024, 1025, 3000])
@pytest.mark.parametrize("zero_point", [-128, 0, 127])
def test_blocks_of_floats_give_the_integers(dimension, zero_point) -> None:
    rng = np.random.default_rng(dimension)
    vectors = rng.choice(np.array([-128, 127], np.int8), (600, dimension))
    probe = rng.choice(np.array([-128, 127], np.int8), dimension)
    wide, narrow = vectors.astype(np.int64) - zero_point, probe.astype(np.int64) - zero_point
    sums, squares = sums_and_squares(vectors, zero_point)
    assert np.array_equal(sums, wide.sum(1))
    assert np.array_equal(squares, (wide * wide).sum(1))
    assert np.array_equal(dots(vectors, sums, probe, zero_point), wide @ narrow)


def test_blocks_are_exact_where_every_product_is_as_large_as_can_be() -> None:
    """1024 products of 2^14 are 2^24, the last integer up to which floats have no gaps."""
    lowest = np.full((2, 1024), -128, np.int8)
    sums, squares = sums_and_squares(lowest, 0)
    assert squares.tolist() == [2**24] * 2
    assert dots(lowest, sums, lowest[0], 0).tolist() == [2**24] * 2


@pytest.mark.parametrize(("value", "fixed"), [(1.0, ONE), (-1.0, -ONE), (2.0, ONE), (-7.0, -ONE), (0.5, 2**29), (0, 0)])
def test_thresholds_in_fixed_point(value, fixed) -> None:
    assert to_fixed(value) == fixed
