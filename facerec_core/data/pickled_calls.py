"""The few names a pickle may use, and what `plain_pickle` makes of them itself: none is ever imported or called.

They are those by which Python 3 writes bytes for Python 2 and numpy writes arrays, under their old and new modules
(https://github.com/numpy/numpy, numpy/_core/src/multiarray/methods.c, commit e567311: array_reduce and
array_reduce_ex_picklebuffer).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMPY = ("numpy.core", "numpy._core")
_NAMES = MappingProxyType(
    {
        ("_codecs", "encode"): "encode",
        ("__builtin__", "bytes"): "bytes",
        ("builtins", "bytes"): "bytes",
        ("numpy", "ndarray"): "ndarray",
        ("numpy", "dtype"): "dtype",
        **{(f"{package}.multiarray", "_reconstruct"): "reconstruct" for package in _NUMPY},
        **{(f"{package}.multiarray", "scalar"): "scalar" for package in _NUMPY},
        **{(f"{package}.numeric", "_frombuffer"): "frombuffer" for package in _NUMPY},
    }
)
_DTYPES: Mapping[str, type[np.generic]] = MappingProxyType({"u1": np.uint8, "b1": np.bool_, "i8": np.int64})
_STATE = ("version", "shape", "dtype", "by column", "data")
_LONGEST_NAME = 200


class RefusedError(Exception):
    """What is wrong with the instruction at hand, without file and position."""


@dataclass(frozen=True)
class Name:
    """One of the names allowed: a word, not the function."""

    kind: str


@dataclass(frozen=True)
class _Dtype:
    code: str


@dataclass
class PickledArray:
    """An array; pickles make it before its content, uint8, bool or int64 [n], so `values` may have stayed None."""

    values: NDArray[Any] | None = None


def known_name(module: object, attribute: object) -> Name:
    """The name a pickle asks for; raises RefusedError for any that is not allowed."""
    words = (_text(module), _text(attribute))
    if words not in _NAMES:
        raise RefusedError(f"asks for {'.'.join(words)}, which is not allowed; the file wants to run code")
    return Name(_NAMES[words])


def call(function: object, arguments: tuple[Any, ...]) -> Any:
    """What the call of a name would return; raises RefusedError."""
    if not isinstance(function, Name) or function.kind not in _CALLS:
        raise RefusedError("calls something that is no function known here")
    try:
        return _CALLS[function.kind](*arguments)
    except TypeError as error:
        raise RefusedError(f"wrong arguments for {function.kind}") from error


def set_state(target: object, state: object) -> None:
    """Give an array its content, and check what is said of a dtype; raises RefusedError."""
    if not isinstance(state, tuple):
        raise RefusedError(f"a state that is {type(state).__name__}; needed: a tuple")
    if isinstance(target, _Dtype):
        if len(state) < 2 or _text(state[1]) not in ("|", "<", "="):
            raise RefusedError("an array of another byte order")
    elif isinstance(target, PickledArray) and len(state) == len(_STATE):
        _, shape, dtype, _, data = state
        target.values = _array(data, dtype, shape)
    else:
        raise RefusedError(f"sets the state of {type(target).__name__}")


def _encode(text: str, encoding: object = "latin-1") -> bytes:
    """`_codecs.encode`."""
    if not isinstance(text, str) or _text(encoding) not in ("latin1", "latin-1"):
        raise RefusedError("encodes something else than bytes")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise RefusedError("a text that stands for no bytes") from error


def _dtype(code: object, *_flags: object) -> _Dtype:
    """`numpy.dtype`."""
    known = _text(code)
    if known not in _DTYPES:
        raise RefusedError(f"an array of {known[:20]!r}; allowed: {', '.join(_DTYPES)}")
    return _Dtype(known)


def _reconstruct(*_arguments: object) -> PickledArray:
    """`numpy.core.multiarray._reconstruct`: an array whose content follows."""
    return PickledArray()


def _scalar(dtype: object, data: object) -> Any:
    """`numpy.core.multiarray.scalar`: one number or truth value."""
    return _array(data, dtype, (1,))[0].item()


def _frombuffer(data: object, dtype: object, shape: object, *_order: object) -> PickledArray:
    """`numpy.core.numeric._frombuffer`: an array as protocol 5 writes it."""
    return PickledArray(_array(data, dtype, shape))


def _array(data: object, dtype: object, shape: object) -> NDArray[Any]:
    """An array over the bytes in the file, without a copy."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | memoryview):
        raise RefusedError("an array whose dtype or content is of another kind")
    if not isinstance(shape, tuple) or len(shape) != 1:
        raise RefusedError(f"an array of shape {_brief(shape)}; allowed: the bytes of an image file")
    kind = np.dtype(_DTYPES[dtype.code])
    if len(data) % kind.itemsize or shape != (len(data) // kind.itemsize,):
        raise RefusedError(f"an array of shape {_brief(shape)} with {len(data):,} bytes")
    return np.frombuffer(data, kind)


def _text(word: object) -> str:
    """A name as text, whether Python 2 or Python 3 wrote it."""
    if isinstance(word, bytes | memoryview):
        word = bytes(word[:_LONGEST_NAME]).decode("ascii", "replace")
    if not isinstance(word, str):
        raise RefusedError(f"a name that is {type(word).__name__}")
    return "".join(char if char.isprintable() else "?" for char in word[:_LONGEST_NAME])


def _brief(shape: object) -> str:
    if isinstance(shape, tuple) and all(isinstance(side, int) for side in shape):
        return " x ".join(map(str, shape[:4])) or "()"
    return type(shape).__name__


_CALLS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "encode": _encode,
        "bytes": lambda: b"",
        "dtype": _dtype,
        "reconstruct": _reconstruct,
        "scalar": _scalar,
        "frombuffer": _frombuffer,
    }
)
