"""`latency show` and `latency fit`: what a person and a program read of a board."""

import csv
import io
import json

import pytest

from facerec_core.latency import estimate
from sweep.cli import main
from tests.settings import composer


def said(capsys, *argv: str) -> str:
    assert main(["latency", *argv]) == 0
    return capsys.readouterr().out


def test_show_has_the_whole_grid_with_intervals_provenance_and_source(capsys) -> None:
    out = said(capsys, "show", "--board", "stm32f746")
    lines = out.splitlines()
    assert lines[0].startswith("stm32f746, X-CUBE-AI 8.0.0: ms")
    assert lines[1].split()[2:] == ["96", "px", "128", "px", "160", "px", "192", "px", "224", "px"]
    assert [line.split()[0] for line in lines[2:8]] == ["0.35", "0.5", "0.75", "1", "1.3", "1.4"]
    (board,) = {point.board for point in composer().many(["board=stm32f746"])}
    latency = estimate(board, 0.5, 128, 640)
    assert f"{latency.ms:.0f} ({latency.low_ms:.0f}–{latency.high_ms:.0f}) b" in lines[3]
    assert "b: borrowed" in lines
    assert "STM32H747I-DISCO" in out


def test_show_marks_what_was_measured_and_what_lies_outside(capsys) -> None:
    out = said(capsys, "show", "board=stm32h747", "embedding=1280", "width=0.35", "res=96,128")
    row = out.splitlines()[2]
    assert row.rstrip().endswith("m")
    assert " x " in row
    assert "m: measured, x: extrapolated" in out


def test_show_for_programs(capsys) -> None:
    rows = json.loads(said(capsys, "show", "board=stm32f746,stm32h747", "--json"))
    assert len(rows) == 60
    assert {row["board"] for row in rows} == {"stm32f746", "stm32h747"}
    assert all(row["latency_low_ms"] <= row["latency_ms"] <= row["latency_high_ms"] for row in rows)
    table = list(csv.DictReader(io.StringIO(said(capsys, "show", "board=stm32f746", "--csv"))))
    assert len(table) == 30
    assert table[0].keys() == rows[0].keys()


def test_networks_that_differ_only_in_the_linear_layer_are_told_apart(capsys) -> None:
    asked = ["board=stm32h747", "width=0.5", "res=128", "embedding=128"]
    out = said(capsys, "show", *asked, "last=640,1280")
    rows = [line.split()[:3] for line in out.splitlines()[2:4]]
    assert [row[1] for row in rows] == ["640-128", "1280-128"]
    assert float(rows[0][2]) < float(rows[1][2])
    assert [row["last"] for row in json.loads(said(capsys, "show", *asked, "last=null,640", "--json"))] == [None, 640]


def test_several_boards_are_told_apart(capsys) -> None:
    out = said(capsys, "show", "board=stm32f746,stm32h747")
    first, second = out.split("\n\n")
    assert first.startswith("stm32f746,")
    assert second.startswith("stm32h747,")


def test_fit_shows_coefficients_errors_and_rows(capsys) -> None:
    out = said(capsys, "fit", "--board", "stm32h747")
    assert "2.52 conv and pointwise, 19.2 depthwise, 17 dense" in out
    assert "\nleave-one-out error: 1.6% mean, 3.1% worst, of 4 networks\n" in out
    assert "interval: -9% to +10% inside the measured span" in out
    assert "equal the rows of 9.1.0" in out
    own = [line for line in out.splitlines() if " own " in line]
    assert len(own) == 6
    assert "MobileNetV2 1.4@224, 1792-d, 1000 classes" in own[-1]


def test_a_borrowed_fit_names_its_donor_and_scale(capsys) -> None:
    out = said(capsys, "fit")
    assert "scale: x2.376" in out
    assert "\nthe donor's leave-one-out error: 1.6% mean" in out
    assert "worst misfit 10.5%" in out
    assert "STM32H747I-DISCO" in out
    assert "stand_in" in out


def test_a_single_anchor_has_no_misfit_of_its_own_to_show(capsys) -> None:
    out = said(capsys, "fit", "board=nucleo_l4r5zi")
    assert "scaled x7.386 by 1 row(s)" in out
    assert "misfit" not in out


def test_errors_between_counts_are_called_that(capsys) -> None:
    assert "\nleave-one-out error of the fit between counts: " in said(capsys, "fit", "board=stm32h743_tflm")


def test_fit_for_programs(capsys) -> None:
    (found,) = json.loads(said(capsys, "fit", "board=stm32h747", "--json"))
    assert found["mean_error"] == pytest.approx(0.016, abs=0.001)
    assert len(found["coefficients"]) == len(found["features"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["show", "file.tflite"], "latency show: got 'file.tflite', allowed: KEY=VALUE and --board NAME"),
        (["show", "--out", "x"], "latency show takes no --out; leave it out"),
        (["fit", "--csv"], "latency fit takes no --csv; leave it out"),
        (["fit", "--board", "nope"], "board: got 'nope', allowed: "),
        (["show", "--board", "host", "board=host"], "a board was given twice"),
        (["simulate", "--board", "ethos_u55_128", "last=1280", "width=0.5"], "last: got 1280, allowed: null; a table"),
        (["shw"], "latency: got 'shw', allowed: show, fit, measure, bench, import, simulate"),
        ([], "latency: got '', allowed: show, "),
    ],
)
def test_refusals_are_one_line(argv, message, capsys) -> None:
    assert main(["latency", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {message}")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
