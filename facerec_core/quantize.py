"""From float weights to int8 files: post-training quantisation, and quantisation-aware training with tfmot."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core import arch
from facerec_core.batches import shuffled_order, to_network_range, training_batches
from facerec_core.checkpoint import Journal
from facerec_core.data.records import FaceSet
from facerec_core.equalize import even_depthwise
from facerec_core.errors import QuantizationError
from facerec_core.losses import IDENTITY, TEACHER
from facerec_core.model import build_network
from facerec_core.options import WHOLE, QatOptions, Recipe
from facerec_core.preparation import Ready, restore
from facerec_core.qat_ranges import calibrate, held
from facerec_core.ranges import narrowed
from facerec_core.tf import ConverterError, keras, mlir_quantize, tf, tfmot
from facerec_core.train import (
    VALIDATION_TAR,
    Phase,
    PhaseName,
    Report,
    Vectors,
    contrastive_phase,
    fit,
    task_phase,
    with_heads,
)
from facerec_core.types import Candidate, CurvePoint
from facerec_core.weights import assign_layer

Arrays = Mapping[str, NDArray[Any]]
Rate = Callable[[bytes], float | None]
"""The validation TAR of a file at the target FAR; None where the pairs cannot resolve it."""
EVERYTHING = arch.BLOCKS + 1
"""The block after the last one; what follows the blocks counts as block arch.BLOCKS."""


@dataclass(frozen=True)
class Converted:
    """The bytes of a .tflite file and what was learnt on the way to it."""

    content: bytes
    curves: tuple[CurvePoint, ...] = ()


def _converter(network: Any) -> Any:
    """A converter of the network at batch 1.

    It starts from a frozen concrete function: handing over the Keras model or the trackable object makes the
    converter write and read back a SavedModel first, which takes ten to thirty times as long.
    """
    shape = [1, *network.input_shape[1:]]
    function = tf.function(lambda image: network(image, training=False), autograph=False)
    concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="image"))
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete])


def _convert(converter: Any, scheme: str) -> bytes:
    with warnings.catch_warnings():
        # The converter warns of statistics that the representative images or the QAT ranges do provide.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return bytes(converter.convert())
        except (ConverterError, RuntimeError, ValueError) as error:
            raise QuantizationError(f"converting to {scheme} failed: {error}") from error


def convert_float(network: Any) -> Converted:
    """The float32 file, the yardstick of the int8 ones."""
    return Converted(_convert(_converter(network), "float32"))


def post_training(
    network: Any, images: NDArray[np.uint8], percentile: float = WHOLE, report: Report | None = None
) -> Converted:
    """PTQ: full int8, ranges from `images`.

    Args:
        network: the float network, without the head.
        images: uint8 [n, res, res, 3].
        percentile: of an activation's values that ends its range; WHOLE: the least and the greatest value.
        report: called with (step, steps, note) while values are counted.

    Raises:
        QuantizationError: the conversion failed.
    """
    converter = _converter(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([to_network_range(image[None])] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    # The converter has the two halves of its work only as this, and as the function that is its second half.
    converter._experimental_calibrate_only = percentile < WHOLE
    content = _convert(converter, "ptq_int8")
    if percentile < WHOLE:
        content = _quantized(narrowed(content, images, percentile, report))
    return Converted(content)


def _quantized(calibrated: bytes) -> bytes:
    try:
        return bytes(mlir_quantize(calibrated, input_data_type=tf.int8, output_data_type=tf.int8))
    except (ConverterError, RuntimeError, ValueError) as error:
        raise QuantizationError(f"converting to ptq_int8 failed: {error}") from error


def _calibrate(quantized: Any, faces: FaceSet, recipe: Recipe, report: Report) -> None:
    options = recipe.quant.qat
    batch_size = min(recipe.train.batch_size, len(faces.labels))
    epochs = -(-options.calibration_batches // max(len(faces.labels) // batch_size, 1))
    order = shuffled_order(faces.labels, epochs, batch_size, recipe.seed)
    calibrate(quantized, training_batches(faces, order, batch_size, None, recipe.seed), options, report)


def _hold_statistics(quantized: Any, before: int) -> None:
    """Keep the statistics of batch normalisation in the blocks before `before`, and let those of the others move."""
    for wrapper in quantized.layers:
        layer = getattr(wrapper, "layer", wrapper)  # the float network's layers are not wrapped
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = _block(layer.name) >= before


def _learning_weights(model: Any, first_block: int) -> list[Any]:
    """Kernels, scales and offsets of `first_block` (-1 is the stem) and what follows.

    Setting `trainable` would not do: tfmot's wrappers list their weights as trainable whatever it says.
    """
    learning = (layer for layer in model.layers if _block(layer.name.removeprefix("quant_")) >= first_block)
    return [weight for layer in learning for weight in layer.trainable_weights]


def _first_learning(options: QatOptions) -> int:
    """The first block that learns; -1 is the stem."""
    return -1 if options.scope == "all" else arch.BLOCKS - int(options.scope)


def _first_moving(options: QatOptions) -> int:
    """The first block whose batch normalisation moves its statistics."""
    frozen = options.freeze_batch_norm and not options.from_scratch
    return EVERYTHING if frozen else _first_learning(options)


def _block(layer: str) -> int:
    """The block a layer of `build_network` belongs to, by its name; what is outside of blocks counts as after them."""
    if layer.startswith("stem"):
        return -1
    return int(layer.removeprefix("block").split("_")[0]) if layer.startswith("block") else arch.BLOCKS


def _qat_phase(recipe: Recipe, classes: int, name: PhaseName) -> Phase:
    """QAT goes on with the loss that made the float weights."""
    options = recipe.quant.qat
    if recipe.train.finetune.epochs and not options.from_scratch:
        return contrastive_phase(recipe.train, name=name, epochs=options.epochs, learning_rate=options.learning_rate)
    rate, weight = options.learning_rate, options.float_weight if name == "qat" else 0.0
    return task_phase(recipe.train, classes, name=name, epochs=options.epochs, learning_rate=rate, float_weight=weight)


def quantization_aware(
    candidate: Candidate,
    arrays: Arrays,
    faces: FaceSet,
    recipe: Recipe,
    report: Report,
    teacher: Vectors | None = None,
    journal: Journal | None = None,
    ready: Ready | None = None,
    rate: Rate | None = None,
) -> Converted:
    """QAT: fake-quantise the float network, calibrate its ranges, train on, convert.

    Args:
        candidate: the architecture.
        arrays: the trained weights with the head; not read with `quant.qat.from_scratch`.
        faces: the training split.
        recipe: `quant.qat` says how; the batch size and augmentation are the float recipe's.
        report: called with (step, steps, note).
        teacher: the teacher's unit fingerprints of the images, float32 [n, t]; None without a teacher.
        journal: where training goes on and what is kept of its epochs; None begins and keeps nothing.
        ready: the same weights, perhaps made ready for int8 already; None makes them so.
        rate: with `quant.qat.keep` "best" called with files, to tell which verifies better on validation.

    Raises:
        QuantizationError: the conversion failed.
        StorageError: a checkpoint cannot be written.
        TrainingError: the loss became non-finite.
    """
    quantized = calibrated(candidate, arrays, faces, recipe, report, ready)
    options = recipe.quant.qat
    if not options.epochs:
        return Converted(convert_quantized(quantized))
    chooses = rate if options.keep == "best" else None
    before = Converted(convert_quantized(quantized)) if chooses else None
    model = restore(candidate, arrays) if options.float_weight and not options.from_scratch else None
    curves = learn(quantized, arrays, faces, recipe, report, teacher, float_network=model, journal=journal)
    trained = Converted(convert_quantized(quantized), tuple(curves))
    return _better(before, trained, chooses, report) if before and chooses else trained


def _better(before: Converted, trained: Converted, rate: Rate, report: Report) -> Converted:
    """The file that verifies better on validation; the curves, from epoch 0 on, tell both rates."""
    report(0, 0, "comparing with the network before it was trained")
    rates = rate(before.content), rate(trained.content)
    first, last = ({} if found is None else {VALIDATION_TAR: found} for found in rates)
    *earlier, ended = trained.curves
    curves = (CurvePoint("qat", 0, first), *earlier, replace(ended, metrics={**ended.metrics, **last}))
    worse = rates[0] is not None and rates[1] is not None and rates[1] < rates[0]
    return Converted(before.content if worse else trained.content, curves)


def calibrated(
    candidate: Candidate, arrays: Arrays, faces: FaceSet, recipe: Recipe, report: Report, ready: Ready | None = None
) -> Any:
    """The network with fake quantisation, its activation ranges those of the training images, nothing learnt yet."""
    options = recipe.quant.qat
    if options.from_scratch:
        network = build_network(candidate)
    else:
        ready = ready or Ready(candidate, arrays, faces, recipe)
        network = restore(candidate, even_depthwise(ready(options.equalize, options.rounding, report), candidate))
    report(0, 0, "quantising the graph")
    # AutoGraph would only translate, for seconds, what needs no translation.
    quantized = tf.autograph.experimental.do_not_convert(tfmot.quantization.keras.quantize_model)(network)
    # Where statistics will move, training normalises by each batch, and ranges are to be those of what it then sees.
    _hold_statistics(quantized, before=_first_moving(options))
    _calibrate(quantized, faces, recipe, report)
    return quantized


def convert_quantized(quantized: Any) -> bytes:
    """The int8 file of a fake-quantised network; its ranges and rounding are those it was trained with.

    Raises:
        QuantizationError: the conversion failed.
    """
    converter = _converter(quantized)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return _convert(converter, "qat_int8")


def float_control(
    candidate: Candidate,
    arrays: Arrays,
    faces: FaceSet,
    recipe: Recipe,
    report: Report,
    teacher: Vectors | None = None,
    journal: Journal | None = None,
) -> Converted:
    """The float network trained on just as QAT trains: what QAT would gain if it were only more training.

    Args and errors as for `quantization_aware`.
    """
    network = restore(candidate, arrays)
    curves = learn(network, arrays, faces, recipe, report, teacher, name="control", journal=journal)
    return Converted(convert_float(network).content, tuple(curves))


def learn(
    quantized: Any,
    arrays: Arrays,
    faces: FaceSet,
    recipe: Recipe,
    report: Report,
    teacher: Vectors | None = None,
    *,
    float_network: Any = None,
    name: PhaseName = "qat",
    journal: Journal | None = None,
) -> list[CurvePoint]:
    """Train the fake-quantised network in place, as `quant.qat` says, with the heads that trained the float network.

    With a `float_network` the fingerprints are also drawn to its own, with `quant.qat.float_weight`.

    Raises:
        TrainingError: the loss or a weight became non-finite.
    """
    options, classes = recipe.quant.qat, len(faces.identities)
    _hold_statistics(quantized, before=_first_moving(options))
    phase = _qat_phase(recipe, classes, name)
    model = quantized if phase.balanced else with_heads(quantized, recipe.train, classes, teacher, float_network)
    if not phase.balanced and not options.from_scratch:
        for head in (layer for layer in model.layers if layer.name in (IDENTITY, TEACHER)):
            assign_layer(head, arrays)
    variables = _learning_weights(model, _first_learning(options))
    seed = recipe.seed + 2
    with held(options):
        return fit(
            model, faces, phase, recipe.train, seed, report, teacher=teacher, variables=variables, journal=journal
        )  # fmt: skip
