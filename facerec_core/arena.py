"""The RAM TensorFlow Lite Micro takes for a file, asked of its own interpreter.

The package tflite-micro holds the real interpreter, built for this host. Its pointers have 8 bytes where a
Cortex-M has 4, and it keeps a record of its allocations, so its persistent part is some KiB larger than the device's;
the activations are the same. `facerec_core.footprint` predicts both from the architecture.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import IO, Any

from facerec_core.errors import OptionError, QuantizationError, StorageError
from facerec_core.types import Arena

PACKAGE = "tflite-micro"
ARENA_LIMIT_BYTES = 256 * 2**20
"""Handed to the interpreter, which touches only what it needs. Generous, because where not even its structures fit, it
ends the process; a multiple of 16, because it counts from the end."""
STANDARD_ERROR = 2
PRINTED = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


def arena_is_measurable() -> bool:
    """Whether the interpreter of TensorFlow Lite Micro works here."""
    return not arena_trouble()


def arena_trouble() -> str:
    """Why the interpreter of TensorFlow Lite Micro cannot be used here, in one line; empty when it can."""
    try:
        from tflite_micro import runtime  # noqa: F401 - only whether it can be imported
    except ModuleNotFoundError as error:
        if error.name == "tflite_micro":
            return "the package tflite-micro is not installed"
        return _broken(error)
    except Exception as error:  # noqa: BLE001 - a broken package raises whatever it likes
        return _broken(error)
    return ""


def _broken(error: Exception) -> str:
    return f"the package tflite-micro is installed but broken ({type(error).__name__}: {' '.join(str(error).split())})"


def interpreter_version() -> str:
    """Version of the package tflite-micro, whose interpreter this is."""
    return version(PACKAGE)


def measure_arena(content: bytes) -> Arena:
    """What the interpreter allocates for a file, on this host. Nothing is inferred.

    While it runs, what the process writes to standard error is held back, because the interpreter prints its figures
    there and has no other way to tell them. Do not call it from several threads at once.

    Args:
        content: a .tflite file, int8 or float32.

    Raises:
        OptionError: the package tflite-micro is not installed, or broken.
        StorageError: the bytes are no .tflite file.
        QuantizationError: the interpreter refuses the file, such as for an operator it does not have.
    """
    runtime = _runtime()
    verify_tflite(content)
    printed: list[str] = []
    try:
        with _standard_error(printed):
            interpreter = runtime.Interpreter.from_bytes(content, arena_size=ARENA_LIMIT_BYTES)
            interpreter.print_allocations()
    except RuntimeError as error:
        said = next((line for line in printed[0].splitlines() if line.strip()), str(error))
        raise QuantizationError(f"TensorFlow Lite Micro cannot run the file: {said.strip()}") from error
    figures = {part: int(size) for part, size in PRINTED.findall(printed[0])}
    if figures.keys() != {"total", "head", "tail"}:
        raise QuantizationError(f"TensorFlow Lite Micro did not print its arena, but {printed[0][:200]!r}")
    return Arena(figures["total"], figures["tail"], figures["head"])


def _runtime() -> Any:
    trouble = arena_trouble()
    if trouble:
        hint = "it is published for Linux on x86-64, as pre-releases only"
        raise OptionError("arena", "measured", f"predicted, because {trouble}", hint)
    from tflite_micro import runtime

    return runtime


def verify_tflite(content: bytes) -> None:
    """Let LiteRT check the file's offsets: the micro interpreter follows wrong ones out of the file.

    Raises:
        StorageError: the bytes are no .tflite file, or not the whole of one.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    without = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        Interpreter(model_content=content, experimental_op_resolver_type=without)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise StorageError(f"not a readable .tflite file of {len(content)} bytes ({reason})") from error


@contextmanager
def _standard_error(printed: list[str]) -> Iterator[None]:
    """Append what is written to the file descriptor of standard error, by native code too, to `printed`."""
    sys.stderr.flush()
    original = os.dup(STANDARD_ERROR)
    with tempfile.TemporaryFile() as stream:
        try:
            os.dup2(stream.fileno(), STANDARD_ERROR)
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, STANDARD_ERROR)
            os.close(original)
            printed.append(_text(stream))


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
