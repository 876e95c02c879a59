"""The plan of a grid, as people and programs read it."""

import csv
import io
import json

import pytest

from sweep.cli import main
from sweep.compose import open_composer
from sweep.plan import plan, write_table

KEYS = {
    "width", "resolution", "embedding", "parameters", "parameters_without_head", "parameter_bytes", "file_bytes",
    "macs", "peak_activation_bytes", "latency_ms", "latency_low_ms", "latency_high_ms", "latency_provenance", "board",
    "feasible", "violated", "undecided",
}  # fmt: skip


def planned(*lines: str, default_grid: bool = False):
    return plan(open_composer().many(lines, default_grid=default_grid))


@pytest.fixture(scope="module")
def grid():
    return planned(default_grid=True)


def test_the_default_grid_is_the_published_one(grid) -> None:
    rows = [c.row for c in grid]
    assert len(rows) == 30
    assert {r.width for r in rows} == {0.35, 0.5, 0.75, 1.0, 1.3, 1.4}
    assert {r.embedding for r in rows if r.width == 0.5} == {640}


def test_the_guides_choice_is_the_largest_feasible(grid) -> None:
    feasible = [c.row for c in grid if c.row.feasible]
    largest = max(feasible, key=lambda r: r.macs)
    assert (largest.width, largest.resolution) == (0.5, 128)
    assert largest.parameter_bytes == 601_264
    assert largest.peak_activation_bytes == 240 * 1024


def test_verdicts_and_their_limits_agree(grid) -> None:
    for row in (c.row for c in grid):
        assert row.feasible == (not row.violated and not row.undecided)
        assert row.latency_low_ms <= row.latency_ms <= row.latency_high_ms
        assert ("parameter_bytes" in row.violated) == (row.parameter_bytes > 1_000_000)


def test_points_that_differ_only_in_their_recipe_are_one_row() -> None:
    assert len(planned("seed=1,2,3", "train=default,thorough")) == 1
    assert len(planned("board=stm32f746,stm32h747")) == 2


def test_no_limits_leave_only_the_ram_of_the_board() -> None:
    (small, large) = planned("budget=none", "width=1.4", "res=96,224")
    assert small.row.violated == large.row.violated == ("ram_bytes",)
    (free,) = planned("budget=none", "width=1.4", "res=224", "board.ram_bytes=null")
    assert free.row.feasible


def test_json_is_all_of_standard_output(capsys) -> None:
    assert main(["plan", "width=0.5", "res=128,160", "--json"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert [set(row) for row in rows] == [KEYS, KEYS]
    assert [(row["width"], row["resolution"]) for row in rows] == [(0.5, 128), (0.5, 160)]
    assert rows[0]["parameters"] == 601_264 + 641 * 1001
    assert rows[0]["file_bytes"] is None
    assert rows[1]["violated"] == ["ram_bytes"]
    assert captured.err == ""


def test_csv_has_the_same_columns(capsys) -> None:
    assert main(["plan", "width=0.75", "res=224", "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert set(row) == KEYS
    assert row["violated"] == "parameter_bytes ram_bytes latency_ms"
    assert row["file_bytes"] == ""


def test_the_table_says_what_is_exceeded_and_by_how_much(grid) -> None:
    out = io.StringIO()
    write_table(grid, out)
    text = out.getvalue()
    lines = {tuple(line.split()[:2]): line for line in text.splitlines() if line}
    assert lines["0.5", "128"].rstrip().endswith("ok")
    assert "ram +55 KiB" in lines["0.5", "160"]
    assert "latency undecided" in lines["0.5", "160"]
    assert "parameter +297 KiB" in lines["0.75", "96"]
    assert "of 30 candidates meet every limit; the largest is width=0.5 res=128" in text
    assert "\x1b" not in text


def test_boards_are_told_apart_when_there_are_several() -> None:
    out = io.StringIO()
    write_table(planned("board=stm32f746,stm32h747"), out)
    rows = out.getvalue().splitlines()
    assert "board" in rows[1]
    assert [("stm32f746" in r, "stm32h747" in r) for r in rows[2:4]] == [(True, False), (False, True)]


def test_names_are_not_read_as_markup() -> None:
    out = io.StringIO()
    write_table(planned("board.name='[red]x',y"), out)
    assert "[red]x" in out.getvalue()


def test_a_board_that_contradicts_its_table_is_refused(capsys) -> None:
    assert main(["plan", "board.clock_mhz=400"]) == 2
    assert capsys.readouterr().err.startswith("error: board.clock_mhz: got ")
