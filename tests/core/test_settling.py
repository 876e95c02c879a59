"""The statistics of batch normalisation after they were taken anew."""

import numpy as np
import pytest

from facerec_core.batches import to_network_range
from facerec_core.model import BATCH_NORM_MOMENTUM, build_network
from facerec_core.settling import settle
from facerec_core.tf import configure, keras
from facerec_core.train import Validation, train_float
from facerec_core.types import Candidate
from tests.core.conftest import silent
from tests.recipes import tiny_recipe

pytestmark = pytest.mark.slow
CANDIDATE = Candidate(0.35, 96, 32)


@pytest.fixture
def network():
    """One that has seen nothing: its statistics are 0 and 1, whatever its layers give."""
    configure(1, 0)
    return build_network(CANDIDATE)


def fingerprints(network, faces, *, training):
    found = network(to_network_range(faces.images), training=training).numpy()
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def statistics_of(network):
    return {weight.name: weight.numpy() for weight in network.non_trainable_weights}


def test_outputs_become_those_that_the_batch_itself_normalises(network, faces):
    before = fingerprints(network, faces, training=False)
    trainable = [weight.numpy() for weight in network.trainable_weights]
    settle(network, faces, len(faces.labels), 16, seed=0)
    after = fingerprints(network, faces, training=False)
    wanted = fingerprints(network, faces, training=True)
    assert np.abs(after - wanted).max() < 0.05 < np.abs(before - wanted).max()
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(trainable, network.trainable_weights, strict=True))
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {BATCH_NORM_MOMENTUM}


def test_each_batch_counts_the_same_and_nothing_stays_of_what_was_there(network, faces):
    half = len(faces.labels) // 2
    settle(network, faces, half, 1, seed=0)
    first = statistics_of(network)
    settle(network, faces, half, 2, seed=0)
    both = statistics_of(network)
    settle(network, faces, half, 99, seed=0)
    assert all(np.array_equal(both[name], value) for name, value in statistics_of(network).items())
    stem = "stem_bn/moving_mean:0"
    assert not np.array_equal(first[stem], both[stem])


def test_a_network_is_measured_and_kept_with_settled_statistics(faces):
    """Of one step's weights the measure while it trains sees the fingerprints that the network will give."""
    configure(1, 0)
    seen = []
    validation = Validation(faces.images[:8], lambda found: seen.append(found) or 0.5)
    options = tiny_recipe(
        train__epochs=1, train__batch_size=16, train__validate_epochs=1, train__settle_batches=2
    ).train
    trained = train_float(CANDIDATE, faces, options, 0, silent, validation=validation)
    network = build_network(CANDIDATE)
    for weight in network.weights:
        weight.assign(trained.arrays[weight.name.removesuffix(":0").replace("/", "__")])
    given = network(to_network_range(faces.images[:8]), training=False).numpy()
    np.testing.assert_allclose(seen[0], given, rtol=1e-3, atol=1e-4)
