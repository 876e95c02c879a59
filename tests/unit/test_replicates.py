"""Weighed rates against rates of the explicitly repeated scores, and the thinned scores against all of them."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core import replicates, roc
from facerec_core.folds import fold_accuracy
from facerec_core.replicates import Chunk, Listed, Scores, draw_weights, impostor_weight, rates_of

FARS = {"half": 0.5, "third": 1 / 3, "tenth": 0.1, "all": 1.0}
THRESHOLD = 1.0


def pairs_of(labels):
    first, second = np.array(list(itertools.combinations(range(len(labels)), 2))).T
    return first, second, labels[first] == labels[second]


def chunk(scores, labels, part=slice(None)):
    """Scores of all pairs (or a part of them) in the order of `itertools.combinations`."""
    first, second, same = (column[part] for column in pairs_of(labels))
    scores = scores[part]
    one, two = labels[first[~same]], labels[second[~same]]
    return Chunk(scores[same], labels[first[same]], scores[~same], lambda places: (one[places], two[places]))


def listed_of(scores, labels):
    first, second, same = pairs_of(labels)
    return Listed(scores, same, np.arange(same.size) % 3, labels[first], labels[second])


def slow_rates(scores, labels, weights):
    """Every score as often as its pair counts, then the plain formulas."""
    first, second, same = pairs_of(labels)
    own = weights.astype(int)
    times = np.where(same, own[labels[first]], own[labels[first]] * own[labels[second]])
    genuine, impostor = np.repeat(scores[same], times[same]), np.repeat(scores[~same], times[~same])
    steps = np.unique(scores)
    thresholds = [-math.inf, *steps, *np.nextafter(steps, np.float32(np.inf))]

    def tar(far):
        return np.mean(genuine >= min(t for t in thresholds if np.mean(impostor >= t) <= far + 1e-12))

    fold = np.repeat(np.arange(same.size) % 3, times)
    return {key: tar(far) for key, far in FARS.items()} | {
        "eer": roc.eer(genuine, impostor),
        "auc": roc.auc(genuine, impostor),
        "accuracy": fold_accuracy(np.repeat(scores, times), np.repeat(same, times), fold),
        "realised_far": np.mean(impostor >= THRESHOLD),
        "realised_tar": np.mean(genuine >= THRESHOLD),
    }


@given(st.data())
def test_rates_equal_those_of_explicitly_repeated_pairs(data):
    people = data.draw(st.integers(3, 5))
    images = data.draw(st.lists(st.integers(1, 3), min_size=people, max_size=people))
    labels = np.repeat(np.arange(people), images)
    count = labels.size * (labels.size - 1) // 2
    # Few distinct scores, so that ties within and between the kinds are the rule.
    drawn = data.draw(st.lists(st.integers(-3, 3), min_size=count, max_size=count))
    scores = np.array(drawn, np.float32)
    weights = draw_weights(np.array(images), listed_of(scores, labels), 3)
    if weights is None:  # nobody has two images, or all pairs of a kind lie in one fold
        return
    kept = Scores.of([chunk(scores, labels, slice(None, 4)), chunk(scores, labels, slice(4, None))], -math.inf, 1)
    found = rates_of(kept, listed_of(scores, labels), np.array(images), weights, FARS, THRESHOLD)
    for row, own in enumerate(weights):
        expected = slow_rates(scores, labels, own)
        assert {key: values[row] for key, values in found.items()} == pytest.approx(expected, abs=1e-12)


def test_a_case_by_hand():
    # Two images each of persons 0, 1, 2; person 0 drawn twice, 1 once, 2 never.
    labels = np.array([0, 0, 1, 1, 2, 2])
    first, second, same = pairs_of(labels)
    scores = np.full(same.size, 0.1, np.float32)
    scores[same] = [0.9, 0.3, 0.8]
    scores[(first == 0) & (second == 2)] = 0.5
    weights = np.array([[2, 1, 0]], np.uint16)
    found = rates_of(
        Scores.of([chunk(scores, labels)], -math.inf, 1),
        listed_of(scores, labels),
        np.array([2, 2, 2]),
        weights,
        {"tenth": 0.1, "quarter": 0.25},
        0.3,
    )
    # Genuine: 0.9 twice, 0.3 once. Impostors: four pairs of persons 0 and 1, each twice; one of the four is at 0.5.
    assert found["tenth"] == pytest.approx(2 / 3)
    assert found["quarter"] == pytest.approx(1.0)
    assert found["realised_tar"] == pytest.approx(1.0)
    assert found["realised_far"] == pytest.approx(2 / 8)
    assert found["auc"] == pytest.approx((2 * 8 + 6) / (3 * 8))


def many_scores(people=150, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), 4)
    first, second, same = pairs_of(labels)
    liking = rng.normal(size=labels.size)
    scores = 0.3 * (liking[first] + liking[second]) + rng.normal(size=same.size) + 2.0 * same
    return scores.astype(np.float32), labels


def test_thinned_scores_give_nearly_the_same_rates_and_exact_ones_above_the_cut():
    scores, labels = many_scores()
    images_each = np.full(150, 4)
    listed = listed_of(*many_scores(15))
    weights = draw_weights(images_each, listed, 20)
    impostor = scores[~pairs_of(labels)[2]]
    cut = roc.threshold_accepting(impostor, impostor.size // 20)
    rates = partial(rates_of, listed=listed, images_each=images_each, weights=weights, fars={"1e-2": 1e-2, "2e-1": 0.2})
    exact = rates(Scores.of([chunk(scores, labels)], -math.inf, 1), threshold=cut)
    kept = Scores.of([chunk(scores, labels)], cut, 8)
    thinned = rates(kept, threshold=cut)
    assert kept.impostor.size < impostor.size / 5
    for key in ("1e-2", "realised_far", "realised_tar", "accuracy"):
        np.testing.assert_array_equal(thinned[key], exact[key])
    for key in ("2e-1", "eer", "auc"):
        assert np.std(thinned[key] - exact[key]) < 0.5 * np.std(exact[key])
        assert np.std(thinned[key]) == pytest.approx(np.std(exact[key]), rel=0.2)


def test_everybody_once_gives_the_plain_rates():
    scores, labels = many_scores(30)
    same = pairs_of(labels)[2]
    genuine, impostor = scores[same], scores[~same]
    found = rates_of(
        Scores.of([chunk(scores, labels)], -math.inf, 1),
        listed_of(scores, labels),
        np.full(30, 4),
        np.ones((1, 30), np.uint16),
        {"1e-2": 1e-2},
        None,
    )
    assert found["1e-2"] == roc.tar_at_far(genuine, impostor, 1e-2)
    assert found["eer"] == roc.eer(genuine, impostor)
    assert found["auc"] == pytest.approx(roc.auc(genuine, impostor), abs=1e-12)
    assert set(found) == {"1e-2", "eer", "auc", "accuracy"}


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=6))
def test_the_weight_of_all_impostor_pairs_is_their_number(rows):
    images, weights = np.array(rows).T
    own = np.repeat(np.arange(len(rows)), images)
    expected = sum(int(weights[a] * weights[b]) for a, b in itertools.combinations(own, 2) if a != b)
    assert impostor_weight(images, weights.astype(np.uint16)) == expected


def test_the_draws_do_not_depend_on_scores_and_begin_alike():
    scores, labels = many_scores(20)
    images_each = np.full(20, 4)
    few = draw_weights(images_each, listed_of(scores, labels), 5)
    more = draw_weights(images_each, listed_of(-scores, labels), 8)
    np.testing.assert_array_equal(few, more[:5])
    assert (more.sum(1) == 20).all()
    assert len(np.unique(more, axis=0)) == 8


def test_people_who_cannot_be_resampled_have_no_weights(monkeypatch):
    monkeypatch.setattr(replicates, "TRIES", 2)
    scores, labels = many_scores(4)
    first, second, same = pairs_of(labels)
    one_fold = Listed(scores, same, np.zeros(same.size, np.int64), labels[first], labels[second])
    assert draw_weights(np.full(4, 4), one_fold, 5) is None
    assert draw_weights(np.ones(4, np.int64), listed_of(scores, labels), 5) is None


def test_picks_are_one_of_each_run():
    picks = replicates._one_of_each(7, 703, np.random.RandomState(0))
    np.testing.assert_array_equal(picks[:100] // 7, np.arange(100))
    assert len(np.unique(picks % 7)) == 7
    assert picks.max() < 703
