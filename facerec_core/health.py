"""How far each layer of an int8 file is from the same layer of the float32 file: its signal-to-quantisation-noise.

Both files run the same images, each network from its own input on, so noise adds up from layer to layer as it does on
the device. SQNR = 10 log10(sum of signal² / sum of (signal - int8)²) in dB, signal being the float32 output.

Equalisation (`facerec_core.equalize`) multiplies channels that a depthwise layer reads, by 1 to MOST, and divides them
again in that layer's kernel. Before such a layer the int8 output is therefore first divided by one factor a channel,
that of these which leaves the least noise (least squares). A channel that is wrong by a mere factor looks clean there;
the depthwise layer behind it, compared as it is, shows the error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facerec_core.arch import Layer, candidate_layers
from facerec_core.equalize import MOST
from facerec_core.layer_outputs import LayerOutputs
from facerec_core.options import Recipe
from facerec_core.tflite import Kernels
from facerec_core.types import DEPLOYABLE, Candidate, LayerHealth, QuantisationHealth, Scheme

Sums = NDArray[np.float64]
"""For each channel the sums over places of signal², signal times int8, and int8²: float64 [3, c]."""


def channel_sums(signal: NDArray[np.float32], quantised: NDArray[np.float32]) -> Sums:
    """What SQNR and least squares are made of: float64 [3, c], from two outputs float [places, c] of one layer."""
    exact, coarse = signal.astype(np.float64), quantised.astype(np.float64)
    pairs = ((exact, exact), (exact, coarse), (coarse, coarse))
    return np.stack([np.einsum("pc,pc->c", one, other) for one, other in pairs])


def sqnr_db(sums: Sums, fitted: bool) -> float | None:
    """SQNR of a layer in dB, over all channels; None where signal or noise is zero throughout.

    Args:
        sums: of `channel_sums`, added up over images.
        fitted: divide each int8 channel by what equalisation may have multiplied it with, as least squares find it.
    """
    signal, product, quantised = sums
    share = np.ones_like(signal)
    if fitted:
        ratio = np.divide(product, quantised, out=np.ones_like(product), where=quantised > 0)
        share = np.clip(ratio, 1 / MOST, 1.0)
    noise = float(np.sum(signal - 2 * share * product + share**2 * quantised))
    power = float(np.sum(signal))
    # What is left of a difference of equal sums is rounding.
    return 10 * math.log10(power / noise) if power > 0 and noise > 1e-12 * power else None


def stretched_layers(layers: Sequence[Layer]) -> frozenset[str]:
    """Names of the layers whose channels equalisation may multiply: those that a depthwise layer reads."""
    return frozenset(layer.name for layer, reader in pairwise(layers) if reader.kind == "depthwise")


def spread_rows(count: int, size: int) -> NDArray[np.int64]:
    """Indices of at most `size` of `count` images, evenly spread, so that they show many people: int64 [n]."""
    return np.unique(np.linspace(0, count - 1, min(size, count)).round().astype(np.int64))


def variant_health(
    scheme: Scheme, candidate: Candidate, recipe: Recipe, images: NDArray[np.uint8], float_path: Path, path: Path
) -> QuantisationHealth | None:
    """`measure_health` of one variant as its recipe asks for; None where nothing can or shall be compared.

    Args:
        scheme: the variant's.
        candidate: the architecture.
        recipe: says on how many images, with which kernels, and whether channels were equalised.
        images: the validation images, uint8 RGB [n, res, res, 3], of which some are used.
        float_path: the float32 .tflite.
        path: the variant's .tflite.

    Raises:
        QuantizationError: the operators of a file are not the candidate's layers.
        StorageError: a file cannot be read.
    """
    wanted, quant = recipe.eval.health_images, recipe.quant
    # From scratch the channels of the two networks have nothing to do with each other.
    unrelated = scheme == "qat_int8" and quant.qat.from_scratch
    if scheme not in DEPLOYABLE or unrelated or wanted == 0:
        return None
    equalised = quant.ptq.equalize if scheme == "ptq_int8" else quant.qat.equalize
    chosen = images[spread_rows(len(images), wanted)]
    return measure_health(float_path, path, candidate, chosen, equalised=equalised, kernels=recipe.eval.kernels)


def measure_health(
    float_path: Path,
    int8_path: Path,
    candidate: Candidate,
    images: NDArray[np.uint8],
    *,
    equalised: bool,
    kernels: Kernels = "fast",
) -> QuantisationHealth:
    """Compare the two files layer by layer.

    Args:
        float_path: the float32 .tflite.
        int8_path: the int8 .tflite that was made of it.
        candidate: the architecture of both.
        images: uint8 RGB [n, res, res, 3].
        equalised: whether channels of the int8 network may have been multiplied.
        kernels: of the int8 file; the float32 file is run with the fast ones, which differ by rounding alone.

    Raises:
        QuantizationError: the operators of a file are not the candidate's layers.
        StorageError: a file cannot be read.
    """
    layers = candidate_layers(candidate)
    exact, coarse = LayerOutputs(float_path, layers), LayerOutputs(int8_path, layers, kernels)
    totals = [np.zeros((3, layer.channels_out)) for layer in layers]
    for image in images:
        for total, signal, quantised in zip(totals, exact(image), coarse(image), strict=True):
            total += channel_sums(signal, quantised)
    fitted = stretched_layers(layers) if equalised else frozenset()
    found = (
        LayerHealth(layer.name, sqnr_db(total, layer.name in fitted), layer.name in fitted)
        for layer, total in zip(layers, totals, strict=True)
    )
    return QuantisationHealth(len(images), tuple(found))
