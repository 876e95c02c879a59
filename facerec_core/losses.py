"""What the float network learns from: identities as classes, a teacher's fingerprints, or its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from facerec_core.options import TrainOptions
from facerec_core.tf import keras, tf


class CosineHead(keras.layers.Layer):  # type: ignore[misc]
    """Cosines between fingerprints [n, d] and one learnt direction a class -> float32 [n, classes]."""

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes

    def build(self, input_shape: Any) -> None:
        """Create the class directions, [d, classes]."""
        self.kernel = self.add_weight(name="kernel", shape=(int(input_shape[-1]), self.classes))

    def call(self, inputs: Any) -> Any:
        """Cosines in [-1, 1]."""
        return tf.matmul(tf.math.l2_normalize(inputs, -1), tf.math.l2_normalize(self.kernel, 0))


def arcface_logits(cosines: Any, one_hot: Any, scale: float, margin: float) -> Any:
    """Logits of the additive angular margin: scale * cos(theta + margin) for the true class.

    Deng et al., "ArcFace", CVPR 2019, equation 3, with the usual linear continuation beyond theta = pi - margin,
    where cos(theta + margin) would rise again.
    """
    cosine = tf.clip_by_value(cosines, -1.0 + 1e-6, 1.0 - 1e-6)
    sine = tf.sqrt(1.0 - tf.square(cosine))
    cos_m, sin_m = tf.cos(margin), tf.sin(margin)
    shifted = cosine * cos_m - sine * sin_m
    beyond = cosine - sin_m * margin
    target = tf.where(cosine > -cos_m, shifted, beyond)
    return scale * tf.where(one_hot > 0, target, cosine)


def cosface_logits(cosines: Any, one_hot: Any, scale: float, margin: float) -> Any:
    """Logits of the large margin cosine loss: scale * (cos(theta) - margin) for the true class.

    Wang et al., "CosFace", CVPR 2018, equation 4.
    """
    return scale * (cosines - margin * one_hot)


MARGINS: Mapping[str, Callable[[Any, Any, float, Any], Any]] = {"arcface": arcface_logits, "cosface": cosface_logits}
IDENTITY, TEACHER = "head", "teacher"
"""Names of the two outputs training may have, and of their layers; both layers are removed afterwards."""
FINGERPRINT, FLOAT = "fingerprint", "float"
"""Names of the outputs that QAT compares where it follows the float network."""


def training_outputs(
    options: TrainOptions, fingerprint: Any, classes: int, teacher_numbers: int | None
) -> dict[str, Any]:
    """What a network is trained through, by name: identities, a teacher's fingerprint, or both.

    Args:
        options: which loss.
        fingerprint: the network's output, [n, d].
        classes: identities of the training split.
        teacher_numbers: length of the teacher's fingerprints; None without a teacher.
    """
    outputs = {}
    if options.loss == "softmax":
        outputs[IDENTITY] = keras.layers.Dense(classes, name=IDENTITY)(fingerprint)
    elif options.loss in MARGINS:
        outputs[IDENTITY] = CosineHead(classes, name=IDENTITY)(fingerprint)
    if teacher_numbers is not None:
        same = teacher_numbers == fingerprint.shape[-1]
        outputs[TEACHER] = fingerprint if same else keras.layers.Dense(teacher_numbers, name=TEACHER)(fingerprint)
    return outputs


class TrainingLoss:
    """The loss of (labels int [n], teacher's unit fingerprints [n, t] or None) and the outputs by name, float32 [n].

    `share` of the margin is applied; training may let it grow from 0.
    """

    def __init__(self, options: TrainOptions, classes: int, float_weight: float = 0.0) -> None:
        self._options, self._classes, self._float_weight = options, classes, float_weight
        self.share = tf.Variable(1.0, trainable=False, name="margin_share")

    def __call__(self, targets: Any, outputs: dict[str, Any]) -> Any:
        """The weighted sum of what there is to learn."""
        labels, teacher = targets
        losses = []
        if IDENTITY in outputs:
            losses.append(self._options.loss_weight * self._identity_loss(labels, outputs[IDENTITY]))
        if TEACHER in outputs:
            losses.append(self._options.teacher_weight * cosine_distance(teacher, outputs[TEACHER]))
        if FLOAT in outputs:
            unit = tf.math.l2_normalize(outputs[FLOAT], -1)
            losses.append(self._float_weight * cosine_distance(unit, outputs[FINGERPRINT]))
        return tf.add_n(losses)

    def _identity_loss(self, labels: Any, outputs: Any) -> Any:
        options = self._options
        one_hot = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), self._classes)
        logits = outputs
        if options.loss in MARGINS:
            logits = MARGINS[options.loss](outputs, one_hot, options.scale, options.margin * self.share)
        return keras.losses.categorical_crossentropy(
            one_hot, logits, from_logits=True, label_smoothing=options.label_smoothing
        )


def cosine_distance(unit: Any, vectors: Any) -> Any:
    """1 - cosine of unit vectors [n, t] and vectors of any length [n, t], float32 [n]."""
    return 1.0 - tf.reduce_sum(unit * tf.math.l2_normalize(vectors, -1), -1)


def contrastive_loss(temperature: float) -> Any:
    """Supervised contrastive loss over the fingerprints of one batch; needs no head.

    Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2 (the sum outside the logarithm).
    An image without a partner in its batch contributes nothing.
    """

    def loss(targets: Any, fingerprints: Any) -> Any:
        labels = tf.reshape(targets[0], [-1])
        unit = tf.math.l2_normalize(fingerprints, -1)
        logits = tf.matmul(unit, unit, transpose_b=True) / temperature
        itself = tf.eye(tf.shape(labels)[0])
        partners = tf.cast(labels[:, None] == labels[None, :], tf.float32) - itself
        log_p = logits - tf.reduce_logsumexp(logits - 1e9 * itself, axis=1, keepdims=True)
        return -tf.math.divide_no_nan(tf.reduce_sum(partners * log_p, 1), tf.reduce_sum(partners, 1))

    return loss
