"""One inference in each interpreter, as its own package has it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def lite_rt(content: bytes, image: NDArray[Any], resolver: Any) -> NDArray[Any]:
    """The output of LiteRT with the kernels of `resolver`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def micro(content: bytes, image: NDArray[Any]) -> NDArray[Any]:
    """The output of TensorFlow Lite Micro."""
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=2**21)
    interpreter.set_input(image, 0)
    interpreter.invoke()
    return np.asarray(interpreter.get_output(0))
