import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.arch import layers, resolve_embedding
from facerec_core.cost import macs_by_kind
from facerec_core.errors import DataError, OptionError
from facerec_core.latency import board_spec, estimate, latency_model, read_table, summary, table_path
from facerec_core.latency.fit import mac_features, nonnegative_least_squares
from facerec_core.latency.model import mac_matrix, times_ms
from tests.latency_tables import (
    BOARDS,
    H747_TABLE,
    RESOLUTIONS,
    WIDTHS,
    changed_table,
    distinct_widths,
    rows_of,
    shipped,
    write_rows,
)


@pytest.fixture
def h747():
    return shipped("stm32h747")


@pytest.fixture
def f746():
    return shipped("stm32f746")


def times(latency):
    return latency.low_ms, latency.ms, latency.high_ms


class TestEveryBoard:
    @pytest.mark.parametrize("name", BOARDS)
    def test_gives_the_whole_grid_with_its_interval_and_source(self, name):
        board = shipped(name)
        assert board.name == name
        for width in WIDTHS:
            for resolution in RESOLUTIONS:
                latency = estimate(board, width, resolution, resolve_embedding("scaled", width))
                assert 0 < latency.low_ms <= latency.ms <= latency.high_ms
                assert latency.board == name
                assert latency.runtime == latency_model(board).runtime
                assert latency.source

    @pytest.mark.parametrize("embedding", [1280, "scaled"])
    @pytest.mark.parametrize("name", BOARDS)
    def test_a_wider_or_larger_network_is_never_faster(self, name, embedding):
        """Nor does its interval begin or end lower: a narrower network must not fail a limit that it keeps.

        Over every network that a width from 0.35 to 1.4 can make, between published and simulated ones, too.
        """
        board = shipped(name)
        grid = [
            [times(estimate(board, width, side, resolve_embedding(embedding, width))) for side in range(96, 225, 32)]
            for width in distinct_widths()
        ]
        assert len(grid) > 70
        figures = np.array(grid)  # [widths, sides, 3]
        assert (figures[1:] >= figures[:-1] * (1 - 1e-9)).all()
        assert (figures[:, 1:] >= figures[:, :-1] * (1 - 1e-9)).all()
        assert (np.diff(figures, axis=2) >= 0).all()

    @pytest.mark.parametrize("name", BOARDS)
    @settings(deadline=None, max_examples=50)
    @given(data=st.data())
    def test_monotone_between_the_sides_and_lengths_of_the_grid(self, name, data):
        board = shipped(name)
        width, side = data.draw(st.floats(0.35, 1.4)), data.draw(st.integers(3, 6)) * 32
        length = data.draw(st.integers(8, 224)) * 8
        small = estimate(board, width, side, length)
        assert small.low_ms <= small.ms <= small.high_ms
        least = np.array(times(small)) * (1 - 1e-9)
        for larger in (
            (data.draw(st.floats(width, 1.4)), side, length),
            (width, side + 32, length),
            (width, side, length + 8 * data.draw(st.integers(0, 40))),
        ):
            assert (times(estimate(board, *larger)) >= least).all()

    @pytest.mark.parametrize("name", BOARDS)
    def test_own_rows_lie_inside_their_intervals(self, name):
        model = latency_model(shipped(name))
        for row, deviation in zip(model.rows, model.deviations, strict=True):
            if row.role != "check":
                assert -model.half_width <= -math.log1p(deviation) <= model.half_width

    @pytest.mark.parametrize("name", BOARDS)
    def test_the_summary_tells_what_the_model_does(self, name):
        told, model = summary(shipped(name)), latency_model(shipped(name))
        assert (told.board, told.kind, told.runtime) == (name, model.kind, model.runtime)
        assert len(told.coefficients) == len(told.features)
        assert (told.scale is None) == (told.kind in ("fitted", "simulated"))
        errors = [row.left_out_error for row in told.rows if row.left_out_error is not None]
        if told.scale is None:
            assert max(map(abs, errors)) == told.worst_error
            own = next(row for row in model.rows if row.role != "check")
            assert told.rows[0].macs == sum(macs_by_kind(own.timed_network).values())
        else:
            assert errors == []


class TestPinned:
    """Figures that docs/latency.md states."""

    @pytest.mark.parametrize(
        ("name", "coefficients", "mean", "worst", "inside", "outside"),
        [
            ("stm32h747", (2.52, 19.2, 17.0), 0.016, 0.031, 0.092, 0.266),
            ("stm32h747_st_edge_ai", (2.44, 21.7, 10.3), 0.017, 0.045, 0.125, 0.238),
        ],
    )
    def test_fits_and_their_leave_one_out_errors(self, name, coefficients, mean, worst, inside, outside):
        told = summary(shipped(name))
        assert told.coefficients == pytest.approx(coefficients, rel=0.004)
        assert (told.mean_error, told.worst_error) == pytest.approx((mean, worst), abs=0.0005)
        assert (told.half_width, told.extrapolated_half_width) == pytest.approx((inside, outside), abs=0.001)
        assert (told.bodies, latency_model(shipped(name)).fit.freedom) == (4, 2)

    def test_the_rows_that_repeat_an_older_version_change_next_to_nothing(self):
        """Two rows of 10.0.0 are those of 9.1.0 to the last digit; every estimate says so."""
        own, old = (
            {row.measured_what: row for row in read_table(table_path(name)).with_role("own")}
            for name in (H747_TABLE, "stm32h747_x-cube-ai_9.1.0.csv")
        )
        repeated = [what for what, row in own.items() if what in old and old[what].latency_ms == row.latency_ms]
        assert [own[what].classes for what in repeated] == [5, 5]
        for name in ("stm32h747", "stm32f746", "nucleo_u575zi"):
            assert (
                "two of the rows, those with 5 classes, equal the rows of 9.1.0" in latency_model(shipped(name)).source
            )
        new = [row for row in own.values() if row.classes == 1000]
        assert len(new) == 4
        six, four = (
            nonnegative_least_squares(mac_matrix(rows) / times_ms(rows)[:, None], np.ones(len(rows)))
            for rows in (list(own.values()), new)
        )
        grid = [layers(w, side, resolve_embedding("scaled", w)) for w in WIDTHS for side in RESOLUTIONS]
        millions = np.array([mac_features(network) for network in grid])
        change = millions @ four / (millions @ six) - 1
        assert (change.min(), change.max()) == pytest.approx((0.000, 0.004), abs=0.0005)

    def test_a_table_of_ones_own_discloses_nothing_by_its_name(self, tmp_path, h747):
        path = write_rows(tmp_path / H747_TABLE, rows_of(H747_TABLE))
        own = latency_model(dataclasses.replace(h747, table=str(path)))
        assert "9.1.0" in latency_model(h747).source
        assert "9.1.0" not in own.source

    @pytest.mark.parametrize("name", [name for name in BOARDS if name.startswith("ethos_")])
    def test_simulated_tables_are_fitted_by_macs_and_weights(self, name):
        told = summary(shipped(name))
        assert told.kind == "simulated"
        assert told.mean_error < 0.03
        assert told.worst_error < 0.08

    @pytest.mark.parametrize(
        ("name", "scale", "half_width", "at_half_128"),
        [
            ("stm32f746", 2.376, 0.360, (323, 215, 466)),
            ("stm32h743", 0.972, 0.326, (132, 95, 184)),
            ("nucleo_l4r5zi", 7.386, 0.326, (1003, 701, 1471)),
            ("nucleo_u575zi", 5.064, 0.326, (688, 481, 1009)),
        ],
    )
    def test_borrowed_scales(self, name, scale, half_width, at_half_128):
        told, latency = summary(shipped(name)), estimate(shipped(name), 0.5, 128, 640)
        assert told.scale == pytest.approx(scale, abs=0.001)
        assert told.half_width == pytest.approx(half_width, abs=0.001)
        assert (latency.ms, latency.low_ms, latency.high_ms) == pytest.approx(at_half_128, abs=0.6)
        assert latency.provenance == "borrowed"
        assert H747_TABLE in latency.source

    def test_the_default_limits_on_the_default_board(self, f746):
        assert estimate(f746, 0.5, 128, 640).high_ms < 500
        at_160 = estimate(f746, 0.5, 160, 640)
        assert at_160.low_ms < 500 < at_160.ms
        assert 503 < at_160.ms < estimate(f746, 0.5, 160, 1280).ms < 529


class TestProvenance:
    def test_a_timed_network_is_measured(self, h747):
        latency = estimate(h747, 0.35, 128, 1280)
        assert (latency.provenance, latency.ms) == ("measured", 94.34)
        assert latency.low_ms == latency.high_ms == 94.34
        assert "6f10965e6a40e2a28abd9c181f43cac4de4111c5" in latency.source

    def test_a_measured_spread_is_the_interval(self, h747, tmp_path):
        path = changed_table(tmp_path, low_ms="94", high_ms="3000", latency_ms="94.34", keep=1)
        board = dataclasses.replace(h747, table=path, donor=H747_TABLE)
        latency = estimate(board, 0.35, 128, 1280)
        assert (latency.low_ms, latency.ms, latency.high_ms) == (94.0, 94.34, 3000.0)

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

    def test_just_outside_the_span_the_interval_ends_where_that_of_the_edge_does(self, h747):
        """From width 0.51 at 96 px on a network is inside and its interval narrow; 0.5 must not reach beyond."""
        widths = (0.45, 0.46, 0.5, 0.52, 0.55, 0.6)
        found = [estimate(h747, width, 96, resolve_embedding("scaled", width)) for width in widths]
        assert {one.provenance for one in found} == {"extrapolated", "fitted"}
        ends = [one.high_ms for one in found]
        assert ends == sorted(ends)
        edge = max((one for one in found if one.provenance == "extrapolated"), key=lambda one: one.ms)
        assert edge.high_ms / edge.ms < math.exp(latency_model(h747).extrapolated_half_width) - 0.05

    def test_whole_milliseconds_are_rounded_ones(self, h747, tmp_path):
        path = changed_table(tmp_path, latency_ms="94", keep=1)
        latency = estimate(dataclasses.replace(h747, table=path, donor=H747_TABLE), 0.35, 128, 1280)
        assert (latency.low_ms, latency.ms, latency.high_ms, latency.provenance) == (93.5, 94, 94.5, "measured")

    def test_what_repeats_differ_by_is_the_least_an_estimate_is_off(self, h747, tmp_path):
        rows = [
            {**row, "low_ms": str(0.7 * float(row["latency_ms"])), "high_ms": str(1.4 * float(row["latency_ms"]))}
            for row in rows_of(H747_TABLE)[:6]
        ]
        board = dataclasses.replace(h747, table=str(write_rows(tmp_path / "wide.csv", rows)))
        assert latency_model(board).half_width == pytest.approx(math.log(2) / 2)
        assert latency_model(board).fit.mean_error == latency_model(h747).fit.mean_error
        anchor = dataclasses.replace(board, table=str(write_rows(tmp_path / "one.csv", rows[:1])), donor=H747_TABLE)
        assert latency_model(anchor).half_width == pytest.approx(latency_model(h747).half_width + math.log(2) / 2)

    def test_a_stand_in_row_is_never_called_measured(self, f746):
        latency = estimate(f746, 0.35, 96, 1280)
        assert latency.provenance == "borrowed"
        assert latency.ms == pytest.approx(126.559, abs=0.2)
        assert "not named" in latency.source

    def test_simulated_rows_are_looked_up_and_fitted_between(self):
        board = shipped("ethos_u55_128")
        exact, between = estimate(board, 0.5, 128, 640), estimate(board, 0.6, 128, 768)
        row = next(row for row in read_table(table_path(board.table)).rows if (row.width, row.resolution) == (0.5, 128))
        assert (exact.ms, exact.provenance) == (row.latency_ms, "simulated")
        assert (exact.low_ms, exact.high_ms) == pytest.approx((0.98 * row.latency_ms, 1.02 * row.latency_ms))
        assert between.provenance == "simulated"
        assert between.low_ms < between.ms < between.high_ms
        assert estimate(board, 2.0, 320, 2560).provenance == "extrapolated"


class TestRefused:
    def test_a_users_own_table_is_read_by_its_path(self, tmp_path, h747):
        own = dataclasses.replace(h747, name="mine", table=changed_table(tmp_path, source="my bench"))
        assert estimate(own, 0.35, 128, 1280).source.startswith("my bench ")

    def test_too_few_rows_ask_for_a_donor(self, tmp_path, h747):
        few = dataclasses.replace(h747, table=changed_table(tmp_path, keep=3))
        with pytest.raises(DataError, match=r"3 rows of 1 widths.*board\.donor"):
            latency_model(few)

    def test_check_rows_alone_cannot_scale_a_donor(self, tmp_path, h747):
        path = changed_table(tmp_path, keep=1, role="check")
        with pytest.raises(DataError, match="no row with role own or stand_in"):
            latency_model(dataclasses.replace(h747, table=path, donor=H747_TABLE))

    @pytest.mark.parametrize(
        ("key", "value"),
        [("runtime", "TFLM"), ("runtime_version", "7.3.0"), ("core", "Cortex-M4"), ("clock_mhz", 480)],
    )
    def test_a_board_that_contradicts_its_table(self, f746, key, value):
        with pytest.raises(OptionError, match=rf"^board\.{key}: got .*as measured, or null"):
            latency_model(dataclasses.replace(f746, **{key: value}))

    def test_a_clock_that_no_source_states(self):
        with pytest.raises(OptionError, match=r"^board\.clock_mhz: got 480, allowed: null: .* states none"):
            latency_model(dataclasses.replace(shipped("stm32h743"), clock_mhz=480))

    def test_what_a_board_leaves_open_is_taken_from_the_table(self, h747):
        open_board = dataclasses.replace(h747, core=None, clock_mhz=None, runtime=None, runtime_version=None)
        assert latency_model(open_board).runtime == "X-CUBE-AI 10.0.0"

    @pytest.mark.parametrize("donor", ["stm32h747_st_edge_ai_3.0.0.csv", "stm32h743_tflm_713b6ed.csv"])
    def test_a_donor_of_another_runtime(self, f746, donor):
        with pytest.raises(OptionError, match=rf"^board\.donor: got '{donor} \((ST Edge AI Core|TFLM)\)'.*carry over"):
            latency_model(dataclasses.replace(f746, donor=donor))

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("clock_mhz", 0),
            ("clock_mhz", math.nan),
            ("clock_mhz", "fast"),
            ("ram_bytes", -1),
            ("runtime_version", 10.0),
            ("core", ""),
            ("deployed_as", "guess"),
            ("program_bytes", -1),
            ("table", ""),
            ("donor", H747_TABLE),
            ("tabel", "x"),
        ],
    )
    def test_a_bad_board_names_its_key(self, h747, key, value):
        mapping = dataclasses.asdict(h747) | {"counts": "tflm_cortex_m7.csv", key: value}
        with pytest.raises(OptionError, match=rf"^board\.{key}: got"):
            board_spec(mapping)

    def test_a_missing_key_is_named(self, h747):
        mapping = dataclasses.asdict(h747)
        del mapping["core"]
        with pytest.raises(OptionError, match=r"^board\.core"):
            board_spec(mapping)
