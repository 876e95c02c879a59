import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.arch import layers, resolve_embedding
from facerec_core.cost import MAC_KINDS, activation_bytes, cost

KIB = 1024
RESOLUTIONS = st.sampled_from(range(96, 225, 32))
WIDTHS = st.floats(0.35, 1.4)


@pytest.mark.parametrize(
    ("width", "embedding", "parameters"),
    [
        (0.35, 1280, 410_208),
        (0.35, 448, 313_696),
        (0.5, 1280, 706_224),
        (0.5, 640, 601_264),
        (0.75, 1280, 1_382_064),
        (0.75, 960, 1_303_984),
        (1.0, 1280, 2_257_984),
        (1.3, 1664, 3_766_048),
        (1.4, 1792, 4_363_712),
    ],
)
def test_parameters_without_head_are_those_of_the_keras_networks(width, embedding, parameters):
    ours = cost(width, 128, embedding)
    assert ours.parameters_without_head == parameters
    assert ours.parameter_bytes == parameters


def test_the_keras_classifier_of_width_one_has_3_538_984_parameters():
    ours = cost(1.0, 224, 1280, classes=1000)
    assert ours.parameters == 3_538_984
    assert ours.parameters - ours.parameters_without_head == 1281 * 1000
    assert ours.parameters - ours.parameters_without_batch_norm == 4 * 17_056


@pytest.mark.parametrize(
    ("width", "resolution", "peak"), [(0.35, 96, 138_240), (0.5, 128, 240 * KIB), (0.5, 160, 375 * KIB)]
)
def test_peak_activations_are_those_seen_in_the_interpreter(width, resolution, peak):
    assert cost(width, resolution, 1280).peak_activation_bytes == peak


def test_a_block_input_stays_alive_until_its_addition():
    network = layers(1.0, 96, 1280)
    alive = dict(zip((layer.name for layer in network), activation_bytes(network), strict=True))
    block_input = 24 * 24 * 24
    hidden = 24 * 24 * 144
    assert alive["block2_expand"] == block_input + hidden
    assert alive["block2_depthwise"] == 2 * hidden + block_input
    assert alive["block2_project"] == hidden + 2 * block_input
    assert alive["block2_add"] == 3 * block_input
    assert alive["block3_depthwise"] == hidden + 12 * 12 * 144, "no addition, nothing kept"


def test_the_head_is_counted_apart_from_what_is_deployed():
    few, many = cost(0.5, 96, 640, classes=2), cost(0.5, 96, 640, classes=5000)
    assert few.macs == many.macs == sum(few.macs_by_kind[kind] for kind in MAC_KINDS if kind != "dense")
    assert many.macs_by_kind["dense"] == 640 * 5000
    assert few.parameters_without_head == many.parameters_without_head
    assert few.peak_activation_bytes == many.peak_activation_bytes


@settings(deadline=None)
@given(WIDTHS, st.floats(0.0, 0.5), RESOLUTIONS)
def test_cost_never_falls_with_the_width(width, more, resolution):
    for embedding in (1280, "scaled"):
        small = cost(width, resolution, resolve_embedding(embedding, width))
        large = cost(width + more, resolution, resolve_embedding(embedding, width + more))
        assert small.macs <= large.macs
        assert small.parameters <= large.parameters
        assert small.parameter_bytes <= large.parameter_bytes
        assert small.peak_activation_bytes <= large.peak_activation_bytes


@settings(deadline=None)
@given(WIDTHS, RESOLUTIONS)
def test_resolution_changes_macs_and_memory_and_no_parameter(width, resolution):
    small, large = cost(width, resolution, 1280), cost(width, resolution + 32, 1280)
    assert small.macs < large.macs
    assert small.peak_activation_bytes < large.peak_activation_bytes
    assert small.parameters == large.parameters


def test_the_cost_and_latency_modules_leave_tensorflow_out():
    code = (
        "import sys, facerec_core.cost, facerec_core.latency, facerec_core.budget; print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("width", [0.35, 0.5, 0.75, 1.0, 1.3, 1.4])
def test_parameters_are_what_keras_counts(width):
    from tf_keras.applications import MobileNetV2

    embedding = max(1280, resolve_embedding("scaled", width))
    ours = cost(width, 96, embedding, classes=10)
    classifier = MobileNetV2((96, 96, 3), alpha=width, weights=None, classes=10)
    headless = MobileNetV2((96, 96, 3), alpha=width, weights=None, include_top=False, pooling="avg")
    assert ours.parameters == classifier.count_params()
    assert ours.parameters_without_head == headless.count_params()
