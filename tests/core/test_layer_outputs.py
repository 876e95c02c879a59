"""Layers of real files, found by their place, against the Keras network that the files were converted from."""

import numpy as np
import pytest

from facerec_core.arch import candidate_layers
from facerec_core.batches import to_network_range
from facerec_core.errors import QuantizationError
from facerec_core.health import measure_health, stretched_layers
from facerec_core.layer_outputs import LayerOutputs
from facerec_core.model import build_network
from facerec_core.preparation import prepared, restore
from facerec_core.quantize import convert_float, post_training
from facerec_core.strip import strip
from facerec_core.tf import keras
from facerec_core.tflite import Interpreter
from facerec_core.types import Candidate
from facerec_core.weights import to_arrays

# The second one ends in a linear layer.
CANDIDATES = (Candidate(0.35, 96, 64), Candidate(0.35, 96, 16, 64))
CANDIDATE = CANDIDATES[0]
LAYERS = candidate_layers(CANDIDATE)
STRETCHED = stretched_layers(LAYERS)


def drawn_network(candidate):
    """A network with random weights; channels differ in size, as those of trained networks do."""
    rng, network = np.random.default_rng(5), build_network(candidate)

    def draw(weight):
        if "variance" in weight.name or "gamma" in weight.name:
            return rng.uniform(0.3, 1.5, weight.shape)
        fan_in = np.prod(weight.shape[:2] if "depthwise" in weight.name else weight.shape[:-1])
        return rng.normal(0, np.sqrt(2 / fan_in) if len(weight.shape) > 1 else 0.1, weight.shape)

    network.set_weights([draw(weight).astype(np.float32) for weight in network.weights])
    return network


def put(folder, name, content):
    path = folder / f"{name}.tflite"
    path.write_bytes(strip(content))
    return path


@pytest.fixture(scope="module", params=CANDIDATES, ids=["mean", "linear layer"])
def float_file(request, tmp_path_factory):
    """A candidate, its Keras network and its stripped float32 file."""
    network = drawn_network(request.param)
    return request.param, network, put(tmp_path_factory.mktemp("float"), "float32", convert_float(network).content)


@pytest.fixture(scope="module")
def files(faces, tmp_path_factory):
    """Stripped files of one network by name: float32, and PTQ of its weights as they are and equalised."""
    folder, network = tmp_path_factory.mktemp("files"), drawn_network(CANDIDATE)
    stretched = restore(CANDIDATE, prepared(CANDIDATE, to_arrays(network), faces.images, True, "nearest"))
    return {
        "float32": put(folder, "float32", convert_float(network).content),
        "plain": put(folder, "plain", post_training(network, faces.images).content),
        "equalised": put(folder, "equalised", post_training(stretched, faces.images).content),
    }


def health_of(files, name, images, *, equalised=False, **options):
    found = measure_health(files["float32"], files[name], CANDIDATE, images, equalised=equalised, **options)
    return {layer.layer: layer.sqnr_db for layer in found.layers}


def test_each_place_holds_the_layer_it_is_named_after(float_file, faces):
    candidate, network, path = float_file
    layers = candidate_layers(candidate)
    ends = [f"{layer.name}{'_relu' if layer.relu6 else '_bn' if layer.batch_norm else ''}" for layer in layers]
    model = keras.Model(network.input, [network.get_layer(end).output for end in ends])
    expected = model.predict(to_network_range(faces.images[:1]), verbose=0)
    for layer, output, found in zip(layers, expected, LayerOutputs(path, layers)(faces.images[0]), strict=True):
        assert np.allclose(found, output.reshape(found.shape), atol=1e-3), layer.name


def test_a_file_has_no_noise_against_itself(files, faces):
    assert set(health_of(files, "float32", faces.images[:2]).values()) == {None}


def test_layers_are_compared_over_all_images(files, faces):
    images, name = faces.images[:3], "block3_project"
    place = [layer.name for layer in LAYERS].index(name)
    exact, coarse = (LayerOutputs(files[which], LAYERS) for which in ("float32", "plain"))
    signal, quantised = (np.stack([outputs(image)[place] for image in images]) for outputs in (exact, coarse))
    noise = ((signal.astype(float) - quantised) ** 2).sum()
    expected = 10 * np.log10((signal.astype(float) ** 2).sum() / noise)
    assert health_of(files, "plain", images)[name] == pytest.approx(expected, abs=1e-6)


def test_noise_comes_together_along_the_network(files, faces):
    found = health_of(files, "plain", faces.images[:8])
    assert list(found) == [layer.name for layer in LAYERS]
    assert 30 < found["stem"] < 50
    assert 20 < found["block2_project"] < found["stem"]
    assert 0 < found["block16_project"] < found["block2_project"]


def test_stretched_channels_are_told_from_noise(files, faces):
    images = faces.images[:8]
    as_they_are, fitted = (health_of(files, "equalised", images, equalised=which) for which in (False, True))
    assert {name for name in fitted if fitted[name] != as_they_are[name]} == STRETCHED
    # Further on the noise of a network with random weights hides the factors.
    early = ("stem", "block1_expand", "block2_expand", "block3_expand", "block4_expand")
    assert max(as_they_are[name] for name in early) < 20
    assert min(fitted[name] for name in early) > 23


def test_factors_hide_nothing_that_the_layers_behind_do_not_show(files, faces):
    """A stretched layer, after its factors, is about as far from float as the one that reads it, which has none."""
    fitted = health_of(files, "equalised", faces.images[:8], equalised=True)
    for block in range(1, 9):
        assert abs(fitted[f"block{block}_expand"] - fitted[f"block{block}_depthwise"]) < 4, block


def test_the_devices_arithmetic_is_that_of_its_interpreter(files, faces):
    """The fingerprint of the reference kernels, and nothing that XNNPACK merely kept."""
    image = faces.images[:1]
    for kernels in ("fast", "reference"):
        interpreter = Interpreter(files["plain"], kernels=kernels, batch_size=1)
        outputs = LayerOutputs(files["plain"], LAYERS, kernels)(image[0])
        assert np.array_equal(outputs[-1], interpreter.embed(image))
    fast, reference = (health_of(files, "plain", faces.images[:4], kernels=which) for which in ("fast", "reference"))
    assert fast != reference
    assert max(abs(fast[layer.name] - reference[layer.name]) for layer in LAYERS[:20]) < 1


def test_files_of_another_architecture_are_refused(files, faces):
    with pytest.raises(QuantizationError, match=r"the output of stem .* 48 x 48 x 24; .*eval\.health_images=0"):
        measure_health(files["float32"], files["plain"], Candidate(0.75, 96, 64), faces.images[:1], equalised=False)
