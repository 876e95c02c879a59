"""Counting scores instead of keeping them, against the figures of the scores themselves."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facerec_core import metrics
from facerec_core.data.records import Pairs
from facerec_core.errors import DataError
from facerec_core.tally import STEP, Kept, Tally

FARS = (0.5, 0.3, 0.1, 1e-2, 1e-3, 1e-4)
SCORES = st.integers(-(2**20), 2**20).map(lambda steps: steps * STEP)


def scores(count):
    return arrays(np.float32, count, elements=SCORES.map(np.float32))


def tally(genuine, impostor, given=None, parts=3):
    return Tally.of(zip(np.array_split(genuine, parts), np.array_split(impostor, parts), strict=True), given)


@given(scores(st.integers(1, 60)), scores(st.integers(1, 400)))
def test_scores_that_are_multiples_of_the_step_give_the_same_figures(genuine, impostor):
    counted, kept = tally(genuine, impostor), Kept(genuine, impostor)
    assert (counted.genuine_pairs, counted.impostor_pairs) == (genuine.size, impostor.size)
    assert counted.auc() == pytest.approx(kept.auc(), abs=1e-12)
    assert counted.eer() == pytest.approx(kept.eer(), abs=1e-12)
    assert counted.tar_at_fars(FARS) == kept.tar_at_fars(FARS)
    for far in FARS:
        own, other = counted.threshold_at_far(far), kept.threshold_at_far(far)
        assert (own is None) == (other is None)
        if own is not None:
            assert counted.realised(own) == kept.realised(own) == kept.realised(other)


def random_scores(seed=0):
    rng = np.random.default_rng(seed)
    genuine = np.clip(rng.normal(0.6, 0.2, 5000), -1, 1).astype(np.float32)
    return genuine, np.clip(rng.normal(0.0, 0.2, 400_000), -1, 1).astype(np.float32)


def test_any_scores_give_figures_as_near_as_the_step():
    genuine, impostor = random_scores()
    counted, kept = tally(genuine, impostor), Kept(genuine, impostor)
    assert counted.auc() == pytest.approx(kept.auc(), abs=1e-6)
    assert counted.eer() == pytest.approx(kept.eer(), abs=1e-5)
    assert counted.tar_at_fars(FARS) == pytest.approx(kept.tar_at_fars(FARS), abs=3 / 5000)
    threshold = counted.threshold_at_far(1e-3)
    assert 0 <= threshold - kept.threshold_at_far(1e-3) <= STEP
    assert counted.realised(threshold) == kept.realised(threshold), "a rate at its own threshold is exact"
    assert counted.realised(threshold)[0] <= 1e-3


@pytest.mark.parametrize("given", [0.123456789, -0.3, math.inf, -math.inf])
def test_a_given_threshold_is_counted_exactly(given):
    genuine, impostor = random_scores(1)
    assert tally(genuine, impostor, given).realised(given) == Kept(genuine, impostor).realised(given)


def test_the_ends_of_the_range_are_counted():
    ends = np.array([-1, 1] * 50, np.float32)
    counted = tally(ends, ends)
    assert counted.auc() == counted.eer() == 0.5
    assert counted.threshold_at_far(0.4) == 1 + STEP
    assert counted.realised(1 + STEP) == (0.0, 0.0)
    everything = tally(ends, -np.ones(100, np.float32))
    assert everything.threshold_at_far(0.5) == -1 + STEP
    assert tally(ends, ends).realised(-math.inf) == (1.0, 1.0)


def test_a_kind_of_pairs_that_is_missing_is_refused():
    with pytest.raises(DataError, match="got 3 genuine and 0 impostor"):
        tally(np.ones(3, np.float32), np.ones(0, np.float32))


def faces(seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(80), 5)
    centres = rng.normal(size=(80, 12))[labels]
    pairs = np.array(list(itertools.combinations(range(labels.size), 2)))[::31]
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    listed = Pairs(pairs[:, 0], pairs[:, 1], same, np.arange(len(pairs), dtype=np.int64) % 4)
    return (centres + 0.7 * rng.normal(size=centres.shape)).astype(np.float32), labels, listed


def test_an_evaluation_of_many_pairs_has_the_figures_of_one_that_keeps_them(monkeypatch):
    def evaluations():
        groups = ["even" if label % 2 == 0 else "odd" for label in faces(0)[1]]
        fixed = {"identities": 80, "target_far": 1e-2, "groups": groups}
        validation = metrics.evaluate(*faces(0), split="validation", threshold=None, **fixed)
        test = metrics.evaluate(*faces(1), split="test", threshold=validation.threshold, **fixed)
        return validation, test

    kept = evaluations()
    monkeypatch.setattr(metrics, "EXACT_PAIRS", 1000)
    monkeypatch.setattr(metrics, "BLOCK_BYTES", 40_000)
    for counted, exact in zip(evaluations(), kept, strict=True):
        assert counted.genuine_pairs == exact.genuine_pairs
        assert counted.impostor_pairs == exact.impostor_pairs
        assert counted.threshold == pytest.approx(exact.threshold, abs=2 * STEP)
        for figure in ("auc", "eer", "accuracy", "realised_far", "realised_tar"):
            assert getattr(counted, figure) == pytest.approx(getattr(exact, figure), abs=2e-3)
        assert counted.tar_at_far == pytest.approx(exact.tar_at_far, abs=2e-3)
        assert counted.roc.tar == pytest.approx(exact.roc.tar, abs=2e-3)
        for mine, other in zip(counted.groups, exact.groups, strict=True):
            assert mine.far == pytest.approx(other.far, abs=1e-3)
            assert mine.tar == pytest.approx(other.tar, abs=2e-3)
