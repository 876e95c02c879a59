"""The ranges of a network with tfmot's fake quantisation: read off training images, then moved or held.

tfmot starts every activation's range at [-6, 6] and moves it by 0.1 % a step, so that a few epochs never reach the true
ones. Where ranges end at a percentile, it is that of the values of all batches, as for PTQ (`facerec_core.ranges`);
training would move such ranges out to the greatest values again, so they are held.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from facerec_core.options import WHOLE, QatOptions
from facerec_core.ranges import BINS, central_range
from facerec_core.tf import tf
from facerec_core.train import Report

Quantizer = Callable[..., Any]
HELD = 1.0
"""The decay at which a moving average stays where it is."""


def calibrate(quantized: Any, batches: Any, options: QatOptions, report: Report) -> None:
    """Move every activation range from tfmot's [-6, 6] to what the images show; weights stay.

    Args:
        quantized: the network.
        batches: a dataset of (images float32 [b, res, res, 3], ...).
        options: how many batches are looked at, how their ranges are averaged, and where the ranges end.
        report: called with (step, steps, note).
    """
    percentile = percentile_of(options)
    passes = 1 if percentile == WHOLE else 2
    steps = passes * options.calibration_batches

    def run(done_before: int, before_step: Callable[[int], None]) -> None:
        step = tf.function(lambda images: quantized(images, training=True), autograph=False)
        for done, (images, *_) in enumerate(batches.take(options.calibration_batches), 1):
            before_step(done)
            step(images)
            report(done_before + done, steps, "activation ranges")

    decay = tf.Variable(0.0, trainable=False)
    with _moving_averages(lambda follow, *given, **named: follow(*given, **named | {"ema_decay": decay})):
        # The mean of the ranges seen, until so many were seen that it follows the latest ones: the first batch
        # leaves nothing of [-6, 6].
        run(0, lambda done: decay.assign(min(options.calibration_decay, 1.0 - 1.0 / done)))
    if passes == 2:
        counts = _Counts()
        with _moving_averages(counts):
            run(options.calibration_batches, lambda _done: None)
        counts.narrow(percentile)


@contextlib.contextmanager
def held(options: QatOptions) -> Iterator[None]:
    """What is traced in this block, such as a training step, leaves ranges that end at a percentile as they are.

    And with them the steps of the weights: a step follows its channel's largest weight, and where that moves, all that
    were rounded to its multiples (`facerec_core.rounding`) would be rounded a second time.
    """
    if percentile_of(options) == WHOLE:
        yield
        return
    with _moving_averages(_hold_range), _instead_of("LastValueQuantize", _hold_step):
        yield


def percentile_of(options: QatOptions) -> float:
    """Where ranges end; those of random weights are not worth cutting."""
    return WHOLE if options.from_scratch else options.percentile


def _hold_range(follow: Quantizer, *given: Any, **named: Any) -> Any:
    return follow(*given, **named | {"ema_decay": HELD})


def _hold_step(take: Quantizer, *given: Any, **named: Any) -> Any:
    return take(*given, **named | {"is_training": False})


def _moving_averages(instead: Quantizer) -> AbstractContextManager[None]:
    """Call `instead(follow, inputs, min_var, max_var, ...)` where tfmot would call its own `follow`."""
    return _instead_of("MovingAvgQuantize", instead)


@contextlib.contextmanager
def _instead_of(name: str, instead: Quantizer) -> Iterator[None]:
    from tensorflow_model_optimization.python.core.quantization.keras import quant_ops

    own = getattr(quant_ops, name)
    with mock.patch.object(quant_ops, name, functools.wraps(own)(functools.partial(instead, own))):
        yield


@dataclass
class _Counts:
    """How many values of each activation fall into each part of its range; counts what it is called with."""

    counted: dict[Any, tuple[Any, Any, Any]] = field(default_factory=dict)

    def __call__(self, follow: Quantizer, inputs: Any, min_var: Any, max_var: Any, **named: Any) -> Any:
        if not min_var.name.startswith("quantize_layer"):  # every pixel value occurs
            found = tf.histogram_fixed_width(inputs, [min_var, max_var], BINS, tf.int64)
            self._counts_of(min_var, max_var).assign_add(found)
        return _hold_range(follow, inputs, min_var, max_var, **named)

    def _counts_of(self, min_var: Any, max_var: Any) -> Any:
        if min_var.ref() not in self.counted:  # a function that makes variables is traced twice
            with tf.init_scope():
                counts = tf.Variable(tf.zeros([BINS], tf.int64), trainable=False)
            self.counted[min_var.ref()] = min_var, max_var, counts
        return self.counted[min_var.ref()][2]

    def narrow(self, percentile: float) -> None:
        """End each range at the percentile of what was counted."""
        for min_var, max_var, counts in self.counted.values():
            whole = float(min_var), float(max_var)
            least, greatest = central_range(counts.numpy(), whole, percentile)
            min_var.assign(least)
            max_var.assign(greatest)
