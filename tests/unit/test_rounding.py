"""Rounding by a layer's output: never worse than the nearest step, on the grid, and the mean put right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.rounding import LARGEST, InputStatistics, adapted, convolutions, kernel_key, round_weights
from facerec_core.types import Candidate


def covariance_of(seed, n, samples=200):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(samples, n)) + 3 * rng.normal(size=(samples, 1))  # inputs that rise and fall together
    return np.cov(rows.T, bias=True).reshape(n, n)


def squared_error(rounded, weights, covariance):
    error = rounded - weights
    return np.einsum("oi,ij,oj->o", error, covariance, error)


def nearest(weights):
    step = np.abs(weights).max(1, keepdims=True) / LARGEST
    return np.round(weights / step) * step


def test_two_equal_inputs_let_one_error_undo_the_other():
    """Steps of 1: 0.4 and 0.4 both round to 0, although on equal inputs one of them had better become 1."""
    weights = np.array([[127.0, 0.4, 0.4]])
    together = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    assert adapted(weights, together)[0].tolist() in ([127.0, 1.0, 0.0], [127.0, 0.0, 1.0])
    assert adapted(weights, np.eye(3))[0].tolist() == [127.0, 0.0, 0.0]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(2, 20))
def test_it_is_on_the_grid_and_never_worse_than_the_nearest(seed, rows, n):
    weights = np.random.default_rng(seed).normal(size=(rows, n))
    covariance = covariance_of(seed, n)
    rounded = adapted(weights, covariance)
    step = np.abs(weights).max(1, keepdims=True) / LARGEST
    steps = rounded / step
    assert np.allclose(steps, np.round(steps), atol=1e-6)
    assert np.abs(steps).max() <= LARGEST + 1e-6
    assert np.allclose(np.abs(rounded).max(1), np.abs(weights).max(1))  # so that the scale stays
    found, plain = (squared_error(each, weights, covariance) for each in (rounded, nearest(weights)))
    assert (found <= plain * (1 + 1e-9) + 1e-15).all()


def test_no_single_step_would_lower_the_error_further():
    weights, covariance = np.random.default_rng(1).normal(size=(4, 12)), covariance_of(1, 12)
    rounded = adapted(weights, covariance)
    step = np.abs(weights).max(1, keepdims=True) / LARGEST
    least = squared_error(rounded, weights, covariance)
    for place in range(12):
        for move in (-1, 1):
            moved = rounded.copy()
            moved[:, place] += move * step[:, 0]
            free = np.abs(rounded[:, place] / step[:, 0]) < LARGEST - 0.5
            assert (squared_error(moved, weights, covariance)[free] > least[free] * (1 - 1e-6)).all()


def test_each_channel_of_a_depthwise_layer_has_a_covariance_of_its_own():
    weights = np.random.default_rng(2).normal(size=(3, 9))
    own = np.stack([covariance_of(seed, 9) for seed in range(3)])
    together = adapted(weights, own)
    for row in range(3):
        assert np.array_equal(together[row], adapted(weights[row : row + 1], own[row])[0])


def test_a_kernel_of_zeros_stays():
    assert np.array_equal(adapted(np.zeros((2, 3)), np.eye(3)), np.zeros((2, 3)))


@pytest.fixture
def network():
    candidate, rng = Candidate(0.35, 96, 64), np.random.default_rng(4)
    arrays, statistics = {}, {}
    for layer in convolutions(candidate):
        depthwise = layer.kind == "depthwise"
        last = 1 if depthwise else layer.channels_out
        arrays[kernel_key(layer)] = rng.normal(size=(layer.kernel, layer.kernel, layer.channels_in, last)).astype("f4")
        arrays[f"{layer.name}_bn__moving_mean"] = np.zeros(layer.channels_out, np.float32)
        n = layer.kernel**2 * (1 if depthwise else layer.channels_in)
        shape = (layer.channels_out, n) if depthwise else (n,)
        covariance = np.broadcast_to(np.eye(n), (*shape[:-1], n, n)).astype(float)
        statistics[layer.name] = InputStatistics(np.ones(shape), covariance)
    return candidate, arrays, statistics


def test_the_mean_of_an_output_stays_what_it_was(network):
    candidate, arrays, statistics = network
    out = round_weights(arrays, candidate, statistics)
    for layer in convolutions(candidate):
        key, mean = kernel_key(layer), f"{layer.name}_bn__moving_mean"
        assert out[key].shape == arrays[key].shape
        axes = (0, 1, 3) if layer.kind == "depthwise" else (0, 1, 2)  # inputs of one on average: outputs are sums
        before, after = (each[key].sum(axes) - each[mean] for each in (arrays, out))
        assert np.allclose(before, after, atol=1e-4)


def test_every_layer_is_told_of_before_it_is_rounded(network):
    candidate, arrays, statistics = network
    told: list[tuple[int, int, str]] = []
    round_weights(arrays, candidate, statistics, report=lambda done, total, note: told.append((done, total, note)))
    layers = len(list(convolutions(candidate)))
    assert told == [(done, layers, "rounding weights") for done in range(layers)]


def test_nothing_else_changes(network):
    candidate, arrays, statistics = network
    extra = {"fingerprint__kernel": np.ones((2, 2), np.float32)}
    out = round_weights(arrays | extra, candidate, statistics)
    assert out.keys() == (arrays | extra).keys()
    assert np.array_equal(out["fingerprint__kernel"], extra["fingerprint__kernel"])
