"""Training the float network: identities and a teacher first, then, if asked for, its own fingerprints."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facerec_core import losses
from facerec_core.batches import (
    IMAGES_AN_IDENTITY,
    balanced_order,
    even_order,
    shuffled_order,
    to_network_range,
    training_batches,
)
from facerec_core.checkpoint import Journal
from facerec_core.data.cache import release
from facerec_core.data.records import FaceSet
from facerec_core.descent import AdamW, Averages, WarmupCosine, is_finite, make_step
from facerec_core.errors import DataError, TrainingError
from facerec_core.initial import initial_arrays
from facerec_core.model import build_network
from facerec_core.options import RESOLUTION_STEP, TrainOptions
from facerec_core.settling import settle
from facerec_core.tf import keras, tf
from facerec_core.types import Candidate, CurvePoint
from facerec_core.weights import assign, to_arrays

Report = Callable[[int, int, str], None]
FacesAt = Callable[[int], FaceSet]
Measure = Callable[[int], Mapping[str, float]]
Vectors = NDArray[np.float32]
PhaseName = Literal["train", "finetune", "qat", "control"]
ADVICE = "; lower its learning rate"
VALIDATION_TAR = "validation_tar"
"""The name, in the curve, of the float network's TAR at the target FAR on the validation split."""
VALIDATION_BATCH = 64


@dataclass(frozen=True)
class Trained:
    """A trained network and head as arrays by name, and the learning curves."""

    arrays: Mapping[str, NDArray[Any]]
    curves: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Phase:
    """One run of gradient descent: what the optimiser does and on which order of images.

    The loss takes (labels, teacher's fingerprints) and the model's outputs; over the first `margin_epochs` its margin
    """

    name: PhaseName
    epochs: int
    learning_rate: float
    warmup_epochs: float
    loss: Any
    margin_epochs: float = 0.0
    balanced: bool = False
    ema: float = 0.0


@dataclass(frozen=True)
class Early:
    """What the first `epochs` of a phase train instead: the same weights at a lower resolution, on smaller faces."""

    epochs: int
    model: Any
    faces: FaceSet


@dataclass(frozen=True)
class _Part:
    """Epochs `first` to `last` - 1 of a phase, which train one model on one set of images."""

    model: Any
    faces: FaceSet
    first: int
    last: int


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
    journal: Journal | None = None,
    kept: Sequence[Any] | None = None,
    early: Early | None = None,
    measure: Measure | None = None,
) -> list[CurvePoint]:
    """Train `model` in place for one phase, or what is left of it.

    Args:
        model: the classifier, or for a balanced phase the headless network.
        faces: the training split.
        phase: the loss, the rate and the length.
        options: batch size, augmentation, weight decay and clipping.
        seed: of the order and the augmentation.
        report: called with (step, steps, note).
        teacher: the teacher's unit fingerprints of the images, float32 [n, t]; None without a teacher.
        variables: what learns; None for all that is trainable.
        journal: where the phase goes on and what is kept of its epochs; None begins and keeps nothing.
        kept: the variables a checkpoint holds beside the optimiser's; None for all of the model's.
        early: what the first epochs train on instead.
        measure: called with the number of an epoch that has ended; gives further figures for its curve.

    Raises:
        DataError: the phase needs several images of an identity, and none has them.
        StorageError: a checkpoint cannot be written.
        TrainingError: the loss or a weight became non-finite.
    """
    journal = journal or Journal()
    order, batch_size = _order(faces, phase, options, seed)
    steps = len(order) // batch_size // phase.epochs
    schedule = WarmupCosine(phase.learning_rate, round(phase.warmup_epochs * steps), steps * phase.epochs)
    learning = model.trainable_variables if variables is None else variables
    optimizer = AdamW(learning, schedule, options.weight_decay, options.clip_norm)
    averages = Averages(learning, phase.ema) if phase.ema else None
    state = [*(model.weights if kept is None else kept), *optimizer.state, *(averages.state if averages else ())]
    for part in _parts(model, faces, phase, early, done=journal.resume(phase.name, state)):
        step = make_step(part.model, phase.loss, optimizer, averages)
        rows = order[part.first * steps * batch_size : part.last * steps * batch_size]
        first = part.first * steps
        batches = training_batches(part.faces, rows, batch_size, options.augment, seed, teacher, first_step=first)
        for epoch, metrics in _epochs(batches, step, phase, steps, part.first, report):
            with averages.in_place() if averages else contextlib.nullcontext():
                measured = measure(epoch) if measure else {}
            journal.add(CurvePoint(phase.name, epoch, {**metrics, **measured}), state)
    if averages:
        averages.take_over()
    if not is_finite(model):
        raise TrainingError(f"{phase.name}: a weight is no finite number after the last step{ADVICE}")
    return journal.of(phase.name)


def _parts(model: Any, faces: FaceSet, phase: Phase, early: Early | None, done: int) -> Iterator[_Part]:
    """What is left of a phase after `done` epochs."""
    switch = early.epochs if early else 0
    if early and done < switch:
        yield _Part(early.model, early.faces, done, switch)
    if max(done, switch) < phase.epochs:
        yield _Part(model, faces, max(done, switch), phase.epochs)


def _epochs(
    batches: Any, step: Any, phase: Phase, steps: int, done: int, report: Report
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train, and give the number of every epoch that ends, from 1, and the means of its metrics."""
    seen: list[dict[str, float]] = []
    total = steps * phase.epochs
    for number, (images, targets) in enumerate(batches, done * steps + 1):
        if phase.margin_epochs:
            phase.loss.share.assign(min((number - 1) / (phase.margin_epochs * steps), 1.0))
        seen.append(_metrics(targets[0], *step(images, targets)))
        loss = seen[-1]["loss"]
        if not math.isfinite(loss):
            raise TrainingError(f"{phase.name}: the loss became {loss} at step {number} of {total}{ADVICE}")
        report(number, total, f"loss {loss:.3f}")
        if number % steps == 0:
            yield number // steps, _means(seen)
            seen = []


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
    loss = losses.TrainingLoss(options, classes, float_weight)
    if name != "train":
        return Phase(name, epochs, learning_rate, 0.0, loss)
    return Phase(name, epochs, learning_rate, options.warmup_epochs, loss, options.margin_epochs, ema=options.ema)


def contrastive_phase(options: TrainOptions, *, name: PhaseName, epochs: int, learning_rate: float) -> Phase:
    """The phase that learns from the headless network's own fingerprints."""
    loss = losses.contrastive_loss(options.finetune.temperature)
    averaging = options.ema if name == "finetune" else 0.0
    return Phase(name, epochs, learning_rate, 0.0, loss, balanced=True, ema=averaging)


@dataclass(frozen=True)
class Validation:
    """What the float network is measured by while it trains.

    `rate` makes a figure, named VALIDATION_TAR in the curve, of the fingerprints, float32 [n, d], of `images`, uint8
    [n, res, res, 3]; None where there is none.
    """

    images: NDArray[np.uint8]
    rate: Callable[[Vectors], float | None]


def train_float(
    candidate: Candidate,
    faces: FaceSet,
    options: TrainOptions,
    seed: int,
    report: Report,
    teacher: Vectors | None = None,
    *,
    faces_at: FacesAt | None = None,
    journal: Journal | None = None,
    validation: Validation | None = None,
) -> Trained:
    """Train a candidate from its initial weights; the heads are among the arrays, so that QAT can go on with them.

    Args:
        candidate: the architecture.
        faces: the training split at the candidate's resolution.
        options: the recipe.
        seed: of the weights, the order and the augmentation.
        report: called with (step, steps, note).
        teacher: the teacher's unit fingerprints of the images, float32 [n, t]; None without a teacher.
        faces_at: the training split at another resolution; needed with `train.progressive`.
        journal: where training goes on and what is kept of its epochs; None begins and keeps nothing.
        validation: what the network is measured by every `train.validate_epochs` epochs of the first phase.

    Raises:
        OptionError: `train.init` is of another width, or too narrow to be sliced.
        StorageError: `train.init` cannot be read, or a checkpoint cannot be written.
        TrainingError: the loss or a weight became non-finite.
    """
    journal = journal or Journal()
    network = build_network(candidate)
    if options.init != "none":
        assign(network, initial_arrays(options.init, candidate), options.init, may_lack=["fingerprint"])
    taught = with_heads(network, options, len(faces.identities), teacher)
    if not journal.is_over("train"):
        phase = task_phase(
            options, len(faces.identities), name="train", epochs=options.epochs, learning_rate=options.learning_rate
        )
        early = _early(taught, options, candidate.resolution, faces_at)
        measure = _measure(network, validation, options, partial(_settle, network, faces, options, seed, report))
        fit(
            taught, faces, phase, options, seed, report, teacher=teacher, journal=journal, early=early, measure=measure
        )  # fmt: skip
    if options.finetune.epochs:
        tuned = options.finetune
        extra = contrastive_phase(options, name="finetune", epochs=tuned.epochs, learning_rate=tuned.learning_rate)
        fit(network, faces, extra, options, seed + 1, report, journal=journal, kept=taught.weights)
    _settle(network, faces, options, seed, report)
    return Trained(to_arrays(taught), tuple(journal.curves))


def _settle(network: Any, faces: FaceSet, options: TrainOptions, seed: int, report: Report) -> None:
    if options.settle_batches:
        report(0, 0, "settling statistics")
        settle(network, faces, options.batch_size, options.settle_batches, seed)


def lower_resolution(resolution: int) -> int:
    """What `train.progressive` trains at first: the next multiple of 32 to three quarters of the side, from below.

    96 -> 64, 128 -> 96, 160 -> 96, 192 -> 128, 224 -> 160.
    """
    return resolution * 3 // 4 // RESOLUTION_STEP * RESOLUTION_STEP


def _early(taught: Any, options: TrainOptions, resolution: int, faces_at: FacesAt | None) -> Early | None:
    epochs = min(round(options.progressive * options.epochs), options.epochs - 1)
    if not epochs or faces_at is None:
        return None
    side = lower_resolution(resolution)
    return Early(epochs, with_input(taught, side), faces_at(side))


def with_input(model: Any, side: int) -> Any:
    """The same layers, and so the same weights, for images of another side: no weight depends on it."""
    image = keras.Input((side, side, 3), name="image")
    return keras.models.clone_model(model, input_tensors=image, clone_function=lambda layer: layer)


def _measure(
    network: Any, validation: Validation | None, options: TrainOptions, prepare: Callable[[], None]
) -> Measure | None:
    """Takes the validation TAR every so many epochs, of the network prepared as it will be at the end."""
    every = options.validate_epochs
    if validation is None or not every:
        return None
    shape = tf.TensorSpec([None, *network.input_shape[1:-1], 3], tf.uint8)
    embed = tf.function(
        lambda images: network(to_network_range(images), training=False), input_signature=[shape], autograph=False
    )

    def measure(epoch: int) -> dict[str, float]:
        if epoch % every:
            return {}
        prepare()
        value = validation.rate(_fingerprints(embed, validation.images))
        return {} if value is None else {VALIDATION_TAR: value}

    return measure


def _fingerprints(embed: Any, images: NDArray[np.uint8]) -> Vectors:
    found = []
    for start in range(0, len(images), VALIDATION_BATCH):
        found.append(embed(images[start : start + VALIDATION_BATCH]).numpy())
        release(images)
    return np.concatenate(found)
