"""Timing on this machine, with a clock that the tests move; and the networks it can be asked to time."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.errors import DataError, StorageError
from facerec_core.latency import read_table
from facerec_core.latency.contradiction import contradictions
from facerec_core.latency.recognise import read_network
from facerec_core.latency.timing import (
    LEAST_RUNS,
    WARM_UP_LIMIT_NS,
    ClockQuality,
    Timing,
    clock_quality,
    open_network,
    processor_name,
    runs_needed,
    summarise,
    time_networks,
    warm_up,
)
from facerec_core.latency.writing import Setup, check_setup, merge_rows, own_row, publish, write_table
from facerec_core.types import Candidate
from sweep.latency import Request, measure
from sweep.latency.measure import Measured, earlier_rows, keep, warnings, wrong_order
from tests.settings import settings
from tests.tiny_tflite import mean_colour_tflite

SETUP = Setup("host", "AMD EPYC", None, "LiteRT", "2.3.0", "XNNPACK")
ORIGIN = ("measured on this machine", "python -m sweep latency measure", "facerec-sweep 0.1.0")


class World:
    """A clock, and networks that take their time on it."""

    def __init__(self) -> None:
        self.now = 0
        self.calls: list[str] = []

    def clock(self) -> int:
        return self.now

    def network(self, name: str, *durations_ns: int):
        """A call that takes each of the durations in turn, the last for good."""
        remaining = list(durations_ns)

        def call() -> None:
            self.calls.append(name)
            self.now += remaining.pop(0) if len(remaining) > 1 else remaining[0]

        return call


def row(width: float, resolution: int, ms: float = 2.0, setup: Setup = SETUP):
    return own_row(setup, Candidate(width, resolution, 448), (ms * 0.9, ms, ms * 1.2), 50, ORIGIN)


class TestClock:
    def test_resolution_is_the_smallest_step_and_overhead_the_usual_one(self):
        ticks = iter([0, 40, 40, 140, 180, 1180])
        quality = clock_quality(lambda: next(ticks), readings=6)
        assert (quality.resolution_ns, quality.overhead_ns) == (40, 40.0)

    def test_a_clock_that_stands_still_has_no_resolution(self):
        assert clock_quality(lambda: 7, readings=5).resolution_ns == 0


class TestWarmUp:
    def test_ends_when_two_groups_agree(self):
        world = World()
        slow = [9_000_000] * 5 + [3_000_000] * 5
        assert warm_up(world.network("a", *slow, 1_000_000), world.clock) == 1_000_000
        assert len(world.calls) == 20

    def test_ends_after_its_time_with_a_network_that_never_settles(self):
        world = World()
        doubling = [2**n * 1_000_000 for n in range(40) for _ in range(5)]
        warm_up(world.network("a", *doubling), world.clock)
        assert WARM_UP_LIMIT_NS <= world.now < 8 * WARM_UP_LIMIT_NS


class TestRounds:
    @given(st.integers(3, 200))
    def test_exactly_as_many_inferences_as_asked_for(self, runs):
        world = World()
        (timing,) = time_networks([world.network("a", 1_000_000)], world.clock, runs)
        assert timing == Timing(runs, 1.0, 1.0, 1.0, 0.0)

    def test_short_inferences_fill_their_time_and_long_ones_are_counted(self):
        assert runs_needed(100_000, None) == 3000
        assert runs_needed(100_000_000, None) == LEAST_RUNS
        assert runs_needed(100_000, 7) == 7

    def test_networks_take_turns_in_every_round(self):
        world, reports = World(), []
        calls = [world.network("a", 1000), world.network("b", 1000)]
        time_networks(calls, world.clock, 20, lambda done, total: reports.append((done, total)))
        assert reports == [(n, 10) for n in range(1, 11)]
        timed = world.calls[20:]  # after two warm-ups of ten calls each
        assert timed == ["a", "a", "a", "b", "b", "b"] * 10

    def test_the_first_call_of_a_round_is_not_counted(self):
        world = World()
        warm = [1_000_000] * 10
        (timing,) = time_networks([world.network("a", *warm, *[50_000_000, 1_000_000] * 3)], world.clock, 3)
        assert timing.high_ms == 1.0

    def test_a_slow_phase_meets_every_network(self):
        world = World()
        phase = [1_000_000] * 40 + [2_000_000] * 30
        one, other = time_networks([world.network("a", *phase), world.network("b", *phase)], world.clock, 40)
        assert one.median_ms == other.median_ms
        assert one.drift == other.drift == 1.0

    def test_percentiles_and_drift(self):
        timing = summarise([[n * 1_000_000 for n in range(1, 101)], [50_500_000]])
        assert timing.median_ms == pytest.approx(50.5)
        assert timing.low_ms == pytest.approx(6.0, abs=0.1)
        assert timing.high_ms == pytest.approx(95.0, abs=0.1)
        assert timing.drift == pytest.approx(0.0)


class TestWarnings:
    def measured(self, *timings: Timing) -> list[str]:
        return list(warnings(Measured((), timings, ClockQuality(40, 50.0))))

    def test_a_quiet_machine_needs_none(self):
        assert self.measured(Timing(50, 1.0, 0.95, 1.1, 0.01)) == []

    def test_spread_drift_and_a_coarse_clock_are_told(self):
        spread, drift = self.measured(Timing(50, 1.0, 0.9, 1.8, 0.2), Timing(50, 1.0, 0.99, 1.01, 0.15))
        assert "1 of 2 networks spread by more than 20%" in spread
        assert "the worst by 100%" in spread
        assert "+18%" in drift
        (coarse,) = self.measured(Timing(50, 0.002, 0.002, 0.002, 0.0))
        assert "40 ns are coarse" in coarse


class TestWriting:
    def test_what_is_written_is_read_back_equal(self, tmp_path):
        path = tmp_path / "latency" / "host.csv"
        rows = (row(0.35, 96), row(0.5, 96))
        write_table(path, rows)
        assert read_table(path).rows == rows
        assert [file.name for file in path.parent.iterdir()] == ["host.csv"]

    def test_a_network_measured_again_replaces_its_row(self):
        earlier, new = [row(0.35, 96, 2.0), row(0.5, 96, 3.0)], [row(0.35, 96, 2.5), row(0.35, 128, 4.0)]
        merged = merge_rows(earlier, new)
        assert [(r.width, r.resolution, r.latency_ms) for r in merged] == [
            (0.35, 96, 2.5),
            (0.35, 128, 4.0),
            (0.5, 96, 3.0),
        ]

    @pytest.mark.parametrize(
        ("column", "value"),
        [("core", "Other CPU"), ("runtime_version", "2.4.0"), ("board", "another"), ("clock_mhz", 3000.0)],
    )
    def test_another_machine_or_runtime_is_refused(self, column, value):
        now = Setup(**{**SETUP.__dict__, column: value})
        with pytest.raises(DataError, match=f"host.csv: its {column} is .* never mixes them"):
            check_setup([row(0.35, 96)], now, "host.csv")

    def test_rows_that_cannot_be_read_leave_the_old_table_alone(self, tmp_path):
        path = tmp_path / "host.csv"
        write_table(path, [row(0.35, 96)])
        before = path.read_bytes()
        with pytest.raises(DataError, match="latency_ms"):
            write_table(path, [row(0.35, 96, ms=1e9)])
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_of_two_files_both_or_neither_appear(self, tmp_path):
        first, second = tmp_path / "first", tmp_path / "second"
        first.write_text("old")
        second.mkdir()  # no file can be renamed to it
        with pytest.raises(StorageError, match="cannot write"):
            publish({first: b"new", second: b"new"}, lambda _written: None)
        assert first.read_text() == "old"
        assert sorted(tmp_path.iterdir()) == [first, second]

    def test_a_folder_that_cannot_be_made_is_one_error(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(StorageError, match=r"cannot write .*file/host\.csv: .*; name another place with --out"):
            write_table(tmp_path / "file" / "host.csv", [row(0.35, 96)])
        with pytest.raises(StorageError, match=r"cannot write .*file/host\.csv"):
            keep(tmp_path / "file" / "host.csv", SETUP, [row(0.35, 96)])

    def test_a_folder_that_can_be_read_only_is_one_error(self, tmp_path, monkeypatch):
        def read_only(*_arguments, **_more):
            raise OSError(errno.EROFS, "Read-only file system")

        monkeypatch.setattr("facerec_core.latency.writing.write_file", read_only)
        monkeypatch.setattr(Path, "unlink", read_only)
        with pytest.raises(StorageError, match=r"cannot write .*host\.csv: Read-only file system"):
            write_table(tmp_path / "host.csv", [row(0.35, 96)])

    def test_what_is_refused_leaves_no_folder_and_names_the_table(self, tmp_path):
        path = tmp_path / "a" / "b" / "host.csv"
        with pytest.raises(DataError) as caught:
            keep(path, SETUP, [row(0.35, 96, ms=1e9)])
        assert str(caught.value).startswith(f"{path}, line 2, column latency_ms")
        assert list(tmp_path.iterdir()) == []

    def test_several_at_once_keep_all_their_rows(self, tmp_path):
        path, resolutions = tmp_path / "host.csv", range(32, 32 + 24 * 8, 8)
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda resolution: keep(path, SETUP, [row(0.35, resolution)]), resolutions))
        assert [row.resolution for row in read_table(path).rows] == list(resolutions)
        assert list(tmp_path.iterdir()) == [path]

    def test_rows_written_while_this_measured_are_kept(self, tmp_path):
        path = tmp_path / "host.csv"
        assert earlier_rows(path, SETUP) == ()
        keep(path, SETUP, [row(0.5, 96)])
        assert keep(path, SETUP, [row(0.35, 96)]) == read_table(path).rows == (row(0.35, 96), row(0.5, 96))

    def test_where_it_cannot_be_written_is_known_before_anything_is_timed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(measure, "networks", None)
        pipe, blocked = tmp_path / "pipe", tmp_path / "file"
        os.mkfifo(pipe)
        blocked.write_text("")
        for out in (pipe, "/dev/full", tmp_path, blocked / "host.csv"):
            with pytest.raises(StorageError, match=f"^cannot write {out}: .*--out"):
                measure.act(Request(settings(), (), None, str(out), None, "table"))
        assert sorted(tmp_path.iterdir()) == [blocked, pipe]


class TestWrongOrder:
    """A network slower than one that contains it."""

    def test_both_are_named(self):
        rows = [row(0.35, 96, 3.0), row(0.35, 128, 9.0), row(0.5, 128, 3.5)]
        (line,) = wrong_order(rows, rows)
        assert line.startswith("0.35@128, 448-d, takes 9 ms, 157% more than a network that contains it: 0.5@128")
        assert "448-d, takes 3.5 ms; measure both again" in line

    def test_one_wild_measurement_is_one_line(self):
        rows = [row(0.35, side, 9.0 if side == 96 else side / 100) for side in range(96, 225, 32)]
        (line,) = wrong_order(rows, rows)
        assert line.startswith("0.35@96, 448-d, takes 9 ms, 603% more")
        assert "0.35@128, 448-d, takes 1.28 ms (and 3 more such pairs with one of them)" in line
        rows = [row(0.35, side, 0.1 if side == 224 else side / 100) for side in range(96, 225, 32)]
        (line,) = wrong_order(rows, rows)
        assert "0.35@224, 448-d, takes 0.1 ms (and 3 more" in line

    def test_only_what_the_spread_does_not_explain(self):
        rows = [row(0.35, 96, 3.2), row(0.35, 128, 3.0)]  # each from 0.9 to 1.2 times its median
        assert contradictions(rows, rows) == ()
        rows = [row(0.35, 96, 3.7), row(0.35, 128, 3.0)]
        (one,) = contradictions(rows, rows[:1])
        assert one.is_impossible
        assert contradictions(rows, []) == ()

    def test_a_larger_network_may_take_longer(self):
        rows = [row(0.35, 96, 3.0), row(0.35, 128, 9.0), row(1.0, 128, 9.5)]
        assert contradictions(rows, rows) == ()

    def test_networks_of_which_none_contains_the_other_are_not_compared(self):
        rows = [row(0.35, 224, 9.0), row(1.0, 96, 2.5)]  # larger image, fewer channels
        assert contradictions(rows, rows) == ()


class TestFiles:
    def test_another_network_is_refused_with_what_differs(self, tmp_path):
        path = tmp_path / "other.tflite"
        path.write_bytes(mean_colour_tflite(96, (0.1, 0)))
        with pytest.raises(
            DataError, match=r"other.tflite: not a headless MobileNetV2: operator 0 is MEAN, expected CONV_2D 3x3"
        ):
            read_network(path)

    @pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x1c\0\0\0TFL3" + b"\xff" * 60])
    def test_what_is_no_model_is_refused(self, tmp_path, content):
        path = tmp_path / "broken.tflite"
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"broken.tflite: (not a|a damaged) .tflite file"):
            read_network(path)

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(StorageError, match=r"cannot read .*gone\.tflite"):
            read_network(tmp_path / "gone.tflite")

    def test_litert_runs_an_int8_file_one_image_at_a_time(self):
        call = open_network(mean_colour_tflite(32, (2 / 255, 0)), "tiny")
        world = World()
        assert call() is None
        assert time_networks([call], world.clock, 3)[0].n == 3

    @pytest.mark.parametrize(
        ("line", "name"),
        [
            ("model name\t: Intel(R) Core(TM) i7-8550U CPU @ 1.80GHz", "Intel Core i7-8550U CPU @ 1.80GHz"),
            ("model name : AMD, \"EPYC\"\t7B13", "AMD EPYC 7B13"),
        ],
    )  # fmt: skip
    def test_the_processors_name_fits_into_a_cell(self, tmp_path, line, name):
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text(f"processor : 0\n{line}\nflags : a b\n")
        assert processor_name(cpuinfo) == name

    def test_without_cpuinfo_the_architecture_has_to_do(self):
        assert processor_name(Path("nowhere"))
