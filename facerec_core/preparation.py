"""Float weights made ready for int8: channels stretched, weights rounded to what int8 holds, both by images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.arch import Layer, candidate_layers
from facerec_core.batches import to_network_range
from facerec_core.data.records import FaceSet
from facerec_core.equalize import fill_relu6
from facerec_core.model import build_network
from facerec_core.options import Recipe, Rounding
from facerec_core.rounding import InputStatistics, Report, convolutions, round_weights
from facerec_core.tf import keras, tf
from facerec_core.types import Candidate
from facerec_core.weights import assign

Arrays = Mapping[str, NDArray[Any]]
BATCH = 32


def restore(candidate: Candidate, arrays: Arrays) -> Any:
    """The candidate's headless network with trained weights."""
    network = build_network(candidate)
    assign(network, arrays, "the trained float weights", key="the float stage")
    return network


def calibration_sample(count: int, size: int, seed: int) -> NDArray[np.int64]:
    """Indices of the training images that set the PTQ ranges: int64 [min(size, count)], sorted."""
    return np.sort(np.random.default_rng(seed).choice(count, min(size, count), replace=False))


class Ready:
    """One candidate's weights, `prepared` at most once each way: PTQ and QAT mostly ask for the same, which takes long.

    Args:
        candidate: whose weights they are.
        arrays: the float weights by key.
        faces: the training split.
        recipe: says how many images are looked at, and with its seed which.
    """

    def __init__(self, candidate: Candidate, arrays: Arrays, faces: FaceSet, recipe: Recipe) -> None:
        self._candidate, self._arrays = candidate, arrays
        self._made: dict[tuple[bool, Rounding], Arrays] = {}
        sample = calibration_sample(len(faces.names), recipe.quant.ptq.calibration_images, recipe.seed)
        self.images = faces.images[sample]
        self.names = tuple(faces.names[row] for row in sample)

    def __call__(self, equalize: bool, rounding: Rounding, report: Report | None = None) -> Arrays:
        """The weights to be quantised; see `prepared`."""
        way = (equalize, rounding)
        if way not in self._made:
            self._made[way] = prepared(self._candidate, self._arrays, self.images, *way, report)
        return self._made[way]


def prepared(
    candidate: Candidate,
    arrays: Arrays,
    images: NDArray[np.uint8],
    equalize: bool,
    rounding: Rounding,
    report: Report | None = None,
) -> Arrays:
    """The weights to be quantised.

    Args:
        candidate: whose weights they are.
        arrays: the float weights by key.
        images: uint8 [n, res, res, 3], what the layers are fed with.
        equalize: stretch channels over the range of their ReLU6 (`facerec_core.equalize`).
        rounding: adaptive rounds by what it does to outputs (`facerec_core.rounding`); nearest is the converter's.
        report: called with (step, steps, note) while images are looked at and weights rounded.
    """
    if not equalize and rounding == "nearest":
        return arrays
    network = restore(candidate, arrays)
    if report is not None:
        report(0, 0, "looking at images")
    if equalize:
        arrays = fill_relu6(arrays, candidate, largest_outputs(network, candidate, images))
    if rounding == "nearest":
        return arrays
    assign(network, arrays, "the stretched float weights", key="quant.*.equalize")
    return round_weights(arrays, candidate, input_statistics(network, candidate, images), report)


def largest_outputs(network: Any, candidate: Candidate, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """For each layer with a ReLU6, by name, the largest output of each channel: float32 [c]."""
    names = [layer.name for layer in candidate_layers(candidate) if layer.relu6]
    outputs = keras.Model(network.input, [network.get_layer(f"{name}_relu").output for name in names])

    def largest(batch: Any) -> list[Any]:
        return [tf.reduce_max(output, axis=[0, 1, 2]) for output in outputs(batch, training=False)]

    found = _over_batches(largest, images)
    return {name: np.max(maxima, axis=0) for name, maxima in zip(names, found, strict=True)}


def input_statistics(network: Any, candidate: Candidate, images: NDArray[np.uint8]) -> dict[str, InputStatistics]:
    """Mean and covariance of what each convolution's weights are multiplied with, padding included."""
    layers = list(convolutions(candidate))
    inputs = keras.Model(network.input, [network.get_layer(layer.name).input for layer in layers])
    paddings = [network.get_layer(layer.name).padding.upper() for layer in layers]

    def moments(batch: Any) -> list[Any]:
        seen = zip(inputs(batch, training=False), layers, paddings, strict=True)
        return [moment for each in seen for moment in _moments(*each)]

    means = [np.stack(batches).mean(0, dtype=np.float64) for batches in _over_batches(moments, images)]
    return {
        layer.name: InputStatistics(mean, second - mean[..., :, None] * mean[..., None, :])
        for layer, mean, second in zip(layers, means[::2], means[1::2], strict=True)
    }


def _over_batches(measure: Callable[[Any], list[Any]], images: NDArray[np.uint8]) -> list[list[NDArray[np.float32]]]:
    """Each value of `measure` for each whole batch of images, or for all if they are fewer."""
    compiled: Callable[[Any], Any] = tf.function(measure, autograph=False)
    size = min(BATCH, len(images))
    starts = range(0, len(images) - size + 1, size)
    found = [[each.numpy() for each in compiled(to_network_range(images[start : start + size]))] for start in starts]
    return [list(batches) for batches in zip(*found, strict=True)]


def _moments(inputs: Any, layer: Layer, padding: str) -> tuple[Any, Any]:
    """Mean and mean outer product of what a layer's weights are multiplied with, over images and places.

    Args:
        inputs: float32 [b, h, w, c], of the layer.
        layer: whose weights they are.
        padding: SAME or VALID.
    """
    taps = layer.kernel**2
    if layer.kernel > 1:
        strides = [1, layer.stride, layer.stride, 1]
        inputs = tf.image.extract_patches(inputs, [1, layer.kernel, layer.kernel, 1], strides, [1, 1, 1, 1], padding)
    if layer.kind == "depthwise":
        rows = tf.reshape(inputs, [-1, taps, layer.channels_in])
        places = tf.cast(tf.shape(rows)[0], tf.float32)
        return tf.transpose(tf.reduce_mean(rows, 0)), tf.einsum("pic,pjc->cij", rows, rows) / places
    rows = tf.reshape(inputs, [-1, taps * layer.channels_in])
    return tf.reduce_mean(rows, 0), tf.matmul(rows, rows, transpose_a=True) / tf.cast(tf.shape(rows)[0], tf.float32)
