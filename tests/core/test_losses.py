import math

import numpy as np
import pytest

from facerec_core.losses import (
    IDENTITY,
    TEACHER,
    CosineHead,
    TrainingLoss,
    arcface_logits,
    contrastive_loss,
    cosface_logits,
    cosine_distance,
    training_outputs,
)
from facerec_core.tf import keras
from tests.recipes import tiny_recipe

COSINES = np.array([[0.9, 0.2, -0.5], [0.1, -0.3, 0.7]], np.float32)
LABELS = np.array([0, 2])
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def cross_entropy(logits, targets):
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -(targets * log_p).sum(1)


def test_the_true_class_gets_the_cosine_of_a_wider_angle():
    logits = arcface_logits(COSINES, ONE_HOT, 10.0, 0.3).numpy()
    expected = 10 * COSINES.astype(float)
    expected[0, 0] = 10 * math.cos(math.acos(0.9) + 0.3)
    expected[1, 2] = 10 * math.cos(math.acos(0.7) + 0.3)
    assert np.allclose(logits, expected, atol=1e-4)


def test_beyond_pi_minus_margin_the_target_keeps_falling():
    angles = np.linspace(0.01, math.pi - 0.01, 200)
    cosines = np.cos(angles).astype(np.float32)[:, None]
    target = arcface_logits(cosines, np.ones_like(cosines), 1.0, 0.5).numpy()[:, 0]
    assert (np.diff(target) < 0).all()
    beyond = angles > math.pi - 0.5
    assert np.allclose(target[beyond], cosines[beyond, 0] - 0.5 * math.sin(0.5), atol=1e-5)


def test_without_a_margin_arcface_only_scales():
    assert np.allclose(arcface_logits(COSINES, ONE_HOT, 7.0, 0.0), 7 * COSINES, atol=1e-5)


def test_cosines_at_the_ends_have_finite_gradients():
    from facerec_core.tf import tf

    ends = tf.constant([[1.0, -1.0], [-1.0, 1.0]])
    with tf.GradientTape() as tape:
        tape.watch(ends)
        total = tf.reduce_sum(arcface_logits(ends, tf.eye(2), 16.0, 0.5))
    assert np.isfinite(tape.gradient(total, ends)).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_softmax_is_the_cross_entropy_of_smoothed_targets(smoothing):
    options = tiny_recipe(train__loss="softmax", train__label_smoothing=smoothing).train
    found = TrainingLoss(options, 3)((LABELS[:, None], None), {IDENTITY: COSINES}).numpy()
    assert np.allclose(found, cross_entropy(COSINES, ONE_HOT * (1 - smoothing) + smoothing / 3), atol=1e-5)


@pytest.mark.parametrize(("loss", "logits"), [("arcface", arcface_logits), ("cosface", cosface_logits)])
def test_a_margin_loss_is_the_cross_entropy_of_its_logits(loss, logits):
    options = tiny_recipe(train__loss=loss, train__scale=10.0, train__margin=0.3).train
    found = TrainingLoss(options, 3)((LABELS, None), {IDENTITY: COSINES}).numpy()
    assert np.allclose(found, cross_entropy(np.asarray(logits(COSINES, ONE_HOT, 10.0, 0.3)), ONE_HOT), atol=1e-4)


def test_cosface_takes_the_margin_off_the_true_cosine_alone():
    expected = [[4.0, 2.0, -5.0], [1.0, -3.0, 2.0]]
    assert np.allclose(cosface_logits(COSINES, ONE_HOT, 10.0, 0.5), expected, atol=1e-5)


def test_a_share_of_the_margin_is_applied():
    options = tiny_recipe(train__scale=10.0, train__margin=0.4).train
    loss = TrainingLoss(options, 3)
    loss.share.assign(0.25)
    found = loss((LABELS, None), {IDENTITY: COSINES}).numpy()
    assert np.allclose(found, cross_entropy(arcface_logits(COSINES, ONE_HOT, 10.0, 0.1).numpy(), ONE_HOT), atol=1e-4)


def test_the_distance_to_a_teacher_is_one_minus_the_cosine_whatever_the_length():
    teacher = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)
    vectors = np.array([[0.0, 5.0], [6.0, 8.0]], np.float32)
    assert np.allclose(cosine_distance(teacher, vectors), [1.0, 0.0], atol=1e-6)


def test_mixed_losses_are_weighted_sums():
    options = tiny_recipe(train__loss="softmax", train__loss_weight=0.5, train__teacher_weight=3.0).train
    teacher = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    vectors = np.array([[1.0, 1.0], [0.0, 2.0]], np.float32)
    found = TrainingLoss(options, 3)((LABELS, teacher), {IDENTITY: COSINES, TEACHER: vectors}).numpy()
    distance = np.array([1 - math.sqrt(0.5), 0.0])
    assert np.allclose(found, 0.5 * cross_entropy(COSINES, ONE_HOT) + 3 * distance, atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "numbers", "outputs", "layers"),
    [
        ("softmax", None, {IDENTITY: 5}, {IDENTITY}),
        ("cosface", 8, {IDENTITY: 5, TEACHER: 8}, {IDENTITY}),
        ("none", 8, {TEACHER: 8}, set()),
        ("none", 16, {TEACHER: 16}, {TEACHER}),
        ("arcface", 16, {IDENTITY: 5, TEACHER: 16}, {IDENTITY, TEACHER}),
    ],
)
def test_there_is_an_output_for_everything_to_learn_and_a_layer_where_lengths_differ(loss, numbers, outputs, layers):
    fingerprint = keras.Input((8,), name="fingerprint")
    found = training_outputs(tiny_recipe(train__teacher="t.npz", train__loss=loss).train, fingerprint, 5, numbers)
    assert {name: output.shape[-1] for name, output in found.items()} == outputs
    model = keras.Model(fingerprint, found)
    assert {layer.name for layer in model.layers} == layers | {"fingerprint"}


def test_the_cosine_head_gives_cosines_whatever_the_lengths():
    head = CosineHead(5)
    fingerprints = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    cosines = head(fingerprints).numpy()
    kernel = head.kernel.numpy()
    expected = (fingerprints / np.linalg.norm(fingerprints, axis=1, keepdims=True)) @ (
        kernel / np.linalg.norm(kernel, axis=0)
    )
    assert cosines.shape == (4, 5)
    assert np.allclose(cosines, expected, atol=1e-5)
    assert np.allclose(head(100 * fingerprints), cosines, atol=1e-5)
    assert np.isfinite(head(np.zeros((1, 8), np.float32))).all()


def by_hand(labels, fingerprints, temperature):
    """Equation 2 of Khosla et al., one anchor at a time."""
    unit = fingerprints / np.linalg.norm(fingerprints, axis=1, keepdims=True)
    similar = np.exp(unit @ unit.T / temperature)
    out = []
    for i, label in enumerate(labels):
        others = [j for j in range(len(labels)) if j != i]
        partners = [j for j in others if labels[j] == label]
        total = sum(similar[i, j] for j in others)
        out.append(-sum(math.log(similar[i, p] / total) for p in partners) / len(partners) if partners else 0.0)
    return out


def test_contrastive_loss_by_hand_and_nothing_from_an_image_without_partner():
    labels = np.array([3, 3, 1, 3, 1, 7])
    fingerprints = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    found = contrastive_loss(0.5)((labels[:, None], None), fingerprints).numpy()
    assert np.allclose(found, by_hand(labels, fingerprints, 0.5), atol=1e-4)
    assert found[5] == 0.0
