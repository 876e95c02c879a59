import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.errors import DataError
from facerec_core.protocol import (
    MIN_EVALUATED_IDENTITIES,
    assign_folds,
    cap_identities,
    check_evaluable,
    draw_pairs,
    split_identities,
)

counts = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 6), max_size=60)
shares = st.lists(st.floats(0.05, 1.0), min_size=2, max_size=3)
seeds = st.integers(0, 2**31)


@given(counts, shares, seeds)
def test_every_identity_is_in_exactly_one_split(counts, shares, seed):
    groups = split_identities(counts, shares, seed)
    assert len(groups) == len(shares)
    assert sorted(name for group in groups for name in group) == sorted(counts)


@given(counts, shares, seeds)
def test_the_order_of_the_identities_does_not_matter(counts, shares, seed):
    backwards = dict(reversed(counts.items()))
    assert split_identities(counts, shares, seed) == split_identities(backwards, shares, seed)


@given(st.integers(12, 80), st.integers(6, 12), shares, seeds)
def test_every_split_can_be_judged_on_when_there_are_enough_identities(total, several, shares, seed):
    counts = {f"p{i}": 2 if i < several else 1 for i in range(total)}
    for group in split_identities(counts, shares, seed):
        assert len(group) >= MIN_EVALUATED_IDENTITIES
        assert sum(counts[name] > 1 for name in group) >= 2


def test_splits_follow_the_shares_and_the_seed():
    counts = {f"p{i}": 1 + i % 3 for i in range(300)}
    groups = split_identities(counts, (0.7, 0.1, 0.2), 1)
    assert [len(group) for group in groups] == [210, 30, 60]
    assert [sum(counts[name] > 1 for name in group) for group in groups] == pytest.approx([140, 20, 40], abs=1)
    assert groups != split_identities(counts, (0.7, 0.1, 0.2), 2)


@given(counts, st.integers(4, 100), seeds)
def test_capping_keeps_whole_identities_within_the_cap(counts, most, seed):
    kept = cap_identities(counts, most, seed)
    assert set(kept) <= set(counts)
    assert sum(counts[name] for name in kept) <= most


def test_capping_keeps_identities_with_several_images_first():
    counts = {**{f"one{i}": 1 for i in range(50)}, **{f"two{i}": 2 for i in range(5)}}
    assert {name for name in cap_identities(counts, 12, 0) if name.startswith("two")} == {f"two{i}" for i in range(5)}
    assert cap_identities(counts, None, 0) == tuple(sorted(counts))


def test_capping_counts_nobody_for_more_than_a_few_images():
    counts = {"many": 500, **{f"two{i}": 2 for i in range(5)}}
    assert "many" not in cap_identities(counts, 20, 0)
    assert cap_identities(counts, 20, 0, each=4) == tuple(sorted(counts))


label_lists = st.lists(st.integers(1, 6), min_size=4, max_size=40).filter(lambda c: sum(n > 1 for n in c) >= 2)


@given(label_lists, seeds, st.integers(2, 10), st.integers(10, 400))
def test_drawn_pairs_are_distinct_balanced_and_share_no_identity_between_folds(counts, seed, folds, most):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    pairs = draw_pairs(labels, seed, folds, most)
    assert (labels[pairs.first] == labels[pairs.second]).tolist() == pairs.same.tolist()
    assert len({frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}) == len(
        pairs.same
    )
    assert np.all(pairs.first != pairs.second)
    assert len(pairs.same) <= max(most, 2 * folds)
    used = [set(labels[np.concatenate([pairs.first, pairs.second])[np.tile(pairs.fold == f, 2)]]) for f in range(folds)]
    assert sum(map(len, used)) == len(set().union(*used))
    for fold in set(pairs.fold.tolist()):
        same = pairs.same[pairs.fold == fold]
        assert same.sum() * 2 == len(same) > 0
    assert len(set(pairs.fold.tolist())) >= 2


def test_drawn_pairs_follow_the_seed():
    labels = np.repeat(np.arange(40), 5)
    first, again, other = draw_pairs(labels, 3), draw_pairs(labels, 3), draw_pairs(labels, 4)
    assert first.first.tolist() == again.first.tolist()
    assert first.first.tolist() != other.first.tolist()
    assert set(first.fold.tolist()) == set(range(10))
    assert first.first.dtype == first.second.dtype == first.fold.dtype == np.int64


def test_one_person_with_many_images_does_not_rule_the_genuine_pairs():
    labels = np.repeat(np.arange(20), [500, *[4] * 19])
    pairs = draw_pairs(labels, 0, folds=2, max_pairs=80)
    genuine = labels[pairs.first[pairs.same]]
    assert np.bincount(genuine).max() <= 6


def test_pairs_of_few_identities_use_fewer_folds():
    assert set(draw_pairs(np.array([0, 0, 1, 1, 2, 3]), 0).fold.tolist()) == {0, 1}


@pytest.mark.parametrize("labels", [[], [0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 3, 4]])
def test_too_few_identities_are_refused_with_the_counts(labels):
    with pytest.raises(DataError, match=r"the test split has .* needed: 4 and 2; add people"):
        check_evaluable(np.array(labels, np.int64), "test", "add people")


def test_given_pairs_are_dealt_evenly_into_folds():
    same = np.arange(100) < 40
    fold = assign_folds(same, 0, 10)
    assert np.bincount(fold[same]).tolist() == [4] * 10
    assert np.bincount(fold[~same]).tolist() == [6] * 10
    assert fold.tolist() != assign_folds(same, 1, 10).tolist()
