"""Rescaled channels: the float network computes the same, and int8 comes closer to it."""

import numpy as np
import pytest

from facerec_core import model
from facerec_core.arch import candidate_layers
from facerec_core.batches import to_network_range
from facerec_core.equalize import HEADROOM, MOST, even_depthwise, fill_relu6
from facerec_core.quantize import calibrated, convert_quantized, equalized, post_training, restore
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
    stretched = equalized(CANDIDATE, arrays, faces.images)
    assert np.allclose(outputs(stretched, faces.images), outputs(arrays, faces.images), atol=2e-4)
    factor = stretched["block3_expand_bn__gamma"] / arrays["block3_expand_bn__gamma"]
    assert factor.min() >= 1 - 1e-6
    assert 1.5 < factor.max() <= MOST * (1 + 1e-6)


def test_a_channel_is_stretched_to_just_below_the_top_and_its_reader_divided(arrays):
    largest = {layer.name: np.full(layer.channels_out, 6.0) for layer in candidate_layers(CANDIDATE) if layer.relu6}
    largest["block1_expand"][0], largest["block1_depthwise"][1] = 3.0, 1.5
    out = fill_relu6(arrays, CANDIDATE, largest)
    into_depthwise, into_pointwise = 6 / (3 * HEADROOM), (6 / (1.5 * HEADROOM)) ** 0.5
    for vector in ("gamma",):
        changed = out[f"block1_expand_bn__{vector}"] / arrays[f"block1_expand_bn__{vector}"]
        assert changed == pytest.approx([into_depthwise] + [1.0] * (len(changed) - 1), rel=1e-5)
    kernel = out["block1_depthwise__depthwise_kernel"] / arrays["block1_depthwise__depthwise_kernel"]
    assert np.allclose(kernel[:, :, 0], 1 / into_depthwise)
    read = out["block1_project__kernel"] / arrays["block1_project__kernel"]
    assert np.allclose(read[0, 0, 1], 1 / into_pointwise)
    assert np.allclose(np.delete(read, 1, axis=2), 1.0)


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

    assert error(equalized(CANDIDATE, arrays, faces.images)) < error(arrays)
