"""A .tflite of one operator, built without TensorFlow: the fingerprint of an image is its mean colour."""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


def mean_colour_tflite(side: int, quantization: tuple[float, int] | None = None) -> bytes:
    """Input [1, side, side, 3], output [1, 3]: float32, or int8 with one (scale, zero point) for both."""
    dtype = schema.TensorType.FLOAT32 if quantization is None else schema.TensorType.INT8
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor("images", [1, side, side, 3], dtype, quantization),
        _tensor("axes", [2], schema.TensorType.INT32, None, buffer=1),
        _tensor("fingerprint", [1, 3], dtype, quantization),
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [2], [_mean()]
    axes = schema.BufferT()
    axes.data = np.array([1, 2], np.int32).tobytes()
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MEAN
    code.version = 1 if quantization is None else 2
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT(), axes]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(name, shape, dtype, quantization, buffer=0):
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, dtype, buffer
    if quantization is not None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [quantization[0]], [quantization[1]]
    return tensor


def _mean():
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0, 1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.ReducerOptions
    operator.builtinOptions = schema.ReducerOptionsT()
    operator.builtinOptions.keepDims = False
    return operator
