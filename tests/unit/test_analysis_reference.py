"""The published table as a reference front."""

import csv
import dataclasses
import json
from pathlib import Path

import pytest

from analysis.reference import PricedRow, judge, write_reference
from analysis.reference_table import ROWS
from facerec_core.budget import check
from facerec_core.options import LatencyBudget
from sweep.cli import main
from sweep.points import price
from tests.settings import composer

TABLE = Path(__file__).parents[1] / "golden" / "mobilenet_v2_table.csv"


def priced(*overrides):
    settings = composer().one(list(overrides))
    found = []
    for row in ROWS:
        one = row.candidate
        changes = {"width": one.width, "res": one.resolution, "embedding": one.embedding, "last": one.last}
        found.append(PricedRow(row, *price(dataclasses.replace(settings, **changes))))
    return found, settings


def test_the_rows_are_those_of_the_published_table():
    published = [
        tuple(
            float(row[key])
            for key in (
                *("width", "resolution", "macs_millions", "params_millions"),
                *("imagenet_top1", "imagenet_top5"),
            )
        )
        for row in csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines())
    ]
    assert [dataclasses.astuple(row) for row in ROWS] == published


def test_under_1_mb_and_500_ms_on_the_default_board_half_width_at_128_is_selected():
    rows, _ = priced()
    judged = judge(rows)
    assert [one.label for one in judged if one.recommended] == ["0.5@128"]
    assert {one.label for one in judged if one.standing == "front"} == {"0.5@128", "0.5@96", "0.35@128", "0.35@96"}


def test_by_the_two_limits_alone_and_the_estimate_itself_the_selection_is_the_same():
    rows, settings = priced()
    budget = dataclasses.replace(settings.budget, latency=LatencyBudget(500.0, "central"))
    board = dataclasses.replace(settings.board, ram_bytes=None, flash_bytes=None)
    again = [dataclasses.replace(r, feasibility=check(r.cost, r.latency, budget, board)) for r in rows]
    assert [one.label for one in judge(again) if one.recommended] == ["0.5@128"]


def test_a_faster_board_with_more_ram_selects_a_larger_resolution():
    judged = judge(priced("board=stm32h747")[0])
    best = next(one for one in judged if one.recommended)
    assert (best.row.published.width, best.row.published.resolution) >= (0.5, 160)


def test_nothing_fits_a_limit_of_a_millisecond():
    assert not any(one.recommended for one in judge(priced("budget.latency.limit_ms=1")[0]))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_reference(
        "mobilenet_v2_table", priced()[0], "python -m sweep <report>", tmp_path_factory.mktemp("reference")
    )


def test_the_page_names_the_selection_the_source_and_the_reasons(written):
    page = written.html.read_text()
    assert "Most accurate within the limits: 0.5@128" in page
    assert "research/slim/nets/mobilenet/README.md" in page
    assert "says nothing about faces" in page
    assert "parameters 138 %<br>" in page
    assert "latency 145 %, undecided" in page
    assert "python -m sweep &lt;report&gt;" in page


def test_the_command_needs_no_tracker_and_takes_only_tables_it_knows(tmp_path, capsys):
    assert main(["report", "reference=mobilenet_v2_table", f"paths.root={tmp_path}"]) == 0
    assert "22 published network(s)" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["reports"]
    assert main(["report", "reference=imagenet", f"paths.root={tmp_path}"]) == 2
    assert "allowed: mobilenet_v2_table" in capsys.readouterr().err


def test_the_files_hold_every_row(written):
    document = json.loads(written.json.read_text())
    assert document["recommended"]["label"] == "0.5@128"
    assert len(document["rows"]) == len(list(csv.DictReader(written.csv.read_text().splitlines()))) == 22
    assert document["limits"]["latency_ms"] == 500
    names = {path.name for path in written.html.parent.iterdir()}
    assert names >= {"pareto.png", "pareto.svg", "limits.png", "limits.svg"}
