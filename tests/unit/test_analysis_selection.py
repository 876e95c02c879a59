"""Which variant is recommended, and why others are not."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.records import SweepInfo
from analysis.selection import candidate_names, choose_metric, nondominated, select
from facerec_core.types import Candidate, Feasibility, LimitCheck, RunRecord
from tests.records import LIMITS, STARTED, as_failed, as_pruned, make_evaluation, make_limit, make_record, make_records


def about(target_far=1e-3, **limits):
    return SweepInfo("demo", "python -m sweep multirun", target_far, LIMITS | limits, STARTED, "FINISHED", None)


def with_checks(record: RunRecord, *verdicts):
    checks = tuple(LimitCheck(f"limit_{v}", "latency_ms", 2.0, 1.0, "ms", 1.0, v) for v in verdicts)
    return dataclasses.replace(record, feasibility=Feasibility(checks))


def with_validation(record: RunRecord, **changes):
    variants = tuple(
        dataclasses.replace(v, validation=dataclasses.replace(v.validation, **changes)) for v in record.variants
    )
    return dataclasses.replace(record, variants=variants)


def standings(records, info=None):
    return {
        (e.record.key, e.variant and e.variant.scheme): e.standing for e in select(records, info or about()).entries
    }


def test_the_best_validation_tar_is_recommended_and_float_is_only_a_reference():
    selection = select(make_records(4), about())
    best = selection.recommended
    assert (best.record.candidate.width, best.record.candidate.resolution) == (0.5, 128)
    assert best.variant.scheme == "qat_int8"
    assert best.standing == "front"
    assert best.value == max(e.value for e in selection.having("front", "dominated"))
    assert {e.variant.scheme for e in selection.having("reference")} == {"float32"}


def test_test_figures_change_nothing():
    records = make_records(8)
    better = make_evaluation(9.0, "test")
    first = records[0]
    tempting = dataclasses.replace(
        first, variants=tuple(dataclasses.replace(variant, test=better) for variant in first.variants)
    )
    changed = select((tempting, *records[1:]), about())
    assert changed.recommended.label == select(records, about()).recommended.label
    assert [e.standing for e in changed.entries] == [e.standing for e in select(records, about()).entries]


@pytest.mark.parametrize(
    ("verdicts", "standing"),
    [(("ok", "undecided"), "undecided"), (("undecided", "exceeded"), "infeasible"), (("exceeded",), "infeasible")],
)
def test_a_trained_candidate_outside_a_limit_is_not_eligible(verdicts, standing):
    *rest, best = make_records(4)
    found = standings([*rest, with_checks(best, *verdicts)])
    assert found[best.key, "ptq_int8"] == found[best.key, "qat_int8"] == standing
    assert select([*rest, with_checks(best, *verdicts)], about()).recommended.record.key != best.key


def test_the_file_limit_is_judged_by_each_variants_own_file():
    record = make_records(1)[0]
    smaller, larger = sorted(v.file.size_bytes for v in record.variants if v.scheme != "float32")
    limit = make_limit("file_bytes", "file_bytes", smaller, (smaller + larger) / 2)
    limited = dataclasses.replace(record, feasibility=Feasibility((*record.feasibility.checks, limit)))
    selection = select([limited], about())
    assert [e.variant.file.size_bytes for e in selection.having("front")] == [smaller]
    over = selection.having("infeasible")[0]
    assert [(c.name, c.excess > 0) for c in over.checks if c.verdict == "exceeded"] == [("file_bytes", True)]


def test_failed_and_untrained_candidates_have_one_entry_each():
    records = make_records(8)
    found = standings(records)
    assert found[records[5].key, None] == "failed"
    assert found[records[6].key, None] == "infeasible"
    assert standings([as_failed(records[0])]) == {(records[0].key, None): "failed"}


def test_nothing_eligible_recommends_nothing():
    assert select([], about()).recommended is None
    assert select([with_checks(make_records(1)[0], "undecided")], about()).recommended is None


@given(st.lists(st.tuples(*[st.integers(0, 4).map(float)] * 3), max_size=30))
def test_front_equals_the_definition(points):
    def beats(a, b):
        return a != b and a[0] >= b[0] and a[1] <= b[1] and a[2] <= b[2]

    assert nondominated(points) == [not any(beats(other, point) for other in points) for point in points]


def test_equal_points_are_all_on_the_front():
    assert nondominated([(0.5, 10, 1), (0.5, 10, 1), (0.4, 10, 1)]) == [True, True, False]


def test_ties_go_to_the_smaller_file_then_to_the_lower_latency():
    wide, narrow = (make_record(Candidate(0.35, 96, size)) for size in (448, 256))
    assert narrow.variants[1].file.size_bytes < wide.variants[1].file.size_bytes
    equal = make_evaluation(2.0, "validation")
    tied = [with_validation(record, tar_at_far=equal.tar_at_far) for record in (wide, narrow)]
    assert select(tied, about()).recommended.record.key == narrow.key
    slow = dataclasses.replace(tied[1], key="0", latency=dataclasses.replace(narrow.latency, ms=400.0))
    assert select([slow, tied[1]], about()).recommended.record.key == narrow.key


def test_an_unresolved_target_falls_back_to_the_smallest_far_that_is_and_says_so():
    metric = choose_metric(make_records(4, impostor_pairs=20_000), 1e-3)
    assert (metric.name, metric.far) == ("tar_at_far_1e-2", 1e-2)
    assert "1e-3 is not defined" in metric.fallback
    metric = choose_metric(make_records(4, impostor_pairs=100), 1e-3)
    assert (metric.name, metric.title) == ("accuracy", "accuracy")
    assert "1e-3 is not defined" in metric.fallback


def test_one_candidate_that_cannot_resolve_the_target_changes_the_metric_for_all():
    mixed = (*make_records(3), make_record(Candidate(0.5, 128, 64), impostor_pairs=20_000))
    assert choose_metric(mixed, 1e-3).name == "tar_at_far_1e-2"
    assert all(e.value is not None for e in select(mixed, about()).entries)


def test_a_target_that_is_not_listed_uses_the_rate_realised_on_validation():
    records = [with_validation(record, target_far=5e-3) for record in make_records(4)]
    metric = choose_metric(records, 5e-3)
    assert (metric.name, metric.fallback) == ("tar_at_far_5e-3", "")
    assert metric.of(records[0].variants[1].validation) == records[0].variants[1].validation.realised_tar
    other = choose_metric(make_records(4), 2e-3)
    assert other.name == "tar_at_far_1e-2", "the nearest above, not a far stricter one"
    assert "2e-3 was not computed for every candidate" in other.fallback


def test_an_untrained_candidate_whose_limit_is_undecided_is_undecided():
    *rest, last = make_records(4)
    untrained = dataclasses.replace(with_checks(last, "ok", "undecided"), status="infeasible", variants=())
    (entry,) = select([*rest, untrained], about()).having("undecided")
    assert (entry.record.key, entry.variant) == (last.key, None)


def test_names_tell_candidates_apart():
    plain, other = make_record(Candidate(0.35, 96, 448)), make_record(Candidate(0.35, 96, 448), seed=3)
    twin = dataclasses.replace(plain, key="feedbeefcafe")
    assert candidate_names([plain]) == {plain.key: "0.35@96-448"}
    assert candidate_names([plain, other])[other.key] == "0.35@96-448 seed 3"
    assert candidate_names([plain, twin])[twin.key] == "0.35@96-448 seed 0 (feedbeef)"


def test_a_pruned_candidate_is_listed_as_such_and_never_recommended():
    records = make_records(4)
    pruned = as_pruned(select(records, about()).recommended.record)
    selection = select([pruned if r.key == pruned.key else r for r in records], about())
    (entry,) = selection.having("pruned")
    assert (entry.record, entry.variant, entry.value) == (pruned, None, None)
    assert selection.recommended.record.key != pruned.key
