import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.arch import resolve_embedding
from facerec_core.errors import DataError, OptionError
from facerec_core.latency import board_spec, estimate, fit, latency_model, read_table, table_path
from facerec_core.latency.fit import nonnegative_least_squares

BOARD_FILES = sorted((Path(__file__).parents[2] / "conf" / "board").glob("*.yaml"))
WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
RESOLUTIONS = (96, 128, 160, 192, 224)
H747_TABLE = "stm32h747_x-cube-ai_10.0.0.csv"


def shipped(name):
    file = next(file for file in BOARD_FILES if file.stem == name)
    return board_spec(yaml.safe_load(file.read_text(encoding="utf-8")))


@pytest.fixture
def h747():
    return shipped("stm32h747")


@pytest.fixture
def f746():
    return shipped("stm32f746")


class TestShippedBoards:
    @pytest.mark.parametrize("name", [file.stem for file in BOARD_FILES])
    def test_every_board_file_gives_the_whole_grid(self, name):
        board = shipped(name)
        assert board.name == name
        for width in WIDTHS:
            for resolution in RESOLUTIONS:
                latency = estimate(board, width, resolution, resolve_embedding("scaled", width))
                assert 0 < latency.low_ms <= latency.ms <= latency.high_ms
                assert latency.board == name
                assert latency.runtime.startswith("X-CUBE-AI ")
                assert latency.source

    def test_leave_one_out_errors_of_the_h747_fit(self, h747):
        fitted = latency_model(h747).fit
        assert fitted.coefficients == pytest.approx((2.52, 19.2, 17.0), rel=0.002)
        assert fitted.mean_error == pytest.approx(0.016, abs=0.0005)
        assert fitted.worst_error == pytest.approx(0.031, abs=0.0005)
        assert fitted.half_width == pytest.approx(0.060, abs=0.001)
        assert fitted.extrapolated_half_width == pytest.approx(0.266, abs=0.001)

    def test_the_f746_borrows_and_says_so(self, f746):
        model = latency_model(f746)
        assert model.scale == pytest.approx(2.376, abs=0.001)
        assert model.deviations == pytest.approx((0.0, -0.087, -0.105), abs=0.001)
        latency = estimate(f746, 0.5, 128, 1280)
        assert latency.provenance == "borrowed"
        assert "STM32H747I-DISCO" in latency.source
        assert "not named" in latency.source

    def test_estimates_at_width_half(self, f746, h747):
        assert 321 < estimate(f746, 0.5, 128, 640).ms < estimate(f746, 0.5, 128, 1280).ms < 339
        assert 503 < estimate(f746, 0.5, 160, 640).ms < estimate(f746, 0.5, 160, 1280).ms < 529
        assert estimate(h747, 0.5, 224, 1280).ms == pytest.approx(429, abs=1)

    def test_borrowing_costs_certainty(self, f746, h747):
        borrowed, fitted = latency_model(f746), latency_model(h747)
        assert borrowed.half_width > fitted.half_width + math.log(1.08)
        assert borrowed.extrapolated_half_width > fitted.extrapolated_half_width

    def test_every_own_row_lies_inside_its_interval(self, f746, h747):
        for board in (f746, h747):
            model = latency_model(board)
            assert all(abs(math.log1p(deviation)) <= model.half_width for deviation in model.deviations)


class TestProvenance:
    def test_a_timed_network_is_measured(self, h747):
        latency = estimate(h747, 0.35, 128, 1280)
        assert (latency.provenance, latency.ms) == ("measured", 94.34)
        assert latency.low_ms == latency.high_ms == 94.34
        assert "6f10965e6a40e2a28abd9c181f43cac4de4111c5" in latency.source

    def test_another_embedding_is_another_network(self, h747):
        assert estimate(h747, 0.35, 128, 448).provenance == "fitted"

    def test_a_row_timed_with_a_large_head_is_not_a_measurement_of_the_headless_network(self, h747):
        latency = estimate(h747, 1.0, 224, 1280)
        assert latency.provenance == "fitted"
        assert latency.ms < 1106.64

    def test_below_the_smallest_row_is_extrapolated_and_wider(self, h747):
        latency = estimate(h747, 0.35, 96, 448)
        assert latency.provenance == "extrapolated"
        assert latency.high_ms / latency.ms == pytest.approx(math.exp(0.266), abs=0.002)

    def test_a_stand_in_row_is_never_called_measured(self, f746):
        latency = estimate(f746, 0.35, 96, 1280)
        assert latency.provenance == "borrowed"
        assert latency.ms == pytest.approx(126.559, abs=0.2)


class TestProperties:
    @pytest.mark.parametrize("name", [file.stem for file in BOARD_FILES])
    @settings(deadline=None)
    @given(data=st.data())
    def test_monotone_in_width_and_resolution_and_the_interval_holds_the_point(self, name, data):
        model = latency_model(shipped(name))
        width = data.draw(st.floats(0.35, 1.4))
        wider = data.draw(st.floats(width, 1.4))
        resolution = data.draw(st.sampled_from(RESOLUTIONS))
        larger = data.draw(st.sampled_from([side for side in RESOLUTIONS if side >= resolution]))
        small = estimate(model.board, width, resolution, 1280)
        assert small.low_ms <= small.ms <= small.high_ms
        assert small.ms <= estimate(model.board, wider, resolution, 1280).ms * (1 + 1e-9)
        assert small.ms <= estimate(model.board, width, larger, 1280).ms * (1 + 1e-9)

    @settings(deadline=None)
    @given(st.lists(st.floats(0.1, 30.0), min_size=3, max_size=3))
    def test_exact_times_give_back_their_coefficients(self, coefficients):
        millions = np.array([[10.0, 1, 1], [20, 3, 1], [40, 4, 0], [80, 9, 2], [160, 12, 0]])
        fitted = fit(millions, millions @ np.array(coefficients), [1.0, 1.0, 2.0, 2.0, 3.0])
        assert fitted.coefficients == pytest.approx(tuple(coefficients), rel=1e-6)
        assert fitted.worst_error < 1e-6

    @settings(deadline=None)
    @given(st.integers(0, 10_000))
    def test_nonnegative_least_squares_meets_the_optimality_conditions(self, seed):
        generator = np.random.default_rng(seed)
        matrix, target = generator.uniform(0, 1, (6, 3)), generator.normal(0, 1, 6)
        solution = nonnegative_least_squares(matrix, target)
        gradient = matrix.T @ (matrix @ solution - target)
        assert (solution >= 0).all()
        assert (gradient >= -1e-6).all()
        assert abs(gradient @ solution) < 1e-6

    def test_too_few_rows_to_judge_a_fit_are_refused(self):
        with pytest.raises(ValueError, match="3 rows of 2 widths"):
            fit(np.eye(3), np.ones(3), [1.0, 1.0, 2.0])
        with pytest.raises(ValueError, match="5 rows of 1 widths"):
            fit(np.ones((5, 3)), np.ones(5), [1.0] * 5)


@pytest.fixture
def table(tmp_path):
    """Writes a copy of a shipped table with one line or cell changed, and returns its path."""
    with table_path(H747_TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    def write(line=None, drop=None, extra=(), append=None, keep=None, **cells):
        kept = [dict(row) for row in rows[:keep]]
        if append is not None:
            kept.append({**kept[0], **append})
        if line is not None:
            kept[line - 2].update(cells)
        columns = [column for column in rows[0] if column != drop] + list(extra)
        path = tmp_path / "mine.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", restval="x")
            writer.writeheader()
            writer.writerows(kept)
        return path

    return write


class TestTables:
    @pytest.mark.parametrize("path", sorted(table_path(H747_TABLE).parent.glob("*.csv")), ids=lambda path: path.name)
    def test_shipped_tables_are_valid_and_cite_a_commit(self, path):
        for row in read_table(path).rows:
            assert row.source.startswith("https://")
            assert len(row.commit) == 40

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("latency_ms", "-3"),
            ("latency_ms", "0"),
            ("latency_ms", "nan"),
            ("latency_ms", "inf"),
            ("latency_ms", "1e9"),
            ("latency_ms", "94 ms"),
            ("latency_ms", ""),
            ("width", "9"),
            ("resolution", "128.5"),
            ("resolution", "128x128"),
            ("channels", "1"),
            ("model", "MobileNetV1"),
            ("role", "maybe"),
            ("source", ""),
            ("macs_millions", "59.0"),
            ("n", "-1"),
        ],
    )
    def test_a_bad_cell_names_file_line_and_column(self, table, column, value):
        path = table(line=3, **{column: value})
        with pytest.raises(DataError) as caught:
            read_table(path)
        message = str(caught.value)
        assert message.startswith(f"{path}, line 3, column {column}: got ")
        assert "allowed: " in message
        assert "\n" not in message

    @pytest.mark.parametrize("column", ["runtime", "runtime_version", "kernels", "core", "clock_mhz"])
    def test_two_runtimes_or_cores_are_never_mixed(self, table, column):
        with pytest.raises(DataError, match=rf"line 5, column {column}: got .*never mixes"):
            read_table(table(line=5, **{column: "480"}))

    def test_missing_and_unknown_columns_are_named(self, table):
        with pytest.raises(DataError, match="line 1: columns missing commit, unknown comment"):
            read_table(table(drop="commit", extra=["comment"]))

    def test_two_values_for_one_network_are_refused_and_a_repeated_row_counts_once(self, table):
        with pytest.raises(DataError, match=r"line 8, column latency_ms: got '94.34 and 95 ms"):
            read_table(table(append={"latency_ms": "95"}))
        assert len(read_table(table(append={})).rows) == 6

    def test_a_cut_line_is_refused(self, table):
        path = table()
        path.write_text(path.read_text(encoding="utf-8")[:-60], encoding="utf-8")
        with pytest.raises(DataError, match="line 7, column commit: got '18 cells'"):
            read_table(path)

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'role,"board\n'])
    def test_what_is_no_table_is_refused(self, tmp_path, content):
        path = tmp_path / "mine.csv"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"mine\.csv"):
            read_table(path)

    def test_a_table_without_rows_is_refused(self, table):
        with pytest.raises(DataError, match="no rows"):
            read_table(table(keep=0))

    def test_an_unknown_table_is_answered_with_the_shipped_ones(self):
        with pytest.raises(OptionError, match=rf"board.table: got 'nope.csv'.*{H747_TABLE}"):
            table_path("nope.csv")


class TestBoards:
    def test_a_users_own_table_is_read_by_its_path(self, table, h747):
        own = dataclasses.replace(h747, name="mine", table=str(table(line=2, latency_ms="95.0")))
        assert estimate(own, 0.35, 128, 1280).ms == 95.0

    def test_too_few_rows_ask_for_a_donor(self, table, h747):
        few = dataclasses.replace(h747, table=str(table(keep=3)))
        with pytest.raises(DataError, match=r"3 rows of 1 widths.*board\.donor"):
            latency_model(few)

    def test_a_single_anchor_is_no_proof_of_the_shape(self, table, h747):
        one = dataclasses.replace(h747, table=str(table(keep=1)), donor=H747_TABLE)
        model = latency_model(one)
        assert model.deviations == pytest.approx((0.0,))
        assert model.half_width == pytest.approx(latency_model(h747).half_width + math.log(1.08))
        assert estimate(one, 0.35, 128, 1280).provenance == "measured"
        assert estimate(one, 0.5, 128, 1280).provenance == "borrowed"

    def test_check_rows_alone_cannot_scale_a_donor(self, table, h747):
        path = table(line=2, keep=1, role="check")
        with pytest.raises(DataError, match="no row with role own or stand_in"):
            latency_model(dataclasses.replace(h747, table=str(path), donor=H747_TABLE))

    def test_another_runtimes_shape_is_refused(self, f746):
        other = {"runtime": "TensorFlow Lite Micro"}
        with pytest.raises(OptionError, match=r"board.runtime: got .*as measured"):
            latency_model(dataclasses.replace(f746, **other))

    def test_a_donor_of_another_runtime_is_refused(self, table, h747, tmp_path):
        donor = table()
        donor = donor.rename(tmp_path / "donor.csv")
        text = donor.read_text(encoding="utf-8").replace("X-CUBE-AI", "TinyEngine")
        donor.write_text(text, encoding="utf-8")
        with pytest.raises(OptionError, match=r"board.donor: got .*TinyEngine"):
            latency_model(dataclasses.replace(h747, donor=str(donor)))

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("clock_mhz", 0),
            ("clock_mhz", math.nan),
            ("clock_mhz", "fast"),
            ("ram_bytes", -1),
            ("runtime_version", 10.0),
            ("table", ""),
            ("tabel", "x"),
        ],
    )
    def test_a_bad_board_names_its_key(self, h747, key, value):
        mapping = dataclasses.asdict(h747) | {key: value}
        with pytest.raises(OptionError, match=rf"^board\.{key}: got"):
            board_spec(mapping)

    def test_a_missing_key_is_named(self, h747):
        mapping = dataclasses.asdict(h747)
        del mapping["core"]
        with pytest.raises(OptionError, match=r"^board\.core"):
            board_spec(mapping)
