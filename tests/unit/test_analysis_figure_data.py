"""What the figures of intervals, errors and limits show."""

import dataclasses
import math

import pytest

from analysis import figure_data, interactive, interactive_curves, interactive_roc, limit_data, roc_data
from analysis.comparison import against_best
from analysis.records import SweepInfo
from analysis.selection import select
from facerec_core.types import Feasibility
from tests.records import LIMITS, STARTED, make_limit, make_records
from tests.resampled import with_replicates

INFO = SweepInfo("demo", "python -m sweep multirun", 1e-3, LIMITS, STARTED, "FINISHED", None)


def chosen(count=4, **options):
    return select([with_replicates(record) for record in make_records(count, **options)], INFO)


def test_points_carry_the_interval_of_the_metric_and_of_the_latency():
    selection = chosen()
    point = next(point for point in figure_data.pareto_points(selection) if point.recommended)
    best = selection.recommended
    assert point.interval == best.variant.validation.intervals["tar_at_far_1e-3"]
    assert (point.latency_low_ms, point.latency_high_ms) == (best.record.latency.low_ms, best.record.latency.high_ms)
    assert point.tied is None


def test_points_say_whether_they_tie_where_that_is_known():
    selection = chosen()
    tied = {one.entry.label: one.tied for one in against_best(selection)}
    points = [point for point in figure_data.pareto_points(selection) if not point.recommended]
    assert {point.label: point.tied for point in points} == tied
    assert {point.tied for point in figure_data.pareto_points(select(make_records(4), INFO))} == {None}


def test_points_name_the_limits_they_do_not_keep():
    points = figure_data.pareto_points(chosen(60))
    undecided = next(point for point in points if point.standing == "undecided")
    assert undecided.unmet == ("latency_ms undecided",)
    assert all(not point.unmet for point in points if point.standing in ("front", "dominated"))


def test_ram_is_the_arena_where_the_board_needs_one():
    record = make_records(1)[0]
    assert figure_data.ram_bytes(record) == record.cost.peak_activation_bytes
    limit = make_limit("ram_bytes", "arena_bytes", record.cost.arena_bytes, 1 << 20)
    assert figure_data.ram_bytes(dataclasses.replace(record, feasibility=Feasibility((limit,)))) == (
        record.cost.arena_bytes
    )


def test_every_cost_has_a_staircase_of_its_own():
    points = figure_data.pareto_points(chosen(60, limited=False))
    for cost in (figure_data.SIZE_AXIS, figure_data.LATENCY_AXIS, figure_data.RAM_AXIS):
        costs, values = figure_data.staircase(points, cost.of)
        assert list(costs) == sorted(set(costs))
        assert list(values) == sorted(set(values))
        assert values[-1] == max(point.value for point in points)


def test_bars_stand_at_the_listed_fars_that_are_resolved():
    line = roc_data.roc_lines(chosen(4, impostor_pairs=20_000), "test")[-1]
    assert [bar.far for bar in line.bars] == [1e-2, 1e-1]
    assert all(bar.low <= bar.tar <= bar.high for bar in line.bars)


def test_one_int8_line_a_colour_has_bars_and_they_do_not_cover_each_other():
    lines = roc_data.roc_lines(chosen(), "test")
    found = roc_data.barred(lines)
    assert len({line.colour for line, _ in found}) == len(found) == 4
    assert all(line.scheme == "qat_int8" for line, _ in found)
    factors = [factor for _, factor in found]
    assert len(set(factors)) == 4
    assert math.prod(factors) == pytest.approx(1)
    assert roc_data.barred(roc_data.roc_lines(select(make_records(4), INFO), "test")) == ()


def test_normal_deviates_are_symmetric_and_end_where_the_axes_do():
    assert roc_data.deviate(0.5) == pytest.approx(0)
    assert roc_data.deviate(0.1) == pytest.approx(-1.2816, abs=1e-4)
    assert roc_data.deviate(0.2) == pytest.approx(-roc_data.deviate(0.8))
    assert roc_data.deviate(0.0) == roc_data.deviate(roc_data.DET_LEAST)


def test_a_det_is_the_roc_turned_round():
    line = roc_data.roc_lines(chosen(), "test")[-1]
    fars, frrs = roc_data.det_points(line)
    assert fars == tuple(far for far in line.far if far <= roc_data.DET_MOST)
    assert frrs[0] == pytest.approx(1 - line.tar[0])
    assert min(frrs) >= roc_data.DET_LEAST


def test_limits_show_every_candidate_once_against_every_limit():
    selection = chosen(60)
    marks = limit_data.limit_marks(selection)
    assert len(marks) == 60 * 2
    latency = [mark for mark in marks if mark.limit == "latency_ms"]
    assert all(mark.low < mark.share < mark.high for mark in latency)
    undecided = [mark for mark in latency if mark.verdict == "undecided"]
    assert undecided
    assert all(mark.low <= 1 < mark.high for mark in undecided)
    assert [mark.label for mark in latency if mark.recommended] == [selection.recommended.label]
    assert all(mark.share > 1 for mark in marks if mark.limit == "parameter_bytes" and mark.verdict == "exceeded")


def test_every_mark_has_a_kind_and_a_place_in_its_limits_row():
    marks = limit_data.limit_marks(chosen(60))
    heights = limit_data.spots(marks)
    rows = limit_data.rows_of(marks)
    assert all(abs(height - rows.index(mark.limit)) < 0.5 for mark, height in zip(marks, heights, strict=True))
    assert sum(len(found) for _, _, found in limit_data.mark_kinds(marks, heights)) == len(marks)
    low, high = limit_data.span(marks)
    assert low < min(1, *(mark.low for mark in marks))
    assert high > max(1, *(mark.high for mark in marks))


def test_fragments_hold_intervals_and_are_escaped():
    selection = chosen()
    points = [dataclasses.replace(point, label="<b>x</b>") for point in figure_data.pareto_points(selection)]
    lines = {"test": [dataclasses.replace(x, label="<b>x</b>") for x in roc_data.roc_lines(selection, "test")]}
    marks = [dataclasses.replace(mark, label="<b>x</b>", text="<b>") for mark in limit_data.limit_marks(selection)]
    drawn = [
        interactive.pareto_fragment(points, "TAR"),
        interactive_roc.roc_fragment(lines),
        interactive_roc.det_fragment(lines),
        interactive_curves.limits_fragment(marks),
    ]
    assert "95 % interval" in drawn[0]
    assert all("arrayminus" in html for html in drawn[:3])
    for html in drawn:
        assert "\\u003cb\\u003ex" not in html
        assert "<b>x" not in html
        assert "http" not in html
