"""Activation ranges without their outliers: percentiles of what is seen, instead of the least and the greatest value.

An int8 scale spreads 256 steps over a range. One far value among a hundred thousand widens all steps; cut off, it is
the only one that is wrong (H. Wu et al., Integer Quantization for Deep Learning Inference, 2020, compare such ranges).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.tf import flatbuffer_utils
from facerec_core.tflite import Interpreter

Report = Callable[[int, int, str], None]
Range = tuple[float, float]
BINS = 4096
"""Of a tensor's whole range; what is cut is known to a 4096th of it."""


def narrowed(calibrated: bytes, images: NDArray[np.uint8], percentile: float, report: Report | None = None) -> bytes:
    """The same calibrated float model, its activation ranges from the `percentile` of what `images` give.

    The input keeps its range: every pixel value occurs. So do constants, which have none at this point.

    Args:
        calibrated: what the converter makes with `_experimental_calibrate_only`: float32, the least and the greatest
            value of every activation noted beside it.
        images: uint8 [n, res, res, 3].
        percentile: as many of a tensor's values in 100 lie below the upper end, and as many above the lower end.
        report: called with (image, images, note).
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(calibrated))
    (graph,) = model.subgraphs
    whole = {
        index: (float(tensor.quantization.min[0]), float(tensor.quantization.max[0]))
        for index, tensor in enumerate(graph.tensors)
        if index not in graph.inputs and _has_range(tensor)
    }
    for index, counts in _counted(calibrated, images, whole, report).items():
        least, greatest = central_range(counts, whole[index], percentile)
        graph.tensors[index].quantization.min = [least]
        graph.tensors[index].quantization.max = [greatest]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _has_range(tensor: Any) -> bool:
    found = tensor.quantization
    return found is not None and found.min is not None and len(found.min) == 1 and found.min[0] < found.max[0]


def _counted(
    calibrated: bytes, images: NDArray[np.uint8], whole: Mapping[int, Range], report: Report | None
) -> dict[int, NDArray[np.int64]]:
    """How many values of each tensor fall into each of BINS equal parts of its range."""
    counts = {index: np.zeros(BINS, np.int64) for index in whole}
    with tempfile.TemporaryDirectory(prefix="ranges-") as folder:
        path = Path(folder) / "calibrated.tflite"
        path.write_bytes(calibrated)
        network = Interpreter(path, batch_size=1, keep_tensors=True)
    for done, image in enumerate(images, 1):
        network.raw(image[None])
        for index, (least, greatest) in whole.items():
            parts = (network.tensor(index).ravel() - least) * (BINS / (greatest - least))
            counts[index] += np.bincount(np.clip(parts, 0, BINS - 1).astype(np.intp), minlength=BINS)
        if report is not None:
            report(done, len(images), "activation ranges")
    return counts


def central_range(counts: NDArray[np.int64], whole: Range, percentile: float) -> Range:
    """The range between both percentiles, 0 included, as padding and ReLU6 need it.

    Args:
        counts: int64 [bins], how many values lie in each equal part of `whole`.
        whole: the least and the greatest value.
        percentile: above 50, up to 100, which leaves the outermost parts that hold a value.
    """
    edges = np.linspace(*whole, len(counts) + 1)
    below = np.cumsum(counts) / counts.sum()
    first = int(np.searchsorted(below, 1 - percentile / 100, side="right"))
    last = int(np.searchsorted(below, percentile / 100, side="left"))
    return min(float(edges[first]), 0.0), max(float(edges[last + 1]), 0.0)
