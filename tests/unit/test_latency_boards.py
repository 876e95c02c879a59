import dataclasses
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.arch import resolve_embedding
from facerec_core.cost import macs_by_kind
from facerec_core.errors import DataError, OptionError
from facerec_core.latency import board_spec, estimate, latency_model, read_table, summary, table_path
from facerec_core.latency.borrowed import DEPTHWISE_RATIOS, FAMILY_ERROR, LEAST_TRANSFER_ERROR, VERSION_ERROR
from facerec_core.latency.fit import fit
from facerec_core.latency.model import mac_matrix, times_ms
from tests.latency_tables import (
    BOARDS,
    H747_TABLE,
    RESOLUTIONS,
    WIDTHS,
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


def changed(tmp_path, name=H747_TABLE, keep=6, **cells):
    """The path of a copy of a shipped table with some cells changed in every row that is kept."""
    return str(write_rows(tmp_path / "mine.csv", [{**row, **cells} for row in rows_of(name)[:keep]]))


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
        """Over every network that a width from 0.35 to 1.4 can make, between published and simulated ones, too."""
        board = shipped(name)
        grid = [
            [estimate(board, width, side, resolve_embedding(embedding, width)).ms for side in range(96, 225, 32)]
            for width in distinct_widths()
        ]
        assert len(grid) > 70
        for row, wider in pairwise(grid):
            assert all(ms <= more * (1 + 1e-9) for ms, more in zip(row, wider, strict=True))
        assert all(row == sorted(row) for row in grid)

    @pytest.mark.parametrize("name", BOARDS)
    @settings(deadline=None, max_examples=50)
    @given(data=st.data())
    def test_monotone_between_the_sides_and_lengths_of_the_grid(self, name, data):
        board = shipped(name)
        width, side = data.draw(st.floats(0.35, 1.4)), data.draw(st.integers(3, 6)) * 32
        length = data.draw(st.integers(8, 224)) * 8
        small = estimate(board, width, side, length)
        assert small.low_ms <= small.ms <= small.high_ms
        for larger in (
            (data.draw(st.floats(width, 1.4)), side, length),
            (width, side + 32, length),
            (width, side, length + 8 * data.draw(st.integers(0, 40))),
        ):
            assert small.ms <= estimate(board, *larger).ms * (1 + 1e-9)

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
            ("stm32h747", (2.52, 19.2, 17.0), 0.016, 0.031, 0.060, 0.266),
            ("stm32h747_st_edge_ai", (2.44, 21.7, 10.3), 0.017, 0.045, 0.076, 0.238),
        ],
    )
    def test_fits_and_their_leave_one_out_errors(self, name, coefficients, mean, worst, inside, outside):
        told = summary(shipped(name))
        assert told.coefficients == pytest.approx(coefficients, rel=0.004)
        assert (told.mean_error, told.worst_error) == pytest.approx((mean, worst), abs=0.0005)
        assert (told.half_width, told.extrapolated_half_width) == pytest.approx((inside, outside), abs=0.001)

    @pytest.mark.parametrize("name", [name for name in BOARDS if name.startswith("ethos_")])
    def test_simulated_tables_are_fitted_by_macs_and_weights(self, name):
        told = summary(shipped(name))
        assert told.kind == "simulated"
        assert told.mean_error < 0.03
        assert told.worst_error < 0.08

    @pytest.mark.parametrize(
        ("name", "scale", "half_width", "at_half_128"),
        [
            ("stm32f746", 2.376, 0.328, (323, 223, 450)),
            ("stm32h743", 0.972, 0.294, (132, 98, 178)),
            ("nucleo_l4r5zi", 7.386, 0.294, (1003, 725, 1423)),
            ("nucleo_u575zi", 5.064, 0.294, (688, 497, 976)),
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
        path = changed(tmp_path, low_ms="94", high_ms="3000", latency_ms="94.34", keep=1)
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


class TestBorrowing:
    def test_known_errors_add_up(self, f746, h747):
        donor = latency_model(h747).half_width
        assert latency_model(f746).deviations == pytest.approx((0.0, -0.087, -0.105, 0.072), abs=0.001)
        misfit = -math.log1p(latency_model(f746).deviations[2])
        assert latency_model(f746).half_width == pytest.approx(donor + misfit + VERSION_ERROR)

    def test_a_donor_of_the_same_version_costs_less(self, tmp_path, h747):
        one = dataclasses.replace(h747, table=changed(tmp_path, keep=1), donor=H747_TABLE)
        model = latency_model(one)
        assert model.deviations == pytest.approx((0.0,))
        assert model.half_width == pytest.approx(latency_model(h747).half_width + LEAST_TRANSFER_ERROR)
        assert estimate(one, 0.35, 128, 1280).provenance == "measured"
        assert estimate(one, 0.5, 128, 1280).provenance == "borrowed"

    def test_another_version_and_core_are_named_in_the_source(self):
        source = latency_model(shipped("nucleo_l4r5zi")).source
        assert "runtime X-CUBE-AI 8.0.0 is not the donor's X-CUBE-AI 10.0.0" in source
        assert "core Cortex-M4 is not the donor's Cortex-M7" in source

    def test_another_core_widens_where_the_share_of_depthwise_macs_differs_from_the_anchors(self, tmp_path, h747):
        near, far = ((width, 224, 1792) for width in (0.35, 1.4))
        same = dataclasses.replace(h747, table=changed(tmp_path, keep=1), donor=H747_TABLE)
        widths = {}
        for core in ("Cortex-M7", "Cortex-M33"):
            path = changed(tmp_path, keep=1, core=core)
            latency_model.cache_clear()
            board = dataclasses.replace(same, table=path, core=core)
            for network in (near, far):
                latency = estimate(board, *network)
                widths[core, network] = latency.high_ms / latency.low_ms
        assert widths["Cortex-M33", far] > 1.3 * widths["Cortex-M7", far]
        assert widths["Cortex-M33", far] > 1.3 * widths["Cortex-M33", near]

    def test_the_scale_comes_from_the_very_network_where_the_donor_timed_it(self):
        model = latency_model(shipped("nucleo_l4r5zi"))
        assert model.scale == pytest.approx(221.14 / 29.94)
        assert model.deviations == pytest.approx((0.0,))

    @pytest.mark.parametrize("factor", [0.5, 3.0])
    def test_a_board_that_is_slower_throughout_is_estimated_slower_throughout(self, tmp_path, f746, factor):
        rows = [{**row, "latency_ms": str(float(row["latency_ms"]) * factor)} for row in rows_of(f746.table)]
        board = dataclasses.replace(f746, table=str(write_rows(tmp_path / "slower.csv", rows)))
        for width in WIDTHS:
            plain, scaled = estimate(f746, width, 128, 1280), estimate(board, width, 128, 1280)
            assert scaled.ms == pytest.approx(plain.ms * factor)
            assert (scaled.low_ms, scaled.high_ms) == pytest.approx((plain.low_ms * factor, plain.high_ms * factor))

    def test_every_published_ratio_of_depthwise_cost_lies_in_the_range(self):
        ratios = {}
        for path in table_path(H747_TABLE).parent.glob("stm32h747_*.csv"):
            rows = read_table(path).rows
            own = [row for row in rows if row.role == "own"]
            if len(own) > 3:
                fitted = fit(mac_matrix(own), times_ms(own), [f"{row.model} {row.width}" for row in own])
                ratios[path.name] = fitted.coefficients[1] / fitted.coefficients[0]
        for name in ("stm32h743_tflm", "stm32l4r5_tflm"):
            a, b, _ = summary(shipped(name)).coefficients
            ratios[name] = b / a
        assert len(ratios) == 6
        assert (min(ratios.values()), max(ratios.values())) == pytest.approx((7.6, 19.0), abs=0.1)
        assert DEPTHWISE_RATIOS[0] < min(ratios.values()) < max(ratios.values()) < DEPTHWISE_RATIOS[1]

    @pytest.mark.parametrize("version", ["7.3.0", "8.1.0"])
    def test_versions_change_the_shape_by_no_more_than_is_allowed_for(self, version):
        old, new = (
            {row.resolution: row.latency_ms for row in read_table(table_path(name)).rows if row.width == 0.35}
            for name in (f"stm32h747_x-cube-ai_{version}.csv", "stm32h747_x-cube-ai_9.1.0.csv")
        )
        change = math.log(old[224] / new[224] * new[128] / old[128])
        assert 0.8 * VERSION_ERROR < change < VERSION_ERROR

    def test_families_differ_by_no_more_than_is_allowed_for(self, h747, f746):
        off = [
            abs(math.log1p(deviation))
            for board, model in ((h747, latency_model(h747)), (f746, latency_model(f746)))
            for row, deviation in zip(model.rows, model.deviations, strict=True)
            if row.model == "MobileNetV1"
        ]
        assert len(off) == 8
        assert off[-1] < LEAST_TRANSFER_ERROR < max(off) < FAMILY_ERROR

    @pytest.mark.parametrize("version", ["7.3.0", "8.1.0"])
    def test_mobilenet_v2_rows_of_an_old_version_lie_in_the_interval_of_their_mobilenet_v1_anchor(
        self, tmp_path, h747, version
    ):
        """The way of the NUCLEO boards, on a board where the answer is known."""
        rows = rows_of(f"stm32h747_x-cube-ai_{version}.csv")
        anchor = [
            row for row in rows if (row["model"], row["resolution"], row["channels"]) == ("MobileNetV1", "96", "3")
        ]
        path = write_rows(tmp_path / "anchor.csv", anchor)
        board = dataclasses.replace(h747, table=str(path), runtime_version=version, donor=H747_TABLE)
        for row in rows:
            if row["model"] == "MobileNetV2":
                latency = estimate(board, 0.35, int(row["resolution"]), 1280)
                assert latency.provenance == "borrowed"
                assert latency.low_ms < float(row["latency_ms"]) < latency.high_ms


class TestRefused:
    def test_a_users_own_table_is_read_by_its_path(self, tmp_path, h747):
        own = dataclasses.replace(h747, name="mine", table=changed(tmp_path, source="my bench"))
        assert estimate(own, 0.35, 128, 1280).source.startswith("my bench ")

    def test_too_few_rows_ask_for_a_donor(self, tmp_path, h747):
        few = dataclasses.replace(h747, table=changed(tmp_path, keep=3))
        with pytest.raises(DataError, match=r"3 rows of 1 widths.*board\.donor"):
            latency_model(few)

    def test_check_rows_alone_cannot_scale_a_donor(self, tmp_path, h747):
        path = changed(tmp_path, keep=1, role="check")
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
