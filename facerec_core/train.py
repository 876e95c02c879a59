"""Training the float network: identities as classes first, then, if asked for, its own fingerprints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core import losses
from facerec_core.batches import balanced_order, shuffled_order, training_batches
from facerec_core.data.records import FaceSet
from facerec_core.errors import DataError, TrainingError
from facerec_core.model import build_network
from facerec_core.options import TrainOptions
from facerec_core.tf import keras, tf
from facerec_core.types import Candidate, CurvePoint
from facerec_core.weights import assign, read_arrays, to_arrays

Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Trained:
    """A trained network and head as arrays by name, and the learning curves."""

    arrays: Mapping[str, NDArray[Any]]
    curves: tuple[CurvePoint, ...]


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Linear warm-up from 0 to `peak`, then half a cosine down to 1 % of it."""

    def __init__(self, peak: float, warmup_steps: int, total_steps: int) -> None:
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step: Any) -> Any:
        """The learning rate of `step`, a scalar tensor."""
        step = tf.cast(step, tf.float32)
        warm = step / max(self.warmup_steps, 1)
        progress = tf.clip_by_value((step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1), 0.0, 1.0)
        cosine = 0.01 + 0.99 * 0.5 * (1.0 + tf.cos(math.pi * progress))
        return self.peak * tf.minimum(tf.minimum(warm, 1.0), cosine)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as Keras asks for."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "total_steps": self.total_steps}


class _Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports every step, keeps the epoch's means, and stops at the first loss that is not finite."""

    def __init__(self, phase: Any, steps: int, epochs: int, report: Report) -> None:
        super().__init__()
        self.phase, self.steps, self.total = phase, steps, steps * epochs
        self.report = report
        self.epoch = 0
        self.curves: list[CurvePoint] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras passes it by name
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = float(logs["loss"])
        step = self.epoch * self.steps + batch + 1
        if not math.isfinite(loss):
            raise TrainingError(f"{self.phase}: the loss became {loss} at step {step} of {self.total}")
        self.report(step, self.total, f"loss {loss:.3f}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        self.curves.append(CurvePoint(self.phase, epoch + 1, metrics))


@dataclass(frozen=True)
class Phase:
    """One run of gradient descent: what the optimiser does and on which order of images."""

    name: str
    epochs: int
    learning_rate: float
    warmup_epochs: float
    loss: Any
    balanced: bool = False


def fit(model: Any, faces: FaceSet, phase: Phase, options: TrainOptions, seed: int, report: Report) -> list[CurvePoint]:
    """Train `model` in place for one phase.

    Raises:
        DataError: there are not enough images for one batch.
        TrainingError: the loss became non-finite.
    """
    batch_size = min(options.batch_size, len(faces.labels))
    make_order = shuffled_order
    if phase.balanced:
        batch_size = max(batch_size // 4 * 4, 4)
        order = balanced_order(faces.labels, phase.epochs, batch_size, seed)
    else:
        order = make_order(len(faces.labels), phase.epochs, batch_size, seed)
    steps = len(order) // batch_size // phase.epochs
    if steps < 1:
        raise DataError(f"{len(faces.labels)} training images do not fill one batch; lower train.batch_size")
    schedule = WarmupCosine(phase.learning_rate, round(phase.warmup_epochs * steps), steps * phase.epochs)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=options.weight_decay, global_clipnorm=options.clip_norm)
    optimizer.exclude_from_weight_decay(var_names=["_bn", "bias", "_min", "_max"])
    metrics = [] if phase.balanced else ["accuracy"]
    model.compile(optimizer=optimizer, loss=phase.loss, metrics=metrics)
    watch = _Watch(phase.name, steps, phase.epochs, report)
    batches = training_batches(faces, order, batch_size, options.augment, seed)
    model.fit(batches, epochs=phase.epochs, steps_per_epoch=steps, callbacks=[watch], verbose=0)
    return watch.curves


def with_head(network: Any, options: TrainOptions, classes: int) -> Any:
    """The classifier that is trained: `network`, then a head over `classes` identities."""
    return keras.Model(network.input, losses.classification_head(options, classes)(network.output), name="classifier")


def task_phase(options: TrainOptions, classes: int, *, name: str, epochs: int, learning_rate: float) -> Phase:
    """The phase that learns identities through the head."""
    loss = losses.classification_loss(options, classes)
    warmup = options.warmup_epochs if name == "train" else 0.0
    return Phase(name, epochs, learning_rate, warmup, loss)


def contrastive_phase(options: TrainOptions, *, name: str, epochs: int, learning_rate: float) -> Phase:
    """The phase that learns from the headless network's own fingerprints."""
    loss = losses.contrastive_loss(options.finetune.temperature)
    return Phase(name, epochs, learning_rate, 0.0, loss, balanced=True)


def train_float(candidate: Candidate, faces: FaceSet, options: TrainOptions, seed: int, report: Report) -> Trained:
    """Train a candidate from its initial weights; the head is among the arrays, so that QAT can go on with it.

    Args:
        candidate: the architecture.
        faces: the training split at the candidate's resolution.
        options: the recipe.
        seed: of the weights, the order and the augmentation.
        report: called with (step, steps, note).

    Raises:
        OptionError: `train.init` cannot be read or is of another width.
        TrainingError: the loss became non-finite.
    """
    network = build_network(candidate.width, candidate.resolution, candidate.embedding)
    if options.init != "none":
        assign(network, read_arrays(Path(options.init)), options.init)
    classes = len(faces.identities)
    classifier = with_head(network, options, classes)
    phase = task_phase(options, classes, name="train", epochs=options.epochs, learning_rate=options.learning_rate)
    curves = fit(classifier, faces, phase, options, seed, report)
    if options.finetune.epochs:
        tuned = options.finetune
        extra = contrastive_phase(options, name="finetune", epochs=tuned.epochs, learning_rate=tuned.learning_rate)
        curves += fit(network, faces, extra, options, seed + 1, report)
    return Trained({**to_arrays(classifier), **to_arrays(network)}, tuple(curves))


def save_trained(trained: Trained, path: Path) -> None:
    """Write the arrays as an .npz without pickles."""
    with path.open("wb") as stream:
        np.savez(stream, **trained.arrays)  # type: ignore[arg-type]
