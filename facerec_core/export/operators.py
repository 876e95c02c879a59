"""The operator resolver of TensorFlow Lite Micro with exactly the operators of one file."""

from __future__ import annotations

from facerec_core.errors import QuantizationError
from facerec_core.tflite import read_operators

METHODS = {
    "ADD": "AddAdd",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "FULLY_CONNECTED": "AddFullyConnected",
    "L2_NORMALIZATION": "AddL2Normalization",
    "MAX_POOL_2D": "AddMaxPool2D",
    "MEAN": "AddMean",
    "MUL": "AddMul",
    "PAD": "AddPad",
    "RELU": "AddRelu",
    "RELU6": "AddRelu6",
    "RESHAPE": "AddReshape",
}
"""Methods of tflite::MicroMutableOpResolver for whatever an int8 image network may hold.

Source: https://github.com/tensorflow/tflite-micro, tensorflow/lite/micro/micro_mutable_op_resolver.h at
90b983c2b3f1480642e040bbd2ddb37b998f3424.
"""


def used_operators(content: bytes) -> tuple[str, ...]:
    """Names of the operators of a .tflite file, each once, in alphabetical order.

    Raises:
        QuantizationError: there is one that TensorFlow Lite Micro cannot be given here.
    """
    used = tuple(sorted({operator.name for operator in read_operators(content)}))
    unknown = [name for name in used if name not in METHODS]
    if unknown:
        raise QuantizationError(
            f"the network has the operator(s) {', '.join(unknown)}, which TensorFlow Lite Micro's resolver is not "
            f"known to have; allowed: {', '.join(METHODS)}"
        )
    return used


def resolver_header(operators: tuple[str, ...]) -> str:
    """C++ header with the type `facerec::Resolver` and the function that fills it.

    Args:
        operators: from `used_operators`.
    """
    calls = " &&\n         ".join(f"resolver.{METHODS[name]}() == kTfLiteOk" for name in operators)
    return f"""\
// The operators of this network, and no others.
#ifndef FACEREC_OPERATORS_H_
#define FACEREC_OPERATORS_H_

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace facerec {{

using Resolver = tflite::MicroMutableOpResolver<{len(operators)}>;

inline bool AddOperators(Resolver& resolver) {{
  return {calls};
}}

}}  // namespace facerec

#endif  // FACEREC_OPERATORS_H_
"""
