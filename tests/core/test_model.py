import math

import numpy as np
import pytest

from facerec_core.arch import layers
from facerec_core.cost import cost
from facerec_core.errors import OptionError
from facerec_core.model import build_network
from facerec_core.options import TrainOptions
from facerec_core.quantize import convert_float
from facerec_core.tf import keras
from facerec_core.train import with_head
from facerec_core.types import Candidate
from facerec_core.weights import assign, read_arrays, to_arrays, write_arrays
from tests.recipes import tiny_recipe

CONVOLUTIONS = {"Conv2D": ("conv", "pointwise"), "DepthwiseConv2D": ("depthwise",)}


@pytest.fixture(scope="module")
def network():
    return build_network(Candidate(0.35, 96, 448))


def test_the_network_maps_images_to_fingerprints_that_are_never_negative(network):
    fingerprints = network.predict(np.zeros((2, 96, 96, 3), np.float32), verbose=0)
    assert fingerprints.shape == (2, 448)
    assert fingerprints.dtype == np.float32
    assert fingerprints.min() >= 0
    assert fingerprints.max() <= 6


@pytest.mark.parametrize(("width", "resolution", "embedding"), [(0.35, 96, 448), (0.5, 128, 640), (0.73, 160, 100)])
def test_the_cost_counts_the_parameters_of_the_built_network(width, resolution, embedding):
    network = build_network(Candidate(width, resolution, embedding))
    priced = cost(width, resolution, embedding, classes=10)
    assert network.count_params() == priced.parameters_without_head
    options: TrainOptions = tiny_recipe(train__loss="softmax").train
    assert with_head(network, options, 10).count_params() == priced.parameters


def test_every_layer_of_the_list_is_built_with_its_shape_and_stride(network):
    for layer in layers(0.35, 96, 448):
        built = network.get_layer(layer.name)
        shape = (None, layer.side_out, layer.side_out, layer.channels_out)
        assert built.output_shape == (shape if layer.kind != "mean" else (None, layer.channels_out))
        if layer.kind in {"add", "mean"}:
            continue
        assert layer.kind in CONVOLUTIONS[type(built).__name__]
        assert built.input_shape == (None, layer.side_in, layer.side_in, layer.channels_in)
        assert built.strides == (layer.stride, layer.stride)
        assert built.kernel_size == (layer.kernel, layer.kernel)
        assert network.get_layer(f"{layer.name}_bn")
    convolutions = [one for one in network.layers if type(one).__name__ in CONVOLUTIONS]
    assert len(convolutions) == 35 + 17


def file_macs(content):
    """Multiply-adds from the shapes in the file: output pixels times the size of the kernel."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph, total = model.subgraphs[0], 0
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex].builtinCode
        if code in {schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D}:
            _, height, width, _ = graph.tensors[op.outputs[0]].shape
            total += height * width * math.prod(graph.tensors[op.inputs[1]].shape)
    return total


def test_the_cost_counts_the_multiplications_of_the_written_file(network):
    assert file_macs(convert_float(network).content) == cost(0.35, 96, 448).macs


def test_weights_survive_their_file(network, tmp_path):
    write_arrays(tmp_path / "weights.npz", to_arrays(network))
    other = build_network(Candidate(0.35, 96, 448))
    other.set_weights([weight + 1 for weight in other.get_weights()])
    assign(other, read_arrays(tmp_path / "weights.npz", ""), "weights.npz")
    assert all(np.array_equal(a, b) for a, b in zip(other.get_weights(), network.get_weights(), strict=True))


def test_weights_of_another_width_name_the_layers(network):
    with pytest.raises(OptionError, match=r"layers that differ: stem__kernel .* more$"):
        assign(network, to_arrays(build_network(Candidate(0.75, 96, 448))), "w.npz")


def test_keras_own_mobilenet_under_its_own_names_is_the_same_network(tmp_path):
    theirs = keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
    rng = np.random.default_rng(0)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights(
                [rng.uniform(0.5, 1.5, w.shape) * (1 if i % 3 == 0 else 0.3) for i, w in enumerate(layer.weights)]
            )
    write_arrays(tmp_path / "imagenet.npz", to_arrays(theirs))
    ours = build_network(Candidate(0.35, 96, 1280))
    assign(ours, read_arrays(tmp_path / "imagenet.npz", ""), "imagenet.npz")
    image = rng.uniform(-1, 1, (2, 96, 96, 3)).astype(np.float32)
    expected = theirs.predict(image, verbose=0)
    assert expected.std() > 1e-3
    assert np.allclose(ours.predict(image, verbose=0), expected, atol=1e-4)
