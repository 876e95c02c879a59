"""Fingerprints as TensorFlow Lite Micro computes them, from its own interpreter on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facerec_core.arena import ARENA_LIMIT_BYTES, verify_tflite
from facerec_core.errors import QuantizationError
from facerec_core.tflite import quantize_input
from facerec_core.types import TensorScale


def micro_fingerprints(
    content: bytes,
    images: NDArray[np.uint8],
    scale: TensorScale,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> NDArray[np.int8]:
    """Run an int8 file in TensorFlow Lite Micro, an image at a time.

    Args:
        content: a .tflite file with int8 input and output.
        images: uint8 RGB [n, side, side, 3].
        scale: that of the file's input.
        report: called with (images done, images in all).

    Returns:
        int8 [n, dimension], as the network puts them out.

    Raises:
        StorageError: the bytes are no .tflite file.
        QuantizationError: the interpreter refuses the file or an inference; `facerec_core.arena.arena_trouble` says
            beforehand whether there is an interpreter.
    """
    from tflite_micro import runtime

    verify_tflite(content)
    try:
        interpreter: Any = runtime.Interpreter.from_bytes(content, arena_size=ARENA_LIMIT_BYTES)
        found = []
        for number, image in enumerate(images):
            interpreter.set_input(quantize_input(image[None], scale), 0)
            interpreter.invoke()
            found.append(np.array(interpreter.get_output(0), np.int8).ravel())
            report(number + 1, len(images))
    except RuntimeError as error:
        raise QuantizationError(f"TensorFlow Lite Micro cannot run the file: {error}") from error
    return np.stack(found)
