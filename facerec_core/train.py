"""Training the float network: identities as classes first, then, if asked for, its own fingerprints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facerec_core import losses
from facerec_core.batches import IMAGES_AN_IDENTITY, balanced_order, shuffled_order, training_batches
from facerec_core.data.records import FaceSet
from facerec_core.descent import AdamW, WarmupCosine, is_finite, make_step
from facerec_core.errors import DataError, TrainingError
from facerec_core.initial import initial_arrays
from facerec_core.model import build_network
from facerec_core.options import TrainOptions
from facerec_core.tf import keras
from facerec_core.types import Candidate, CurvePoint
from facerec_core.weights import assign, to_arrays

Report = Callable[[int, int, str], None]
PhaseName = Literal["train", "finetune", "qat"]
ADVICE = "; lower its learning rate"


@dataclass(frozen=True)
class Trained:
    """A trained network and head as arrays by name, and the learning curves."""

    arrays: Mapping[str, NDArray[Any]]
    curves: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Phase:
    """One run of gradient descent: what the optimiser does and on which order of images."""

    name: PhaseName
    epochs: int
    learning_rate: float
    warmup_epochs: float
    loss: Any
    balanced: bool = False


def fit(
    model: Any,
    faces: FaceSet,
    phase: Phase,
    options: TrainOptions,
    seed: int,
    report: Report,
    *,
    variables: Sequence[Any] | None = None,
) -> list[CurvePoint]:
    """Train `model` in place for one phase.

    Args:
        model: the classifier, or for a balanced phase the headless network.
        faces: the training split.
        phase: the loss, the rate and the length.
        options: batch size, augmentation, weight decay and clipping.
        seed: of the order and the augmentation.
        report: called with (step, steps, note).
        variables: what learns; None for all that is trainable.

    Raises:
        DataError: the phase needs several images of an identity, and none has them.
        TrainingError: the loss or a weight became non-finite.
    """
    order, batch_size = _order(faces, phase, options, seed)
    steps = len(order) // batch_size // phase.epochs
    total = steps * phase.epochs
    schedule = WarmupCosine(phase.learning_rate, round(phase.warmup_epochs * steps), total)
    learning = model.trainable_variables if variables is None else variables
    optimizer = AdamW(learning, schedule, options.weight_decay, options.clip_norm)
    step = make_step(model, phase.loss, optimizer)
    seen: list[dict[str, float]] = []
    curves = []
    for number, (images, labels) in enumerate(training_batches(faces, order, batch_size, options.augment, seed), 1):
        seen.append(_metrics(labels, *step(images, labels), classifies=not phase.balanced))
        loss = seen[-1]["loss"]
        if not math.isfinite(loss):
            raise TrainingError(f"{phase.name}: the loss became {loss} at step {number} of {total}{ADVICE}")
        report(number, total, f"loss {loss:.3f}")
        if number % steps == 0:
            curves.append(CurvePoint(phase.name, number // steps, _means(seen)))
            seen = []
    if not is_finite(model):
        raise TrainingError(f"{phase.name}: a weight is no finite number after the last step{ADVICE}")
    return curves


def _order(faces: FaceSet, phase: Phase, options: TrainOptions, seed: int) -> tuple[NDArray[np.int64], int]:
    """Which images in which order, over all epochs, and how many a batch."""
    batch_size = min(options.batch_size, len(faces.labels))
    if not phase.balanced:
        return shuffled_order(len(faces.labels), phase.epochs, batch_size, seed), batch_size
    if np.bincount(faces.labels).max() < 2:
        raise DataError(f"{phase.name}: no identity has two training images; set train.finetune.epochs=0")
    batch_size = max(batch_size // IMAGES_AN_IDENTITY, 1) * IMAGES_AN_IDENTITY
    return balanced_order(faces.labels, phase.epochs, batch_size, seed), batch_size


def _metrics(labels: Any, loss: Any, outputs: Any, *, classifies: bool) -> dict[str, float]:
    """One step's loss and, with a head, the share of images whose identity came out first."""
    out = {"loss": float(loss)}
    if classifies:
        out["accuracy"] = float(np.mean(np.argmax(outputs.numpy(), 1) == labels.numpy()))
    return out


def _means(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}


def with_head(network: Any, options: TrainOptions, classes: int) -> Any:
    """The classifier that is trained: `network`, then a head over `classes` identities."""
    return keras.Model(network.input, losses.classification_head(options, classes)(network.output), name="classifier")


def task_phase(options: TrainOptions, classes: int, *, name: PhaseName, epochs: int, learning_rate: float) -> Phase:
    """The phase that learns identities through the head."""
    loss = losses.classification_loss(options, classes)
    warmup = options.warmup_epochs if name == "train" else 0.0
    return Phase(name, epochs, learning_rate, warmup, loss)


def contrastive_phase(options: TrainOptions, *, name: PhaseName, epochs: int, learning_rate: float) -> Phase:
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
        OptionError: `train.init` is of another width, or too narrow to be sliced.
        StorageError: `train.init` cannot be read.
        TrainingError: the loss or a weight became non-finite.
    """
    network = build_network(candidate)
    if options.init != "none":
        assign(network, initial_arrays(options.init, candidate), options.init, may_lack=["fingerprint"])
    classes = len(faces.identities)
    classifier = with_head(network, options, classes)
    phase = task_phase(options, classes, name="train", epochs=options.epochs, learning_rate=options.learning_rate)
    curves = fit(classifier, faces, phase, options, seed, report)
    if options.finetune.epochs:
        tuned = options.finetune
        extra = contrastive_phase(options, name="finetune", epochs=tuned.epochs, learning_rate=tuned.learning_rate)
        curves += fit(network, faces, extra, options, seed + 1, report)
    return Trained(to_arrays(classifier), tuple(curves))
