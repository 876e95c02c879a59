"""Rescaling channels so that int8 loses less: the float network computes the same, its ranges become alike.

Between two layers a channel may be multiplied and divided again by any positive number. What is gained:

- A depthwise kernel is quantised with one scale for all channels while tfmot trains. Batch normalisation undoes any
  factor on a kernel exactly, so every channel's kernel can be given the same largest weight, and the one scale is as
  good as one a channel.
- A ReLU6 output is stored with one scale for [0, 6]. A channel that never exceeds 1 uses a sixth of the steps; it is
  multiplied before the ReLU6, and the depthwise kernel that reads it is divided. Each depthwise kernel has a scale of
  its own, so nothing is lost there. Before a pointwise layer, whose kernels have one scale for all they read, the
  weights lose more than the channels gain.

After Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, with measured activations in place of weight ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.arch import BATCH_NORM_EPSILON, candidate_layers
from facerec_core.types import Candidate

Arrays = Mapping[str, NDArray[Any]]

RELU6_TOP = 6.0
HEADROOM = 1.05
"""Left above the largest activation that was seen, so that an image slightly beyond is not clipped."""
MOST = 8.0
"""No channel is multiplied by more: it would be noise that was made large."""
SHARE = 0.5
"""Exponent of the factor, seen on validation to be at least as good as 0 and 1 on two networks (docs/training.md)."""
LARGEST_KERNEL_FACTOR = 1e4


def even_depthwise(arrays: Arrays, candidate: Candidate) -> dict[str, NDArray[Any]]:
    """The same network with the same largest weight in every channel of a depthwise kernel.

    Args:
        arrays: the float weights by key, as in `facerec_core.weights`.
        candidate: whose they are.
    """
    out = dict(arrays)
    for layer in (layer for layer in candidate_layers(candidate) if layer.kind == "depthwise"):
        kernel, norm = f"{layer.name}__depthwise_kernel", f"{layer.name}_bn__"
        largest = np.abs(out[kernel]).max(axis=(0, 1, 3))
        factor = np.minimum(largest.max() / np.maximum(largest, 1e-12), LARGEST_KERNEL_FACTOR)
        variance = out[f"{norm}moving_variance"].astype(np.float64)
        out[kernel] = out[kernel] * factor[:, None].astype(np.float32)
        out[f"{norm}moving_mean"] = (out[f"{norm}moving_mean"] * factor).astype(np.float32)
        scaled = (variance + BATCH_NORM_EPSILON) * factor**2 - BATCH_NORM_EPSILON
        out[f"{norm}moving_variance"] = scaled.astype(np.float32)
    return out


def fill_relu6(arrays: Arrays, candidate: Candidate, largest: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same network with the inputs of depthwise layers stretched towards 6, and their kernels divided.

    Args:
        arrays: the float weights by key.
        candidate: whose they are.
        largest: for each layer before a depthwise one, by name, the largest output seen of each channel, float [c].
    """
    out = dict(arrays)
    for layer, reader in pairwise(candidate_layers(candidate)):
        if reader.kind != "depthwise":
            continue
        seen = np.maximum(largest[layer.name] * HEADROOM, 1e-6)
        factor = np.clip((RELU6_TOP / seen) ** SHARE, 1.0, MOST).astype(np.float32)
        for vector in ("gamma", "beta"):
            out[f"{layer.name}_bn__{vector}"] = out[f"{layer.name}_bn__{vector}"] * factor
        kernel = f"{reader.name}__depthwise_kernel"
        out[kernel] = out[kernel] / factor[:, None]
    return out
