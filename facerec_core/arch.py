"""MobileNetV2 as data: the stage table turned into a flat list of layers.

Source of the table and of the rounding rule: Sandler et al., "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", CVPR 2018, table 2, and the reference implementation's `_make_divisible`. The builder
(`facerec_core.model`) and the cost model (`facerec_core.cost`) both walk these lists, so they cannot disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from facerec_core.errors import require
from facerec_core.types import Candidate

Kind = Literal["conv", "pointwise", "depthwise", "add", "mean", "dense"]

STAGES: tuple[tuple[int, int, int, int], ...] = (
    # expansion t, output channels c, repeats n, first stride s
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
BLOCKS = sum(stage[2] for stage in STAGES)
STEM_CHANNELS = 32
LAST_CHANNELS = 1280
DIVISOR = 8
BATCH_NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class Layer:
    """One operator of the inference graph, batch normalisation folded into its convolution.

    `side_in`/`side_out` are the height and width in pixels. `batch_norm` says whether the layer is
    followed by batch normalisation while training, `relu6` whether its output is clipped to [0, 6].
    `block` is the index of the inverted residual (0-16), -1 for the stem, `BLOCKS` for what follows.
    """

    name: str
    kind: Kind
    block: int
    side_in: int
    side_out: int
    channels_in: int
    channels_out: int
    kernel: int = 1
    stride: int = 1
    batch_norm: bool = True
    relu6: bool = False


def make_divisible(channels: float, divisor: int = DIVISOR) -> int:
    """Round to the nearest multiple of `divisor`, never more than 10 % down."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def resolve_embedding(embedding: int | str, width: float) -> int:
    """Length of the fingerprint: "scaled" scales the last convolution with the width, a number is itself.

    Raises:
        OptionError: neither "scaled" nor a whole number of 8 to 4096.
    """
    if embedding == "scaled":
        return make_divisible(LAST_CHANNELS * width)
    allowed = "scaled, or a whole number 8 to 4096, such as embedding=1280"
    require(isinstance(embedding, int) and 8 <= embedding <= 4096, "embedding", embedding, allowed)
    return int(embedding)


def resolve_last(last: int | str | None, width: float) -> int | None:
    """Channels of the last convolution where a linear layer follows it: None, "scaled" with the width, or a number.

    Raises:
        OptionError: neither None, "scaled" nor a whole number of 8 to 4096.
    """
    if last is None:
        return None
    if last == "scaled":
        return make_divisible(LAST_CHANNELS * width)
    allowed = "null, scaled, or a whole number 8 to 4096, such as last=1280"
    require(isinstance(last, int) and 8 <= last <= 4096, "last", last, allowed)
    return int(last)


def _block(index: int, side: int, channels_in: int, channels_out: int, expansion: int, stride: int) -> list[Layer]:
    """One inverted residual: expand, filter depthwise, project, and add when the shapes allow."""
    hidden = channels_in * expansion
    side_out = math.ceil(side / stride)
    layers = []
    if expansion != 1:
        layers.append(Layer(f"block{index}_expand", "pointwise", index, side, side, channels_in, hidden, relu6=True))
    layers.append(
        Layer(f"block{index}_depthwise", "depthwise", index, side, side_out, hidden, hidden, 3, stride, relu6=True)
    )
    layers.append(Layer(f"block{index}_project", "pointwise", index, side_out, side_out, hidden, channels_out))
    if stride == 1 and channels_in == channels_out:
        layers.append(
            Layer(f"block{index}_add", "add", index, side_out, side_out, channels_out, channels_out, batch_norm=False)
        )
    return layers


def layers(
    width: float, resolution: int, embedding: int, classes: int | None = None, last: int | None = None
) -> tuple[Layer, ...]:
    """The network's operators in order, ending in the fingerprint or, with `classes`, in the head.

    The fingerprint is the mean of the last convolution, which has `embedding` channels. With `last` that convolution
    has `last` channels instead, and a linear layer maps their mean to the fingerprint.

    Any positive width and whole side are accepted, also off the grid a sweep allows: published measurements
    lie there too.

    Raises:
        OptionError: a width, resolution, embedding, last or number of classes that describes no network.
    """
    require(math.isfinite(width) and width > 0, "width", width, "a finite number above 0")
    channels_last = embedding if last is None else last
    sizes = (("res", resolution), ("embedding", embedding), ("classes", classes), ("last", last))
    for key, value in sizes:
        require(value is None or value >= 1, key, value, "a whole number of at least 1")
    body = _body(width, resolution)
    side, channels = body[-1].side_out, body[-1].channels_out
    out = [*body, Layer("last", "pointwise", BLOCKS, side, side, channels, channels_last, relu6=True)]
    out.append(Layer("mean", "mean", BLOCKS, side, 1, channels_last, channels_last, batch_norm=False))
    if last is not None:
        out.append(Layer("fingerprint", "dense", BLOCKS, 1, 1, last, embedding, batch_norm=False))
    if classes is not None:
        out.append(Layer("head", "dense", BLOCKS, 1, 1, embedding, classes, batch_norm=False))
    return tuple(out)


def candidate_layers(candidate: Candidate, classes: int | None = None) -> tuple[Layer, ...]:
    """`layers` of a candidate."""
    return layers(candidate.width, candidate.resolution, candidate.embedding, classes, candidate.last)


def _body(width: float, resolution: int) -> list[Layer]:
    """The stem and the inverted residuals."""
    side = math.ceil(resolution / 2)
    channels = make_divisible(STEM_CHANNELS * width)
    out = [Layer("stem", "conv", -1, resolution, side, 3, channels, 3, 2, relu6=True)]
    index = 0
    for expansion, base, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            channels_out = make_divisible(base * width)
            out += _block(index, side, channels, channels_out, expansion, stride)
            side, channels, index = math.ceil(side / stride), channels_out, index + 1
    return out
