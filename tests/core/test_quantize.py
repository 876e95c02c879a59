from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facerec_core import model
from facerec_core.batches import to_network_range
from facerec_core.errors import QuantizationError
from facerec_core.preparation import calibration_sample
from facerec_core.qat_ranges import held, percentile_of
from facerec_core.quantize import (
    Converted,
    _better,
    calibrated,
    convert_float,
    convert_quantized,
    float_control,
    learn,
    post_training,
    quantization_aware,
    restore,
)
from facerec_core.tf import configure, keras
from facerec_core.tflite import Interpreter, check_fully_int8, describe, read_operators
from facerec_core.train import train_float
from facerec_core.types import Candidate, CurvePoint
from tests.core.conftest import silent
from tests.recipes import changed, tiny_recipe

pytestmark = pytest.mark.slow
CANDIDATE = Candidate(0.35, 96, 32)
OPERATORS = {"ADD": 10, "CONV_2D": 35, "DEPTHWISE_CONV_2D": 17, "MEAN": 1}
RECIPE = tiny_recipe(
    train__epochs=20, train__batch_size=16, quant__qat__calibration_batches=12, quant__qat__scope=2
)  # fmt: skip


@pytest.fixture(scope="module")
def arrays(faces):
    configure(1, 0)
    with pytest.MonkeyPatch.context() as patch:
        # Forty steps are too few for the statistics to forget where they began.
        patch.setattr(model, "BATCH_NORM_MOMENTUM", 0.7)
        return train_float(CANDIDATE, faces, RECIPE.train, 0, silent).arrays


@pytest.fixture(scope="module")
def network(arrays):
    return restore(CANDIDATE, arrays)


@dataclass(frozen=True)
class Journey:
    """One QAT with scope=2: snapshots before and after learning."""

    weights_before: dict[str, Any]
    file_before: bytes
    weights_after: dict[str, Any]
    file_after: bytes
    curves: list[Any]


@pytest.fixture(scope="module")
def journey(arrays, faces):
    configure(1, 0)
    quantized = calibrated(CANDIDATE, arrays, faces, RECIPE, silent)
    before, file_before = weights_by_name(quantized), convert_quantized(quantized)
    curves = learn(quantized, arrays, faces, RECIPE, silent)
    return Journey(before, file_before, weights_by_name(quantized), convert_quantized(quantized), curves)


def weights_by_name(model):
    return {weight.name: weight.numpy() for weight in model.weights}


def embed(content, faces, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    return Interpreter(path).embed(faces.images)


def cosine(a, b):
    """Of fingerprints about their common mean: fingerprints that are all alike would agree without it."""
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)


def test_the_float_file_computes_what_the_network_computes(network, faces, tmp_path):
    expected = network.predict(to_network_range(faces.images), verbose=0)
    assert np.allclose(embed(convert_float(network).content, faces, tmp_path), expected, atol=1e-4)


def test_ptq_is_int8_throughout_without_the_head_and_close_to_float(network, faces, tmp_path):
    content = post_training(network, faces.images[:16]).content
    check_fully_int8(content)
    fingerprints = embed(content, faces, tmp_path)
    file = describe(tmp_path / "model.tflite", "ptq_int8", 5000)
    assert file.operators == OPERATORS
    assert file.embedding == 32
    assert (file.input.dtype, file.output.dtype) == ("int8", "int8")
    assert cosine(fingerprints, network.predict(to_network_range(faces.images), verbose=0)) > 0.95


def test_ranges_end_at_the_percentile_and_nothing_else_changes(network, faces, tmp_path):
    images, heard = faces.images[:16], []
    whole = post_training(network, images).content
    assert post_training(network, images, 100.0).content == whole
    cut = post_training(network, images, 99.0, lambda *event: heard.append(event)).content
    check_fully_int8(cut)
    assert heard[-1] == (16, 16, "activation ranges")
    embed(cut, faces, tmp_path)
    file = describe(tmp_path / "model.tflite", "ptq_int8", 5000)
    assert file.operators == OPERATORS
    steps = {name: _activation_scales(content, tmp_path) for name, content in (("whole", whole), ("cut", cut))}
    assert steps["cut"][0] == steps["whole"][0], "every pixel value of the input is kept"
    assert np.mean(np.array(steps["cut"]) < np.array(steps["whole"])) > 0.8
    assert np.all(np.array(steps["cut"]) <= np.array(steps["whole"]) * (1 + 1e-6))


def _activation_scales(content, folder):
    """The step of the input and of every operator's output, in order."""
    path = folder / "scales.tflite"
    path.write_bytes(content)
    interpreter = Interpreter(path, batch_size=1)
    outputs = [operator.output for operator in read_operators(content)]
    return [interpreter.input_scale.scale, *(scale.scale for scale in interpreter.tensor_scales(outputs))]


def test_batches_through_the_real_int8_file_equal_one_image_a_call(network, faces, tmp_path):
    path = tmp_path / "ptq.tflite"
    path.write_bytes(post_training(network, faces.images[:16]).content)
    for kernels in ("fast", "reference"):
        alone = Interpreter(path, kernels=kernels, batch_size=1).embed(faces.images[:6])
        assert np.array_equal(Interpreter(path, kernels=kernels, batch_size=4).embed(faces.images[:6]), alone)


def test_qat_files_are_int8_throughout_without_the_head(journey, faces, tmp_path):
    for content in (journey.file_before, journey.file_after):
        embed(content, faces, tmp_path)
        file = describe(tmp_path / "model.tflite", "qat_int8", 5000)
        assert file.operators == OPERATORS
        assert file.embedding == 32


def test_calibrated_but_not_learnt_it_stays_close_to_float(journey, network, faces, tmp_path):
    expected = network.predict(to_network_range(faces.images), verbose=0)
    assert cosine(embed(journey.file_before, faces, tmp_path), expected) > 0.9


def test_calibrated_ranges_are_those_of_the_data_and_not_those_of_tfmot(journey, network, faces):
    names = [layer.name for layer in network.layers if layer.name.endswith("_project_bn")]
    shown = keras.Model(network.input, [network.get_layer(name).output for name in names])
    for name, values in zip(names, shown.predict(to_network_range(faces.images), verbose=0), strict=True):
        low = journey.weights_before[f"quant_{name}/output_min:0"]
        high = journey.weights_before[f"quant_{name}/output_max:0"]
        span = values.max() - values.min()
        assert low == pytest.approx(values.min(), abs=float(0.25 * span)), name
        assert high == pytest.approx(values.max(), abs=float(0.25 * span)), name
    assert -1.01 <= journey.weights_before["quantize_layer/quantize_layer_min:0"] < 0


@pytest.fixture(scope="module")
def at_percentile(arrays, faces):
    """Ranges at a percentile, weights rounded by output, before and after learning."""
    recipe = changed(RECIPE, quant__qat__percentile=99.0, quant__qat__rounding="adaptive")
    quantized = calibrated(CANDIDATE, arrays, faces, recipe, silent)
    before = weights_by_name(quantized)
    learn(quantized, arrays, faces, recipe, silent)
    return before, weights_by_name(quantized)


def ranges(weights):
    """(least, greatest) of activations by layer, the input's left out."""
    highs = (name for name in weights if name.endswith("_max:0") and not name.startswith("quantize_layer"))
    return {name: (weights[name.replace("_max:0", "_min:0")], weights[name]) for name in highs if "kernel" not in name}


def largest_weights(weights):
    """By layer, the weights of each channel from which int8 takes its step."""
    return {name: weights[name].tolist() for name in weights if name.endswith("kernel_max:0")}


def test_with_a_percentile_ranges_end_at_that_of_the_images(journey, at_percentile, network, faces):
    whole, cut = ranges(journey.weights_before), ranges(at_percentile[0])
    assert whole.keys() == cut.keys()
    assert all(high < whole[name][1] and low >= whole[name][0] for name, (low, high) in cut.items())
    layer = "block3_project_bn"
    shown = keras.Model(network.input, network.get_layer(layer).output)
    values = shown.predict(to_network_range(faces.images), verbose=0)
    found = cut[f"quant_{layer}/output_max:0"]
    assert found == pytest.approx(np.percentile(values, [1, 99]), abs=0.1 * float(np.ptp(values)))
    pixels = [
        [value for name, value in weights.items() if name.startswith("quantize_layer") and name.endswith("_max:0")]
        for weights in (at_percentile[0], journey.weights_before)
    ]
    assert pixels[0] == pixels[1] == [pytest.approx(1.0, abs=0.02)], "every value of the input is kept"


def test_ranges_at_a_percentile_are_held_while_the_network_learns_and_whole_ones_follow_it(journey, at_percentile):
    before, after = map(ranges, at_percentile)
    assert before == after
    assert ranges(journey.weights_before) != ranges(journey.weights_after)
    kernel = next(name for name in at_percentile[0] if name.startswith("last/kernel"))
    assert not np.array_equal(at_percentile[0][kernel], at_percentile[1][kernel]), "it learns all the same"


def test_the_grid_on_which_weights_were_rounded_is_held_and_another_follows_them(journey, at_percentile):
    before, after = map(largest_weights, at_percentile)
    assert len(before) == OPERATORS["CONV_2D"] + OPERATORS["DEPTHWISE_CONV_2D"]
    assert before == after
    assert largest_weights(journey.weights_before) != largest_weights(journey.weights_after)


def test_only_ranges_at_a_percentile_are_held_and_none_of_random_weights():
    from tensorflow_model_optimization.python.core.quantization.keras import quant_ops

    options = changed(RECIPE, quant__qat__percentile=99.0).quant.qat
    scratch, whole = replace(options, from_scratch=True), replace(options, percentile=100)
    assert percentile_of(scratch) == 100
    own = quant_ops.MovingAvgQuantize, quant_ops.LastValueQuantize
    for follows in (scratch, whole):
        with held(follows):
            assert (quant_ops.MovingAvgQuantize, quant_ops.LastValueQuantize) == own
    with held(options):
        assert quant_ops.MovingAvgQuantize is not own[0]
        assert quant_ops.LastValueQuantize is not own[1]
    assert (quant_ops.MovingAvgQuantize, quant_ops.LastValueQuantize) == own


def test_one_batch_leaves_nothing_of_the_range_tfmot_starts_with(arrays, network, faces):
    recipe = tiny_recipe(train__batch_size=len(faces.images), quant__qat__calibration_batches=1)
    ranges = weights_by_name(calibrated(CANDIDATE, arrays, faces, recipe, silent))
    last = keras.Model(network.input, network.get_layer("last_relu").output)
    largest = last.predict(to_network_range(faces.images), verbose=0).max()
    assert largest < 5.5
    assert ranges["quant_last_relu/output_max:0"] == pytest.approx(largest, rel=0.1)


def test_the_fake_quantised_network_starts_from_the_trained_weights(journey, arrays):
    assert np.array_equal(journey.weights_before["stem/kernel:0"], arrays["stem__kernel"])


def test_with_a_scope_only_the_last_blocks_learn(journey):
    def moved(name):
        return not np.array_equal(journey.weights_before[name], journey.weights_after[name])

    kernels = [name for name in journey.weights_before if name.endswith("kernel:0")]
    learnt = {name.split("/")[0] for name in kernels if moved(name)}
    late = {f"block{block}_{part}" for block in (15, 16) for part in ("expand", "depthwise", "project")}
    assert learnt == late | {"last"}


def test_frozen_batch_normalisation_keeps_its_statistics(journey):
    statistics = [name for name in journey.weights_before if "/moving_" in name]
    assert len(statistics) == 2 * 52
    assert all(np.array_equal(journey.weights_before[name], journey.weights_after[name]) for name in statistics)


def test_learning_is_one_curve_and_goes_on_from_the_head(journey):
    (point,) = journey.curves
    assert point.phase == "qat"
    assert point.metrics["accuracy"] > 0.5


def test_from_scratch_ignores_the_weights_moves_batch_normalisation_and_learns(faces):
    recipe = tiny_recipe(
        quant__qat__from_scratch=True, quant__qat__learning_rate=4e-3, quant__qat__epochs=10, train__batch_size=16,
        quant__qat__calibration_batches=1, quant__qat__freeze_batch_norm=True,
    )  # fmt: skip
    converted = quantization_aware(CANDIDATE, {}, faces, recipe, silent)
    check_fully_int8(converted.content)
    first, last = converted.curves[0], converted.curves[-1]
    assert [(point.phase, point.epoch) for point in converted.curves] == [("qat", epoch) for epoch in range(1, 11)]
    assert last.metrics["loss"] < 0.5 * first.metrics["loss"]


def test_ranges_are_of_each_batch_normalised_where_statistics_will_move_and_else_of_the_kept_statistics(faces):
    """After a single step the statistics are still those of a network that has seen nothing: layers fade to nothing."""
    hardly = tiny_recipe(train__epochs=1, train__batch_size=len(faces.images), quant__qat__freeze_batch_norm=False)
    arrays = train_float(CANDIDATE, faces, hardly.train, 0, silent).arrays
    kept = changed(hardly, quant__qat__freeze_batch_norm=True)
    ends = [
        weights_by_name(calibrated(CANDIDATE, arrays, faces, recipe, silent))["quant_block16_expand_relu/output_max:0"]
        for recipe in (hardly, kept)
    ]
    assert ends[0] > 10 * ends[1]
    (curve,) = quantization_aware(CANDIDATE, arrays, faces, hardly, silent).curves
    assert np.isfinite(curve.metrics["loss"])


def test_after_fine_tuning_qat_goes_on_with_the_contrastive_loss(faces, journey, arrays, monkeypatch):
    from facerec_core import quantize

    phases = []
    monkeypatch.setattr(quantize, "fit", lambda net, faces, phase, *_, **__: phases.append((phase, net.output_shape)))
    stub = SimpleNamespace(layers=[], output_shape=(None, 32))
    learn(stub, arrays, faces, tiny_recipe(train__finetune__epochs=1), silent)
    assert [(phase.name, phase.balanced, shape) for phase, shape in phases] == [("qat", True, (None, 32))]


def test_calibration_images_are_a_seeded_sample_without_repeats():
    sample = calibration_sample(100, 20, 5)
    assert len(set(sample)) == 20
    assert np.array_equal(sample, np.sort(sample))
    assert np.array_equal(sample, calibration_sample(100, 20, 5))
    assert not np.array_equal(sample, calibration_sample(100, 20, 6))
    assert calibration_sample(7, 20, 0).tolist() == list(range(7))


def test_a_conversion_that_fails_says_which(network):
    with pytest.raises(QuantizationError, match="converting to ptq_int8 failed"):
        post_training(network, np.zeros((1, 96, 96, 4), np.uint8))


def test_the_control_trains_the_float_network_with_the_same_scope_and_held_statistics(arrays, faces, tmp_path):
    converted = float_control(CANDIDATE, arrays, faces, RECIPE, silent)
    assert {point.phase for point in converted.curves} == {"control"}
    before = embed(convert_float(restore(CANDIDATE, arrays)).content, faces, tmp_path)
    after = embed(converted.content, faces, tmp_path)
    assert not np.allclose(after, before, atol=1e-4)
    network = restore(CANDIDATE, arrays)
    learn(network, arrays, faces, RECIPE, silent, name="control")
    for layer in network.layers:
        values = {weight.name: weight.numpy() for weight in layer.weights}
        for name, value in values.items():
            key = f"{layer.name}__{name.rpartition('/')[2].partition(':')[0]}"
            if layer.name.startswith(("stem", "block0_", "block3_")) or "moving" in name:
                assert np.array_equal(value, arrays[key]), key


@pytest.mark.parametrize(
    ("before", "trained", "kept"),
    [(0.5, 0.4, b"before"), (0.4, 0.5, b"trained"), (0.5, 0.5, b"trained"), (None, None, b"trained")],
    ids=["worse", "better", "equal", "too few pairs to tell"],
)
def test_the_file_that_verifies_better_on_validation_is_kept_and_both_rates_are_told(before, trained, kept):
    curves = (CurvePoint("qat", 1, {"loss": 2.0}), CurvePoint("qat", 2, {"loss": 1.0}))
    rates = {b"before": before, b"trained": trained}
    found = _better(Converted(b"before"), Converted(b"trained", curves), rates.get, silent)
    assert found.content == kept
    assert [point.epoch for point in found.curves] == [0, 1, 2]
    assert [point.metrics.get("validation_tar") for point in found.curves] == [before, None, trained]
    assert [point.metrics.get("loss") for point in found.curves] == [None, 2.0, 1.0]


def test_qat_follows_the_float_network_where_it_is_asked_to(arrays, faces):
    recipe = changed(RECIPE, quant__qat__float_weight=50.0, quant__qat__epochs=3, train__loss_weight=1e-6)
    float_fingerprints = restore(CANDIDATE, arrays).predict(to_network_range(faces.images), verbose=0)

    def away(float_weight):
        options = changed(recipe, quant__qat__float_weight=float_weight)
        quantized = calibrated(CANDIDATE, arrays, faces, options, silent)
        network = restore(CANDIDATE, arrays) if float_weight else None
        learn(quantized, arrays, faces, options, silent, float_network=network)
        return 1 - cosine(quantized.predict(to_network_range(faces.images), verbose=0), float_fingerprints)

    assert away(50.0) < away(0.0)
