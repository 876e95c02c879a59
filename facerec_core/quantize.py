"""From float weights to int8 files: post-training quantisation, and quantisation-aware training with tfmot."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from facerec_core import arch
from facerec_core.batches import shuffled_order, to_network_range, training_batches
from facerec_core.data.records import FaceSet
from facerec_core.errors import QuantizationError
from facerec_core.model import build_network
from facerec_core.options import Recipe
from facerec_core.tf import keras, tf, tfmot
from facerec_core.train import Phase, Report, contrastive_phase, fit, task_phase, with_head
from facerec_core.types import Candidate, CurvePoint
from facerec_core.weights import assign

Arrays = Mapping[str, NDArray[Any]]


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
    function = tf.function(lambda image: network(image, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec(shape, tf.float32, name="image"))
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete])


def _convert(converter: Any, scheme: str) -> bytes:
    with warnings.catch_warnings():
        # The converter warns of statistics that the representative images or the QAT ranges do provide.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return bytes(converter.convert())
        except (RuntimeError, ValueError) as error:
            raise QuantizationError(f"converting to {scheme} failed: {error}") from error


def restore(candidate: Candidate, arrays: Arrays) -> Any:
    """The candidate's headless network with trained weights."""
    network = build_network(candidate.width, candidate.resolution, candidate.embedding)
    assign(network, arrays, "the trained float weights")
    return network


def convert_float(network: Any) -> Converted:
    """The float32 file, the yardstick of the int8 ones."""
    return Converted(_convert(_converter(network), "float32"))


def calibration_sample(count: int, size: int, seed: int) -> NDArray[np.int64]:
    """Indices of the training images that set the PTQ ranges: int64 [min(size, count)], sorted."""
    return np.sort(np.random.default_rng(seed).choice(count, min(size, count), replace=False))


def post_training(network: Any, images: NDArray[np.uint8]) -> Converted:
    """PTQ: full int8, ranges from `images`, uint8 [n, res, res, 3].

    Raises:
        QuantizationError: the conversion failed.
    """
    converter = _converter(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([to_network_range(image[None])] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return Converted(_convert(converter, "ptq_int8"))


@contextlib.contextmanager
def _range_decay(decay: float) -> Iterator[None]:
    """Let activation ranges follow the data at `decay` instead of tfmot's fixed 0.999."""
    from tensorflow_model_optimization.python.core.quantization.keras import quant_ops

    follow = quant_ops.MovingAvgQuantize

    def moving_average(*args: Any, **kwargs: Any) -> Any:
        return follow(*args, **{**kwargs, "ema_decay": decay})

    with mock.patch.object(quant_ops, "MovingAvgQuantize", functools.wraps(follow)(moving_average)):
        yield


def _calibrate(quantized: Any, faces: FaceSet, recipe: Recipe, report: Report) -> None:
    """Move every activation range from tfmot's [-6, 6] to what the training images show; weights stay."""
    options = recipe.quant.qat
    batch_size = min(recipe.train.batch_size, len(faces.labels))
    epochs = -(-options.calibration_batches // max(len(faces.labels) // batch_size, 1))
    order = shuffled_order(len(faces.labels), epochs, batch_size, recipe.seed)
    batches = training_batches(faces, order, batch_size, None, recipe.seed).take(options.calibration_batches)
    with _range_decay(options.calibration_decay):
        step = tf.function(lambda images: quantized(images, training=True))
        for done, (images, _) in enumerate(batches, 1):
            step(images)
            report(done, options.calibration_batches, "activation ranges")


def _freeze(quantized: Any, *, batch_norm: bool, first_block: int) -> None:
    """Stop batch normalisation from moving, and everything before `first_block` from learning."""
    blocks = {layer.name: index for index, layer in _blocks_of(quantized)}
    for layer in quantized.layers:
        inner = getattr(layer, "layer", None)
        is_batch_norm = isinstance(inner, keras.layers.BatchNormalization)
        if (is_batch_norm and batch_norm) or blocks.get(layer.name, first_block) < first_block:
            (inner if inner is not None else layer).trainable = False


def _blocks_of(quantized: Any) -> Iterator[tuple[int, Any]]:
    for layer in quantized.layers:
        name = layer.name.removeprefix("quant_")
        if name.startswith("block"):
            yield int(name.split("_")[0].removeprefix("block")), layer
        elif name.startswith("stem"):
            yield -1, layer


def _qat_phase(recipe: Recipe, classes: int) -> Phase:
    """QAT goes on with the loss that made the float weights."""
    options = recipe.quant.qat
    if recipe.train.finetune.epochs and not options.from_scratch:
        return contrastive_phase(recipe.train, name="qat", epochs=options.epochs, learning_rate=options.learning_rate)
    return task_phase(recipe.train, classes, name="qat", epochs=options.epochs, learning_rate=options.learning_rate)


def quantization_aware(
    candidate: Candidate, arrays: Arrays, faces: FaceSet, recipe: Recipe, report: Report
) -> Converted:
    """QAT: fake-quantise the float network, calibrate its ranges, train on, convert.

    Args:
        candidate: the architecture.
        arrays: the trained weights with the head; only shapes matter with `quant.qat.from_scratch`.
        faces: the training split.
        recipe: `quant.qat` says how; the batch size and augmentation are the float recipe's.
        report: called with (step, steps, note).

    Raises:
        QuantizationError: the conversion failed.
        TrainingError: the loss became non-finite.
    """
    options = recipe.quant.qat
    network = build_network(candidate.width, candidate.resolution, candidate.embedding)
    if not options.from_scratch:
        assign(network, arrays, "the trained float weights")
    quantized = tfmot.quantization.keras.quantize_model(network)
    _freeze(quantized, batch_norm=True, first_block=-1)
    _calibrate(quantized, faces, recipe, report)
    curves = _learn(quantized, arrays, faces, recipe, report) if options.epochs else []
    converter = _converter(quantized)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return Converted(_convert(converter, "qat_int8"), tuple(curves))


def _learn(quantized: Any, arrays: Arrays, faces: FaceSet, recipe: Recipe, report: Report) -> list[CurvePoint]:
    options, classes = recipe.quant.qat, len(faces.identities)
    for layer in quantized.layers:
        inner = getattr(layer, "layer", None)
        if inner is not None:
            inner.trainable = True
    first_block = -1 if options.scope == "all" else arch.BLOCKS - int(options.scope)
    _freeze(quantized, batch_norm=options.freeze_batch_norm and not options.from_scratch, first_block=first_block)
    phase = _qat_phase(recipe, classes)
    model = quantized if phase.balanced else with_head(quantized, recipe.train, classes)
    if not phase.balanced and not options.from_scratch:
        head = model.get_layer("head")
        head.set_weights([arrays[f"head__{w.name.split('/')[-1].split(':')[0]}"] for w in head.weights])
    return fit(model, faces, phase, recipe.train, recipe.seed + 2, report)
