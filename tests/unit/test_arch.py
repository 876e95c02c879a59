import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.arch import BLOCKS, layers, make_divisible, resolve_embedding
from facerec_core.errors import OptionError

PUBLISHED = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)


def kinds(network):
    return [layer.kind for layer in network]


def test_the_graph_has_the_operators_the_converted_file_has():
    network = layers(0.5, 128, 640)
    assert kinds(network).count("conv") + kinds(network).count("pointwise") == 35
    assert kinds(network).count("depthwise") == BLOCKS == 17
    assert kinds(network).count("add") == 10
    assert network[-1].kind == "mean"
    assert network[-1].channels_out == 640


def test_classes_append_a_head_and_change_nothing_else():
    assert layers(1.0, 96, 1280, 7)[:-1] == layers(1.0, 96, 1280)
    assert layers(1.0, 96, 1280, 7)[-1].channels_out == 7


@pytest.mark.parametrize(("resolution", "side"), [(96, 3), (128, 4), (160, 5), (192, 6), (224, 7)])
def test_five_strides_of_two(resolution, side):
    assert layers(1.0, resolution, 1280)[-1].side_in == side


@settings(deadline=None)
@given(st.floats(0.05, 2.0), st.sampled_from(range(96, 225, 32)))
def test_each_layer_takes_what_the_one_before_it_gives(width, resolution):
    network = layers(width, resolution, 1280, 10)
    for before, after in pairwise(network):
        assert (after.side_in, after.channels_in) == (before.side_out, before.channels_out)


@settings(deadline=None)
@given(st.floats(1.0, 5000.0))
def test_make_divisible_is_a_multiple_and_never_more_than_a_tenth_down(channels):
    rounded = make_divisible(channels)
    assert rounded % 8 == 0
    assert rounded >= 0.9 * channels
    assert rounded <= channels + 8


@settings(deadline=None)
@given(st.floats(1.0, 5000.0), st.floats(0.0, 100.0))
def test_make_divisible_is_monotone(channels, more):
    assert make_divisible(channels) <= make_divisible(channels + more)


def test_scaled_embeddings_of_the_published_widths():
    assert [resolve_embedding("scaled", width) for width in PUBLISHED] == [448, 640, 960, 1280, 1664, 1792]
    assert resolve_embedding(128, 0.5) == 128


@pytest.mark.parametrize("embedding", ["wide", 7, 4097, 1.5, -1])
def test_other_embeddings_are_refused(embedding):
    with pytest.raises(OptionError, match="embedding: got"):
        resolve_embedding(embedding, 1.0)


@pytest.mark.parametrize(
    ("key", "arguments"),
    [
        ("width", (0.0, 96, 1280)),
        ("width", (math.nan, 96, 1280)),
        ("width", (math.inf, 96, 1280)),
        ("res", (1.0, 0, 1280)),
        ("embedding", (1.0, 96, 0)),
        ("classes", (1.0, 96, 1280, 0)),
    ],
)
def test_what_describes_no_network_is_refused_by_key(key, arguments):
    with pytest.raises(OptionError, match=f"^{key}: got"):
        layers(*arguments)
