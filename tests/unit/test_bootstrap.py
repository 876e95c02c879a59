"""Intervals of a whole evaluation, and comparisons replicate by replicate."""

import dataclasses
import json

import numpy as np
import pytest

from facerec_core import bootstrap, metrics
from facerec_core.bootstrap import paired_difference, paired_ratio, percentile_interval, rate, recovered
from facerec_core.errors import DataError, OptionError
from facerec_core.options import EvalOptions
from facerec_core.protocol import draw_pairs
from facerec_core.record_json import dump_record, parse_record
from facerec_core.types import Evaluation, Interval
from tests.records import make_evaluation

RATES = ("tar_at_far_1e-1", "tar_at_far_1e-2", "eer", "auc", "accuracy", "realised_far", "realised_tar")


def faces(people=60, images=4, seed=0, size=12):
    """People whose images scatter differently, as real people's do."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), images)
    scatter = 0.6 * np.exp(0.4 * rng.normal(size=people))
    noise = scatter[labels, None] * rng.normal(size=(labels.size, size))
    return (rng.normal(size=(people, size))[labels] + noise).astype(np.float32), labels


def evaluated(embeddings, labels, **changes):
    options = {
        "split": "test",
        "identities": int(labels.max()) + 1,
        "target_far": 1e-2,
        "threshold": 0.6,
        "replicates": 100,
    }
    return metrics.evaluate(embeddings, labels, draw_pairs(labels, 0, folds=2), **(options | changes))


def noisier(embeddings, share=0.35, seed=9):
    return embeddings + share * np.random.default_rng(seed).normal(size=embeddings.shape).astype(np.float32)


@pytest.fixture(scope="module")
def trio():
    """Evaluations of one network that is whole, one that lost much, and one that lost a little."""
    embeddings, labels = faces(120)
    return tuple(evaluated(noisier(embeddings, share), labels) for share in (0.0, 0.5, 0.2))


def test_every_rate_has_its_interval_and_its_replicates(trio):
    found = trio[0]
    assert set(found.intervals) == {*RATES, "tar_at_far_1e-3"}
    assert set(found.replicates) == set(found.intervals) - {"auc"}
    for key, interval in found.intervals.items():
        assert interval.low < rate(found, key) < interval.high
    for key, values in found.replicates.items():
        assert len(values) == 100
        assert values == tuple(round(value, 5) for value in values)
        assert sum(value < found.intervals[key].low - 1e-5 for value in values) <= 3


def test_a_rate_below_the_far_floor_or_without_a_threshold_has_none():
    found = evaluated(*faces(20), threshold=None)
    assert found.tar_at_far["1e-3"] is None
    assert set(found.intervals) == {"tar_at_far_1e-1", "tar_at_far_1e-2", "eer", "auc", "accuracy"}


def test_a_target_far_off_the_list_has_its_rate_and_interval():
    found = evaluated(*faces(), target_far=0.05, split="validation", threshold=None)
    assert found.tar_at_far["5e-2"] == found.realised_tar
    assert rate(found, "tar_at_far_5e-2") == found.realised_tar
    # Where the threshold is found anew in every replicate it follows the impostors, else not.
    assert found.intervals["tar_at_far_5e-2"] != found.intervals["realised_tar"]


def test_no_replicates_and_no_names_mean_no_intervals():
    embeddings, labels = faces()
    assert not evaluated(embeddings, labels, replicates=0).intervals
    unnamed = dataclasses.replace(draw_pairs(labels, 0, folds=2), exclusive=True)
    found = metrics.evaluate(
        embeddings, labels, unnamed, split="test", identities=60, target_far=0.1, threshold=0.5, replicates=50
    )
    assert (found.intervals, found.replicates, found.resampling) == ({}, {}, "")
    assert found.identification == ()


def test_the_same_call_gives_the_same_replicates_and_numbering_of_people_does_not_matter():
    embeddings, labels = faces()
    assert evaluated(embeddings, labels) == evaluated(embeddings, labels)
    assert evaluated(embeddings, 3 * labels + 7, identities=60).intervals == evaluated(embeddings, labels).intervals


def test_tallied_scores_have_nearly_the_intervals_of_kept_ones(monkeypatch):
    embeddings, labels = faces()
    kept = evaluated(embeddings, labels)
    monkeypatch.setattr(metrics, "EXACT_PAIRS", 1000)
    monkeypatch.setattr(metrics, "BLOCK_BYTES", 40_000)
    monkeypatch.setattr(bootstrap, "EXACT_IMPOSTORS", 2000)
    monkeypatch.setattr(bootstrap, "THINNED_IMPOSTORS", 9000)
    tallied = evaluated(embeddings, labels)
    assert tallied.resampling == kept.resampling
    for key, interval in kept.intervals.items():
        width = interval.high - interval.low
        assert tallied.intervals[key].low == pytest.approx(interval.low, abs=0.15 * width)
        assert tallied.intervals[key].high == pytest.approx(interval.high, abs=0.15 * width)
    assert abs(paired_difference(tallied, kept, "tar_at_far_1e-2").value) < 2e-3


def test_an_interval_ends_at_replicates_outwards():
    assert percentile_interval(np.arange(200.0)) == Interval(4.0, 195.0)
    assert percentile_interval(np.arange(40.0)[::-1]) == Interval(0.0, 39.0)


def test_a_paired_difference_is_narrower_than_the_intervals_side_by_side(trio):
    whole, _, little = trio
    found = paired_difference(whole, little, "tar_at_far_1e-2")
    assert found.value == whole.tar_at_far["1e-2"] - little.tar_at_far["1e-2"]
    assert found.low < found.value < found.high
    own, other = (e.intervals["tar_at_far_1e-2"] for e in (whole, little))
    assert found.high - found.low < 0.8 * ((own.high - other.low) - (own.low - other.high))
    opposite = paired_difference(little, whole, "tar_at_far_1e-2")
    assert (opposite.low, opposite.high) == pytest.approx((-found.high, -found.low))


def test_a_network_does_not_differ_from_itself(trio):
    assert dataclasses.astuple(paired_difference(trio[0], trio[0], "eer")) == (0, 0, 0)
    assert dataclasses.astuple(paired_ratio(trio[0], trio[0], "accuracy")) == (1, 1, 1)


def of(values, **changes) -> Evaluation:
    """An evaluation with these replicates of the TAR at FAR 1e-3, and their middle as the rate."""
    replicates = {"tar_at_far_1e-3": tuple(values), "eer": tuple(1 - value for value in values)}
    middle = float(np.median(values))
    plain = dataclasses.replace(make_evaluation(1.0, "test"), tar_at_far={"1e-3": middle}, eer=1 - middle)
    return dataclasses.replace(plain, **({"replicates": replicates, "resampling": "a"} | changes))


BASE = np.linspace(0.4, 0.6, 200)


def test_ratio_and_recovered_share_are_formed_replicate_by_replicate():
    full, lost, regained = of(BASE), of(BASE - 0.1), of(BASE - 0.025)
    ratio = paired_ratio(of(0.98 * BASE), full, "tar_at_far_1e-3")
    assert dataclasses.astuple(ratio) == pytest.approx((0.98, 0.98, 0.98))
    for metric in ("tar_at_far_1e-3", "eer"):
        assert dataclasses.astuple(recovered(full, lost, regained, metric)) == pytest.approx((0.75, 0.75, 0.75))
    assert recovered(full, lost, of(BASE + 0.05), "eer").value == pytest.approx(1.5)
    assert recovered(full, lost, of(BASE - 0.2), "eer").value == pytest.approx(-1.0)


def test_nothing_is_recovered_where_nothing_noticeable_was_lost():
    rng = np.random.default_rng(0)
    full = of(BASE)
    assert recovered(full, of(BASE + 0.01), of(BASE), "tar_at_far_1e-3") is None
    assert recovered(full, of(BASE - 0.01 + 0.02 * rng.normal(size=200)), of(BASE), "tar_at_far_1e-3") is None


def test_replicates_without_a_loss_count_against_both_ends():
    loss = np.where(np.arange(200) < 4, -0.01, 0.1)
    found = recovered(of(BASE), of(BASE - loss), of(BASE - loss / 2), "tar_at_far_1e-3")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))
    loss = np.where(np.arange(200) < 5, -0.01, 0.1)
    assert recovered(of(BASE), of(BASE - loss), of(BASE - loss / 2), "tar_at_far_1e-3") is None


def test_comparisons_that_would_say_nothing_are_refused(trio):
    other_people = evaluated(*faces(120, seed=5))
    same_shape = dataclasses.replace(other_people, resampling="different")
    fewer = evaluated(*faces(120), replicates=60)
    for other in (same_shape, fewer, evaluated(*faces(120), replicates=0), evaluated(*faces(119))):
        with pytest.raises(DataError, match=r"allowed: two that were resampled alike; .* eval\.replicates"):
            paired_difference(trio[0], other, "eer")
    with pytest.raises(DataError, match="metric: got 'tar', allowed: tar_at_far_1e-1"):
        paired_difference(trio[0], trio[1], "tar")
    with pytest.raises(DataError, match="auc: got no replicates of it, allowed: tar_at_far_1e-1"):
        paired_difference(trio[0], trio[1], "auc")
    with pytest.raises(DataError, match="got 0 to divide by"):
        paired_ratio(of(BASE), of(0 * BASE), "tar_at_far_1e-3")


def test_records_keep_everything_and_older_ones_still_read(trio):
    text = dump_record(trio[0])
    assert parse_record(Evaluation, text, "here") == trio[0]
    added = ("intervals", "replicates", "resampling", "identification")
    older = {key: value for key, value in json.loads(text).items() if key not in added}
    read = parse_record(Evaluation, json.dumps(older), "here")
    assert read == dataclasses.replace(trio[0], intervals={}, replicates={}, resampling="", identification=())


@pytest.mark.parametrize("count", [-1, 1, 39, 5001])
def test_too_few_replicates_for_an_interval_are_refused(count):
    with pytest.raises(OptionError, match=r"eval\.replicates: got .* allowed: 0 for no intervals, or 40 to 5000"):
        EvalOptions("fast", 8, 2, count, 0)


@pytest.mark.slow
def test_nominal_95_percent_intervals_cover_the_truth_about_as_often():
    fixed = {"split": "validation"}  # without identification, which takes longer
    large = [evaluated(*faces(1100, seed=seed), replicates=0, **fixed) for seed in range(1000, 1006)]
    truth = {key: float(np.mean([rate(one, key) for one in large])) for key in RATES}
    drawn = [evaluated(*faces(seed=seed), **fixed).intervals for seed in range(200)]
    covered = {key: np.mean([i[key].low <= truth[key] <= i[key].high for i in drawn]) for key in RATES}
    # What depends on single pairs of people rather than on people is covered too often; see docs/metrics.md.
    wide = {"realised_far", "accuracy"}
    assert {key: share for key, share in covered.items() if not 0.88 <= share <= (1 if key in wide else 0.99)} == {}


def test_the_roc_has_an_interval_at_each_of_its_fars_that_the_pairs_resolve(trio):
    roc = trio[0].roc
    known = [place for place, tar in enumerate(roc.tar) if tar is not None]
    assert 10 < len(known) < len(roc.tar)
    assert all((roc.low[i] is None) == (roc.high[i] is None) == (roc.tar[i] is None) for i in range(len(roc.tar)))
    assert all(roc.low[i] <= roc.tar[i] <= roc.high[i] for i in known)
    listed = trio[0].intervals["tar_at_far_1e-2"]
    place = roc.log10_far.index(-2.0)
    assert (roc.low[place], roc.high[place]) == pytest.approx((listed.low, listed.high), abs=1e-5)
    assert (roc.low[-1], roc.high[-1]) == (1, 1), "everybody is accepted at FAR 1"
    assert set(trio[0].replicates) | {"auc"} == set(trio[0].intervals), "replicates on the grid are not kept"


def test_without_replicates_a_roc_has_no_intervals():
    roc = evaluated(*faces(), replicates=0).roc
    assert roc.low == roc.high == ()
