import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.arch import layers
from facerec_core.latency import fit, read_table, table_path
from facerec_core.latency.fit import FEATURES, NPU_FEATURES, mac_features, nonnegative_least_squares
from facerec_core.latency.model import mac_matrix, times_ms
from tests.latency_tables import H747_TABLE

MILLIONS = np.array([[10.0, 1, 1], [20, 3, 1], [40, 4, 0], [80, 9, 2], [160, 12, 0]])
TIMES = MILLIONS @ np.array([2.5, 19, 17]) * np.array([1.01, 0.98, 1.02, 1.0, 0.99])
WIDTHS = (1.0, 1.0, 2.0, 2.0, 3.0)


def published(name, *, role="own", model="MobileNetV2"):
    """MACs, times and widths of those rows of a shipped table that have a role and a model."""
    rows = [row for row in read_table(table_path(name)).rows if row.role == role and row.model == model]
    return mac_matrix(rows), times_ms(rows), [row.width for row in rows]


class TestFit:
    @settings(deadline=None)
    @given(st.lists(st.floats(0.1, 30.0), min_size=3, max_size=3))
    def test_exact_times_give_back_their_coefficients(self, coefficients):
        fitted = fit(MILLIONS, MILLIONS @ np.array(coefficients), WIDTHS)
        assert fitted.coefficients == pytest.approx(tuple(coefficients), rel=1e-6)
        assert fitted.worst_error < 1e-6

    @settings(deadline=None)
    @given(factor=st.floats(0.01, 100.0))
    def test_a_faster_clock_scales_the_coefficients_and_leaves_the_errors(self, factor):
        millions, times, widths = published(H747_TABLE)
        plain, scaled = fit(millions, times, widths), fit(millions, times * factor, widths)
        assert scaled.coefficients == pytest.approx(tuple(factor * c for c in plain.coefficients), rel=1e-9)
        assert scaled.errors == pytest.approx(plain.errors, abs=1e-9)
        assert (scaled.half_width, scaled.extrapolated_half_width) == pytest.approx(
            (plain.half_width, plain.extrapolated_half_width)
        )

    def test_a_row_is_predicted_without_itself(self):
        millions, times, widths = published(H747_TABLE)
        plain = fit(millions, times, widths)
        times[0] *= 1.5
        assert 1 + fit(millions, times, widths).errors[0] == pytest.approx((1 + plain.errors[0]) / 1.5)

    def test_a_width_that_was_never_seen_is_predicted_worse(self):
        fitted = fit(*published(H747_TABLE))
        assert fitted.extrapolated_half_width > 4 * fitted.half_width

    def test_rows_that_differ_in_their_head_alone_count_as_one_network(self):
        """Six rows of an STM32H747 are four networks; two of these come with two heads each."""
        millions, times, widths = published(H747_TABLE)
        bodies = [0, 1, 0, 1, 2, 3]
        rows, networks = fit(millions, times, widths), fit(millions, times, widths, bodies=bodies)
        assert (rows.bodies, rows.freedom) == (6, 3)
        assert (networks.bodies, networks.freedom) == (4, 2)
        assert networks.coefficients == rows.coefficients
        assert networks.errors == rows.errors
        assert (rows.half_width, networks.half_width) == pytest.approx((0.060, 0.092), abs=0.001)

    def test_a_repeated_row_makes_no_fit_surer(self):
        plain = fit(MILLIONS, TIMES, WIDTHS)
        twice = np.vstack([MILLIONS, MILLIONS]), np.concatenate([TIMES, TIMES]), [*WIDTHS, *WIDTHS]
        assert fit(*twice, bodies=[*range(5), *range(5)]).half_width == pytest.approx(plain.half_width)
        assert fit(*twice).half_width < 0.8 * plain.half_width

    def test_a_body_left_out_takes_its_other_heads_with_it(self):
        millions, times, widths = published(H747_TABLE)
        bodies = [0, 1, 0, 1, 2, 3]
        plain = fit(millions, times, widths, bodies=bodies)
        times[[0, 2]] *= 1.1
        assert fit(millions, times, widths, bodies=bodies).half_width > plain.half_width

    def test_too_few_rows_to_judge_a_fit_are_refused(self):
        with pytest.raises(ValueError, match="3 rows of 2 widths; at least 4 rows"):
            fit(np.eye(3), np.ones(3), [1.0, 1.0, 2.0])
        with pytest.raises(ValueError, match="5 rows of 1 widths"):
            fit(np.ones((5, 3)), np.ones(5), [1.0] * 5)
        with pytest.raises(ValueError, match="4 rows of 2 widths; at least 5 rows"):
            fit(np.eye(4), np.ones(4), [1.0, 1.0, 2.0, 2.0], NPU_FEATURES)
        heads = np.array([[10.0, 1, 0], [10, 1, 1], [40, 5, 0], [40, 5, 2]])
        with pytest.raises(ValueError, match="4 rows of 2 networks, heads left out"):
            fit(heads, heads @ [2.0, 19, 17], [1.0, 1.0, 2.0, 2.0], bodies=[0, 0, 1, 1])


class TestFeatures:
    def test_macs_by_kind_and_weights_in_millions(self):
        network = layers(0.35, 96, 1280, 1000)
        assert mac_features(network) == pytest.approx((9.074304, 1.579824, 1.28))
        assert mac_features(network[:-1], NPU_FEATURES) == pytest.approx((9.074304, 1.579824, 0.382048, 1.0))
        assert len(mac_features(network, FEATURES)) == len(FEATURES)

    def test_a_neural_processing_unit_is_bound_by_its_weights(self):
        table = read_table(table_path("ethos_u55_128_vela_5.2.0.csv"))
        widths = [row.width for row in table.rows]
        by_macs = fit(mac_matrix(table.rows), times_ms(table.rows), widths)
        by_weights = fit(mac_matrix(table.rows, NPU_FEATURES), times_ms(table.rows), widths, NPU_FEATURES)
        assert by_macs.mean_error > 0.2
        assert by_weights.mean_error < 0.03


class TestWhichRowsAreFitted:
    """Why MobileNetV1 rows are compared with and not fitted, and why other versions have tables of their own.

    A version's table may hold rows that a vendor carried over from the one before. One whose new rows alone make the
    same fit is used, and says so (tests/unit/test_latency_boards.py); another is not.
    """

    def test_st_edge_ai_4_has_too_few_rows_of_its_own(self):
        """Four of its six rows are those of 3.0.0; beside them the new ones price a head at 13 or 18 ms a million.

        Source: https://github.com/STMicroelectronics/stm32ai-modelzoo, image_classification/mobilenetv2/README.md @
        e9fc1c2f6c980643a3ad0fcd5650da3580864580; the times with 5 classes are 96.75 and 298.62.
        """
        millions, times, widths = published("stm32h747_st_edge_ai_3.0.0.csv")
        heads = millions[2:4, 2] - millions[:2, 2]
        with pytest.raises(ValueError, match="2 rows of 1 widths"):
            fit(millions[:2], np.array([96.75, 298.62]), widths[:2])
        assert (times[2:4] - times[:2]) / heads == pytest.approx([10.5, 10.4], abs=0.1)
        assert (times[2:4] - [96.75, 298.62]) / heads == pytest.approx([13.1, 18.2], abs=0.1)

    def test_mobilenet_v1_rows_make_the_prediction_of_mobilenet_v2_worse(self):
        millions, times, widths = published(H747_TABLE)
        others = published(H747_TABLE, role="check", model="MobileNetV1")
        alone = fit(millions, times, widths)
        both = fit(
            np.vstack([millions, others[0]]),
            np.concatenate([times, others[1]]),
            [*map(str, widths), *(f"V1 {width}" for width in others[2])],
        )
        of_v2 = np.abs(both.errors[: len(times)])
        assert (alone.mean_error, alone.worst_error) == pytest.approx((0.016, 0.031), abs=0.0005)
        assert (of_v2.mean(), of_v2.max()) == pytest.approx((0.058, 0.104), abs=0.0005)

    @pytest.mark.parametrize(("version", "mean", "worst"), [("7.3.0", 0.102, 0.180), ("8.1.0", 0.101, 0.241)])
    def test_older_versions_have_too_few_rows_for_a_good_fit(self, version, mean, worst):
        rows = read_table(table_path(f"stm32h747_x-cube-ai_{version}.csv")).rows
        fitted = fit(mac_matrix(rows), times_ms(rows), [f"{row.model} {row.width}" for row in rows])
        assert (fitted.mean_error, fitted.worst_error) == pytest.approx((mean, worst), abs=0.0005)

    def test_re_identification_networks_extend_the_fit_of_st_edge_ai(self):
        """Two headless networks for inputs of 256 x 128, twice the MACs of 128 x 128 in every layer.

        Source: https://github.com/STMicroelectronics/stm32ai-modelzoo, re_identification/mobilenetv2/README.md @
        7f3764d58ef8c7bca36116c4d6c12434d2682af7; that table prints no clock, so the rows are in no table of ours.
        """
        millions, times, widths = published("stm32h747_st_edge_ai_3.0.0.csv")
        tall = np.array([2 * mac_features(layers(width, 128, 1280)) for width in (0.35, 1.0)])
        printed = np.array([190.3, 729.45])
        six = fit(millions, times, widths)
        assert tall @ six.coefficients / printed - 1 == pytest.approx([0.054, 0.011], abs=0.0005)
        eight = fit(np.vstack([millions, tall]), np.concatenate([times, printed]), [*widths, 0.35, 1.0])
        assert eight.coefficients == pytest.approx((2.47, 20.9, 12.0), rel=0.003)
        assert (eight.mean_error, eight.worst_error) == pytest.approx((0.028, 0.053), abs=0.0005)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_nonnegative_least_squares_meets_the_optimality_conditions(seed):
    generator = np.random.default_rng(seed)
    matrix, target = generator.uniform(0, 1, (6, 3)), generator.normal(0, 1, 6)
    solution = nonnegative_least_squares(matrix, target)
    gradient = matrix.T @ (matrix @ solution - target)
    assert (solution >= 0).all()
    assert (gradient >= -1e-6).all()
    assert abs(gradient @ solution) < 1e-6
