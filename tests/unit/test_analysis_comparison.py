"""Ties, paired differences, hypervolume and what a limit costs."""

import dataclasses

import pytest

from analysis.comparison import against_best, lighter_ties, paired, quantisation, ties
from analysis.findings import find
from analysis.records import SweepInfo
from analysis.selection import Metric, select
from analysis.sentences import notices, relaxation_text, why
from analysis.trade import hypervolume, relaxations
from analysis.wording import reasons
from facerec_core.bootstrap import paired_difference
from facerec_core.types import Candidate, Feasibility, LimitCheck
from tests.records import LIMITS, STARTED, make_limit, make_record, make_records
from tests.resampled import with_replicates

INFO = SweepInfo("demo", "python -m sweep multirun", 1e-3, LIMITS, STARTED, "FINISHED", None)
METRIC = Metric(1e-3)


def resampled(count=4, own=0.004):
    return [with_replicates(record, own) for record in make_records(count)]


def like(record, other, shift):
    """The record, had its validation figures been those of `other`, `shift` higher."""
    figures = {variant.scheme: variant.validation for variant in other.variants}
    variants = []
    for variant in record.variants:
        given = figures[variant.scheme]
        rates = {label: None if tar is None else tar + shift for label, tar in given.tar_at_far.items()}
        replicates = {key: tuple(value + shift for value in values) for key, values in given.replicates.items()}
        replicates["tar_at_far_1e-3"] = tuple(
            value + (0.01 if index % 2 else -0.01) for index, value in enumerate(replicates["tar_at_far_1e-3"])
        )
        changed = dataclasses.replace(given, tar_at_far=rates, replicates=replicates)
        variants.append(dataclasses.replace(variant, validation=changed))
    return dataclasses.replace(record, variants=tuple(variants))


def with_a_tie(shift=-0.001):
    """Four candidates of which the smallest is as accurate as the best, up to luck."""
    records = resampled()
    return [like(records[0], records[3], shift), *records[1:]]


def test_every_other_eligible_file_is_compared_and_the_differences_are_paired():
    selection = select(resampled(), INFO)
    compared = against_best(selection)
    assert len(compared) == 4 * 2 - 1
    best = selection.recommended.variant.validation
    first = compared[0]
    assert first.difference == paired_difference(first.entry.variant.validation, best, "tar_at_far_1e-3")
    assert first.difference.value == pytest.approx(first.entry.value - selection.recommended.value)


def test_a_paired_difference_tells_apart_what_two_intervals_do_not():
    selection = select(resampled(own=0.0005), INFO)
    best = selection.recommended.variant.validation.intervals["tar_at_far_1e-3"]
    sibling = next(one for one in against_best(selection) if one.entry.record is selection.recommended.record)
    assert sibling.entry.variant.validation.intervals["tar_at_far_1e-3"].high > best.low
    assert not sibling.tied


def test_a_smaller_and_faster_candidate_that_ties_is_named_and_the_recommendation_stays():
    records = with_a_tie()
    selection = select(records, INFO)
    assert selection.recommended.record.key == records[3].key
    (lighter,) = lighter_ties(selection, against_best(selection))
    assert lighter.entry.record.key == records[0].key
    told = " ".join(why(find(records, INFO)))
    assert f"{lighter.entry.label} is statistically tied, −0.1 points" in told
    assert "kB smaller and it is" in told


def test_a_candidate_that_is_clearly_worse_does_not_tie():
    selection = select(with_a_tie(shift=-0.1), INFO)
    assert not lighter_ties(selection, against_best(selection))
    assert "None of 7 other files is statistically tied" in " ".join(why(find(with_a_tie(-0.1), INFO)))


def test_evaluations_on_other_people_are_not_compared():
    records = resampled()
    other = dataclasses.replace(records[0].variants[1].validation, resampling="other people")
    assert not paired((other, records[3].variants[1].validation), METRIC)
    assert not paired((make_records(1)[0].variants[1].validation,) * 2, METRIC)


def test_without_replicates_nothing_ties_and_the_page_says_why():
    findings = find(make_records(4), INFO)
    assert findings.compared == findings.ties == ()
    assert any("There are no intervals" in notice for notice in notices(findings))
    assert not any("statistically" in sentence for sentence in why(findings))
    assert not any("no intervals" in notice for notice in notices(find(resampled(), INFO)))


def test_quantisation_compares_the_schemes_of_each_candidate():
    (first, *_) = quantisation(select(resampled(1), INFO))
    assert first.qat_less_ptq.value == pytest.approx(first.qat - first.ptq)
    assert first.qat_less_ptq.low < first.qat_less_ptq.value < first.qat_less_ptq.high
    assert first.recovered.value == pytest.approx((first.qat - first.ptq) / (first.float32 - first.ptq))
    (bare,) = quantisation(select(make_records(1), INFO))
    assert (bare.qat_less_ptq, bare.recovered) == (None, None)
    assert bare.qat is not None


def test_hypervolume_of_one_file_is_its_box():
    record = make_record(Candidate(0.35, 96, 448))
    ptq_only = dataclasses.replace(record, variants=record.variants[:2])
    found = hypervolume(select([ptq_only], INFO))
    variant = ptq_only.variants[1]
    assert found.size_bytes == pytest.approx(1.1 * variant.file.size_bytes)
    assert found.latency_ms == 500
    share = variant.validation.tar_at_far["1e-3"] * (1 - 1 / 1.1) * (1 - record.latency.ms / 500)
    assert found.share == pytest.approx(share)


def test_hypervolume_ignores_dominated_and_repeated_points_and_what_is_beyond_the_box():
    records = make_records(4)
    one = hypervolume(select(records, INFO))
    twins = [dataclasses.replace(record, key=f"{record.key}b") for record in records]
    assert hypervolume(select([*records, *twins], INFO)) == one
    assert hypervolume(select([], INFO)) is None


def held_back(record, *checks):
    return dataclasses.replace(record, feasibility=Feasibility(checks))


def late(value, verdict="exceeded"):
    return LimitCheck("latency_ms", "latency_high_ms", value, 500.0, "ms", value - 500.0, verdict)


def test_a_relaxed_limit_names_the_best_it_admits_and_the_nearest():
    good, better, near = make_records(4, limited=False)[:3]
    kept = held_back(good, late(400.0, "ok"))
    more = held_back(better, late(700.0))
    untrained = dataclasses.replace(held_back(near, late(510.0)), status="infeasible", variants=())
    found = relaxations(select([kept, more, untrained], INFO))
    assert [(one.entry.record.key, one.check.value) for one in found] == [(more.key, 700.0), (near.key, 510.0)]
    assert found[0].gain == pytest.approx(
        max(v.validation.tar_at_far["1e-3"] for v in better.variants[1:])
        - max(v.validation.tar_at_far["1e-3"] for v in good.variants[1:])
    )
    assert "700 ms instead of 500 ms would admit" in relaxation_text(found[0])
    assert "not trained, so nothing is known of its accuracy" in relaxation_text(found[1])


def test_what_two_limits_keep_out_no_single_one_admits():
    kept, other = make_records(2, limited=False)
    twice = held_back(other, late(700.0), make_limit("file_bytes", "file_bytes", 2, 1))
    assert relaxations(select([held_back(kept), twice], INFO)) == ()


@pytest.mark.parametrize("estimate_ms", [300.0, 700.0])
def test_no_higher_limit_admits_what_only_was_not_measured(estimate_ms):
    """Under budget.latency.judge=measured_only an estimate decides nothing, below the limit or above it."""
    kept, other = make_records(2, limited=False)
    check = LimitCheck("latency_ms", "latency_ms", estimate_ms, 500.0, "ms", estimate_ms - 500.0, "undecided")
    estimated = held_back(other, check)
    chosen = select([held_back(kept), estimated], INFO)
    assert relaxations(chosen) == ()
    assert reasons(chosen.having("undecided")[0]) == [
        f"latency_ms: {estimate_ms:.0f} ms, limit 500 ms; an estimate, and only a measurement counts"
    ]


def test_ties_are_those_whose_interval_holds_zero():
    compared = against_best(select(with_a_tie(), INFO))
    assert {one.tied for one in compared} == {True, False}
    assert all(one.difference.low <= 0 <= one.difference.high for one in ties(compared))
