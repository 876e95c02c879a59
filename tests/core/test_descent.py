import numpy as np
import pytest

from facerec_core.descent import AdamW, Averages, WarmupCosine, make_step
from facerec_core.tf import keras, tf


def rates(peak, warmup, total):
    schedule = WarmupCosine(peak, warmup, total)
    return np.array([float(schedule(tf.constant(step))) for step in range(total + 3)])


def test_the_rate_rises_linearly_then_falls_along_half_a_cosine_to_one_percent():
    found = rates(0.5, 4, 20)
    assert np.allclose(found[:4], [0.125, 0.25, 0.375, 0.5])
    assert found[4] == pytest.approx(0.5)
    assert found[12] == pytest.approx(0.5 * (0.01 + 0.99 / 2))
    assert np.allclose(found[20:], 0.005)
    assert (np.diff(found[4:21]) < 0).all()


def test_without_a_warm_up_the_first_step_is_at_the_peak():
    assert rates(0.1, 0, 10)[0] == pytest.approx(0.1)


def small_model():
    keras.utils.set_random_seed(3)
    return keras.Sequential([keras.layers.Dense(4, input_shape=(5,), activation="tanh"), keras.layers.Dense(2)])


def test_steps_equal_those_of_keras_adamw():
    ours, theirs = small_model(), small_model()
    schedule = WarmupCosine(0.05, 0, 10)
    step = make_step(ours, keras.losses.mean_squared_error, AdamW(ours.trainable_variables, schedule, 0.1, 0.5))
    adamw = keras.optimizers.AdamW(weight_decay=0.1, global_clipnorm=0.5)
    adamw.exclude_from_weight_decay(var_names=["bias"])
    rng = np.random.default_rng(0)
    for number in range(6):
        x, y = (tf.constant(rng.normal(size=(8, size)).astype(np.float32)) for size in (5, 2))
        loss, outputs = step(x, y)
        with tf.GradientTape() as tape:
            expected = tf.reduce_mean(keras.losses.mean_squared_error(y, theirs(x)))
        adamw.learning_rate = float(schedule(number))
        adamw.minimize(expected, theirs.trainable_variables, tape=tape)
        assert float(loss) == pytest.approx(float(expected), rel=1e-4)
        assert outputs.shape == (8, 2)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_the_step_is_traced_once():
    model, traces = small_model(), []

    def loss(labels, outputs):
        traces.append(1)
        return keras.losses.mean_squared_error(labels, outputs)

    step = make_step(model, loss, AdamW(model.trainable_variables, WarmupCosine(0.1, 0, 3), 0.0, 1.0))
    for _ in range(3):
        step(tf.zeros((2, 5)), tf.zeros((2, 2)))
    assert len(traces) == 1


def test_without_a_gradient_only_decay_moves_and_only_matrices():
    model = small_model()
    before = model.get_weights()
    optimizer = AdamW(model.trainable_variables, WarmupCosine(0.1, 0, 10), 0.5, 1.0)
    optimizer.apply([tf.zeros(v.shape) for v in model.trainable_variables])
    for a, b in zip(before, model.get_weights(), strict=True):
        assert np.allclose(b, a * (1 - 0.1 * 0.5) if a.ndim > 1 else a, atol=1e-7)


def test_averages_follow_the_weights_by_their_formula_and_change_no_step():
    decay, rng = 0.3, np.random.default_rng(0)
    batches = [[tf.constant(rng.normal(size=(8, n)).astype(np.float32)) for n in (5, 2)] for _ in range(6)]

    def run(averaged):
        model = small_model()
        optimizer = AdamW(model.trainable_variables, WarmupCosine(0.05, 0, 10), 0.1, 0.5)
        averages = Averages(model.trainable_variables, decay) if averaged else None
        step = make_step(model, keras.losses.mean_squared_error, optimizer, averages)
        seen = [model.get_weights()]
        for x, y in batches:
            step(x, y)
            seen.append(model.get_weights())
        return model, averages, seen

    (model, averages, seen), plain = run(averaged=True), run(averaged=False)[2]
    assert all(np.array_equal(a, b) for a, b in zip(seen[-1], plain[-1], strict=True))
    expected = seen[0]
    for number, weights in enumerate(seen[1:], 1):
        share = min(decay, (1 + number) / (10 + number))
        expected = [share * mean + (1 - share) * now for mean, now in zip(expected, weights, strict=True)]
    with averages.in_place():
        assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(model.get_weights(), expected, strict=True))
        assert not np.allclose(model.get_weights()[0], seen[-1][0], atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), seen[-1], strict=True))
    averages.take_over()
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(model.get_weights(), expected, strict=True))
