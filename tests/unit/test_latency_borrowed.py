"""Boards with a row or two of their own, which scale the fit of a donor."""

import dataclasses
import math

import pytest

from facerec_core.latency import estimate, latency_model, read_table, summary, table_path
from facerec_core.latency.borrowed import DEPTHWISE_RATIOS, FAMILY_ERROR, LEAST_TRANSFER_ERROR, VERSION_ERROR
from facerec_core.latency.fit import fit
from facerec_core.latency.model import mac_matrix, times_ms
from tests.latency_tables import H747_TABLE, WIDTHS, changed_table, rows_of, shipped, write_rows


@pytest.fixture
def h747():
    return shipped("stm32h747")


@pytest.fixture
def f746():
    return shipped("stm32f746")


class TestBorrowing:
    def test_known_errors_add_up(self, f746, h747):
        donor = latency_model(h747).half_width
        assert latency_model(f746).deviations == pytest.approx((0.0, -0.087, -0.105, 0.072), abs=0.001)
        misfit = -math.log1p(latency_model(f746).deviations[2])
        assert latency_model(f746).half_width == pytest.approx(donor + misfit + VERSION_ERROR)

    def test_a_donor_of_the_same_version_costs_less(self, tmp_path, h747):
        one = dataclasses.replace(h747, table=changed_table(tmp_path, keep=1), donor=H747_TABLE)
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
        same = dataclasses.replace(h747, table=changed_table(tmp_path, keep=1), donor=H747_TABLE)
        widths = {}
        for core in ("Cortex-M7", "Cortex-M33"):
            path = changed_table(tmp_path, keep=1, core=core)
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
        v1 = [row for row in read_table(table_path(H747_TABLE)).rows if row.model == "MobileNetV1"]
        fitted = fit(mac_matrix(v1), times_ms(v1), [row.width for row in v1])
        ratios = {"MobileNetV1": fitted.coefficients[1] / fitted.coefficients[0]}
        for path in table_path(H747_TABLE).parent.glob("stm32h747_*.csv"):
            rows = read_table(path).rows
            own = [row for row in rows if row.role == "own"]
            if len(own) > 3:
                fitted = fit(mac_matrix(own), times_ms(own), [f"{row.model} {row.width}" for row in own])
                ratios[path.name] = fitted.coefficients[1] / fitted.coefficients[0]
        for name in ("stm32h743_tflm", "stm32l4r5_tflm"):
            a, b, _ = summary(shipped(name)).coefficients
            ratios[name] = b / a
        assert len(ratios) == 7
        assert ratios["MobileNetV1"] == min(ratios.values())
        assert (min(ratios.values()), max(ratios.values())) == pytest.approx((6.94, 18.95), abs=0.01)
        least, largest = DEPTHWISE_RATIOS
        assert least < 0.95 * min(ratios.values())
        assert largest > 1.05 * max(ratios.values())

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
