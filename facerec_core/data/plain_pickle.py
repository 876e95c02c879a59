"""Reads the plain data in a pickle without unpickling it: nothing in the file can name code that is then run.

A pickle is a program for a stack machine. This one knows the instructions that make lists, tuples, numbers, texts and
bytes, and of the calls a pickle may ask for only the few by which Python and numpy write bytes and arrays; it makes
those itself (`pickled_calls`). Everything else is refused by name and position. The instructions are those of the
standard library's `pickletools`, protocols 0 to 5, as Python 2 and Python 3 write them.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from facerec_core.data.pickled_calls import RefusedError, call, known_name, set_state
from facerec_core.errors import DataError

MAX_OPCODES = 2_000_000
"""Several times what the largest of these files need; it bounds the time and memory a hostile file can take."""

_MAX_WHOLE_BYTES = 8
_MOST_ARGUMENTS = 8
_HIGHEST_PROTOCOL = 5
_LINE_END = b"\n"


def read_plain_pickle(content: bytes, source: str) -> Any:
    """What a pickle holds, if that is lists, tuples, numbers, texts, bytes and numpy arrays of numbers alone.

    Args:
        content: the pickle.
        source: what to call it in messages.

    Returns:
        The value. Bytes, and the texts of Python 2, come as bytes or memoryviews of `content`, arrays as PickledArray.
        A list may hold itself: nothing about the value's shape is checked, and it must not be walked through blindly.

    Raises:
        DataError: an instruction that is not allowed or not known, a file that is cut or goes on after its end, more
            than MAX_OPCODES instructions, or more bytes made than the file has room for.
    """
    machine = _Machine(content)
    try:
        return machine.run()
    except RefusedError as error:
        where = f"{source}, byte {machine.start}, opcode {_name_of(content, machine.start)}"
        raise DataError(f"{where}: {error}") from None


def _name_of(content: bytes, position: int) -> str:
    from pickletools import opcodes

    code = content[position : position + 1].decode("latin-1")
    names = (opcode.name for opcode in opcodes if opcode.code == code)
    return next(names, f"0x{ord(code):02x}" if code else "missing")


class _Machine:
    """The stack, the memo and the place in the file; `start` is where the instruction at hand begins."""

    def __init__(self, content: bytes) -> None:
        self.view = memoryview(content)
        self.content = content
        self.start = 0
        self._next = 0
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self._allowance = 2 * len(content)

    def run(self) -> Any:
        """Follow the instructions to the end and return what they leave on the stack."""
        for _ in range(MAX_OPCODES):
            self.start = self._next
            code = bytes(self.take(1))
            if code == b".":
                return self._end()
            self._follow(code)
        raise RefusedError(f"more than {MAX_OPCODES:,} instructions; that is no list of images")

    def _end(self) -> Any:
        if left := len(self.view) - self._next:
            raise RefusedError(f"{left} bytes follow the end; needed: one pickle a file")
        value = self.pop()
        if self._stack or self._marked:
            raise RefusedError("values are left over; the file is damaged")
        return value

    def _follow(self, code: bytes) -> None:
        if code in _COUNTED:
            self.push(self.counted(code))
        elif code in _NUMBERS:
            (number,) = struct.unpack(_NUMBERS[code], self.take(struct.calcsize(_NUMBERS[code])))
            self.push(number)
        elif code in _CONSTANTS:
            self.push(_CONSTANTS[code])
        elif code in _TUPLES:
            self.push(tuple(self.pop_many(_TUPLES[code])))
        elif code in _ACTIONS:
            _ACTIONS[code](self)
        else:
            raise RefusedError("not allowed; needed: lists, tuples, numbers, texts, bytes and numpy arrays alone")

    # What the instructions read.

    def take(self, count: int) -> memoryview:
        end = self._next + count
        if count < 0 or end > len(self.view):
            raise RefusedError(f"wants {count:,} bytes, {len(self.view) - self._next:,} are left; the file is cut")
        taken = self.view[self._next : end]
        self._next = end
        return taken

    def unsigned(self, size_bytes: int) -> int:
        return int.from_bytes(self.take(size_bytes), "little")

    def line(self) -> bytes:
        end = self.content.find(_LINE_END, self._next)
        if end < 0:
            raise RefusedError("the line does not end; the file is cut")
        line = bytes(self.take(end - self._next))
        self._next += len(_LINE_END)
        return line

    def whole(self, digits: bytes) -> int:
        if len(digits) > 2 * _MAX_WHOLE_BYTES or not digits.removeprefix(b"-").isdigit():
            raise RefusedError(f"got {digits[:20]!r}; needed: a whole number")
        return int(digits)

    def counted(self, code: bytes) -> Any:
        size_bytes, kind = _COUNTED[code]
        taken = self.take(self.unsigned(size_bytes))
        if kind == "text":
            return self.text(bytes(taken), "utf-8")
        if kind == "whole":
            return self.long(taken)
        return taken

    def long(self, taken: memoryview) -> int:
        if len(taken) > _MAX_WHOLE_BYTES:
            raise RefusedError(f"a number of {len(taken):,} bytes; needed: at most {_MAX_WHOLE_BYTES}")
        return int.from_bytes(taken, "little", signed=True)

    def text(self, raw: bytes, encoding: str) -> str:
        self.spend(len(raw))
        try:
            return raw.decode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")
        except UnicodeDecodeError as error:
            raise RefusedError(f"a text that is not {encoding}") from error

    def spend(self, size_bytes: int) -> None:
        """Copies are limited: a pickle may ask for one of a large text again and again."""
        self._allowance -= size_bytes
        if self._allowance < 0:
            raise RefusedError("more bytes are made than the file has room for")

    # The stack and the memo.

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        return self.pop_many(1)[0]

    def pop_many(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise RefusedError("the stack is empty; the file is damaged")
        cut = len(self._stack) - count
        taken = self._stack[cut:]
        del self._stack[cut:]
        return taken

    def pop_marked(self) -> list[Any]:
        """What was pushed since the last mark."""
        if not self._marked:
            raise RefusedError("there is no mark; the file is damaged")
        taken, self._stack = self._stack, self._marked.pop()
        return taken

    def remember(self, key: int) -> None:
        value = self.pop()
        self.push(value)
        self.memo[key] = value

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise RefusedError(f"nothing was remembered under {key}; the file is damaged")
        self.push(self.memo[key])

    # The instructions that are more than a value.

    def protocol(self) -> None:
        """PROTO."""
        version = self.unsigned(1)
        if version > _HIGHEST_PROTOCOL:
            raise RefusedError(f"got protocol {version}, allowed: 0 to {_HIGHEST_PROTOCOL}")

    def mark(self) -> None:
        """MARK."""
        self._marked.append(self._stack)
        self._stack = []

    def extend(self, values: list[Any]) -> None:
        """APPEND and APPENDS."""
        target = self.pop()
        if not isinstance(target, list):
            raise RefusedError(f"appends to {type(target).__name__}; needed: a list")
        target.extend(values)
        self.push(target)

    def whole_line(self) -> None:
        """INT: a number in digits, or 00 and 01 for False and True."""
        line = self.line()
        self.push(line == b"01" if line in (b"00", b"01") else self.whole(line))

    def string_line(self) -> None:
        """STRING: a text of Python 2 in quotes, with escapes."""
        line = self.line()
        if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
            raise RefusedError("a text without quotes; the file is damaged")
        self.spend(len(line))
        try:
            unescaped: Any = codecs.escape_decode(line[1:-1])[0]
        except (ValueError, Warning) as error:
            raise RefusedError("a text with a wrong escape") from error
        self.push(unescaped)

    def name(self, module: object, attribute: object) -> None:
        """GLOBAL and STACK_GLOBAL."""
        self.push(known_name(module, attribute))

    def reduce(self) -> None:
        """REDUCE: a call of one of the names allowed, which is carried out here."""
        function, arguments = self.pop_many(2)
        if not isinstance(arguments, tuple) or len(arguments) > _MOST_ARGUMENTS:
            raise RefusedError(f"calls with something else than a tuple of at most {_MOST_ARGUMENTS}")
        self.spend(sum(len(argument) for argument in arguments if isinstance(argument, str)))
        self.push(call(function, arguments))

    def build(self) -> None:
        """BUILD: gives an array its content; what it says of a dtype is checked."""
        target, state = self.pop_many(2)
        set_state(target, state)
        self.push(target)


_COUNTED = MappingProxyType(
    {
        b"U": (1, "bytes"), b"T": (4, "bytes"), b"C": (1, "bytes"), b"B": (4, "bytes"), b"\x8e": (8, "bytes"),
        b"\x96": (8, "bytes"), b"\x8c": (1, "text"), b"X": (4, "text"), b"\x8d": (8, "text"),
        b"\x8a": (1, "whole"), b"\x8b": (4, "whole"),
    }
)  # fmt: skip
"""Instructions followed by a count and as many bytes: the size of the count, and what the bytes are."""

_NUMBERS = MappingProxyType({b"J": "<i", b"K": "<B", b"M": "<H"})
_CONSTANTS = MappingProxyType({b"N": None, b"\x88": True, b"\x89": False, b")": ()})
_TUPLES = MappingProxyType({b"\x85": 1, b"\x86": 2, b"\x87": 3})

_ACTIONS: Mapping[bytes, Callable[[_Machine], object]] = MappingProxyType(
    {
        b"\x80": _Machine.protocol,
        b"\x95": lambda m: m.take(8),
        b"(": _Machine.mark,
        b"]": lambda m: m.push([]),
        b"l": lambda m: m.push(m.pop_marked()),
        b"t": lambda m: m.push(tuple(m.pop_marked())),
        b"a": lambda m: m.extend([m.pop()]),
        b"e": lambda m: m.extend(m.pop_marked()),
        b"0": lambda m: m.pop(),
        b"1": lambda m: m.pop_marked(),
        b"p": lambda m: m.remember(m.whole(m.line())),
        b"q": lambda m: m.remember(m.unsigned(1)),
        b"r": lambda m: m.remember(m.unsigned(4)),
        b"\x94": lambda m: m.remember(len(m.memo)),
        b"g": lambda m: m.recall(m.whole(m.line())),
        b"h": lambda m: m.recall(m.unsigned(1)),
        b"j": lambda m: m.recall(m.unsigned(4)),
        b"I": _Machine.whole_line,
        b"L": lambda m: m.push(m.whole(m.line().removesuffix(b"L"))),
        b"S": _Machine.string_line,
        b"V": lambda m: m.push(m.text(m.line(), "raw-unicode-escape")),
        b"c": lambda m: m.name(m.line(), m.line()),
        b"\x93": lambda m: m.name(*m.pop_many(2)),
        b"R": _Machine.reduce,
        b"b": _Machine.build,
    }
)
