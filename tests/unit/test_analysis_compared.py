"""Two files or two sweeps side by side: what is matched, what is paired, and when B has regressed."""

import dataclasses

import pytest

from analysis.compared import best_files, compare_files, file_of, judge, match, side_of
from analysis.selection import Metric
from facerec_core.bootstrap import paired_difference
from facerec_core.types import Candidate
from tests.records import make_record
from tests.resampled import with_replicates

METRIC = Metric(1e-3)
SMALL, LARGE = Candidate(0.35, 96, 448), Candidate(0.5, 128, 640)


def record_of(candidate, **options):
    return with_replicates(make_record(candidate, **options))


def side(record, scheme=None, sweep="demo"):
    return side_of([record], record, sweep, file_of(record, METRIC, scheme))


def changed(record, **fields):
    """The record, had every validation figure been otherwise."""
    variants = (
        dataclasses.replace(one, validation=dataclasses.replace(one.validation, **fields)) for one in record.variants
    )
    return dataclasses.replace(record, variants=tuple(variants))


def figures(compared):
    return {figure.name: figure for figure in (compared.metric, *compared.figures)}


def test_rates_are_b_less_a_with_the_paired_interval() -> None:
    small, large = side(record_of(SMALL)), side(record_of(LARGE))
    compared = compare_files(small, large, METRIC, "validation")
    expected = paired_difference(large.variant.validation, small.variant.validation, "tar_at_far_1e-3")
    assert compared.metric.name == "tar_at_far_1e-3"
    assert compared.metric.difference == pytest.approx(expected.value)
    assert (compared.metric.interval.low, compared.metric.interval.high) == (expected.low, expected.high)
    assert compared.metric.a_interval == small.variant.validation.intervals["tar_at_far_1e-3"]
    assert compared.unpaired == ""
    assert {"eer", "accuracy", "tar_at_far_1e-2"} <= set(figures(compared))


def test_costs_come_from_the_files_and_records() -> None:
    small, large = side(record_of(SMALL)), side(record_of(LARGE))
    found = figures(compare_files(small, large, METRIC, "validation"))
    assert found["file_bytes"].a == small.variant.file.size_bytes
    assert found["arena_bytes"].b == large.variant.file.arena.total_bytes
    assert found["parameters"].b == large.record.cost.parameters_without_head
    assert found["latency_ms"].difference == pytest.approx(large.record.latency.ms - small.record.latency.ms)
    assert found["latency_ms"].a_interval.high == small.record.latency.high_ms


def test_the_test_split_is_compared_but_the_file_is_chosen_on_validation() -> None:
    record = record_of(SMALL)
    swapped = dataclasses.replace(
        record,
        variants=tuple(
            dataclasses.replace(one, test=dataclasses.replace(one.test, tar_at_far={"1e-3": float(index == 1)}))
            for index, one in enumerate(record.variants)
        ),
    )
    chosen = file_of(swapped, METRIC, None)
    assert chosen.scheme == "qat_int8"
    compared = compare_files(side(swapped, "ptq_int8"), side(swapped), METRIC, "test")
    assert (compared.metric.a, compared.metric.b) == (1.0, 0.0)


def test_of_equals_the_smaller_file_stands_for_a_candidate_and_a_scheme_can_be_asked_for() -> None:
    record = changed(record_of(SMALL), tar_at_far={"1e-3": 0.5})
    assert file_of(record, METRIC, None).scheme == "ptq_int8"
    assert file_of(record, METRIC, "float32").scheme == "float32"
    assert file_of(dataclasses.replace(record, variants=()), METRIC, None) is None


def test_regressed_is_when_the_whole_interval_lies_beyond_the_drop() -> None:
    better, worse = side(record_of(LARGE)), side(record_of(SMALL))
    compared = compare_files(better, worse, METRIC, "validation")
    bound = -compared.metric.interval.high
    assert bound > 0
    assert judge(compared, 0.0, False) == "regressed"
    assert judge(compared, bound * 0.99, False) == "regressed"
    assert judge(compared, bound, False) == "held"
    assert judge(compare_files(worse, better, METRIC, "validation"), 0.0, False) == "held"


def test_a_drop_within_noise_is_none() -> None:
    record = with_replicates(make_record(SMALL), own=0.05)
    sibling = dataclasses.replace(with_replicates(make_record(SMALL, seed=1), own=0.05))
    lower = changed(sibling, tar_at_far={"1e-3": record.variants[2].validation.tar_at_far["1e-3"] - 0.01})
    compared = compare_files(side(record, "qat_int8"), side(lower, "qat_int8"), METRIC, "validation")
    assert compared.metric.difference == pytest.approx(-0.01)
    assert judge(compared, 0.0, False) == "held"


def test_other_pairs_give_no_interval_and_are_judged_only_when_allowed() -> None:
    better = side(record_of(LARGE))
    worse = side(changed(record_of(SMALL), resampling="other people"))
    compared = compare_files(better, worse, METRIC, "validation")
    assert compared.metric.interval is None
    assert compared.metric.difference < 0
    assert "resampled alike" in compared.unpaired
    assert judge(compared, 0.0, False) == "unknown"
    assert judge(compared, 0.0, True) == "regressed"
    assert judge(compared, 1.0, True) == "held"


def test_an_undefined_metric_is_never_judged() -> None:
    bare = side(changed(record_of(SMALL), tar_at_far={"1e-3": None, "1e-1": 0.9}, realised_tar=None))
    compared = compare_files(side(record_of(LARGE)), bare, METRIC, "validation")
    assert compared.metric.difference is None
    assert judge(compared, 0.0, True) == "unknown"


def test_what_was_judged_otherwise_is_noted() -> None:
    record = record_of(SMALL)
    assert compare_files(side(record), side(record), METRIC, "validation").notes == ()
    other = dataclasses.replace(
        changed(record, target_far=1e-2),
        latency=dataclasses.replace(record.latency, board="stm32h747"),
        data=dataclasses.replace(record.data, fingerprint="0ther0ther"),
        variants=tuple(
            dataclasses.replace(one, kernels="reference") for one in changed(record, target_far=1e-2).variants
        ),
    )
    told = " ".join(compare_files(side(record), side(other), METRIC, "validation").notes)
    assert compare_files(side(record), side(record), Metric(1e-2, "1e-3 is not"), "test").notes == (
        "judged by TAR at FAR 1e-2, since 1e-3 is not",
    )
    for word in ("stm32h747", "reference", "target FARs", "0ther0th"):
        assert word in told


def test_sweeps_are_matched_by_architecture_and_seed() -> None:
    before = [record_of(SMALL), record_of(SMALL, seed=1), record_of(LARGE)]
    after = [record_of(SMALL), record_of(SMALL, seed=2), record_of(LARGE)]
    a, b = (best_files(records, name, METRIC, None) for records, name in ((before, "before"), (after, "after")))
    matched = match(a, b, None, METRIC, "validation")
    assert [pair.a.label for pair in matched.pairs] == ["0.35@96-448 seed 0 QAT", "0.5@128-640 QAT"]
    assert {(pair.a.sweep, pair.b.sweep) for pair in matched.pairs} == {("before", "after")}
    assert matched.only_a == ("0.35@96-448 seed 1 QAT",)
    assert matched.only_b == ("0.35@96-448 seed 2 QAT",)


def test_of_several_recipes_the_best_on_validation_is_matched() -> None:
    good = record_of(SMALL)
    poor = dataclasses.replace(changed(good, tar_at_far={"1e-3": 0.01}), key="feedfeedfeedfeed")
    for records in ([good, poor], [poor, good]):
        (found,) = best_files(records, "demo", METRIC, None).values()
        assert found.record.key == good.key
