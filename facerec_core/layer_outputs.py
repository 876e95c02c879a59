"""What every layer of a .tflite file puts out, found by its place among the operators: stripped files have no names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.arch import Kind, Layer
from facerec_core.errors import QuantizationError
from facerec_core.tflite import Interpreter, Kernels, Operator, dequantize_output, read_operators

OPERATORS: Mapping[Kind, str] = {
    "conv": "CONV_2D",
    "pointwise": "CONV_2D",
    "depthwise": "DEPTHWISE_CONV_2D",
    "add": "ADD",
    "mean": "MEAN",
    "dense": "FULLY_CONNECTED",
}


class LayerOutputs:
    """One .tflite file behind one call: an image in, the real-valued output of every layer out.

    Args:
        path: the file, of any numeric scheme.
        layers: the network it holds, in order; see `facerec_core.arch.candidate_layers`.
        kernels: as for `facerec_core.tflite.Interpreter`.

    Raises:
        QuantizationError: the operators are not those layers.
        StorageError: the file is not a readable .tflite file.
    """

    def __init__(self, path: Path, layers: Sequence[Layer], kernels: Kernels = "fast") -> None:
        self._interpreter = Interpreter(path, kernels=kernels, batch_size=1, keep_tensors=True)
        operators = read_operators(path.read_bytes())
        _check_kinds(path, operators, layers)
        self._path, self._layers = path, layers
        self._indices = [operator.output for operator in operators]
        self._scales = self._interpreter.tensor_scales(self._indices)

    def __call__(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """For each layer float32 [places, channels], dequantised, of one uint8 RGB image [res, res, 3].

        Raises:
            QuantizationError: a layer's output has another shape than it should.
        """
        self._interpreter.raw(image[None])
        found = [self._interpreter.tensor(index) for index in self._indices]
        for output, layer in zip(found, self._layers, strict=True):
            self._check_shape(output, layer)
        return [
            dequantize_output(output.reshape(-1, output.shape[-1]), scale)
            for output, scale in zip(found, self._scales, strict=True)
        ]

    def _check_shape(self, output: NDArray[Any], layer: Layer) -> None:
        places = layer.side_out**2
        if output.size != places * layer.channels_out or output.shape[-1] != layer.channels_out:
            expected = f"{layer.side_out} x {layer.side_out} x {layer.channels_out}"
            raise _mismatch(self._path, f"the output of {layer.name} has the shape {output.shape}", expected)


def _check_kinds(path: Path, operators: Sequence[Operator], layers: Sequence[Layer]) -> None:
    found = [operator.name for operator in operators]
    expected = [OPERATORS[layer.kind] for layer in layers]
    if len(found) != len(expected):
        raise _mismatch(path, f"{len(found)} operators", f"the network's {len(expected)} layers")
    for place, (name, layer) in enumerate(zip(found, layers, strict=True)):
        if name != OPERATORS[layer.kind]:
            raise _mismatch(path, f"operator {place} is {name}", f"{OPERATORS[layer.kind]} for {layer.name}")


def _mismatch(path: Path, received: str, allowed: str) -> QuantizationError:
    return QuantizationError(
        f"{path.name}: {received}, allowed: {allowed}; layers cannot be compared, eval.health_images=0 leaves that out"
    )
