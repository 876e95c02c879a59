"""Predicted flash and RAM against what was measured on every network of the grid (tests/golden/footprint.csv)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.footprint_table import GRID, PAGE, candidate_of, read_golden, rewritten
from facerec_core.arch import layers
from facerec_core.cost import activation_bytes, cost
from facerec_core.errors import OptionError
from facerec_core.footprint import (
    FINGERPRINT_OVERHEAD_BYTES,
    fingerprints_that_fit,
    predict_arena,
    predict_file_bytes,
)
from facerec_core.types import Arena

ROWS = read_golden()
EMULATED = [row for row in ROWS if row["device_total_bytes"]]
WIDTHS = st.floats(0.1, 2.0)
SIDES = st.integers(16, 256)


def network_of(row):
    candidate = candidate_of(row)
    return layers(candidate.width, candidate.resolution, candidate.embedding)


def named(row):
    return f"{row['width']}@{row['resolution']} {row['embedding']}-d"


def test_the_measurements_cover_the_grid_and_half_of_it_on_a_device() -> None:
    assert tuple(map(candidate_of, ROWS)) == GRID
    assert len(EMULATED) == 31
    assert all("TFLM 90b983c2" in row["device_source"] for row in EMULATED)


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_file_is_predicted_within_a_thousandth(row) -> None:
    assert predict_file_bytes(network_of(row)) == pytest.approx(int(row["file_bytes"]), rel=0.001)


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_arena_on_the_host_is_predicted_to_the_byte(row) -> None:
    parts = ("host_total_bytes", "host_persistent_bytes", "host_activation_bytes")
    assert predict_arena(network_of(row), pointer_bytes=8) == Arena(*(int(row[part]) for part in parts))


@pytest.mark.parametrize("row", EMULATED, ids=named)
def test_the_arena_on_a_device_is_predicted_to_the_byte(row) -> None:
    assert predict_arena(network_of(row)).total_bytes == int(row["device_total_bytes"])


@given(WIDTHS, SIDES, st.integers(8, 2048))
def test_an_arena_holds_the_peak_and_what_the_channels_need(width, resolution, embedding) -> None:
    network = layers(width, resolution, embedding)
    channels = sum(layer.channels_out for layer in network if layer.kind in ("conv", "pointwise", "depthwise"))
    device, host = predict_arena(network), predict_arena(network, pointer_bytes=8)
    assert device.activation_bytes >= max(activation_bytes(network))
    assert device.persistent_bytes > 8 * channels
    assert device.total_bytes == device.persistent_bytes + device.activation_bytes
    assert host.persistent_bytes > device.persistent_bytes


@given(WIDTHS, SIDES, st.integers(8, 2048))
def test_a_file_holds_every_parameter_and_does_not_grow_with_the_image(width, resolution, embedding) -> None:
    size = predict_file_bytes(layers(width, resolution, embedding))
    price = cost(width, resolution, embedding)
    assert price.parameter_bytes < size < 1.5 * price.parameter_bytes + 100_000
    larger = predict_file_bytes(layers(width, 2 * resolution, embedding))
    assert larger == pytest.approx(size, abs=1_000)


def test_width_one_half_pays_for_the_gap_the_planner_leaves() -> None:
    network = layers(0.5, 128, 640)
    assert max(activation_bytes(network)) == 245_760
    assert predict_arena(network).activation_bytes == 262_144


def test_a_longer_fingerprint_takes_more_of_everything_but_activations() -> None:
    short, long = (layers(0.35, 96, embedding) for embedding in (448, 1280))
    assert predict_file_bytes(long) > predict_file_bytes(short) + (1280 - 448) * 112
    assert predict_arena(long).persistent_bytes - predict_arena(short).persistent_bytes == (1280 - 448) * 8
    assert predict_arena(long).activation_bytes == predict_arena(short).activation_bytes


def test_a_network_with_a_head_is_refused() -> None:
    headed = layers(0.35, 96, 448, classes=10)
    for predict in (predict_file_bytes, predict_arena):
        with pytest.raises(ValueError, match="without its head 'head'"):
            predict(headed)


def test_other_sizes_of_pointers_are_refused() -> None:
    with pytest.raises(OptionError, match="pointer_bytes: got 2, allowed: 4, a device, or 8, this host"):
        predict_arena(layers(0.35, 96, 448), pointer_bytes=2)


@pytest.mark.parametrize(
    ("free_bytes", "count"), [(-5, 0), (0, 0), (479, 0), (480, 1), (100 * 480 - 1, 99), (100 * 480, 100)]
)
def test_fingerprints_that_fit(free_bytes, count) -> None:
    assert FINGERPRINT_OVERHEAD_BYTES == 32
    assert fingerprints_that_fit(free_bytes, embedding=448) == count


def test_the_page_shows_what_was_measured() -> None:
    """Where this fails: python -m docs.footprint_table."""
    page = PAGE.read_text(encoding="utf-8")
    assert rewritten(page) == page


@pytest.mark.parametrize(
    ("width", "resolution", "embedding", "last", "arena", "file"),
    [
        (0.35, 96, 128, 448, Arena(204_384, 66_144, 138_240), 449_248),
        (0.35, 96, 128, 1280, Arena(211_040, 72_800, 138_240), 665_568),
        (0.5, 128, 64, 640, Arena(347_168, 85_024, 262_144), 742_752),
    ],
)
def test_a_linear_layer_is_predicted_as_it_was_measured(width, resolution, embedding, last, arena, file):
    """Measured on untrained files with tflite-micro 0.dev20261023182759."""
    network = layers(width, resolution, embedding, last=last)
    assert predict_arena(network, 8) == arena
    assert predict_file_bytes(network) == pytest.approx(file, rel=0.001)


@pytest.mark.parametrize(
    ("width", "resolution", "last", "arena_bytes"),
    [(0.3, 64, 384, 125_956), (0.3, 80, 384, 160_516), (0.35, 144, 1280, 385_348)],
)
def test_a_dense_layer_on_a_device_is_predicted_as_it_was_emulated(width, resolution, last, arena_bytes):
    """Classifiers of 1000, TensorFlow Lite Micro 90b983c2 with CMSIS-NN on an emulated Cortex-M7."""
    assert predict_arena(layers(width, resolution, 1000, last=last)).total_bytes == arena_bytes
