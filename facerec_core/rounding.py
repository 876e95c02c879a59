"""Rounding weights for int8 so that a layer's output, not each weight, is hit best.

The nearest int8 value errs by up to half a step, and in a 3 x 3 depthwise kernel nine such errors add up on nine nearly
equal pixels. What counts is e^T C e: the error e of an output channel's weights against the covariance C of the inputs
they are multiplied with. It is lowered one weight after the other by moving to the neighbouring step, as long as that
helps; the mean error that is left is taken into the batch normalisation, exactly.

The objective is that of Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020, the
greedy descent in the manner of Frantar, Singh and Alistarh, "Optimal Brain Compression", NeurIPS 2022, the correction
of the mean that of Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.arch import Layer, candidate_layers
from facerec_core.types import Candidate

Arrays = Mapping[str, NDArray[Any]]
Floats = NDArray[np.float64]
Report = Callable[[int, int, str], None]
"""Called with (layers done, layers, note)."""

LARGEST = 127
"""Weights are stored as -127 to 127, with a scale for each output channel (LiteRT's int8 specification)."""
SWEEPS = 4
"""At most so many moves for each weight; far fewer are made."""
LEAST_GAIN = 1e-4
"""A move that lowers the error of a channel by a smaller share is not worth making: all such moves together lower it by
1 to 2 % of what is left, and take three times as long as the others."""
CACHED = 8192
"""So many weights are worked on at once: larger arrays are paged in anew each time, and leave the cache."""


@dataclass(frozen=True)
class InputStatistics:
    """What a convolution's weights are multiplied with: n inputs to each output channel.

    Attributes:
        mean: float64 [n]; of a depthwise layer [c, n].
        covariance: float64 [n, n]; of a depthwise layer [c, n, n].
    """

    mean: Floats
    covariance: Floats


def convolutions(candidate: Candidate) -> Iterator[Layer]:
    """The layers whose weights are rounded: those followed by batch normalisation."""
    return (layer for layer in candidate_layers(candidate) if layer.batch_norm)


def kernel_key(layer: Layer) -> str:
    """The key of a convolution's kernel among the weights."""
    return f"{layer.name}__depthwise_kernel" if layer.kind == "depthwise" else f"{layer.name}__kernel"


def round_weights(
    arrays: Arrays, candidate: Candidate, statistics: Mapping[str, InputStatistics], report: Report | None = None
) -> dict[str, NDArray[Any]]:
    """The same network with kernels that int8 holds exactly, and nearly the same outputs.

    Args:
        arrays: the float weights by key, as in `facerec_core.weights`.
        candidate: whose they are.
        statistics: of the inputs of each of `convolutions`, by its name.
        report: told before each layer how many are done.
    """
    out, layers = dict(arrays), list(convolutions(candidate))
    for done, layer in enumerate(layers):
        if report is not None:
            report(done, len(layers), "rounding weights")
        key, seen = kernel_key(layer), statistics[layer.name]
        weights = _rows(arrays[key], layer)
        rounded = adapted(weights, seen.covariance)
        out[key] = rounded.T.reshape(arrays[key].shape).astype(np.float32)
        mean = f"{layer.name}_bn__moving_mean"
        shift = ((rounded - weights) * seen.mean).sum(1)
        out[mean] = (arrays[mean] + shift).astype(np.float32)
    return out


def _rows(kernel: NDArray[Any], layer: Layer) -> Floats:
    """A kernel [h, w, in, out], or [h, w, c, 1] of a depthwise layer, as a row of weights for each output channel."""
    inputs = layer.kernel**2 * (1 if layer.kind == "depthwise" else layer.channels_in)
    return kernel.reshape(inputs, -1).T.astype(np.float64)


def adapted(weights: Floats, covariance: Floats) -> Floats:
    """Weights [o, n] moved to the int8 grid of their rows, where e^T C e is small.

    The largest weight of a row stays, as it decides the row's scale.

    Args:
        weights: a row for each output channel.
        covariance: of the inputs, [n, n] for all rows or [o, n, n], one for each.
    """
    step: Floats = np.maximum(np.abs(weights).max(1, keepdims=True), np.finfo(np.float32).tiny) / LARGEST
    grid: Floats = np.round(weights / step)
    error = grid * step - weights
    own = covariance.ndim == 3
    slope = np.einsum("oij,oj->oi", covariance, error) if own else error @ covariance
    least = LEAST_GAIN * np.maximum((error * slope).sum(1), 0.0)
    at_once = max(1, CACHED // weights.shape[1])
    for start in range(0, len(weights), at_once):
        rows = slice(start, start + at_once)
        _descend(grid[rows], slope[rows], step[rows], least[rows], covariance[rows] if own else covariance)
    return grid * step


def _descend(grid: Floats, slope: Floats, step: Floats, least: Floats, covariance: Floats) -> None:
    """Move weights of `grid` [o, n] in place, in each row the one that gains most, until no move gains `least` [o]."""
    own = covariance.ndim == 3
    price = step**2 * (np.einsum("oii->oi", covariance) if own else np.diag(covariance)[None])
    top = np.abs(grid) == LARGEST
    rows = np.arange(len(grid))
    for _ in range(SWEEPS * grid.shape[1]):
        move = np.where(slope > 0, -1.0, 1.0)
        gain = 2.0 * step * np.abs(slope) - price
        gain[top | (np.abs(grid + move) > LARGEST)] = -np.inf
        best = gain.argmax(1)
        helps = gain[rows, best] > least
        if not helps.any():
            break
        moved = np.where(helps, move[rows, best], 0.0)
        grid[rows, best] += moved
        slope += (moved * step[:, 0])[:, None] * (covariance[rows, best] if own else covariance[best])
