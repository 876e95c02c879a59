"""The plan of a grid, as people and programs read it."""

import csv
import dataclasses
import io
import json

import pytest

from sweep.cli import main
from sweep.compose import open_composer
from sweep.plan import plan
from sweep.plan_summary import summary, to_measure
from sweep.plan_table import write_table

KEYS = {
    "width", "resolution", "embedding", "last", "parameters", "parameters_without_head",
    "parameters_without_batch_norm", "parameter_bytes", "file_bytes", "macs", "macs_conv", "macs_pointwise",
    "macs_depthwise", "peak_activation_bytes", "arena_bytes", "flash_bytes", "flash_provenance", "ram_bytes",
    "ram_provenance", "ram_high_bytes", "fingerprints", "latency_ms", "latency_low_ms", "latency_high_ms",
    "latency_provenance", "latency_source", "board", "runtime", "training_seconds", "feasible", "violated", "undecided",
}  # fmt: skip


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """Where no earlier run tells how long training takes."""
    monkeypatch.chdir(tmp_path)


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
        assert row.feasible == (not row.violated)
        assert set(row.undecided) <= set(row.violated)
        assert row.latency_low_ms <= row.latency_ms <= row.latency_high_ms
        assert ("parameter_bytes" in row.violated) == (row.parameter_bytes > 1_000_000)


def test_points_that_differ_only_in_their_recipe_are_one_row() -> None:
    assert len(planned("seed=1,2,3", "train=default,thorough")) == 1
    assert len(planned("board=stm32f746,stm32h747")) == 2


def test_no_limits_leave_only_the_memories_of_the_board() -> None:
    (small, large) = planned("budget=none", "width=1.4", "res=96,224")
    assert small.row.violated == large.row.violated == ("flash_bytes", "ram_bytes")
    (free,) = planned("budget=none", "width=1.4", "res=224", "board.ram_bytes=null", "board.flash_bytes=null")
    assert free.row.feasible
    assert free.row.fingerprints is None


def test_what_a_network_takes_depends_on_what_the_runtime_keeps() -> None:
    (compiled, interpreted) = (c.row for c in planned("width=0.5", "res=128", "board=stm32f746,stm32f746_tflm"))
    assert compiled.flash_bytes == compiled.parameter_bytes
    assert compiled.ram_bytes == compiled.peak_activation_bytes + 33_669
    assert compiled.ram_high_bytes == 1.175 * compiled.peak_activation_bytes + 33_669
    assert interpreted.flash_bytes == interpreted.file_bytes
    assert interpreted.ram_bytes == interpreted.ram_high_bytes == interpreted.arena_bytes
    assert (compiled.flash_provenance, interpreted.flash_provenance) == ("counted", "predicted")
    assert compiled.feasible
    assert "ram_bytes" in interpreted.violated


def test_the_flash_that_is_left_holds_fingerprints_with_their_names() -> None:
    (row,) = (c.row for c in planned("width=0.5", "res=128", "board.flash_bytes=1000000", "board.program_bytes=100000"))
    assert row.fingerprints == (900_000 - row.flash_bytes) // (640 + 32)
    (full,) = (c.row for c in planned("width=0.5", "res=128", "board.flash_bytes=600000"))
    assert full.fingerprints == 0


def test_a_program_larger_than_the_flash_is_refused(capsys) -> None:
    assert main(["plan", "board.flash_bytes=100000"]) == 2
    assert capsys.readouterr().err.startswith(
        "error: board.program_bytes: got 117903, allowed: at most board.flash_bytes, 100000"
    )


def test_training_time_is_shown_where_it_is_known() -> None:
    points = open_composer().many(["width=0.5", "res=96,128"])
    rows = [c.row for c in plan(points, lambda point, cost: 90.0 if point.res == 96 else None)]
    assert [row.training_seconds for row in rows] == [90.0, None]


def test_json_is_all_of_standard_output(capsys) -> None:
    assert main(["plan", "width=0.5", "res=128,160", "--json"]) == 0
    captured = capsys.readouterr()
    rows = json.loads(captured.out)
    assert [set(row) for row in rows] == [KEYS, KEYS]
    assert [(row["width"], row["resolution"]) for row in rows] == [(0.5, 128), (0.5, 160)]
    assert rows[0]["parameters"] == 601_264 + 641 * 1001
    assert 0 < rows[0]["parameter_bytes"] < rows[0]["file_bytes"] < 1.2 * rows[0]["parameter_bytes"]
    assert rows[1]["violated"] == ["ram_bytes", "latency_ms"]
    assert rows[1]["undecided"] == ["latency_ms"]
    assert captured.err == ""


def test_csv_has_the_same_columns(capsys) -> None:
    assert main(["plan", "width=0.75", "res=224", "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert set(row) == KEYS
    assert row["violated"] == "parameter_bytes flash_bytes ram_bytes latency_ms"
    assert row["training_seconds"] == ""


def test_the_table_says_what_is_exceeded_and_by_how_much(grid) -> None:
    out = io.StringIO()
    write_table(grid, out)
    text = out.getvalue()
    lines = {tuple(line.split()[:2]): line for line in text.splitlines() if line}
    assert lines["0.5", "128"].rstrip().endswith("ok")
    assert "RAM +88–154 KiB" in lines["0.5", "160"]
    assert " 408–474 " in lines["0.5", "160"]
    assert "RAM undecided" in lines["0.75", "96"]
    assert "latency undecided" in lines["0.5", "160"]
    assert "parameters +297 KiB" in lines["0.75", "96"]
    assert "of 30 candidates meet every limit; the largest is width=0.5 res=128" in text
    why = text[text.index("why not larger:") : text.index("measure these:")]
    assert "width=0.5 res=160: RAM 408–474 of 320 KiB; latency 504 (" in why
    assert "width=0.75 res=128: parameters 1,273 of 977 KiB; " in why
    assert "\x1b" not in text


def test_undecided_candidates_are_the_first_to_measure(grid) -> None:
    order = [c.row for c in to_measure(grid)]
    undecided = [row for row in order if row.undecided]
    assert order[: len(undecided)] == undecided
    assert {(row.width, row.resolution) for row in undecided} >= {(0.5, 160)}
    exceeded = [len(row.violated) for row in undecided]
    assert exceeded == sorted(exceeded)
    assert (order[len(undecided)].width, order[len(undecided)].resolution) == (0.5, 128)
    out = io.StringIO()
    write_table(grid, out)
    lines = out.getvalue().partition("measure these:\n")[2].splitlines()
    assert all("of 500 ms, undecided (but it exceeds " in line for line in lines[:3])
    assert lines[3].startswith("  width=0.5 res=128: 323 ms are only borrowed")
    assert len(lines) == 7
    assert lines[6] == f"  and {len(order) - 6} more"


def test_an_undecided_candidate_that_exceeds_nothing_comes_before_those_that_do() -> None:
    grid = planned("board=stm32f746", "board.ram_bytes=null", default_grid=True)
    first = to_measure(grid)[0].row
    assert first.violated == first.undecided == ("latency_ms",)
    listed = "\n".join(summary(grid)).partition("measure these:\n")[2].splitlines()
    ruled_out = ["but it exceeds" in line for line in listed if "undecided" in line]
    assert ruled_out == sorted(ruled_out)
    assert set(ruled_out) == {False, True}


def test_undecided_ram_is_to_be_measured_even_where_the_latency_is_known() -> None:
    (one,) = planned("budget=none", "width=0.5", "res=128", "board.ram_bytes=300000")
    assert one.row.undecided == ("ram_bytes",)
    assert not one.row.feasible
    assert one.row.ram_bytes < 300_000 < one.row.ram_high_bytes
    timed = dataclasses.replace(one, row=dataclasses.replace(one.row, latency_provenance="measured"))
    assert to_measure([timed]) == [timed]
    assert "  width=0.5 res=128: RAM 273–315 of 293 KiB, undecided" in summary([timed])
    assert to_measure(planned("budget=none", "width=0.5", "res=128"))[0].row.feasible


def test_nothing_is_left_to_measure_on_a_measured_board() -> None:
    (row,) = planned("budget.latency.judge=measured_only", "width=0.5", "res=96")
    assert row.row.undecided == ("latency_ms",)
    assert to_measure([row]) == [row]
    measured = dataclasses.replace(row, row=dataclasses.replace(row.row, latency_provenance="measured"))
    assert to_measure([measured]) == []


def test_a_linear_layer_is_shown_beside_the_length_of_the_fingerprint() -> None:
    out = io.StringIO()
    write_table(planned("width=0.5", "res=128", "embedding=128", "last=null,1280"), out)
    assert [line.split()[2] for line in out.getvalue().splitlines()[2:4]] == ["128", "1280-128"]


def test_boards_are_told_apart_when_there_are_several() -> None:
    out = io.StringIO()
    write_table(planned("board=stm32f746,stm32h747"), out)
    rows = out.getvalue().splitlines()
    assert "board" in rows[1].split()
    assert [("stm32f746" in r, "stm32h747" in r) for r in rows[2:4]] == [(True, False), (False, True)]


def test_every_line_of_the_summary_says_which_of_several_boards_it_is_about() -> None:
    lines = summary(planned("board=stm32f746,ethos_u55_128", "width=0.5,0.75", "res=128,160"))
    found = [line for line in lines if "candidates meet every limit" in line]
    assert found[0] == "stm32f746: 1 of 4 candidates meet every limit; the largest is width=0.5 res=128"
    assert found[1].startswith("ethos_u55_128: 2 of 4 ")
    assert "stm32f746: why not larger:" in lines
    assert "ethos_u55_128: RAM, flash not checked: the board states none" in lines
    listed = lines[lines.index("measure these:") + 1 :]
    assert all(line.strip().startswith(("stm32f746 ", "ethos_u55_128 ", "and ")) for line in listed)


def test_candidates_of_one_width_and_side_are_told_apart() -> None:
    text = "\n".join(summary(planned("width=0.5", "res=128,160", "embedding=scaled,1280")))
    assert "the largest is width=0.5 res=128 embedding=1280" in text


def test_a_memory_the_board_does_not_state_is_said_to_be_unchecked(grid) -> None:
    lines = summary(planned("board.ram_bytes=null", "width=0.5", "res=128"))
    assert "RAM not checked: the board states none" in lines
    assert not any("not checked" in line for line in summary(grid))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("boards", ["stm32f746", "stm32h747_st_edge_ai,stm32l4r5_tflm,nucleo_l4r5zi"])
def test_nothing_is_cut_in_80_columns(boards, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    candidates = planned(f"board={boards}", "embedding=scaled,1280", default_grid=True)
    out = Terminal()
    write_table(candidates, out)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in out.getvalue()
    for candidate in candidates:
        row = candidate.row
        figures = [f"{row.width:g}", str(row.resolution), str(row.embedding), f"{row.parameters_without_head:,}"]
        assert any(line.split()[:4] == figures and row.latency_provenance in line for line in lines), row


def test_long_names_are_shortened_in_the_table_and_whole_in_what_programs_read() -> None:
    name = "a" * 60
    candidates = planned(f"board.name={name},y", "width=0.5", "res=96")
    out = io.StringIO()
    write_table(candidates, out)
    assert f"{'a' * 37}... " in out.getvalue()
    assert "a" * 41 not in out.getvalue()
    assert candidates[0].row.board == name


def test_names_are_not_read_as_markup() -> None:
    out = io.StringIO()
    write_table(planned("board.name='[red]x',y"), out)
    assert "[red]x" in out.getvalue()


def test_a_board_that_contradicts_its_table_is_refused(capsys) -> None:
    assert main(["plan", "board.clock_mhz=400"]) == 2
    assert capsys.readouterr().err.startswith("error: board.clock_mhz: got ")
