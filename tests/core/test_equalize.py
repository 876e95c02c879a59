"""Rescaled channels: the float network computes the same, and int8 comes closer to it."""

import numpy as np
import pytest

from facerec_core import model
from facerec_core.arch import candidate_layers
from facerec_core.batches import to_network_range
from facerec_core.equalize import HEADROOM, MOST, even_depthwise, fill_relu6
from facerec_core.preparation import input_statistics, prepared, restore
from facerec_core.quantize import calibrated, convert_quantized, post_training
from facerec_core.rounding import LARGEST, convolutions, kernel_key
from facerec_core.tf import keras
from facerec_core.tflite import Interpreter
from facerec_core.train import train_float
from facerec_core.types import Candidate
from tests.core.conftest import silent
from tests.recipes import tiny_recipe

pytestmark = pytest.mark.slow
CANDIDATE = Candidate(0.35, 96, 64)
ENDS = ("__depthwise_kernel", "_bn__moving_mean", "_bn__moving_variance")


@pytest.fixture(scope="module")
def arrays(faces):
    """Weights whose depthwise kernels differ from channel to channel, which batch normalisation makes up for."""
    rng = np.random.default_rng(3)
    recipe = tiny_recipe(train__epochs=20, train__batch_size=16)
    with pytest.MonkeyPatch.context() as patch:
        # Forty steps are too few for the statistics to forget where they began.
        patch.setattr(model, "BATCH_NORM_MOMENTUM", 0.7)
        out = dict(train_float(CANDIDATE, faces, recipe.train, 0, silent).arrays)
    for layer in (layer for layer in candidate_layers(CANDIDATE) if layer.kind == "depthwise"):
        factor = rng.uniform(0.1, 1.0, layer.channels_out).astype(np.float32)
        kernel, mean, variance = (f"{layer.name}{end}" for end in ENDS)
        out[kernel] = out[kernel] * factor[:, None]
        out[mean], out[variance] = out[mean] * factor, out[variance] * factor**2
    return out


def outputs(arrays, images):
    return restore(CANDIDATE, arrays).predict(to_network_range(images), verbose=0)


def equalized(arrays, images):
    return prepared(CANDIDATE, arrays, images, equalize=True, rounding="nearest")


def embed(content, images, tmp_path):
    (tmp_path / "net.tflite").write_bytes(content)
    return Interpreter(tmp_path / "net.tflite", batch_size=1).embed(images)


def distance(found, expected):
    """Root mean square difference as a share of how much images differ from one another."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected - expected.mean(0)))


def test_even_kernels_leave_the_float_network_as_it_was(arrays, faces):
    even = even_depthwise(arrays, CANDIDATE)
    for layer in candidate_layers(CANDIDATE):
        if layer.kind == "depthwise":
            largest = np.abs(even[f"{layer.name}__depthwise_kernel"]).max((0, 1, 3))
            assert np.allclose(largest, largest.max(), rtol=1e-4)
            assert (even[f"{layer.name}_bn__moving_variance"] > 0).all()
    assert np.allclose(outputs(even, faces.images), outputs(arrays, faces.images), atol=2e-4)


def test_stretched_channels_leave_the_float_network_as_it_was(arrays, faces):
    stretched = equalized(arrays, faces.images)
    assert np.allclose(outputs(stretched, faces.images), outputs(arrays, faces.images), atol=2e-4)
    factor = stretched["block3_expand_bn__gamma"] / arrays["block3_expand_bn__gamma"]
    assert factor.min() >= 1 - 1e-6
    assert 1.2 < factor.max() <= MOST * (1 + 1e-6)


def test_a_channel_is_stretched_towards_the_top_and_its_depthwise_kernel_divided(arrays):
    largest = {layer.name: np.full(layer.channels_out, 6.0) for layer in candidate_layers(CANDIDATE) if layer.relu6}
    largest["block1_expand"][0], largest["block1_depthwise"][1] = 3.0, 1.5
    out = fill_relu6(arrays, CANDIDATE, largest)
    factor = (6 / (3 * HEADROOM)) ** 0.5
    changed = out["block1_expand_bn__gamma"] / arrays["block1_expand_bn__gamma"]
    assert changed == pytest.approx([factor] + [1.0] * (len(changed) - 1), rel=1e-5)
    kernel = out["block1_depthwise__depthwise_kernel"] / arrays["block1_depthwise__depthwise_kernel"]
    assert np.allclose(kernel[:, :, 0], 1 / factor)
    assert np.allclose(np.delete(kernel, 0, axis=2), 1.0)


def test_what_a_pointwise_layer_reads_is_left_alone(arrays):
    largest = {layer.name: np.full(layer.channels_out, 1.0) for layer in candidate_layers(CANDIDATE) if layer.relu6}
    out = fill_relu6(arrays, CANDIDATE, largest)
    for key in ("block1_depthwise_bn__gamma", "block1_project__kernel", "last_bn__gamma"):
        assert np.array_equal(out[key], arrays[key])


def test_one_scale_for_uneven_kernels_no_longer_costs_qat_its_start(arrays, faces, tmp_path, monkeypatch):
    from facerec_core import quantize

    recipe = tiny_recipe(train__batch_size=16, quant__qat__calibration_batches=12)
    expected = outputs(arrays, faces.images)

    def error():
        start = calibrated(CANDIDATE, arrays, faces, recipe, silent)
        return distance(embed(convert_quantized(start), faces.images, tmp_path), expected)

    even = error()
    monkeypatch.setattr(quantize, "even_depthwise", lambda arrays, _: arrays)
    assert even < 0.95 * error()


def test_ptq_of_a_stretched_network_is_closer_to_float(arrays, faces, tmp_path):
    expected = outputs(arrays, faces.images)

    def error(weights):
        content = post_training(restore(CANDIDATE, weights), faces.images).content
        return distance(embed(content, faces.images, tmp_path), expected)

    assert error(equalized(arrays, faces.images)) < error(arrays)


def nearest(arrays):
    """Each weight at the nearest step of its output channel, as the converter rounds it."""
    out = dict(arrays)
    for layer in convolutions(CANDIDATE):
        kernel = arrays[kernel_key(layer)]
        rows = kernel.reshape(-1, layer.channels_out).astype(np.float64)
        step = np.abs(rows).max(0) / LARGEST
        out[kernel_key(layer)] = (np.round(rows / step) * step).reshape(kernel.shape).astype(np.float32)
    return out


def test_the_network_with_rounded_weights_is_closer_to_float(arrays, faces):
    """Weights alone: what int8 activations add is the same for both, and far more on a network so little trained."""
    expected = outputs(arrays, faces.images)
    adaptive = prepared(CANDIDATE, arrays, faces.images, equalize=False, rounding="adaptive")
    errors = [distance(outputs(weights, faces.images), expected) for weights in (adaptive, nearest(arrays))]
    assert errors[0] < 0.8 * errors[1]


def test_rounded_weights_are_those_the_file_holds(arrays, faces):
    """Converting may not round a second time: what was chosen is what is stored."""
    weights = prepared(CANDIDATE, arrays, faces.images, equalize=False, rounding="adaptive")
    for layer in convolutions(CANDIDATE):
        kernel = weights[kernel_key(layer)]
        rows = kernel.reshape(-1, layer.channels_out).astype(np.float64)
        steps = rows / np.abs(rows).max(0) * LARGEST
        assert np.abs(steps - np.round(steps)).max() < 1e-3


def test_the_statistics_are_those_of_what_a_layer_reads(arrays, faces):
    images = faces.images[:8]
    network = restore(CANDIDATE, arrays)
    seen = input_statistics(network, CANDIDATE, images)

    def read(name):
        return keras.Model(network.input, network.get_layer(name).input).predict(to_network_range(images), verbose=0)

    rows = read("block3_project").reshape(-1, len(seen["block3_project"].mean))
    assert np.allclose(seen["block3_project"].mean, rows.mean(0), atol=1e-4)
    assert np.allclose(seen["block3_project"].covariance, np.cov(rows.T, bias=True), atol=1e-3)
    middle = read("block4_depthwise").reshape(-1, seen["block4_depthwise"].mean.shape[0])
    assert np.allclose(seen["block4_depthwise"].mean[:, 4], middle.mean(0), atol=1e-4)
    assert np.allclose(seen["block4_depthwise"].covariance[:, 4, 4], middle.var(0), atol=1e-3)
