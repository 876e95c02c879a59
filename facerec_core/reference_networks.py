"""The networks whose published latencies anchor the tables, as layer lists; MobileNetV2 itself is in `arch`.

MobileNetV1: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
arXiv:1704.04861, table 1; widths as in the reference implementation, whole channels cut down and at least 8. The
visual wake words network of MLPerf Tiny is `mobilenet_v1(0.25, 96, classes=2)`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from facerec_core.arch import Layer, layers
from facerec_core.errors import require

ReferenceModel = Literal["MobileNetV1", "MobileNetV2"]

V1_STEM_CHANNELS = 32
V1_LAST_CHANNELS = 1024
V1_BLOCKS: tuple[tuple[int, int], ...] = (
    # output channels, stride of the depthwise convolution
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
V1_LEAST_CHANNELS = 8


def v1_channels(base: int, width: float) -> int:
    """Channels of a MobileNetV1 layer that has `base` of them at width 1."""
    return max(int(base * width), V1_LEAST_CHANNELS)


def mobilenet_v1(width: float, resolution: int, channels: int = 3, classes: int | None = None) -> tuple[Layer, ...]:
    """MobileNetV1's operators in order, ending in the mean or, with `classes`, in the head.

    Args:
        width: width multiplier.
        resolution: side of the square input, in pixels.
        channels: channels of the input, 1 or 3.
        classes: outputs of the head; None for the network without it.

    Raises:
        OptionError: an argument that describes no network.
    """
    require(math.isfinite(width) and width > 0, "width", width, "a finite number above 0")
    for key, value in (("res", resolution), ("channels", channels), ("classes", 1 if classes is None else classes)):
        require(value >= 1, key, value, "a whole number of at least 1")
    side, inputs = math.ceil(resolution / 2), v1_channels(V1_STEM_CHANNELS, width)
    out = [Layer("stem", "conv", -1, resolution, side, channels, inputs, 3, 2, relu6=True)]
    for index, (base, stride) in enumerate(V1_BLOCKS):
        outputs, side_out = v1_channels(base, width), math.ceil(side / stride)
        names = (f"block{index}_depthwise", f"block{index}_pointwise")
        out.append(Layer(names[0], "depthwise", index, side, side_out, inputs, inputs, 3, stride, relu6=True))
        out.append(Layer(names[1], "pointwise", index, side_out, side_out, inputs, outputs, relu6=True))
        side, inputs = side_out, outputs
    out.append(Layer("mean", "mean", len(V1_BLOCKS), side, 1, inputs, inputs, batch_norm=False))
    if classes is not None:
        out.append(Layer("head", "dense", len(V1_BLOCKS), 1, 1, inputs, classes, batch_norm=False))
    return tuple(out)


@lru_cache(maxsize=512)
def reference_network(
    model: ReferenceModel, width: float, resolution: int, channels: int, embedding: int, classes: int | None
) -> tuple[Layer, ...]:
    """A network as a table's row names it.

    Args:
        model: which family.
        width: width multiplier.
        resolution: side of the square input, in pixels.
        channels: channels of the input, 1 or 3.
        embedding: width of the last convolution; MobileNetV1 has no choice there.
        classes: outputs of the head; None for the network without it.

    Raises:
        OptionError: no such network.
    """
    if model == "MobileNetV1":
        last = v1_channels(V1_LAST_CHANNELS, width)
        require(embedding == last, "embedding", embedding, f"{last}, the last convolution of MobileNetV1 {width:g}")
        return mobilenet_v1(width, resolution, channels, classes)
    stem, *rest = layers(width, resolution, embedding, classes)
    return (replace(stem, channels_in=channels), *rest)
