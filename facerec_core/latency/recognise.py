"""Which MobileNetV2 a .tflite file holds, read off the shapes of its weights."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from facerec_core.arch import Layer, layers
from facerec_core.errors import DataError, QuantizationError, StorageError
from facerec_core.latency.reading import read_limited
from facerec_core.tflite import check_fully_int8
from facerec_core.types import Candidate

PUBLISHED_WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
"""Tried first: several widths may round to the same channels, and these are the ones people write."""
OTHER_WIDTHS = tuple(sorted((n / 1000 for n in range(50, 2001)), key=lambda width: (round(width, 2) != width, width)))
"""Those of two decimals first. Every width of four decimals from 0.35 to 1.4 has its network among these."""
_KINDS = {"CONV_2D": ("conv", "pointwise"), "DEPTHWISE_CONV_2D": ("depthwise",), "ADD": ("add",), "MEAN": ("mean",)}
_DAMAGE = (struct.error, IndexError, KeyError, TypeError, ValueError, AttributeError)
"""What the reader of flatbuffers raises on an offset that leads astray."""

Shape = tuple[str, int, int, int]
"""Operator, side of the kernel, channels in, channels out."""


@dataclass(frozen=True)
class Network:
    """One int8 file to be timed: what it is called, the architecture, and its content."""

    name: str
    candidate: Candidate
    content: bytes


def read_network(path: Path) -> Network:
    """Read a file and find out which network it holds.

    Raises:
        StorageError: the file cannot be read or is no .tflite file.
        DataError: it is not one of this project's networks, or not int8 throughout.
    """
    content = read_limited(path)
    if content[4:8] != b"TFL3":
        raise StorageError(f"{path}: not a .tflite file (no TFL3 mark at byte 4)")
    try:
        candidate = recognise(content)
        check_fully_int8(content)
    except (DataError, QuantizationError) as error:
        raise DataError(f"{path}: {error}") from error
    except _DAMAGE as error:
        raise StorageError(f"{path}: a damaged .tflite file ({type(error).__name__}: {error})") from error
    return Network(path.stem, candidate, content)


def recognise(content: bytes) -> Candidate:
    """The architecture of a headless MobileNetV2: side and fingerprint from its ends, width from the weights' shapes.

    Raises:
        DataError: the operators are not those of such a network; says which is the first that differs.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    shape = [int(n) for n in graph.tensors[graph.inputs[0]].shape]
    embedding, side = int(graph.tensors[graph.outputs[0]].shape[-1]), shape[-2]
    if shape != [1, side, side, 3]:
        raise DataError(f"its input is {' x '.join(map(str, shape))}, allowed: one square image of 3 channels")
    found = tuple(_shapes(model, graph))
    for width in (*PUBLISHED_WIDTHS, *OTHER_WIDTHS):
        if _expected(width, side, embedding) == found:
            return Candidate(width, side, embedding)
    raise DataError(_difference(found, side, embedding))


def _shapes(model: Any, graph: Any) -> Iterator[Shape]:
    """Every operator of the graph with the shape of its weights, zeros where it has none."""
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    for operator in graph.operators:
        name = names[model.operatorCodes[operator.opcodeIndex].builtinCode]
        if name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            yield (name, 0, 0, 0)
            continue
        out, kernel, _, inputs = (int(n) for n in graph.tensors[operator.inputs[1]].shape)
        depthwise = name == "DEPTHWISE_CONV_2D"  # its weights are [1, kernel, kernel, channels]
        yield (name, kernel, inputs, inputs if depthwise else out)


@cache
def _expected(width: float, side: int, embedding: int) -> tuple[Shape, ...]:
    return tuple(map(_shape, layers(width, side, embedding)))


def _shape(layer: Layer) -> Shape:
    name = next(name for name, kinds in _KINDS.items() if layer.kind in kinds)
    if layer.kind in ("add", "mean"):
        return (name, 0, 0, 0)
    return (name, layer.kernel, layer.channels_in, layer.channels_out)


def _difference(found: tuple[Shape, ...], side: int, embedding: int) -> str:
    """The first operator that no width explains, in words."""
    closest = max(
        (_expected(width, side, embedding) for width in OTHER_WIDTHS), key=lambda shapes: _agreement(found, shapes)
    )
    index = _agreement(found, closest)
    here = _words(found[index]) if index < len(found) else "the end"
    there = _words(closest[index]) if index < len(closest) else "the end"
    return f"not a headless MobileNetV2: operator {index} is {here}, expected {there}"


def _agreement(found: tuple[Shape, ...], expected: tuple[Shape, ...]) -> int:
    """How many leading operators are the same."""
    pairs = zip(found, expected, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(found), len(expected)))


def _words(shape: Shape) -> str:
    name, kernel, inputs, outputs = shape
    return f"{name} {kernel}x{kernel}, {inputs} to {outputs} channels" if kernel else name
