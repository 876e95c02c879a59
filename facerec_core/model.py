"""Building the layer list of `facerec_core.arch` as a tf_keras network."""

from __future__ import annotations

from typing import Any

from facerec_core import arch
from facerec_core.tf import keras
from facerec_core.types import Candidate

# Short runs see a few hundred steps; the 0.999 of the published recipe would leave the statistics at their start.
BATCH_NORM_MOMENTUM = 0.95


def _convolution(layer: arch.Layer) -> Any:
    if layer.kind == "depthwise":
        return keras.layers.DepthwiseConv2D(
            layer.kernel, strides=layer.stride, padding="same", use_bias=False, name=layer.name
        )
    return keras.layers.Conv2D(
        layer.channels_out, layer.kernel, strides=layer.stride, padding="same", use_bias=False, name=layer.name
    )


def _apply(layer: arch.Layer, x: Any, block_input: Any) -> Any:
    if layer.kind == "add":
        return keras.layers.Add(name=layer.name)([block_input, x])
    if layer.kind == "mean":
        return keras.layers.GlobalAveragePooling2D(name=layer.name)(x)
    if layer.kind == "dense":
        return keras.layers.Dense(layer.channels_out, name=layer.name)(x)
    x = _convolution(layer)(x)
    x = keras.layers.BatchNormalization(
        momentum=BATCH_NORM_MOMENTUM, epsilon=arch.BATCH_NORM_EPSILON, name=f"{layer.name}_bn"
    )(x)
    return keras.layers.ReLU(6.0, name=f"{layer.name}_relu")(x) if layer.relu6 else x


def build_network(candidate: Candidate) -> Any:
    """The headless network: float32 RGB in [-1, 1], [n, res, res, 3] -> float32 fingerprints [n, embedding]."""
    image = keras.Input((candidate.resolution, candidate.resolution, 3), name="image")
    x, block_input, block = image, image, None
    for layer in arch.candidate_layers(candidate):
        if layer.block != block:
            block_input, block = x, layer.block
        x = _apply(layer, x, block_input)
    return keras.Model(image, x, name="fingerprint")
