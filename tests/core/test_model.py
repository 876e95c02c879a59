import math

import numpy as np
import pytest

from facerec_core.arch import layers
from facerec_core.cost import cost
from facerec_core.errors import OptionError
from facerec_core.initial import initial_arrays
from facerec_core.model import build_network
from facerec_core.options import TrainOptions
from facerec_core.quantize import convert_float
from facerec_core.tf import keras
from facerec_core.train import with_heads
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
    assert with_heads(network, options, 10, None).count_params() == priced.parameters


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


def test_a_linear_layer_maps_a_wide_last_convolution_to_the_fingerprint():
    candidate = Candidate(0.35, 96, 64, 448)
    network = build_network(candidate)
    assert network.output_shape == (None, 64)
    assert network.get_layer("fingerprint").input_shape == (None, 448)
    assert network.count_params() == cost(0.35, 96, 64, last=448).parameters_without_head
    wide = to_arrays(build_network(Candidate(0.35, 96, 448)))
    before = network.get_layer("fingerprint").get_weights()
    assign(network, wide, "w.npz", may_lack=["fingerprint"])
    assert np.array_equal(network.get_layer("last").get_weights()[0], wide["last__kernel"])
    assert np.array_equal(network.get_layer("fingerprint").get_weights()[0], before[0])
    with pytest.raises(OptionError, match="fingerprint__kernel"):
        assign(network, wide, "w.npz")


@pytest.mark.parametrize("name", ["m.keras", "w.h5"])
def test_weights_come_back_from_keras_own_files(tmp_path, name):
    network = build_network(Candidate(0.35, 96, 16, 32))
    (network.save if name.endswith("keras") else network.save_weights)(tmp_path / name)
    found, expected = read_arrays(tmp_path / name, ""), to_arrays(network)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def test_imagenet_weights_that_cannot_be_fetched_are_said_to_be_so(monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError("URL fetch failure on https://example.org/w.h5")

    monkeypatch.setattr(keras.applications, "MobileNetV2", fail)
    with pytest.raises(OptionError, match=r"train\.init: got 'imagenet'.*cannot be fetched \(URL fetch failure"):
        initial_arrays("imagenet", Candidate(0.35, 96, 1280))


def test_imagenet_weights_are_those_keras_gives(monkeypatch):
    published = keras.applications.MobileNetV2
    made = []

    def without_network(*args, **kwargs):
        made.append(published(*args, **(kwargs | {"weights": None})))
        return made[0]

    monkeypatch.setattr(keras.applications, "MobileNetV2", without_network)
    arrays = initial_arrays("imagenet", Candidate(0.35, 96, 1280))
    assert np.array_equal(arrays["last__kernel"], made[0].get_layer("Conv_1").get_weights()[0])
    assign(build_network(Candidate(0.35, 96, 128, 1280)), arrays, "imagenet", may_lack=["fingerprint"])
