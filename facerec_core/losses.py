"""What the float network learns from: identities as classes, or its own fingerprints."""

from __future__ import annotations

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


def classification_head(options: TrainOptions, classes: int) -> Any:
    """The layer that is trained with the network and removed afterwards."""
    if options.loss == "softmax":
        return keras.layers.Dense(classes, name="head")
    return CosineHead(classes, name="head")


def classification_loss(options: TrainOptions, classes: int) -> Any:
    """A Keras loss of int labels [n] and the head's output [n, classes]."""

    def loss(labels: Any, outputs: Any) -> Any:
        one_hot = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), classes)
        logits = outputs
        if options.loss == "arcface":
            logits = arcface_logits(outputs, one_hot, options.scale, options.margin)
        return keras.losses.categorical_crossentropy(
            one_hot, logits, from_logits=True, label_smoothing=options.label_smoothing
        )

    return loss


def contrastive_loss(temperature: float) -> Any:
    """Supervised contrastive loss over the fingerprints of one batch; needs no head.

    Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2 (the sum outside the logarithm).
    An image without a partner in its batch contributes nothing.
    """

    def loss(labels: Any, fingerprints: Any) -> Any:
        labels = tf.reshape(labels, [-1])
        unit = tf.math.l2_normalize(fingerprints, -1)
        logits = tf.matmul(unit, unit, transpose_b=True) / temperature
        itself = tf.eye(tf.shape(labels)[0])
        partners = tf.cast(labels[:, None] == labels[None, :], tf.float32) - itself
        log_p = logits - tf.reduce_logsumexp(logits - 1e9 * itself, axis=1, keepdims=True)
        return -tf.math.divide_no_nan(tf.reduce_sum(partners * log_p, 1), tf.reduce_sum(partners, 1))

    return loss
