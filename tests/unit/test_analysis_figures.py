"""What the figures show, and that their labels stay readable."""

import dataclasses
import itertools
from xml.etree import ElementTree

import pytest
from matplotlib.text import Text

from analysis import (
    curve_data,
    figure_data,
    figures,
    figures_curves,
    figures_roc,
    interactive,
    learning_data,
    limit_data,
    roc_data,
)
from analysis.findings import find
from analysis.records import SweepInfo
from analysis.roc_svg import candidate_roc_svg
from analysis.selection import select
from analysis.sentences import notices
from facerec_core.types import CurvePoint
from tests.records import LIMITS, STARTED, make_records

INFO = SweepInfo("demo", "python -m sweep multirun", 1e-3, LIMITS, STARTED, "FINISHED", None)


def chosen(count=4, **options):
    return select(make_records(count, **options), INFO)


def test_pareto_points_are_the_int8_variants_with_their_own_figures():
    selection = chosen()
    points = figure_data.pareto_points(selection)
    expected = {
        (v.scheme, v.file.size_bytes, r.latency.ms, v.validation.tar_at_far["1e-3"])
        for r in make_records(4)
        for v in r.variants
        if v.scheme != "float32"
    }
    assert {(p.scheme, p.size_bytes, p.latency_ms, p.value) for p in points} == expected
    assert [p.label for p in points if p.recommended] == [selection.recommended.label]


def test_staircase_climbs_with_the_size_and_ends_at_the_recommended():
    points = figure_data.pareto_points(chosen(60, limited=False))
    sizes, values = figure_data.staircase(points)
    assert list(sizes) == sorted(set(sizes))
    assert list(values) == sorted(set(values))
    assert values[-1] == max(p.value for p in points)
    assert all(
        value >= p.value for p in points for size, value in zip(sizes, values, strict=True) if p.size_bytes == size
    )


def test_roc_lines_start_at_the_floor_and_put_the_recommended_on_top():
    selection = chosen(4, impostor_pairs=20_000)
    lines = roc_data.roc_lines(selection, "test")
    assert len(lines) == 4 * 2 + 1
    assert all(min(line.far) >= line.far_floor for line in lines)
    assert [line.scheme for line in lines].count("float32") == 1
    recommended = selection.recommended.variant.test.roc
    top = next(line for line in lines if line.label == selection.recommended.label)
    assert top.tar == tuple(tar for tar in recommended.tar if tar is not None)


def test_many_roc_lines_leave_colour_to_a_few_candidates():
    lines = roc_data.roc_lines(chosen(60, limited=False), "validation")
    coloured = [line for line in lines if line.colour]
    assert len({line.colour for line in coloured}) == roc_data.ROC_COLOURS
    assert lines[-len(coloured) :] == tuple(coloured)


def test_slopes_hold_the_three_schemes_of_each_trained_candidate():
    records = make_records(8)
    found = {slope.label: slope.values for slope in curve_data.slopes(select(records, INFO))}
    first = records[0]
    assert found["0.35@96-448"] == tuple(v.validation.tar_at_far["1e-3"] for v in first.variants)
    assert len(found) == sum(bool(r.variants) for r in records)


def test_learning_curves_leave_out_what_is_not_finite():
    points = [CurvePoint("train", epoch, {"loss": value}) for epoch, value in ((1, 2.0), (2, float("nan")), (3, 1.0))]
    record = dataclasses.replace(make_records(1)[0], curves=(*points, CurvePoint("qat", 1, {"cosine": 0.5})))
    curves = learning_data.learning_curves(select([record], INFO))
    assert [(c.phase, c.metric, c.epochs, c.values) for c in curves] == [
        ("train", "loss", (1, 3), (2.0, 1.0)),
        ("qat", "cosine", (1,), (0.5,)),
    ]


@pytest.mark.parametrize(("count", "limited"), [(4, True), (60, True), (60, False)])
def test_labels_do_not_overlap_and_name_the_recommended(count, limited):
    selection = chosen(count, limited=limited)
    figure = figures.draw_pareto(figure_data.pareto_points(selection), "TAR")
    for axes in figure.axes[:2]:
        notes = [text for text in axes.texts if text.get_text()]
        boxes = [Text.get_window_extent(note) for note in notes]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        assert selection.recommended.label in {note.get_text() for note in notes}
        assert 1 < len(notes) <= figures.LABELS
        for box in boxes:
            assert figure.bbox.x0 <= box.x0
            assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("records", [(), make_records(1), make_records(4, impostor_pairs=20_000)])
def test_pictures_are_drawn_whatever_there_is_to_show(records):
    selection = select(records, INFO)
    lines = roc_data.roc_lines(selection, "test")
    drawn = [
        figures.draw_pareto(figure_data.pareto_points(selection), "TAR"),
        figures_roc.draw_roc(lines, "ROC"),
        figures_roc.draw_det(lines, "DET"),
        figures_curves.draw_slopes(curve_data.slopes(selection), "TAR"),
        figures_curves.draw_limits(limit_data.limit_marks(selection)),
    ]
    assert all(figures.image_bytes(figure, "png").startswith(b"\x89PNG") for figure in drawn)
    assert b"<svg" in figures.image_bytes(drawn[0], "svg")


@pytest.mark.parametrize(("most", "images"), [(1000, (1, 0)), (20, (3, 2))], ids=["few", "many"])
def test_of_many_marks_an_svg_has_an_image_and_its_front_still_as_lines(most, images, monkeypatch):
    monkeypatch.setattr(figures, "MOST_VECTORS", most)
    monkeypatch.setattr(figures_curves, "MOST_VECTORS", most)
    selection = chosen(60)
    points, marks = figure_data.pareto_points(selection), limit_data.limit_marks(selection)
    pareto = figures.image_bytes(figures.draw_pareto(points, "TAR"), "svg").decode()
    limits = figures.image_bytes(figures_curves.draw_limits(marks), "svg").decode()
    found = pareto.count("<image"), limits.count("<image")
    assert found == images, "the scale of colours, marks in each of two panels; bars and marks of the limits"
    front = sum(point.standing == "front" for point in points)
    assert pareto.count("<use ") > 2 * front


def test_one_candidates_roc_as_a_picture():
    complete, untrained = make_records(7)[0], make_records(7)[6]
    drawn = ElementTree.fromstring(candidate_roc_svg(complete))  # noqa: S314 - our own
    curves = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(curves) == 3
    first, last = curves[0].get("points").split()[0], curves[0].get("points").split()[-1]
    assert float(first.split(",")[0]) < float(last.split(",")[0])
    assert last == "624.0,34.0", "FAR 1 and TAR 1 are the upper right corner"
    assert {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")} >= {"float", "PTQ", "QAT", "1e-3"}
    assert b"polyline" not in candidate_roc_svg(untrained, "test")


def test_of_thousands_the_best_are_drawn():
    many = [
        dataclasses.replace(record, key=f"{record.key}-{i}", seed=i) for i in range(60) for record in make_records(4)
    ]
    selection = select(many, INFO)
    drawn = figure_data.drawn_keys(selection)
    assert len(drawn) == figure_data.MOST_CANDIDATES < len(many)
    assert selection.recommended.record.key in drawn
    lines = roc_data.roc_lines(selection, "test")
    assert len(lines) == 2 * len(drawn) + 1, "the recommended one's float32, too"
    assert len(curve_data.slopes(selection)) == len(drawn)
    assert len({curve.label for curve in learning_data.learning_curves(selection)}) == len(drawn)
    assert any("the tables have all" in notice for notice in notices(find(many, INFO)))


def test_fragments_hold_the_points_and_no_library():
    selection = chosen()
    html = interactive.pareto_fragment(figure_data.pareto_points(selection), "TAR")
    assert selection.recommended.label in html
    assert "best at this cost" in html
    assert len(html) < 50_000
    assert "http" not in html
