"""Gradient descent: the learning rate over time, decoupled weight decay, and one traced step a batch.

`Model.fit` does the same and more, but traces its step twice, and through AutoGraph: more than ten CPU seconds a
candidate for nothing that is used here.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from facerec_core.tf import tf

BETAS = (0.9, 0.999)
EPSILON = 1e-7


class WarmupCosine:
    """Linear warm-up from 0 to `peak`, then half a cosine down to 1 % of it."""

    def __init__(self, peak: float, warmup_steps: int, total_steps: int) -> None:
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step: Any) -> Any:
        """The learning rate of `step`, counted from 0, a scalar tensor; the first step of a warm-up moves a little."""
        step = tf.cast(step, tf.float32)
        warm = (step + 1.0) / max(self.warmup_steps, 1)
        progress = tf.clip_by_value((step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1), 0.0, 1.0)
        cosine = 0.01 + 0.99 * 0.5 * (1.0 + tf.cos(math.pi * progress))
        return self.peak * tf.minimum(tf.minimum(warm, 1.0), cosine)


class AdamW:
    """Adam with decoupled weight decay of everything but vectors, which are biases and batch normalisation.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019. The same arithmetic as Keras' AdamW, but
    one fused operator a variable instead of a dozen.

    Args:
        variables: what learns.
        schedule: the learning rate.
        weight_decay: share of a weight that a step removes, times the learning rate.
        clip_norm: largest global norm of the gradients.
    """

    def __init__(self, variables: Sequence[Any], schedule: WarmupCosine, weight_decay: float, clip_norm: float) -> None:
        self.variables = variables
        self._schedule, self._weight_decay, self._clip_norm = schedule, weight_decay, clip_norm
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._moments = [
            tuple(tf.Variable(tf.zeros(variable.shape), trainable=False) for _ in range(2)) for variable in variables
        ]

    @property
    def state(self) -> list[Any]:
        """All that the next step depends on beside the weights: the step count and both moments."""
        return [self._steps, *(moment for pair in self._moments for moment in pair)]

    def apply(self, gradients: Sequence[Any]) -> None:
        """Decay and move the variables by one step."""
        rate = self._schedule(self._steps)
        done = tf.cast(self._steps.assign_add(1), tf.float32)
        powers = {"beta1_power": tf.pow(BETAS[0], done), "beta2_power": tf.pow(BETAS[1], done)}
        fixed = {"lr": rate, "beta1": BETAS[0], "beta2": BETAS[1], "epsilon": EPSILON, **powers}
        clipped, _ = tf.clip_by_global_norm(gradients, self._clip_norm)
        for variable, (m, v), gradient in zip(self.variables, self._moments, clipped, strict=True):
            if variable.shape.rank > 1:
                variable.assign_sub(rate * self._weight_decay * variable)
            tf.raw_ops.ResourceApplyAdam(var=variable.handle, m=m.handle, v=v.handle, grad=gradient, **fixed)


class Averages:
    """A moving average of the weights over the steps, in which the noise of single batches is gone.

    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, with the decay growing from
    0.18 as min(decay, (1 + step) / (10 + step)), as TensorFlow's ExponentialMovingAverage has it, so that the first
    weights, which are random, do not linger in short trainings.

    Args:
        variables: what is averaged; their present values are the first average.
        decay: the largest share of the average that a step keeps.
    """

    def __init__(self, variables: Sequence[Any], decay: float) -> None:
        self._variables, self._decay = variables, decay
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._means = [tf.Variable(variable, trainable=False) for variable in variables]

    @property
    def state(self) -> list[Any]:
        """The step count and the averages."""
        return [self._steps, *self._means]

    def update(self) -> None:
        """Move the averages towards the weights by one step."""
        done = tf.cast(self._steps.assign_add(1), tf.float32)
        share = 1.0 - tf.minimum(self._decay, (1.0 + done) / (10.0 + done))
        for variable, mean in zip(self._variables, self._means, strict=True):
            mean.assign_sub(share * (mean - variable))

    def take_over(self) -> None:
        """Give the weights the values of their averages."""
        for variable, mean in zip(self._variables, self._means, strict=True):
            variable.assign(mean)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The weights are their averages inside, and to the bit what they were afterwards."""
        before = [variable.numpy() for variable in self._variables]
        self.take_over()
        try:
            yield
        finally:
            for variable, value in zip(self._variables, before, strict=True):
                variable.assign(value)


def make_step(
    model: Any, loss: Callable[[Any, Any], Any], optimizer: AdamW, averages: Averages | None = None
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """A traced function (images, labels) -> (mean loss, outputs) that moves `model`, and its averages, by one step."""

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(images: Any, labels: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            mean = tf.reduce_mean(loss(labels, outputs))
        optimizer.apply(tape.gradient(mean, optimizer.variables))
        if averages is not None:
            averages.update()
        return mean, outputs

    return step  # type: ignore[no-any-return]


def is_finite(model: Any) -> bool:
    """Whether every weight is a finite number; the loss shows it only one step later."""
    return all(np.isfinite(weight.numpy()).all() for weight in model.weights)
