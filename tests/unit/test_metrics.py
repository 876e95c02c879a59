"""Scores of pairs, accuracy over folds, and the whole evaluation."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics.pairwise import cosine_similarity

from facerec_core import metrics, roc
from facerec_core.data.records import Pairs
from facerec_core.errors import DataError, FacerecError
from facerec_core.folds import best_threshold, fold_accuracy


def some_faces(identities=40, images=4, size=16, noise=0.8, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(identities), images)
    centres = rng.normal(size=(identities, size))
    return (centres[labels] + noise * rng.normal(size=(labels.size, size))).astype(np.float32), labels


def some_pairs(labels, folds=5, seed=0):
    """As many same as different pairs, dealt to the folds in turn."""
    pairs = np.array(list(itertools.combinations(range(labels.size), 2)))
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    rng = np.random.default_rng(seed)
    different = rng.choice(np.flatnonzero(~same), int(same.sum()), replace=False)
    chosen = np.concatenate([np.flatnonzero(same), different])
    return Pairs(pairs[chosen, 0], pairs[chosen, 1], same[chosen], np.arange(chosen.size) % folds)


def whole(embeddings, labels, **changes):
    options = {"split": "validation", "identities": 40, "target_far": 1e-2, "threshold": None} | changes
    return metrics.evaluate(embeddings, labels, some_pairs(labels), **options)


def slow_fold_accuracy(scores, same, fold):
    """Tries a threshold between all neighbours, on every fold."""
    found = []
    for held_out in np.unique(fold):
        train, test = fold != held_out, fold == held_out
        steps = np.unique(scores[train]).astype(float)
        cuts = np.array([-np.inf, *(steps[:-1] + steps[1:]) / 2, np.inf])
        right = np.array([np.mean((scores[train] >= cut) == same[train]) for cut in cuts])
        best = cuts[np.flatnonzero(np.isclose(right, right.max()))]
        found.append(np.mean((scores[test] >= best[len(best) // 2]) == same[test]))
    return np.mean(found)


@pytest.mark.parametrize("block_bytes", [1, 4096, 2**26])
def test_all_pairs_whatever_the_block(monkeypatch, block_bytes):
    monkeypatch.setattr(metrics, "BLOCK_BYTES", block_bytes)
    embeddings, labels = some_faces(identities=13, images=3)
    order = np.random.default_rng(1).permutation(labels.size)
    embeddings, labels = embeddings[order], labels[order]
    similarity = cosine_similarity(embeddings)
    upper = np.triu(np.ones_like(similarity, dtype=bool), 1)
    same = labels[:, None] == labels[None, :]
    genuine, impostor = metrics.pair_scores(embeddings, labels)
    assert genuine.dtype == impostor.dtype == np.float32
    np.testing.assert_allclose(np.sort(genuine), np.sort(similarity[upper & same]), atol=1e-6)
    np.testing.assert_allclose(np.sort(impostor), np.sort(similarity[upper & ~same]), atol=1e-6)


@given(
    arrays(np.float32, (6, 3), elements=st.floats(-8, 8, width=16, allow_subnormal=False)),
    st.lists(st.sampled_from([1e-30, 1e-3, 7.0, 1e30]), min_size=6, max_size=6),
)
def test_scores_do_not_depend_on_the_length_of_a_fingerprint(embeddings, scales):
    labels = np.array([0, 0, 1, 1, 2, 2])
    scaled = (embeddings * np.array(scales)[:, None]).astype(np.float32)
    for plain, other in zip(metrics.pair_scores(embeddings, labels), metrics.pair_scores(scaled, labels), strict=True):
        np.testing.assert_allclose(plain, other, atol=1e-5)
        assert (np.abs(plain) <= 1).all()


def test_a_fingerprint_of_zeros_is_like_nothing():
    genuine, impostor = metrics.pair_scores(np.array([[0, 0], [0, 0], [1, 2]], np.float32), np.array([0, 0, 1]))
    np.testing.assert_array_equal(np.concatenate([genuine, impostor]), 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_fingerprint_that_is_not_finite_is_refused(value):
    embeddings, labels = some_faces()
    embeddings[7, 3] = value
    with pytest.raises(FacerecError, match="1 of 160 are not finite, first at row 7"):
        whole(embeddings, labels)


@pytest.mark.parametrize("labels", [[], [0], [0, 0, 0], [0, 1, 2]])
def test_counts_with_one_kind_of_pairs(labels):
    genuine, impostor = metrics.pair_scores(np.ones((len(labels), 2), np.float32), np.array(labels, np.int64))
    pairs = list(itertools.combinations(labels, 2))
    assert genuine.size == sum(a == b for a, b in pairs)
    assert impostor.size == sum(a != b for a, b in pairs)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=8, max_size=40), st.integers(2, 4))
def test_fold_accuracy_equals_the_slow_way(rows, folds):
    scores = np.array([score for score, _ in rows], np.float32)
    same = np.array([genuine for _, genuine in rows])
    same[0], same[1] = True, False
    fold = np.arange(len(rows)) % folds
    assert fold_accuracy(scores, same, fold) == pytest.approx(slow_fold_accuracy(scores, same, fold))


def test_the_threshold_of_a_fold_never_sees_that_fold():
    scores = np.array([0.1, 0.2, 0.8, 0.9, 0.1, 0.2, 0.8, 0.9])
    fold = np.repeat([0, 1], 4)
    opposite = np.array([False, False, True, True, True, True, False, False])
    assert fold_accuracy(scores, opposite, fold) == 0.25  # all rejected, then all wrong
    assert fold_accuracy(scores, np.tile(opposite[:4], 2), fold) == 1.0


def test_threshold_of_separated_scores_lies_half_way():
    assert best_threshold(np.array([0.1, 0.3, 0.7]), np.array([False, False, True])) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("same", "fold"), [([True] * 4, [0, 0, 1, 1]), ([False] * 4, [0, 0, 1, 1]), ([True, False] * 2, [0] * 4)]
)
def test_accuracy_that_would_say_nothing_is_refused(same, fold):
    with pytest.raises(DataError, match="both kinds and at least 2 folds"):
        fold_accuracy(np.arange(4.0), np.array(same), np.array(fold))


def test_validation_chooses_the_threshold_and_test_only_applies_it():
    validation = whole(*some_faces())
    assert validation.realised_far <= 1e-2
    assert validation.realised_tar == validation.tar_at_far["1e-2"]
    embeddings, labels = some_faces(seed=5)
    test = whole(embeddings, labels, split="test", threshold=validation.threshold)
    genuine, impostor = metrics.pair_scores(embeddings, labels)
    assert test.threshold == validation.threshold
    assert (test.realised_far, test.realised_tar) == roc.realised(genuine, impostor, validation.threshold)


def test_a_target_far_that_cannot_be_resolved_leaves_no_threshold():
    validation = whole(*some_faces(), target_far=1e-4)
    assert (validation.threshold, validation.realised_far, validation.realised_tar) == (None, None, None)
    assert validation.tar_at_far["1e-4"] is None
    assert whole(*some_faces(), split="test").threshold is None


def test_evaluation_counts_and_ranges():
    embeddings, labels = some_faces()
    found = whole(embeddings, labels)
    assert (found.images, found.identities) == (160, 40)
    assert found.genuine_pairs == 40 * 6
    assert found.impostor_pairs == 160 * 159 // 2 - 240
    assert found.accuracy_pairs == 480
    assert found.far_floor == 30 / found.impostor_pairs
    assert list(found.tar_at_far) == ["1e-1", "1e-2", "1e-3", "1e-4"]
    assert 0.9 < found.accuracy <= 1
    assert 0.9 < found.auc <= 1
    assert 0 <= found.eer < 0.2


def test_fingerprints_without_information_are_at_chance():
    rng = np.random.default_rng(2)
    found = whole(rng.normal(size=(160, 64)).astype(np.float32), some_faces()[1])
    assert found.auc == pytest.approx(0.5, abs=0.05)
    assert found.accuracy == pytest.approx(0.5, abs=0.08)


def test_one_identity_is_refused_in_one_line():
    embeddings, labels = some_faces()
    with pytest.raises(DataError, match="0 impostor"):
        metrics.evaluate(
            embeddings, labels * 0, some_pairs(labels), split="test", identities=1, target_far=0.1, threshold=None
        )
