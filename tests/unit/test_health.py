"""Signal-to-quantisation-noise: sums, factors, and which layers are compared how."""

import math
from pathlib import Path

import numpy as np
import pytest

from facerec_core import health
from facerec_core.arch import BLOCKS, Layer, candidate_layers
from facerec_core.errors import OptionError, QuantizationError
from facerec_core.health import channel_sums, spread_rows, sqnr_db, stretched_layers, variant_health
from facerec_core.layer_outputs import LayerOutputs
from facerec_core.types import Candidate, LayerHealth, QuantisationHealth
from tests.recipes import tiny_recipe
from tests.tiny_tflite import mean_colour_tflite

CANDIDATE = Candidate(0.35, 96, 64)
MEAN = Layer("mean", "mean", BLOCKS, 4, 1, 3, 3, batch_norm=False)
INT8 = (2 / 255, -1)


def column(*values):
    return np.array(values, np.float32)[:, None]


def decibels(signal, quantised, fitted=False):
    return sqnr_db(channel_sums(np.asarray(signal, np.float32), np.asarray(quantised, np.float32)), fitted)


def test_sums_are_of_each_channel_over_places():
    signal, quantised = np.array([[1, 10], [2, 20]], np.float32), np.array([[3, 10], [4, 30]], np.float32)
    assert channel_sums(signal, quantised).tolist() == [[5, 500], [11, 700], [25, 1000]]


def test_sqnr_is_the_power_of_the_signal_over_that_of_the_difference():
    # 3² + 4² over (5 - 4)²
    assert decibels(column(3, 4), column(3, 5)) == pytest.approx(10 * math.log10(25))
    # channels are added up before the ratio: (25 + 75) / (1 + 3)
    signal, quantised = np.array([[5, 5], [0, math.sqrt(50)]]), np.array([[4, 5], [0, math.sqrt(50) + math.sqrt(3)]])
    assert decibels(signal, quantised) == pytest.approx(10 * math.log10(100 / 4))


def test_six_decibels_are_one_bit():
    rng = np.random.default_rng(0)
    signal = rng.uniform(-1, 1, (20_000, 4))
    found = [decibels(signal, np.round(signal / step) * step) for step in (2 / 128, 2 / 256)]
    assert found[1] - found[0] == pytest.approx(20 * math.log10(2), abs=0.1)
    # the textbook's 6.02 a bit for a signal that fills the range evenly
    assert found[1] == pytest.approx(20 * math.log10(256), abs=0.1)


def test_a_stretched_channel_is_brought_back_before_it_is_compared():
    signal, noise = column(1, 2, 3, 4), column(0.1, -0.1, 0.1, -0.1)
    assert decibels(signal, 4 * (signal + noise)) < 0
    found = decibels(signal, 4 * (signal + noise), fitted=True)
    assert found == pytest.approx(decibels(signal, signal + noise), abs=0.1)


def test_the_factor_is_the_one_that_leaves_least_noise():
    rng = np.random.default_rng(1)
    signal = rng.uniform(0, 6, (200, 3)).astype(np.float32)
    quantised = (signal + rng.normal(0, 0.2, signal.shape)) * (1.3, 2.0, 7.5)
    shares = np.linspace(1 / 8, 1, 20_000)
    least = sum(min(((signal[:, c, None] - shares * quantised[:, c, None]) ** 2).sum(0)) for c in range(3))
    assert decibels(signal, quantised, fitted=True) == pytest.approx(10 * math.log10((signal**2).sum() / least))


@pytest.mark.parametrize(
    ("factor", "left"),
    [(16, 1.0), (8, None), (1, None), (0.5, 0.25), (-1, 1.265625)],
    ids=["beyond the most", "the most", "none", "made smaller", "turned round"],
)
def test_no_factor_is_taken_that_equalisation_cannot_have_used(factor, left):
    signal = column(1, 2, 3)
    found = decibels(signal, factor * signal, fitted=True)
    assert found == (None if left is None else pytest.approx(10 * math.log10(1 / left)))


def test_a_silent_layer_and_one_without_noise_have_no_ratio():
    zeros = column(0, 0)
    assert decibels(zeros, zeros) is None
    assert decibels(zeros, column(1, 0)) is None
    assert decibels(column(0.3, 7), column(0.3, 7)) is None
    assert decibels(column(1, 1), zeros, fitted=True) == 0


def test_equalisation_touches_the_layers_that_a_depthwise_one_reads():
    expanded = {f"block{block}_expand" for block in range(1, 17)}
    assert stretched_layers(candidate_layers(CANDIDATE)) == {"stem", *expanded}


@pytest.mark.parametrize(
    ("count", "size", "rows"), [(10, 4, [0, 3, 6, 9]), (3, 32, [0, 1, 2]), (1, 5, [0]), (5, 1, [0])]
)
def test_images_are_spread_over_the_split(count, size, rows):
    assert spread_rows(count, size).tolist() == rows


def test_the_worst_layers_come_first_and_silent_ones_are_left_out():
    layers = (LayerHealth("a", 20.0), LayerHealth("b", None), LayerHealth("c", -3.0), LayerHealth("mean", 12.5))
    found = QuantisationHealth(4, layers)
    assert [layer.layer for layer in found.worst(2)] == ["c", "mean"]
    assert len(found.worst(9)) == 3
    assert found.fingerprint_db == 12.5


@pytest.mark.parametrize("quantization", [None, INT8], ids=["float32", "int8"])
def test_a_layers_output_is_what_the_interpreter_computes_as_real_numbers(tmp_path, quantization):
    path = tmp_path / "mean.tflite"
    path.write_bytes(mean_colour_tflite(4, quantization))
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    (found,) = LayerOutputs(path, [MEAN])(image)
    assert (found.shape, found.dtype) == ((1, 3), np.float32)
    assert found[0] == pytest.approx(image.mean((0, 1)) / 127.5 - 1, abs=1e-6 if quantization is None else 2 / 255)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([MEAN, MEAN], "net.tflite: 1 operators, allowed: the network's 2 layers"),
        ([Layer("stem", "conv", -1, 4, 4, 3, 3)], "net.tflite: operator 0 is MEAN, allowed: CONV_2D for stem"),
        ([Layer("mean", "mean", BLOCKS, 4, 1, 8, 8)], r"the output of mean has the shape \(1, 3\), allowed: 1 x 1 x 8"),
    ],
)
def test_a_file_of_other_layers_is_refused(tmp_path, layers, message):
    path = tmp_path / "net.tflite"
    path.write_bytes(mean_colour_tflite(4))
    with pytest.raises(QuantizationError, match=f"{message}.*eval.health_images=0"):
        LayerOutputs(path, layers)(np.zeros((4, 4, 3), np.uint8))


@pytest.fixture
def asked(monkeypatch):
    """What `measure_health` was asked for."""
    calls = []
    monkeypatch.setattr(health, "measure_health", lambda *args, **options: calls.append((args, options)))
    return calls


def look(scheme, **changes):
    images = np.arange(9, dtype=np.uint8)[:, None, None, None]
    return variant_health(scheme, CANDIDATE, tiny_recipe(**changes), images, Path("float"), Path("int8"))


def test_a_variant_is_compared_as_its_recipe_says(asked):
    look("ptq_int8", quant__ptq__equalize=True, eval__kernels="reference")
    look("qat_int8", quant__ptq__equalize=True, eval__health_images=3)
    (args, first), (other, second) = asked
    assert (*args[:3], args[3].ravel().tolist()) == (Path("float"), Path("int8"), CANDIDATE, [0, 3, 5, 8])
    assert first == {"equalised": True, "kernels": "reference"}
    assert other[3].ravel().tolist() == [0, 4, 8]
    assert second == {"equalised": False, "kernels": "fast"}


@pytest.mark.parametrize(
    ("scheme", "changes"),
    [
        ("float32", {}),
        ("float32_control", {}),
        ("ptq_int8", {"eval__health_images": 0}),
        ("qat_int8", {"quant__qat__from_scratch": True}),
    ],
)
def test_what_cannot_or_shall_not_be_compared_has_no_health(asked, scheme, changes):
    assert look(scheme, **changes) is None
    assert asked == []


def test_a_number_of_images_out_of_range_is_refused():
    with pytest.raises(OptionError, match=r"eval\.health_images.*-1.*0 to 1000"):
        tiny_recipe(eval__health_images=-1)
