"""Bytes and numbers as constant C arrays that C99 and C++ compilers take alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT_BYTES = 16
"""What TensorFlow Lite Micro wants a model to begin at, and more than any of the other arrays need."""
_NUMBERS_A_LINE = 24

ALIGNED = f"""\
#if defined(__GNUC__) || defined(__clang__) || defined(__ARMCC_VERSION)
#define FACEREC_ALIGNED __attribute__((aligned({ALIGNMENT_BYTES})))
#elif defined(__ICCARM__)
#define FACEREC_ALIGNED _Pragma("data_alignment={ALIGNMENT_BYTES}")
#else
#error "say here how your compiler aligns an array to {ALIGNMENT_BYTES} bytes"
#endif
"""


@dataclass(frozen=True)
class Array:
    """A constant array: its C name, what it is in a line, and the numbers, int8 or uint8 of one or two dimensions."""

    name: str
    comment: str
    values: NDArray[Any]

    @classmethod
    def of(cls, name: str, comment: str, content: bytes) -> Array:
        """An array of bytes."""
        return cls(name, comment, np.frombuffer(content, np.uint8))

    @property
    def declaration(self) -> str:
        """Type, name and dimensions."""
        dimensions = "".join(f"[{size}]" for size in self.values.shape)
        return f"const {self.values.dtype.name}_t {self.name}{dimensions}"


def header(guard: str, arrays: Iterable[Array], more: str = "") -> str:
    """A header that declares arrays with C linkage; `more` stands between the includes and the declarations."""
    declared = "\n".join(f"/* {one.comment} */\nextern {one.declaration};\n" for one in arrays)
    return f"""\
#ifndef {guard}
#define {guard}

#include <stdint.h>
{more}
#ifdef __cplusplus
extern "C" {{
#endif

{declared}
#ifdef __cplusplus
}}
#endif

#endif
"""


def source(include: str, arrays: Iterable[Array], more: str = "") -> str:
    """The C file that defines arrays which the header `include` declares, each aligned."""
    defined = "\n".join(_definition(one) for one in arrays)
    return f'#include "{include}"\n\n{ALIGNED}\n{defined}{more}'


def _definition(array: Array) -> str:
    rows = array.values if array.values.ndim > 1 else [array.values]
    body = [",\n".join(_lines(row.tolist())) for row in rows]
    if array.values.ndim > 1:
        body = [f"{{\n{row}}}" for row in body]
    rows_of_numbers = ",\n".join(body)
    return f"FACEREC_ALIGNED {array.declaration} = {{\n{rows_of_numbers}}};\n"


def _lines(numbers: list[int]) -> Iterator[str]:
    for start in range(0, len(numbers), _NUMBERS_A_LINE):
        yield ",".join(map(str, numbers[start : start + _NUMBERS_A_LINE]))
