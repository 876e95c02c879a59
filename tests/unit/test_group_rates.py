"""Rates by group at one threshold, against counting pair by pair."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core import metrics
from facerec_core.data.records import Pairs
from facerec_core.group_rates import Spread, spread
from facerec_core.types import GroupRates


def some_faces(identities=60, images=4, seed=0):
    """People of two groups, the second with fingerprints that resemble each other; some in neither."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), images)
    kinds = np.array(["apples", "pears", "(none)"])[rng.choice(3, identities, p=[0.45, 0.45, 0.1])]
    centres = rng.normal(size=(identities, 16)) + np.where(kinds == "pears", 0.7, 0.0)[:, None]
    embeddings = centres[labels] + 0.6 * rng.normal(size=(labels.size, 16))
    return embeddings.astype(np.float32), labels, kinds[labels].tolist()


def whole(embeddings, labels, groups, **changes):
    pairs = np.array(list(itertools.combinations(range(labels.size), 2)))[::7]
    listed = Pairs(
        pairs[:, 0], pairs[:, 1], labels[pairs[:, 0]] == labels[pairs[:, 1]], np.arange(len(pairs), dtype=np.int64) % 5
    )
    chosen = {"split": "validation", "identities": 60, "target_far": 2e-2, "threshold": None} | changes
    return metrics.evaluate(embeddings, labels, listed, groups=groups, **chosen)


def slow(embeddings, labels, groups, threshold):
    """(genuine pairs, accepted, impostor pairs, accepted) of each group."""
    genuine, impostor = metrics.pair_scores(embeddings, labels)
    scores = {True: iter(genuine), False: iter(impostor)}
    out = {group: [0, 0, 0, 0] for group in groups}
    for i, j in itertools.combinations(range(len(labels)), 2):
        same = bool(labels[i] == labels[j])
        accepted = next(scores[same]) >= threshold
        if groups[i] == groups[j]:
            out[groups[i]][0 if same else 2] += 1
            out[groups[i]][1 if same else 3] += int(accepted)
    return out


def test_rates_are_those_of_the_pairs_within_a_group():
    embeddings, labels, groups = some_faces()
    order = np.random.default_rng(3).permutation(labels.size)
    embeddings, labels, groups = embeddings[order], labels[order], [groups[i] for i in order]
    found = whole(embeddings, labels, groups)
    expected = slow(embeddings, labels, groups, found.threshold)
    assert [rates.group for rates in found.groups] == ["apples", "pears", "(none)"]
    for rates in found.groups:
        genuine, passed, impostor, let_in = expected[rates.group]
        assert (rates.genuine_pairs, rates.impostor_pairs) == (genuine, impostor)
        assert rates.tar == passed / genuine
        assert rates.far == (let_in / impostor if impostor >= 1500 else None)
        assert rates.images == groups.count(rates.group) == rates.identities * 4
    assert found.groups[1].far > found.groups[0].far


def test_the_test_split_uses_the_threshold_of_validation():
    embeddings, labels, groups = some_faces(seed=1)
    found = whole(embeddings, labels, groups, split="test", threshold=0.31)
    counts = slow(embeddings, labels, groups, 0.31)
    assert [rates.tar for rates in found.groups] == [counts[r.group][1] / counts[r.group][0] for r in found.groups]


def test_one_group_for_all_has_the_rates_of_the_split():
    embeddings, labels, _ = some_faces()
    found = whole(embeddings, labels, ["everyone"] * labels.size)
    (only,) = found.groups
    assert (only.far, only.tar) == (found.realised_far, found.realised_tar)
    assert (only.genuine_pairs, only.impostor_pairs) == (found.genuine_pairs, found.impostor_pairs)
    assert spread(found.groups) == Spread("everyone", only.far, None, "everyone", only.tar, None)


def test_where_only_listed_pairs_count_groups_count_them_alone():
    embeddings, labels, groups = some_faces()
    first, second = np.triu_indices(labels.size, 1)
    first, second = first[::3], second[::3]
    listed = Pairs(first, second, labels[first] == labels[second], np.arange(first.size) % 5, exclusive=True)
    chosen = {"split": "test", "identities": 60, "target_far": 2e-2, "threshold": 0.3}
    pears = metrics.evaluate(embeddings, labels, listed, groups=groups, **chosen).groups[1]
    within = (np.array(groups)[first] == "pears") & (np.array(groups)[second] == "pears")
    scores = np.einsum("nd,nd->n", metrics.unit_length(embeddings)[first], metrics.unit_length(embeddings)[second])
    assert pears.genuine_pairs == (within & listed.same).sum()
    assert pears.impostor_pairs == (within & ~listed.same).sum()
    assert pears.far == np.mean(scores[within & ~listed.same] >= 0.3)
    assert pears.tar == np.mean(scores[within & listed.same] >= 0.3)


def test_without_groups_or_threshold_there_are_no_rates():
    embeddings, labels, groups = some_faces()
    assert whole(embeddings, labels, ()).groups == ()
    found = whole(embeddings, labels, groups, target_far=1e-6)
    assert {(rates.far, rates.tar) for rates in found.groups} == {(None, None)}
    assert sum(rates.images for rates in found.groups) == labels.size
    assert spread(found.groups) == Spread()


def test_rates_that_the_pairs_of_a_group_cannot_resolve_are_absent():
    embeddings, labels, groups = some_faces()
    few = ["rare" if label in (0, 1) else group for label, group in zip(labels, groups, strict=True)]
    rare = next(rates for rates in whole(embeddings, labels, few).groups if rates.group == "rare")
    assert (rare.genuine_pairs, rare.impostor_pairs) == (12, 16)
    assert (rare.far, rare.tar) == (None, None)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5000))
def test_the_blocks_in_which_pairs_are_scored_change_nothing(seed, block_bytes):
    embeddings, labels, groups = some_faces(identities=12, images=3, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "BLOCK_BYTES", block_bytes)
        found = whole(embeddings, labels, groups, split="test", threshold=0.3, target_far=0.5)
    counts = slow(embeddings, labels, groups, 0.3)
    for rates in found.groups:
        assert rates.far == (counts[rates.group][3] / counts[rates.group][2] if rates.impostor_pairs >= 60 else None)


def rates(group, far=None, tar=None, impostor_pairs=100_000):
    return GroupRates(group, 10, 5, 100, impostor_pairs, far, tar)


def test_the_worst_group_is_set_against_the_best():
    found = spread([rates("a", 1e-3, 0.9), rates("b", 4e-3, 0.6), rates("c", 2e-3, 0.8)])
    assert (found.far_group, found.far, found.far_ratio) == ("b", 4e-3, pytest.approx(4))
    assert (found.tar_group, found.tar, found.tar_ratio) == ("b", 0.6, pytest.approx(2 / 3))


def test_images_without_a_group_are_never_the_worst():
    found = spread([rates("a", 1e-3, 0.9), rates("(none)", 5e-2, 0.1)])
    assert (found.far_group, found.tar_group, found.far_ratio, found.tar_ratio) == ("a", "a", None, None)


def test_the_far_ratio_never_rests_on_fewer_errors_than_pairs_resolve():
    assert spread([rates("a", 0.0), rates("b", 3e-3)]).far_ratio == pytest.approx(10)  # 3e-3 over the floor, 3e-4
    assert spread([rates("a", 0.0), rates("b", 2e-4)]).far_ratio is None
    assert spread([rates("a", 0.0), rates("b", 0.0)]).far_ratio is None
    small, large = rates("a", 2e-4, impostor_pairs=1000), rates("b", 1e-4, impostor_pairs=10**7)
    assert spread([small, large]).far_ratio is None


def test_groups_without_rates_are_passed_over():
    found = spread([rates("a"), rates("b", 1e-3, 0.0), rates("c", None, 0.0)])
    assert (found.far_group, found.far_ratio) == ("b", None)
    assert (found.tar_group, found.tar_ratio) == ("b", None)
