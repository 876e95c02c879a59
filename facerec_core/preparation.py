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
from facerec_core.rounding import InputStatistics, convolutions, round_weights
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

    def __call__(self, equalize: bool, rounding: Rounding) -> Arrays:
        """The weights to be quantised; see `prepared`."""
        way = (equalize, rounding)
        if way not in self._made:
            self._made[way] = prepared(self._candidate, self._arrays, self.images, *way)
        return self._made[way]


def prepared(
    candidate: Candidate, arrays: Arrays, images: NDArray[np.uint8], equalize: bool, rounding: Rounding
) -> Arrays:
    """The weights to be quantised.

    Args:
        candidate: whose weights they are.
        arrays: the float weights by key.
        images: uint8 [n, res, res, 3], what the layers are fed with.
        equalize: stretch channels over the range of their ReLU6 (`facerec_core.equalize`).
        rounding: adaptive rounds by what it does to outputs (`facerec_core.rounding`); nearest is the converter's.
    """
    if equalize:
        arrays = fill_relu6(arrays, candidate, largest_outputs(candidate, arrays, images))
    if rounding == "nearest":
        return arrays
    return round_weights(arrays, candidate, input_statistics(candidate, arrays, images))


def largest_outputs(candidate: Candidate, arrays: Arrays, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """For each layer with a ReLU6, by name, the largest output of each channel: float32 [c]."""
    network = restore(candidate, arrays)
    names = [layer.name for layer in candidate_layers(candidate) if layer.relu6]
    outputs = [tf.reduce_max(network.get_layer(f"{name}_relu").output, axis=[0, 1, 2]) for name in names]
    found = _over_batches(keras.Model(network.input, outputs), images)
    return {name: np.max(maxima, axis=0) for name, maxima in zip(names, found, strict=True)}


def input_statistics(candidate: Candidate, arrays: Arrays, images: NDArray[np.uint8]) -> dict[str, InputStatistics]:
    """Mean and covariance of what each convolution's weights are multiplied with, padding included."""
    network, layers = restore(candidate, arrays), list(convolutions(candidate))
    seen = [_moments(network.get_layer(layer.name), layer) for layer in layers]
    found = _over_batches(keras.Model(network.input, [each for pair in seen for each in pair]), images)
    means = [np.stack(batches).mean(0, dtype=np.float64) for batches in found]
    return {
        layer.name: InputStatistics(mean, second - mean[..., :, None] * mean[..., None, :])
        for layer, mean, second in zip(layers, means[::2], means[1::2], strict=True)
    }


def _over_batches(model: Any, images: NDArray[np.uint8]) -> list[list[NDArray[np.float32]]]:
    """Each output of the model for each whole batch of images, or for all if they are fewer."""
    outputs: Callable[[Any], Any] = tf.function(lambda batch: model(batch, training=False), autograph=False)
    size = min(BATCH, len(images))
    starts = range(0, len(images) - size + 1, size)
    found = [[each.numpy() for each in outputs(to_network_range(images[start : start + size]))] for start in starts]
    return [list(batches) for batches in zip(*found, strict=True)]


def _moments(convolution: Any, layer: Layer) -> tuple[Any, Any]:
    """Symbolic mean and mean outer product of the inputs to an output channel, over images and places."""
    inputs, taps = convolution.input, layer.kernel**2
    if layer.kernel > 1:
        strides, padding = [1, layer.stride, layer.stride, 1], convolution.padding.upper()
        inputs = tf.image.extract_patches(inputs, [1, layer.kernel, layer.kernel, 1], strides, [1, 1, 1, 1], padding)
    if layer.kind == "depthwise":
        rows = tf.reshape(inputs, [-1, taps, layer.channels_in])
        places = tf.cast(tf.shape(rows)[0], tf.float32)
        return tf.transpose(tf.reduce_mean(rows, 0)), tf.einsum("pic,pjc->cij", rows, rows) / places
    rows = tf.reshape(inputs, [-1, taps * layer.channels_in])
    return tf.reduce_mean(rows, 0), tf.matmul(rows, rows, transpose_a=True) / tf.cast(tf.shape(rows)[0], tf.float32)
