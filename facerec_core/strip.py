"""Smaller .tflite files with the same outputs, bit for bit: what nothing reads goes, what is equal is stored once.

A converted file carries names, metadata and, for each channel of each weight and bias, a 64-bit zero point that is
always zero. FlatBuffers lets several tables point at one vector, so vectors of the same content (nearly all zero
points, and shapes) are written once and every reader still finds them in full length. LiteRT and TensorFlow Lite
Micro follow such offsets like any other.

Two savings are left alone. Without the scales of biases LiteRT's fast kernels give other numbers, and it refuses a file
with one zero point for all channels, which TensorFlow Lite Micro would take.

Format: https://github.com/tensorflow/tflite-micro, tensorflow/lite/schema/schema.fbs at
90b983c2b3f1480642e040bbd2ddb37b998f3424.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable, Iterable
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from facerec_core.errors import QuantizationError, StorageError

IDENTIFIER = b"TFL3"
DATA_ALIGNMENT = 16
"""Bytes; what the schema asks of the data of a buffer (`force_align: 16`) and the converter does not keep to."""
PLAN_METADATA = b"OfflineMemoryAllocation"
"""The one metadata entry an interpreter acts upon: TensorFlow Lite Micro places tensors by it."""
COMPRESSION_METADATA = b"COMPRESSION_METADATA"
DAMAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError)
"""What reading and rewriting tables raise when offsets, indices or lengths in the file are wrong."""


def strip(content: bytes) -> bytes:
    """The file without names, description, metadata, signatures, statistics and whatever nothing refers to.

    Tensors and operators keep their order and indices. Stripping a stripped file returns it unchanged.

    Args:
        content: a .tflite file, of any numeric scheme.

    Returns:
        A .tflite file with the same outputs in LiteRT (fast and reference kernels) and TensorFlow Lite Micro.

    Raises:
        StorageError: the bytes are no .tflite file.
        QuantizationError: the file keeps data outside of its tables, or compressed, and cannot be rewritten.
    """
    from ai_edge_litert import schema_py_generated as schema

    if content[4:8] != IDENTIFIER:
        raise StorageError(f"not a .tflite file: it has {len(content)} bytes, and bytes 4 to 7 are not TFL3")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        _refuse_unknown_storage(model)
        _drop_unread(model)
        _drop_unused_operator_codes(model)
        _share_buffers(model)
        return _pack(model)
    except DAMAGE as error:
        raise StorageError(f"a damaged .tflite file of {len(content)} bytes: {error}") from error


def _refuse_unknown_storage(model: Any) -> None:
    """Refuse what a rewritten file would lose: weights after the tables, and indices hidden in metadata."""
    outside = any(buffer.offset for buffer in model.buffers) or bool(model.externalBuffers)
    compressed = any(entry.name == COMPRESSION_METADATA for entry in model.metadata or [])
    if outside or compressed:
        how = "outside of its tables" if outside else "compressed"
        raise QuantizationError(f"a .tflite file that keeps weights {how} cannot be stripped; convert it without that")


def _drop_unread(model: Any) -> None:
    model.description = model.metadataBuffer = model.signatureDefs = None
    model.metadata = [entry for entry in model.metadata or [] if entry.name == PLAN_METADATA] or None
    for graph in model.subgraphs:
        graph.name = None
        for tensor in graph.tensors:
            _strip_tensor(tensor)


def _strip_tensor(tensor: Any) -> None:
    tensor.name = None
    quantization = tensor.quantization
    if quantization is None:
        return
    quantization.min = quantization.max = None
    if quantization.scale is None and quantization.details is None:
        tensor.quantization = None


def _drop_unused_operator_codes(model: Any) -> None:
    operators = [operator for graph in model.subgraphs for operator in graph.operators]
    used = sorted({operator.opcodeIndex for operator in operators})
    position = {old: new for new, old in enumerate(used)}
    model.operatorCodes = [model.operatorCodes[old] for old in used]
    for operator in operators:
        operator.opcodeIndex = position[operator.opcodeIndex]


def _share_buffers(model: Any) -> None:
    """Keep each content that is referred to once; the first buffer is the empty one, as the format demands."""
    from ai_edge_litert import schema_py_generated as schema

    owners = [tensor for graph in model.subgraphs for tensor in graph.tensors] + (model.metadata or [])
    contents = {owner.buffer: _content(model.buffers[owner.buffer]) for owner in owners}
    position: dict[bytes, int] = {b"": 0}
    kept = [schema.BufferT()]
    for old in sorted(contents):
        if contents[old] not in position:
            position[contents[old]] = len(kept)
            kept.append(model.buffers[old])
    for owner in owners:
        owner.buffer = position[contents[owner.buffer]]
    model.buffers = kept


def _content(buffer: Any) -> bytes:
    return b"" if buffer.data is None else bytes(buffer.data)


class _SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes each vector once and aligns the data of buffers."""

    def __init__(self) -> None:
        super().__init__(1024)
        self._vectors: dict[Hashable, int] = {}

    def CreateNumpyVector(self, x: NDArray[Any]) -> int:  # noqa: N802
        """Offset of a vector of this content, written now if there was none."""
        key = (x.dtype.str, x.tobytes())
        if key not in self._vectors:
            if x.dtype == np.uint8:
                self.Prep(DATA_ALIGNMENT, x.nbytes)
            self._vectors[key] = super().CreateNumpyVector(x)
        return self._vectors[key]


class _Once:
    """Stands for a table that may occur again: the first to be packed is written, the others point at it."""

    def __init__(self, table: Any, written: dict[Hashable, int]) -> None:
        self._table = table
        self._written = written

    def Pack(self, builder: Any) -> int:  # noqa: N802
        """Offset of the table in `builder`."""
        key = _plain(self._table)
        if key not in self._written:
            self._written[key] = self._table.Pack(builder)
        return self._written[key]


def _plain(value: Any) -> Hashable:
    """A table as a value that equals that of a table of the same content."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.tobytes())
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if hasattr(value, "__dict__"):
        return (type(value).__name__, *((name, _plain(field)) for name, field in vars(value).items()))
    return value  # type: ignore[no-any-return]


def _pack(model: Any) -> bytes:
    written: dict[Hashable, int] = {}
    for graph in model.subgraphs:
        _share(graph.tensors, "quantization", written)
        _share(graph.operators, "builtinOptions", written)
    builder = _SharingBuilder()
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _share(owners: Iterable[Any], field: str, written: dict[Hashable, int]) -> None:
    for owner in owners:
        if getattr(owner, field) is not None:
            setattr(owner, field, _Once(getattr(owner, field), written))
