import dataclasses
import math

import pytest

from facerec_core.arch import resolve_embedding
from facerec_core.errors import DataError, OptionError
from facerec_core.latency import estimate, latency_model, read_counts, read_table, table_path
from facerec_core.latency.emulated import LEAST_ERROR, PACE_ERROR, STAND_IN_ERROR
from facerec_core.latency.fit import mac_features
from tests.latency_tables import RESOLUTIONS, WIDTHS, rows_of, shipped, write_rows

M7, M4 = "tflm_cortex_m7.csv", "tflm_cortex_m4.csv"
EMULATED = ("stm32f746_tflm", "stm32h743_tflm", "stm32l4r5_tflm")


def counted(name, **wanted):
    """The only count of a shipped table with these values, in millions."""
    rows = [row for row in read_counts(table_path(name)).rows if wanted.items() <= dataclasses.asdict(row).items()]
    assert len(rows) == 1
    return rows[0].instructions / 1e6


def old_and_new(resolution):
    builds = read_counts(table_path(M7)).builds
    return [counted(M7, width=0.3, resolution=resolution, tflm_commit=build) for build in reversed(builds)]


class TestCounts:
    def test_the_grid_is_whole(self):
        for name in (M7, M4):
            for width in WIDTHS:
                length = resolve_embedding("scaled", max(width, 1.0))
                for resolution in RESOLUTIONS:
                    shape = {"width": width, "resolution": resolution, "embedding": length, "classes": None}
                    assert counted(name, model="MobileNetV2", **shape) > 0

    def test_a_known_count(self):
        half = {"width": 0.5, "resolution": 128, "embedding": 640}
        assert counted(M7, **half) == 108.7402
        assert counted(M4, **half) == 109.88288

    @pytest.mark.parametrize(
        ("name", "coefficients", "mean", "worst"),
        [("stm32h743_tflm", (1.34, 21.1), 0.0146, 0.0367), ("stm32l4r5_tflm", (1.38, 21.1), 0.0138, 0.0352)],
    )
    def test_the_fit_between_them(self, name, coefficients, mean, worst):
        fitted = latency_model(shipped(name)).fit
        assert fitted.coefficients[:2] == pytest.approx(coefficients, rel=0.004)
        assert (fitted.mean_error, fitted.worst_error) == pytest.approx((mean, worst), abs=0.0005)
        rows = [row for row in read_counts(table_path(M7)).of_build("90b983c2") if row.model == "MobileNetV2"]
        if name == "stm32h743_tflm":
            off = [mac_features(row.network) @ fitted.coefficients / row.instructions * 1e6 - 1 for row in rows]
            assert math.sqrt(sum(one**2 for one in off) / len(off)) == pytest.approx(0.016, abs=0.0005)
            assert max(map(abs, off)) == pytest.approx(0.034, abs=0.0005)


class TestTime:
    def test_a_counted_network_takes_its_instructions_at_the_pace_of_the_anchor(self):
        old, _ = old_and_new(64)
        latency = estimate(shipped("stm32h743_tflm"), 0.5, 128, 640)
        assert latency.ms == pytest.approx(108.7402 * 43 / old)
        assert latency.provenance == "emulated"
        assert latency.runtime == "TFLM 90b983c2"
        assert "TFLM 713b6ed" in latency.source

    def test_an_anchor_of_a_build_that_was_not_emulated_takes_the_mean_of_those_that_were(self):
        old, new = old_and_new(80)
        model = latency_model(shipped("stm32f746_tflm"))
        assert model.scale == pytest.approx(129 / math.sqrt(old * new))
        doubt = math.log(old / new) / 2 + math.log1p(0.5 / 129) + STAND_IN_ERROR
        exact = estimate(model.board, 0.5, 128, 640)
        assert math.log(exact.high_ms / exact.ms) == pytest.approx(PACE_ERROR + doubt)

    @pytest.mark.parametrize("name", EMULATED)
    def test_intervals_are_at_least_a_quarter_and_wider_between_counts(self, name):
        board = shipped(name)
        exact, between = estimate(board, 0.5, 128, 640), estimate(board, 0.5, 128, 648)
        assert exact.high_ms >= exact.ms * 1.25 - 1e-9
        assert between.high_ms / between.ms > exact.high_ms / exact.ms
        assert between.ms / between.low_ms > exact.ms / exact.low_ms
        assert estimate(board, 0.2, 96, 256).provenance == "extrapolated"

    def test_the_two_cortex_m7_anchors_agree_within_the_pace_that_is_allowed_for(self):
        """The STM32H743's clock is not stated: at its usual 480 MHz the paces differ most, at 400 MHz hardly."""
        f746 = old_and_new(80)[0] / 129 / 0.216
        h743 = {clock: old_and_new(64)[0] / 43 / clock for clock in (0.400, 0.480)}
        assert f746 == pytest.approx(1.22, abs=0.005)
        assert h743 == pytest.approx({0.400: 1.25, 0.480: 1.04}, abs=0.005)
        assert 0.9 * PACE_ERROR < math.log(f746 / h743[0.480]) < PACE_ERROR < LEAST_ERROR

    def test_an_unscaled_classifier_would_be_within_the_error_of_a_stand_in(self):
        a, _, c = latency_model(shipped("stm32f746_tflm")).fit.coefficients
        more = a * 3 * 3 * 96 * (1280 - 384) / 1e6 + c * 1000 * (1280 - 384) / 1e6
        assert 0.05 < math.log1p(more / old_and_new(80)[0]) < STAND_IN_ERROR

    def test_a_cortex_m4_completes_hardly_more_than_one_instruction_a_cycle(self):
        """It issues one a cycle, but folds some IT instructions."""
        board = shipped("stm32l4r5_tflm")
        latency = estimate(board, 0.5, 128, 640)
        assert latency.low_ms == pytest.approx(109.88288 / 0.120 / 1.05)
        assert latency.high_ms / latency.ms == pytest.approx(latency.ms / latency.low_ms)
        assert "stand-in" in latency.source
        assert "microTVM, version not stated" in latency.source

    def test_a_measurement_of_ones_own_takes_over(self, tmp_path):
        board = shipped("stm32h743_tflm")
        own = {"width": "0.5", "resolution": "128", "embedding": "640", "classes": "", "runtime_version": "90b983c2"}
        path = write_rows(tmp_path / "own.csv", [{**rows_of(board.table)[0], **own, "latency_ms": "230"}])
        mine = dataclasses.replace(board, table=str(path))
        assert estimate(mine, 0.5, 128, 640).provenance == "measured"
        assert latency_model(mine).scale == pytest.approx(230 / 108.7402)
        assert estimate(mine, 0.35, 128, 1280).provenance == "emulated"


class TestRefused:
    def test_a_build_that_was_not_emulated(self):
        board = dataclasses.replace(shipped("stm32h743_tflm"), runtime_version="11111111")
        with pytest.raises(
            OptionError, match=r"^board\.runtime_version: got '11111111', allowed: 90b983c2 or 713b6ed6"
        ):
            latency_model(board)

    def test_another_runtime(self):
        board = dataclasses.replace(shipped("stm32h743_tflm"), runtime="X-CUBE-AI")
        with pytest.raises(OptionError, match=r"^board\.runtime: got 'X-CUBE-AI', allowed: TFLM"):
            latency_model(board)

    @pytest.mark.parametrize(
        ("key", "value", "named"),
        [("counts", M4, "Cortex-M7, CMSIS-NN 011bf32"), ("table", "stm32h743_x-cube-ai_7.3.0.csv", "vendor int8")],
    )
    def test_another_core_or_other_kernels(self, key, value, named):
        board = dataclasses.replace(shipped("stm32h743_tflm"), **{key: value})
        with pytest.raises(OptionError, match=rf"^board\.table: got .*{named}"):
            latency_model(board)

    def test_an_anchor_of_another_runtime_where_nothing_bounds_it(self, tmp_path):
        board = shipped("stm32f746_tflm")
        path = write_rows(tmp_path / "tvm.csv", [{**rows_of(board.table)[0], "runtime": "microTVM"}])
        with pytest.raises(OptionError, match=r"^board\.table: got .*\(microTVM\)'.*another runtime only as stand_in"):
            latency_model(dataclasses.replace(board, table=str(path)))

    def test_a_cortex_m4_that_would_be_faster_than_its_clock(self, tmp_path):
        board = shipped("stm32l4r5_tflm")
        path = write_rows(tmp_path / "fast.csv", [{**rows_of(board.table)[0], "latency_ms": "195"}])
        with pytest.raises(DataError, match=r"column latency_ms comes to 1\.07 instructions a cycle on a Cortex-M4"):
            latency_model(dataclasses.replace(board, table=str(path)))

    def test_nothing_to_turn_counts_into_time(self, tmp_path):
        board = shipped("stm32h743_tflm")
        path = write_rows(tmp_path / "none.csv", [{**rows_of(board.table)[0], "role": "check"}])
        with pytest.raises(DataError, match="no row with role own or stand_in"):
            latency_model(dataclasses.replace(board, table=str(path)))

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("instructions", "47e6"),
            ("instructions", "-1"),
            ("core", "Cortex-M4"),
            ("kernels", "reference"),
            ("width", "35 %"),
            ("model", "ResNet"),
            ("arena_bytes", "204 KiB"),
        ],
    )
    def test_a_bad_count_names_file_line_and_column(self, tmp_path, column, value):
        rows = rows_of(M7)[:4]
        rows[2][column] = value
        path = write_rows(tmp_path / "counts.csv", rows)
        with pytest.raises(DataError, match=rf"counts\.csv, line 4, column {column}: got '{value}"):
            read_counts(path)

    def test_two_counts_of_one_network_and_a_table_of_times(self, tmp_path):
        path = write_rows(tmp_path / "counts.csv", [*rows_of(M7)[:2], rows_of(M7)[0]])
        with pytest.raises(DataError, match=r"line 4, column instructions: got .*one row a network and build"):
            read_counts(path)
        with pytest.raises(DataError, match="line 1: columns missing"):
            read_table(path)

    def test_too_few_counts(self, tmp_path):
        path = write_rows(tmp_path / "few.csv", rows_of(M7)[:3])
        with pytest.raises(DataError, match=r"3 rows of 2 widths.*count more networks"):
            latency_model(dataclasses.replace(shipped("stm32h743_tflm"), counts=str(path)))
