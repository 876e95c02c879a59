"""The ROC against scikit-learn and against a count over every threshold."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from facerec_core import roc
from facerec_core.errors import DataError

# Few distinct values, so that ties within and between the two kinds are the rule.
tied = st.lists(st.integers(-4, 4), min_size=1, max_size=60).map(lambda v: np.array(v, np.float32) / 4)
many_tied = st.lists(st.integers(-9, 9), min_size=60, max_size=120).map(lambda v: np.array(v, np.float32) / 9)


def labelled(genuine, impostor):
    truth = np.r_[np.ones(genuine.size), np.zeros(impostor.size)]
    return truth, np.concatenate([genuine, impostor])


def slow_tar(genuine, impostor, far):
    """TAR at the smallest of all thresholds that matter whose FAR is small enough."""
    steps = np.unique(np.concatenate([genuine, impostor]))
    thresholds = [-math.inf, *steps, *np.nextafter(steps, np.float32(np.inf))]
    allowed = [t for t in thresholds if np.mean(impostor >= t) <= far]
    return np.mean(genuine >= min(allowed))


@given(tied, tied)
def test_points_equal_sklearn(genuine, impostor):
    far, tar, thresholds = roc_curve(*labelled(genuine, impostor), drop_intermediate=False)
    curve = roc.roc(genuine, impostor)
    np.testing.assert_allclose(curve.far, far, atol=1e-12)
    np.testing.assert_allclose(curve.tar, tar, atol=1e-12)
    np.testing.assert_array_equal(curve.threshold, thresholds)


@given(tied, tied)
def test_auc_equals_sklearn_and_the_area(genuine, impostor):
    expected = roc_auc_score(*labelled(genuine, impostor))
    curve = roc.roc(genuine, impostor)
    assert roc.auc(genuine, impostor) == pytest.approx(expected, abs=1e-12)
    assert roc.auc(genuine, impostor) == pytest.approx(np.trapezoid(curve.tar, curve.far), abs=1e-12)


@given(tied, tied)
def test_eer_lies_on_the_curve_where_both_errors_are_equal(genuine, impostor):
    rate = roc.eer(genuine, impostor)
    curve = roc.roc(genuine, impostor)
    segments = zip(curve.far, curve.tar, curve.far[1:], curve.tar[1:], strict=False)

    def on_segment(x0, y0, x1, y1):
        inside = min(x0, x1) - 1e-12 <= rate <= max(x0, x1) + 1e-12
        inside = inside and min(y0, y1) - 1e-12 <= 1 - rate <= max(y0, y1) + 1e-12
        return inside and abs((x1 - x0) * (1 - rate - y0) - (y1 - y0) * (rate - x0)) < 1e-9

    assert any(on_segment(*segment) for segment in segments)


@given(tied, many_tied, st.sampled_from([0.5, 0.6, 0.75, 0.9]))
def test_tar_at_far_equals_a_count_over_all_thresholds(genuine, impostor, far):
    assert roc.tar_at_far(genuine, impostor, far) == pytest.approx(slow_tar(genuine, impostor, far), abs=1e-12)


@given(tied, many_tied, st.sampled_from([0.5, 0.6, 0.75, 0.9]))
def test_threshold_realises_the_tar_and_keeps_the_far(genuine, impostor, far):
    threshold = roc.threshold_at_far(impostor, far)
    realised_far, realised_tar = roc.realised(genuine, impostor, threshold)
    assert realised_far <= far
    assert realised_tar == roc.tar_at_far(genuine, impostor, far)
    if threshold > -math.inf:
        one_step_lower = float(np.nextafter(np.float32(threshold), np.float32(-np.inf)))
        assert roc.realised(genuine, impostor, one_step_lower)[0] > far


def test_a_group_of_equal_impostors_stays_out_whole():
    impostor = np.r_[np.full(100, 0.5), np.full(900, 0.0)].astype(np.float32)
    genuine = np.array([0.4, 0.5, 0.6], np.float32)
    assert roc.tar_at_far(genuine, impostor, 0.05) == pytest.approx(1 / 3)
    assert roc.tar_at_far(genuine, impostor, 0.1) == 1.0


@pytest.mark.parametrize(("count", "far", "allowed"), [(100, 0.58, 58), (1000, 0.29, 290), (30_000, 1e-3, 30)])
def test_products_that_round_down_lose_no_impostor(count, far, allowed):
    impostor = np.arange(count, dtype=np.float64)
    assert roc.realised(impostor, impostor, roc.threshold_at_far(impostor, far))[0] == allowed / count


def test_far_floor_follows_the_rule_of_30():
    genuine = np.ones(5, np.float32)
    impostor = np.zeros(3000, np.float32)
    assert roc.far_floor(3000) == pytest.approx(0.01)
    assert roc.tar_at_fars(genuine, impostor, roc.LISTED_FARS) == (1.0, 1.0, None, None)
    assert roc.threshold_at_far(impostor, 1e-3) is None


@pytest.mark.parametrize("count", [0, 1, 29])
def test_too_few_impostors_resolve_nothing(count):
    impostor = np.zeros(count, np.float32)
    assert roc.far_floor(count) == 1.0
    assert roc.tar_at_far(np.ones(5, np.float32), impostor, 0.5) is None


def test_grid_ends_at_everything_accepted_and_is_empty_below_the_floor():
    rng = np.random.default_rng(0)
    grid = roc.roc_grid(partial(roc.tar_at_fars, rng.normal(1, 1, 200), rng.normal(0, 1, 3000)))
    assert grid.log10_far == roc.LOG10_FAR_GRID
    assert len(grid.tar) == 41
    assert grid.tar[:20] == (None,) * 20
    drawn = grid.tar[20:]
    assert list(drawn) == sorted(drawn)
    assert drawn[-1] == 1.0


def test_chance_level():
    rng = np.random.default_rng(1)
    genuine, impostor = rng.normal(size=20_000), rng.normal(size=20_000)
    assert roc.auc(genuine, impostor) == pytest.approx(0.5, abs=0.01)
    assert roc.eer(genuine, impostor) == pytest.approx(0.5, abs=0.01)
    assert roc.tar_at_far(genuine, impostor, 0.1) == pytest.approx(0.1, abs=0.01)


def test_separated_and_reversed_scores():
    low, high = np.zeros(40, np.float32), np.ones(40, np.float32)
    assert (roc.auc(high, low), roc.eer(high, low)) == (1.0, 0.0)
    assert (roc.auc(low, high), roc.eer(low, high)) == (0.0, 1.0)
    assert (roc.auc(low, low), roc.eer(low, low)) == (0.5, 0.5)


@pytest.mark.parametrize("function", [roc.roc, roc.auc, roc.eer])
def test_one_kind_of_pairs_is_refused(function):
    with pytest.raises(DataError, match="3 genuine and 0 impostor"):
        function(np.ones(3), np.empty(0))


def test_no_genuine_pairs_leave_the_rates_undefined():
    impostor = np.zeros(100, np.float32)
    assert roc.tar_at_far(np.empty(0), impostor, 0.5) is None
    assert roc.realised(np.empty(0), impostor, 0.5) == (0.0, None)
    assert roc.realised(impostor, np.empty(0), 0.5) == (None, 0.0)


@pytest.mark.parametrize(("far", "label"), [(0.1, "1e-1"), (1e-4, "1e-4"), (0.005, "5e-3"), (2.5e-3, "2.5e-3")])
def test_far_label(far, label):
    assert roc.far_label(far) == label
