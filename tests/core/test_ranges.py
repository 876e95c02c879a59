"""The range between two percentiles of counted values; files with such ranges are in test_quantize."""

import numpy as np
import pytest

from facerec_core.ranges import BINS, central_range

pytestmark = pytest.mark.slow


def counted(values, whole):
    return np.histogram(values, BINS, whole)[0]


@pytest.mark.parametrize("percentile", [99.0, 99.9, 99.99])
def test_both_ends_are_those_of_numpys_percentile_to_a_part_of_the_range(percentile):
    values = np.random.default_rng(0).standard_normal(200_000)
    whole = float(values.min()), float(values.max())
    found = central_range(counted(values, whole), whole, percentile)
    part = (whole[1] - whole[0]) / BINS
    assert found == pytest.approx(tuple(np.percentile(values, [100 - percentile, percentile])), abs=2 * part)


def test_one_outlier_is_cut_off_and_all_the_others_are_kept():
    values = np.append(np.linspace(-1.0, 1.0, 100_001), 1000.0)
    least, greatest = central_range(counted(values, (-1.0, 1000.0)), (-1.0, 1000.0), 99.99)
    assert least == pytest.approx(-1.0)
    assert 1.0 <= greatest < 1.5


def test_at_100_nothing_is_cut():
    counts = np.zeros(BINS, np.int64)
    counts[[0, 7, BINS - 1]] = 1, 10**9, 1
    assert central_range(counts, (-3.0, 5.0), 100.0) == (-3.0, 5.0)


@pytest.mark.parametrize(("whole", "expected"), [((0.0, 6.0), 0.0), ((2.0, 6.0), 0.0)])
def test_zero_is_always_held(whole, expected):
    least, _ = central_range(np.ones(BINS, np.int64), whole, 99.0)
    assert least == expected


def test_values_below_zero_alone_end_at_zero():
    assert central_range(np.ones(BINS, np.int64), (-4.0, -2.0), 99.0)[1] == 0.0
