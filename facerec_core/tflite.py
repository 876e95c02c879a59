""".tflite files: reading what is in them, and running them through LiteRT.

Two arithmetics: "fast" are LiteRT's default kernels (XNNPACK), "reference" are the ones that equal TensorFlow
Lite Micro bit for bit and are some hundred times slower. Nothing here imports TensorFlow.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facerec_core.arena import arena_is_measurable, measure_arena
from facerec_core.data.cache import release
from facerec_core.errors import QuantizationError, StorageError
from facerec_core.types import DEPLOYABLE, ModelFile, Scheme, TensorScale

Kernels = Literal["fast", "reference"]
HALF_STEP_SLACK = 1e-4
"""Scales are stored as float32, which leaves exact halves a little to either side."""


@dataclass(frozen=True)
class Operator:
    """One operator of a file: its builtin name, (name, dtype) of its inputs and outputs in order, and what it fills.

    `output` is the index of its first output among the tensors of the graph.
    """

    name: str
    tensors: tuple[tuple[str, str], ...]
    output: int


def _names_by_value(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


def _parse(content: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromPackedBuf(content, 0)


def read_operators(content: bytes) -> tuple[Operator, ...]:
    """The operators of the main graph in order."""
    from ai_edge_litert import schema_py_generated as schema

    model = _parse(content)
    names, graph = _names_by_value(schema.BuiltinOperator), model.subgraphs[0]
    return tuple(
        Operator(
            names[model.operatorCodes[op.opcodeIndex].builtinCode],
            _tensors(graph, (*op.inputs, *op.outputs)),
            int(op.outputs[0]),
        )
        for op in graph.operators
    )


def _tensors(graph: Any, indices: Iterable[int]) -> tuple[tuple[str, str], ...]:
    """(name, dtype) of tensors, by number where names were stripped; an operator does without those of index -1."""
    from ai_edge_litert import schema_py_generated as schema

    types = _names_by_value(schema.TensorType)
    named = ((i, graph.tensors[i]) for i in indices if i >= 0)
    return tuple((tensor.name.decode() if tensor.name else f"tensor {i}", types[tensor.type]) for i, tensor in named)


def _is_int8(operator: Operator) -> bool:
    """Whether all data is int8; int32 is what biases and the axes of a mean are stored as."""
    return {dtype for _, dtype in operator.tensors} <= {"INT8", "INT32"} and operator.tensors[-1][1] == "INT8"


def check_fully_int8(content: bytes) -> None:
    """Raise unless every operator, the input and the output of the file are int8.

    Raises:
        QuantizationError: names the offending operators and their dtypes.
    """
    operators = read_operators(content)
    bad = [op for op in operators if not _is_int8(op)]
    if bad:
        listed = "; ".join(f"{op.name} ({', '.join(sorted({d for _, d in op.tensors}))})" for op in bad[:5])
        raise QuantizationError(f"{len(bad)} of {len(operators)} operators are not int8: {listed}")
    graph = _parse(content).subgraphs[0]
    ends = _tensors(graph, (*graph.inputs, *graph.outputs))
    if not operators or {dtype for _, dtype in ends} != {"INT8"}:
        listed = ", ".join(f"{name} {dtype}" for name, dtype in ends)
        raise QuantizationError(f"input and output must be INT8, got {listed} around {len(operators)} operators")


class Interpreter:
    """One .tflite file behind one call: uint8 images in, float32 fingerprints out.

    Args:
        path: the file.
        kernels: "fast" or "reference".
        threads: threads of the fast kernels; the reference kernels use one.
        batch_size: images a call; the results equal those of one image a call.
        keep_tensors: keep the tensors between the layers, for `tensor` to read; takes memory, changes no output.

    Raises:
        StorageError: the file cannot be read or is not a .tflite.
    """

    def __init__(
        self,
        path: Path,
        *,
        kernels: Kernels = "fast",
        threads: int = 1,
        batch_size: int = 32,
        keep_tensors: bool = False,
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter as LiteRT
        from ai_edge_litert.interpreter import OpResolverType

        resolver = OpResolverType.BUILTIN_REF if kernels == "reference" else OpResolverType.AUTO
        try:
            with warnings.catch_warnings():
                # LiteRT warns of the memory that kept tensors take.
                warnings.simplefilter("ignore", UserWarning)
                self._litert = LiteRT(
                    model_content=path.read_bytes(),
                    num_threads=threads,
                    experimental_op_resolver_type=resolver,
                    experimental_preserve_all_tensors=keep_tensors,
                )
        except (OSError, ValueError) as error:
            raise StorageError(f"{path}: not a readable .tflite file ({error})") from error
        self._batch_size = 0
        self._preferred_batch = batch_size
        self._resize(batch_size)

    def _resize(self, batch_size: int) -> None:
        if batch_size == self._batch_size:
            return
        index = self._litert.get_input_details()[0]["index"]
        shape = self._litert.get_input_details()[0]["shape"]
        self._litert.resize_tensor_input(index, [batch_size, *shape[1:]])
        self._litert.allocate_tensors()
        self._batch_size = batch_size

    @property
    def resolution(self) -> int:
        """The side of the input image in pixels."""
        return int(self._litert.get_input_details()[0]["shape"][1])

    @property
    def embedding(self) -> int:
        """The length of the fingerprint."""
        return int(self._litert.get_output_details()[0]["shape"][-1])

    @property
    def input_scale(self) -> TensorScale:
        """The affine quantisation of the input; scale 1, zero point 0 for float32."""
        return _scale(self._litert.get_input_details()[0])

    @property
    def output_scale(self) -> TensorScale:
        """The affine quantisation of the output; scale 1, zero point 0 for float32."""
        return _scale(self._litert.get_output_details()[0])

    def tensor_scales(self, indices: Iterable[int]) -> list[TensorScale]:
        """The affine quantisation of each of these tensors, as `read_operators` numbers them."""
        details = {tensor["index"]: tensor for tensor in self._litert.get_tensor_details()}
        return [_scale(details[index]) for index in indices]

    def tensor(self, index: int) -> NDArray[Any]:
        """A tensor as the last call of `raw` left it; only with `keep_tensors` are those between the layers there."""
        return np.array(self._litert.get_tensor(index))

    def raw(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """The output tensor as the file gives it: int8 or float32 [n, embedding] from uint8 [n, res, res, 3]."""
        self._resize(len(images))
        source, target = self._litert.get_input_details()[0], self._litert.get_output_details()[0]
        self._litert.set_tensor(source["index"], quantize_input(images, self.input_scale))
        self._litert.invoke()
        return np.array(self._litert.get_tensor(target["index"]))

    def embed(self, images: NDArray[np.uint8], report: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
        """Fingerprints float32 [n, embedding], dequantised, of uint8 RGB images [n, res, res, 3]."""
        out = np.empty((len(images), self.embedding), np.float32)
        for start, stop in _batches(len(images), self._preferred_batch):
            out[start:stop] = dequantize_output(self.raw(images[start:stop]), self.output_scale)
            release(images)
            if report is not None:
                report(stop, len(images))
        return out


def _batches(total: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, total, size):
        yield start, min(start + size, total)


def _scale(details: Any) -> TensorScale:
    scale, zero_point = details["quantization"]
    return TensorScale(np.dtype(details["dtype"]).name, float(scale) or 1.0, int(zero_point))


def quantize_input(images: NDArray[np.uint8], scale: TensorScale) -> NDArray[Any]:
    """uint8 RGB to the file's input: real value x / 127.5 - 1, then the file's own scale and zero point.

    The usual input scale of 2/255 puts every pixel half-way between two steps. Halves go up, all of them, so that
    256 pixel values keep their order and distance as they do in a device's `pixel - 128`; rounding halves to even
    would merge every other pair.
    """
    values = np.arange(256, dtype=np.float64) / 127.5 - 1.0
    if scale.dtype == "float32":
        return values.astype(np.float32)[images]
    limits = np.iinfo(scale.dtype)
    steps = np.floor(values / scale.scale + scale.zero_point + 0.5 + HALF_STEP_SLACK)
    return np.clip(steps, limits.min, limits.max).astype(scale.dtype)[images]


def dequantize_output(output: NDArray[Any], scale: TensorScale) -> NDArray[np.float32]:
    """The file's output to real values, float32."""
    if scale.dtype == "float32":
        return output.astype(np.float32, copy=False)
    return (output.astype(np.float32) - np.float32(scale.zero_point)) * np.float32(scale.scale)


def describe(path: Path, scheme: Scheme, converted_bytes: int) -> ModelFile:
    """Read a file back: size, hash, scales, operators and arena; an int8 scheme is checked to be int8 throughout.

    Args:
        path: the stripped file.
        scheme: what it has to be.
        converted_bytes: its size before it was stripped.

    Raises:
        QuantizationError: an int8 scheme whose file is not fully int8.
        StorageError: the file cannot be read.
    """
    interpreter = Interpreter(path, batch_size=1)
    content = path.read_bytes()
    if scheme in DEPLOYABLE:
        check_fully_int8(content)
    return ModelFile(
        path=str(path),
        size_bytes=len(content),
        converted_bytes=converted_bytes,
        sha256=hashlib.sha256(content).hexdigest(),
        input=interpreter.input_scale,
        output=interpreter.output_scale,
        embedding=interpreter.embedding,
        operators=dict(sorted(Counter(op.name for op in read_operators(content)).items())),
        arena=measure_arena(content) if arena_is_measurable() else None,
    )
