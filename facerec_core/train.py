"""Training the float network: identities and a teacher first, then, if asked for, its own fingerprints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facerec_core import losses
from facerec_core.batches import IMAGES_AN_IDENTITY, balanced_order, even_order, shuffled_order, training_batches
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
Vectors = NDArray[np.float32]
PhaseName = Literal["train", "finetune", "qat", "control"]
ADVICE = "; lower its learning rate"


@dataclass(frozen=True)
class Trained:
    """A trained network and head as arrays by name, and the learning curves."""

    arrays: Mapping[str, NDArray[Any]]
    curves: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Phase:
    """One run of gradient descent: what the optimiser does and on which order of images.

    The loss takes (labels, teacher's fingerprints) and the model's outputs; over the first `margin_epochs` its margin
    grows from 0. A `balanced` phase trains the headless network on batches with several images an identity.
    """

    name: PhaseName
    epochs: int
    learning_rate: float
    warmup_epochs: float
    loss: Any
    margin_epochs: float = 0.0
    balanced: bool = False


def fit(
    model: Any,
    faces: FaceSet,
    phase: Phase,
    options: TrainOptions,
    seed: int,
    report: Report,
    *,
    teacher: Vectors | None = None,
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
        teacher: the teacher's unit fingerprints of the images, float32 [n, t]; None without a teacher.
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
    batches = training_batches(faces, order, batch_size, options.augment, seed, teacher)
    for number, (images, targets) in enumerate(batches, 1):
        if phase.margin_epochs:
            phase.loss.share.assign(min((number - 1) / (phase.margin_epochs * steps), 1.0))
        seen.append(_metrics(targets[0], *step(images, targets)))
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
        draw = even_order if options.sampling == "identities" else shuffled_order
        return draw(faces.labels, phase.epochs, batch_size, seed), batch_size
    if np.bincount(faces.labels).max() < 2:
        raise DataError(f"{phase.name}: no identity has two training images; set train.finetune.epochs=0")
    batch_size = max(batch_size // IMAGES_AN_IDENTITY, 1) * IMAGES_AN_IDENTITY
    return balanced_order(faces.labels, phase.epochs, batch_size, seed), batch_size


def _metrics(labels: Any, loss: Any, outputs: Any) -> dict[str, float]:
    """One step's loss and, with a head, the share of images whose identity came out first."""
    out = {"loss": float(loss)}
    if isinstance(outputs, dict) and losses.IDENTITY in outputs:
        out["accuracy"] = float(np.mean(np.argmax(outputs[losses.IDENTITY].numpy(), 1) == labels.numpy()))
    return out


def _means(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}


def with_heads(
    network: Any, options: TrainOptions, classes: int, teacher: Vectors | None, float_network: Any = None
) -> Any:
    """What is trained: `network` and a head over `classes` identities, one for the teacher's fingerprints, or both.

    A `float_network`, which does not learn, delivers its fingerprints of the same images beside the others.
    """
    numbers = None if teacher is None else teacher.shape[1]
    outputs = losses.training_outputs(options, network.output, classes, numbers)
    if float_network is not None:
        float_network.trainable = False
        outputs |= {losses.FINGERPRINT: network.output, losses.FLOAT: float_network(network.input, training=False)}
    return keras.Model(network.input, outputs, name="taught")


def task_phase(
    options: TrainOptions,
    classes: int,
    *,
    name: PhaseName,
    epochs: int,
    learning_rate: float,
    float_weight: float = 0.0,
) -> Phase:
    """The phase that learns through the heads."""
    warmup, margin = (options.warmup_epochs, options.margin_epochs) if name == "train" else (0.0, 0.0)
    return Phase(name, epochs, learning_rate, warmup, losses.TrainingLoss(options, classes, float_weight), margin)


def contrastive_phase(options: TrainOptions, *, name: PhaseName, epochs: int, learning_rate: float) -> Phase:
    """The phase that learns from the headless network's own fingerprints."""
    loss = losses.contrastive_loss(options.finetune.temperature)
    return Phase(name, epochs, learning_rate, 0.0, loss, balanced=True)


def train_float(
    candidate: Candidate,
    faces: FaceSet,
    options: TrainOptions,
    seed: int,
    report: Report,
    teacher: Vectors | None = None,
) -> Trained:
    """Train a candidate from its initial weights; the heads are among the arrays, so that QAT can go on with them.

    Args:
        candidate: the architecture.
        faces: the training split at the candidate's resolution.
        options: the recipe.
        seed: of the weights, the order and the augmentation.
        report: called with (step, steps, note).
        teacher: the teacher's unit fingerprints of the images, float32 [n, t]; None without a teacher.

    Raises:
        OptionError: `train.init` is of another width, or too narrow to be sliced.
        StorageError: `train.init` cannot be read.
        TrainingError: the loss or a weight became non-finite.
    """
    network = build_network(candidate)
    if options.init != "none":
        assign(network, initial_arrays(options.init, candidate), options.init, may_lack=["fingerprint"])
    classes = len(faces.identities)
    taught = with_heads(network, options, classes, teacher)
    phase = task_phase(options, classes, name="train", epochs=options.epochs, learning_rate=options.learning_rate)
    curves = fit(taught, faces, phase, options, seed, report, teacher=teacher)
    if options.finetune.epochs:
        tuned = options.finetune
        extra = contrastive_phase(options, name="finetune", epochs=tuned.epochs, learning_rate=tuned.learning_rate)
        curves += fit(network, faces, extra, options, seed + 1, report)
    return Trained(to_arrays(taught), tuple(curves))
