"""Quantisation health in the report: what is drawn, what is said, and where it was not looked at."""

import csv
import dataclasses
import json

import pytest

from analysis import figures, figures_health, health_data
from analysis.health_data import Block, blocks, decibels, health_panels, health_text, worst_text
from analysis.records import SweepInfo
from analysis.report import write_report
from analysis.selection import select
from facerec_core.types import LayerHealth, QuantisationHealth
from tests.healthy import WORST, made_up_health, with_health
from tests.records import LIMITS, STARTED, make_records

INFO = SweepInfo("demo", "python -m sweep multirun", 1e-3, LIMITS, STARTED, "FINISHED", None)
RECORDS = tuple(with_health(record) for record in make_records(8))


def chosen(records=RECORDS):
    return select(records, INFO)


def changed_health(record, health):
    variants = [dataclasses.replace(one, health=health if one.health else None) for one in record.variants]
    return dataclasses.replace(record, variants=tuple(variants))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_report(RECORDS, INFO, tmp_path_factory.mktemp("report"))


def test_panels_are_the_best_candidates_the_recommended_one_first():
    selection = chosen()
    panels = health_panels(selection)
    assert [panel.label for panel in panels] == ["0.5@128-640", "0.35@160-448", "0.5@96-640"]
    assert selection.recommended.record.candidate.name == panels[0].label
    assert [line.label for line in panels[0].lines] == ["0.5@128-640 PTQ", "0.5@128-640 QAT"]
    assert panels[0].lines[1].health == made_up_health(selection.recommended.record, "qat_int8")


def test_candidates_that_were_not_looked_at_are_left_out():
    looked_at = with_health(make_records(1)[0])
    panels = health_panels(chosen([looked_at, *make_records(8)[1:]]))
    assert [panel.label for panel in panels] == ["0.35@96-448"]
    assert health_panels(chosen(make_records(8))) == ()
    assert health_panels(chosen([])) == ()


def test_layers_are_grouped_by_block():
    found = blocks(RECORDS[0].variants[1].health)
    assert found[:3] == (Block(0, 1, "stem"), Block(1, 2, "0"), Block(3, 3, "1"))
    assert [block.label for block in found] == ["stem", *map(str, range(17)), "end"]
    assert found[-1].first + found[-1].count == len(RECORDS[0].variants[1].health.layers)


def test_the_median_leaves_out_layers_without_a_ratio():
    layers = (LayerHealth("stem", 40.0), LayerHealth("block0_depthwise", None), LayerHealth("mean", 20.0))
    line = health_data.HealthLine("net PTQ", "ptq_int8", QuantisationHealth(4, layers))
    assert (line.values, line.median_db) == ((40.0, None, 20.0), 30.0)
    silent = QuantisationHealth(4, layers[1:2])
    assert dataclasses.replace(line, health=silent).median_db is None
    assert worst_text(silent) == "–"


def test_ratios_are_told_in_decibels():
    assert [decibels(value) for value in (12.34, -3.0, None)] == ["12.3 dB", "−3.0 dB", "–"]


def test_the_worst_three_layers_of_the_recommended_file_are_named():
    told = health_text(chosen().recommended)
    assert told.startswith("Furthest from float32 in 0.5@128-640 QAT: block3_depthwise 9.0 dB, block15_add 11.0 dB,")
    assert told.endswith("block12_project 13.0 dB. Its fingerprint is at 29.8 dB.")
    assert health_text(chosen(make_records(4)).recommended) == health_text(None) == ""


@pytest.mark.parametrize("count", [0, 1, 8])
def test_a_picture_is_drawn_whatever_there_is_to_show(count):
    figure = figures_health.draw_health(health_panels(chosen(RECORDS[:count])))
    assert figures.image_bytes(figure, "png").startswith(b"\x89PNG")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts == (["no layers were compared with float32"] if count == 0 else [WORST[0]] * min(count, 3))


def test_the_picture_shows_every_layer_with_a_ratio():
    record = RECORDS[0]
    health = record.variants[1].health
    gone = dataclasses.replace(health.layers[5], sqnr_db=None)
    silent = changed_health(record, QuantisationHealth(32, (*health.layers[:5], gone, *health.layers[6:])))
    (axes,) = figures_health.draw_health(health_panels(chosen([silent]))).axes
    x, y = axes.lines[0].get_data()
    assert len(x) == len(health.layers) - 1
    assert 5 not in x
    assert list(y[:2]) == [layer.sqnr_db for layer in health.layers[:2]]


def test_the_page_shows_picture_and_table(written):
    page = written.html.read_text()
    assert "<h2>Quantisation health</h2>" in page
    assert "Furthest from float32 in 0.5@128-640 QAT: block3_depthwise 9.0 dB" in page
    assert "on 32 validation images" in page
    assert page.count("block3_depthwise 9.0 dB, block15_add 11.0 dB, block12_project 13.0 dB") == 1 + 3
    assert 'src="data:image/svg+xml;base64,' in page


def test_document_and_table_hold_the_figures(written):
    document = json.loads(written.json.read_text())
    found = document["quantisation_health"]
    assert [one["label"] for one in found][:2] == ["0.5@128-640 PTQ", "0.5@128-640 QAT"]
    assert len(found) == 6
    assert found[0]["images"] == 32
    assert found[0]["layers"][0] == {"layer": "stem", "sqnr_db": 45.0, "fitted": True}
    best = document["recommended"]
    assert (best["worst_layer"], best["worst_layer_sqnr_db"]) == ("block3_depthwise", 9.0)
    assert best["fingerprint_sqnr_db"] == found[1]["layers"][-1]["sqnr_db"]
    rows = {row["label"]: row for row in csv.DictReader(written.candidates_csv.read_text().splitlines())}
    assert rows["0.5@128-640 QAT"]["worst_layer"] == "block3_depthwise"
    assert float(rows["0.5@128-640 PTQ"]["worst_layer_sqnr_db"]) == 10.0
    assert rows["0.5@128-640 float"]["fingerprint_sqnr_db"] == ""


def test_a_sweep_that_was_not_looked_at_says_nothing_of_it(tmp_path):
    paths = write_report(make_records(2), INFO, tmp_path)
    assert "Quantisation health" not in paths.html.read_text()
    document = json.loads(paths.json.read_text())
    assert document["quantisation_health"] == []
    assert document["recommended"]["worst_layer"] is None


def test_files_that_differ_in_their_worst_layer_have_it_named_each():
    record = RECORDS[0]
    layers = record.variants[1].health.layers
    better = QuantisationHealth(32, (dataclasses.replace(layers[0], sqnr_db=8.0), *layers[1:]))
    variants = (record.variants[0], dataclasses.replace(record.variants[1], health=better), record.variants[2])
    panels = health_panels(chosen([dataclasses.replace(record, variants=variants)]))
    (axes,) = figures_health.draw_health(panels).axes
    named = {text.get_text(): text.xyann[1] for text in axes.texts}
    assert named == {"stem": -11, WORST[0]: 6}, "the lowest below its mark, the other above"
