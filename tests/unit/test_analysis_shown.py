"""Bands, searches and learning curves: what the figures show, and that a report of everything stays escaped."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from matplotlib.axis import Axis
from matplotlib.text import Text

from analysis import (
    figures,
    figures_learning,
    figures_roc,
    figures_search,
    interactive_learning,
    interactive_roc,
    learning_data,
    roc_data,
    search_data,
)
from analysis.records import SweepInfo
from analysis.report import write_report
from analysis.selection import select
from facerec_core.types import CurvePoint
from tests.records import LIMITS, STARTED, as_failed, as_pruned, make_records
from tests.resampled import with_replicates
from tests.shown import shown_records, with_everything

GOLDEN = Path(__file__).parents[1] / "golden" / "report_shown.json"
INFO = SweepInfo("demo", "python -m sweep multirun", 1e-3, LIMITS, STARTED, "FINISHED", None)
HOSTILE = "<img src=x onerror=alert(1)>"


def chosen(count=4, **options):
    return select(shown_records(count, **options), INFO)


@pytest.fixture(scope="module")
def four():
    return chosen(4)


def test_a_band_goes_round_its_line_and_stands_in_for_bars(four):
    lines = roc_data.roc_lines(four, "test")
    shaded = roc_data.banded(lines)
    assert len(shaded) == len({line.colour for line in shaded}) == 4
    for line in shaded:
        assert len(line.low) == len(line.far) == len(line.high)
        assert all(low <= tar <= high for low, tar, high in zip(line.low, line.tar, line.high, strict=True))
    assert roc_data.barred(lines) == ()


def test_records_without_a_band_keep_their_bars():
    old = select([with_replicates(record) for record in make_records(2)], INFO)
    lines = roc_data.roc_lines(old, "test")
    assert roc_data.banded(lines) == ()
    assert len(roc_data.barred(lines)) == 2


def test_a_band_of_a_det_is_that_of_the_roc_turned_round(four):
    line = roc_data.banded(roc_data.roc_lines(four, "test"))[-1]
    fars, low, high = roc_data.det_band(line)
    assert fars == roc_data.det_points(line)[0]
    assert low[0] == pytest.approx(1 - line.high[0])
    assert high[0] == pytest.approx(1 - line.low[0])
    assert all(least >= roc_data.DET_LEAST for least in low)


def test_lines_without_a_colour_are_one_trace_a_scheme():
    lines = roc_data.roc_lines(chosen(60, limited=False), "test")
    plain = [line for line in lines if line.colour is None]
    grouped = roc_data.background(lines)
    assert len(plain) > 60
    assert [scheme for scheme, _ in grouped] == list(dict.fromkeys(line.scheme for line in plain))
    assert sorted(line.label for _, some in grouped for line in some) == sorted(line.label for line in plain)
    (first, *_) = interactive_roc._backgrounds(lines, lambda line: (line.far, line.tar))
    assert first.x.count(None) == len(grouped[0][1])
    assert len(interactive_roc._roc_traces(lines)) < 30


def test_searches_of_the_best_stand_side_by_side(four):
    shown = search_data.search_figure(four)
    assert shown.panels[0].label == four.recommended.record.candidate.name
    assert len(shown.panels) == search_data.MOST_PANELS
    names = ["float", "PTQ", "PTQ, float gallery", "QAT", "QAT, float gallery"]
    assert all([line.name for line in panel.lines] == names for panel in shown.panels)
    assert (shown.enrolled_images, shown.rule, shown.galleries) == (1, "mean", (10, 100, 1000))
    assert shown.fpir == "1e-1", "among 1,000 the stricter one is not resolved"
    own, other = (line for line in shown.panels[0].lines if line.scheme == "qat_int8")
    test = four.recommended.variant.test
    assert own.rank_1[0] == test.identification[0].rank_1
    assert other.fnir == tuple(
        r.fnir_at_fpir["1e-1"] for r in test.float_gallery if (r.enrolled_images, r.rule) == (1, "mean")
    )


def test_the_strictest_fpir_that_all_sizes_resolve_is_shown():
    resolved = []
    for record in shown_records(1):
        variants = [
            dataclasses.replace(
                variant,
                test=dataclasses.replace(
                    variant.test, identification=variant.test.identification[:4], float_gallery=()
                ),
            )
            for variant in record.variants
        ]
        resolved.append(dataclasses.replace(record, variants=tuple(variants)))
    shown = search_data.search_figure(select(resolved, INFO))
    assert (shown.fpir, shown.galleries) == ("1e-2", (10, 100))


def test_nobody_searched_for_is_no_figure():
    assert search_data.search_figure(select(make_records(2), INFO)) is None
    assert search_data.search_figure(select((), INFO)) is None


def test_every_metric_of_training_has_its_curve_and_its_place():
    curves = learning_data.learning_curves(chosen(4))
    assert learning_data.metrics_of(curves) == ("loss", "validation_tar", "accuracy")
    assert learning_data.phases_of(curves) == ("train", "qat")
    watched = [curve for curve in curves if curve.metric == "validation_tar"]
    assert {curve.epochs for curve in watched} == {(3, 6, 9, 12)}
    assert len(watched) == 4


def test_what_was_given_up_is_drawn_up_to_there():
    finished, other, third = (with_everything(record) for record in make_records(3))
    selection = select([finished, as_pruned(other, epochs=4), as_failed(third)], INFO)
    losses = [c for c in learning_data.learning_curves(selection) if (c.metric, c.phase) == ("loss", "train")]
    assert [(curve.given_up, curve.epochs[-1]) for curve in losses] == [(True, 12), (True, 4), (False, 12)]
    html = interactive_learning.learning_fragment(losses)
    assert html.count('"name":"given up or failed"') == 1
    assert "ended after epoch" in html


def test_of_many_that_were_given_up_some_are_drawn():
    kept, *others = shown_records(4)
    many = [
        dataclasses.replace(as_pruned(record, epochs=2), key=f"{record.key}-{i}", seed=i)
        for i in range(60)
        for record in others
    ]
    curves = learning_data.learning_curves(select([kept, *many], INFO))
    assert 100 <= len({curve.label for curve in curves if curve.given_up}) < len(many)
    assert {curve.label for curve in curves if curve.colour} == {kept.candidate.name}


@pytest.mark.parametrize("count", [4, 60])
def test_texts_of_the_new_figures_do_not_overlap_and_stay_inside(count):
    selection = chosen(count, limited=False)
    curves, searches = learning_data.learning_curves(selection), search_data.search_figure(selection)
    for figure in (figures_learning.draw_learning(curves), figures_search.draw_search(searches)):
        figure.draw_without_rendering()
        ticks = {id(label) for axis in figure.findobj(Axis) for label in axis.get_ticklabels(which="both")}
        told = [text for text in figure.findobj(Text) if text.get_text() and id(text) not in ticks]
        every = [(text.get_text(), text.get_window_extent()) for text in told]
        boxes = [(name, box) for name, box in every if box.width > 1]  # a hidden label has a box of one pixel
        assert len(boxes) > 8
        for place, (name, box) in enumerate(boxes):
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, name
            hidden = [other for other, another in boxes[place + 1 :] if box.overlaps(another)]
            assert not hidden, f"{name} lies upon {hidden}"


@pytest.mark.parametrize("records", [(), make_records(1), shown_records(1), [as_pruned(shown_records(1)[0], epochs=1)]])
def test_the_new_figures_are_drawn_whatever_there_is_to_show(records):
    selection = select(records, INFO)
    lines = roc_data.roc_lines(selection, "test")
    drawn = [
        figures_learning.draw_learning(learning_data.learning_curves(selection)),
        figures_search.draw_search(search_data.search_figure(selection)),
        figures_roc.draw_roc(lines, "ROC"),
        figures_roc.draw_det(lines, "DET"),
    ]
    assert all(figures.image_bytes(figure, "png").startswith(b"\x89PNG") for figure in drawn)


def hostile_records():
    found = []
    for record in shown_records(8):
        curves = tuple(CurvePoint(p.phase, p.epoch, {HOSTILE: 1.0 / p.epoch}) for p in record.curves)
        latency = dataclasses.replace(record.latency, board=HOSTILE, runtime=HOSTILE)
        found.append(
            dataclasses.replace(record, key=HOSTILE + record.key, curves=curves, latency=latency, warnings=(HOSTILE,))
        )
    # the same candidate twice puts its key into every label
    twins = [dataclasses.replace(record, key=f"{HOSTILE}twin{i}") for i, record in enumerate(found[:4])]
    return [*found, *twins]


def test_markup_in_names_stays_text_in_hovers_buttons_and_markdown(tmp_path):
    info = dataclasses.replace(
        INFO, name=HOSTILE, status=HOSTILE, limits={HOSTILE: HOSTILE}, command=f"run `{HOSTILE}`"
    )
    paths = write_report(hostile_records(), info, tmp_path)
    page = paths.html.read_text()
    scripts = "".join(
        one for one in re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) if len(one) < 3_000_000
    )
    assert "onerror" in scripts, "hostile labels are in the figures"
    assert "<img src=x" not in page
    assert "\\u003cimg" not in page
    assert "\\u003cimg" not in scripts
    assert "\\u0026lt;img src=x" in scripts or "&lt;img src=x" in scripts
    prose = re.sub(r"(`+) .*? \1|`[^`\n]*`", "", paths.summary_md.read_text())
    assert "onerror" in prose
    assert not re.search(r"(?<!\\)<", prose)
    for _, svg in paths.figures.values():
        assert "<img" not in svg.read_text()


def rounded(value):
    """The same document with floats to 10 digits: libraries of different machines differ in the last ones."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.10g}") if isinstance(value, float) else value


def test_the_document_of_records_with_everything_equals_the_golden_one(tmp_path):
    kept, other = shown_records(2)
    document = json.loads(write_report([kept, as_pruned(other, epochs=4)], INFO, tmp_path).json.read_text())
    assert rounded(document) == rounded(json.loads(GOLDEN.read_text()))


def test_the_page_says_who_enrolled(tmp_path):
    page = write_report(shown_records(2), INFO, tmp_path).html.read_text()
    rows = re.findall(r'<td class="n">1000</td><td>(itself|float32)</td>', page)
    assert rows == ["itself", "float32"]
    assert "given up or failed" in page
