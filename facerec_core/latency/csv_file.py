"""Reading a CSV file into frozen records, every refusal naming file, line and column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from facerec_core.errors import DataError, StorageError
from facerec_core.latency.reading import read_limited

Record = TypeVar("Record")

_DECIMAL = re.compile(r"\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True)
class Rule:
    """How a cell becomes a value, and in words what is allowed; `convert` raises ValueError on anything else."""

    convert: Callable[[str], object]
    allowed: str


def number(low: float, high: float) -> Rule:
    """A decimal number without a unit, from `low` to `high`."""

    def convert(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or not low <= float(text) <= high:
            raise ValueError(text)
        return float(text)

    return Rule(convert, f"a number from {low:g} to {high:g}, without a unit")


def count(low: int, high: int) -> Rule:
    """A whole number from `low` to `high`."""

    def convert(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return Rule(convert, f"a whole number from {low} to {high}")


def optional(rule: Rule, silent: str) -> Rule:
    """The same, or None for an empty cell; `silent` says in words what that means."""
    return Rule(lambda text: rule.convert(text) if text else None, f"{rule.allowed}, or nothing {silent}")


def one_of(*allowed: str) -> Rule:
    """One of a few words."""
    return Rule(lambda text: allowed[allowed.index(text)], " or ".join(allowed))


def _text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


TEXT = Rule(_text, "some text")


def bad_cell(path: Path, line: int, column: str, received: object, allowed: str) -> DataError:
    """The refusal of one cell; `line` counts from 1, the header included."""
    return DataError(f"{path}, line {line}, column {column}: got {received!r}, allowed: {allowed}")


def read_records(path: Path, kind: type[Record], rules: Mapping[str, Rule]) -> Iterator[tuple[int, Record]]:
    """The data lines of a file, each with its line number and parsed into a record.

    The columns are the fields of `kind` in any order; a column without a rule holds some text.

    Args:
        path: a CSV file in UTF-8 that ends in a newline.
        kind: a dataclass.
        rules: what is allowed, by column.

    Raises:
        DataError: the file cannot be read, is empty or cut, or holds a cell that is not allowed.
    """
    columns = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # `kind` is a dataclass
    for line, cells in _lines(path, columns):
        values: dict[str, Any] = {}
        for column in columns:
            rule = rules.get(column, TEXT)
            try:
                values[column] = rule.convert(cells[column])
            except ValueError as error:
                raise bad_cell(path, line, column, cells[column], rule.allowed) from error
        yield line, kind(**values)


def _lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The data lines with their line numbers, each a mapping of column to text."""
    text = _read(path, columns)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise bad_cell(path, reader.line_num, (header or columns)[0], str(error), "a line of CSV") from error
        if row is None:
            break
        if not header:
            header = _header(path, row, columns)
        elif row:
            yield reader.line_num, _cells(path, reader.line_num, header, row)


def _read(path: Path, columns: Sequence[str]) -> str:
    """The whole text, which must not be empty and must end in a newline: otherwise it was cut."""
    try:
        content = read_limited(path)
    except StorageError as error:
        raise DataError(f"{path}: cannot be read: {str(error).removeprefix(f'cannot read {path}: ')}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        received = f"byte 0x{content[error.start]:02x}"
        raise _bad_place(path, content[: error.start], columns, received, "text in UTF-8") from error
    if not text.strip():
        raise bad_cell(path, 1, columns[0], text, "a header and at least one row; the file is empty")
    if not text.endswith("\n"):
        received = text.splitlines()[-1][-20:]
        raise _bad_place(path, content, columns, received, "a file that ends in a newline; this one was cut")
    return text


def _bad_place(path: Path, before: bytes, columns: Sequence[str], received: object, allowed: str) -> DataError:
    """The refusal of the place that follows `before`: its line, and its column as the header names it."""
    lines = before.decode("utf-8", "replace").split("\n")
    header = lines[0].strip().split(",") if len(lines) > 1 else list(columns)
    column = header[min(lines[-1].count(","), len(header) - 1)]
    return bad_cell(path, len(lines), column, received, allowed)


def _header(path: Path, header: list[str], expected: Sequence[str]) -> list[str]:
    header = [name.strip() for name in header]
    wrong = [f"missing {name}" for name in expected if name not in header]
    wrong += [f"unknown {name}" for name in header if name not in expected]
    wrong += [f"repeated {name}" for name in sorted(set(header)) if header.count(name) > 1]
    if wrong:
        raise DataError(f"{path}, line 1: columns {', '.join(wrong)}; allowed: {', '.join(expected)}")
    return header


def _cells(path: Path, line: int, header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    if len(row) != len(header):
        column = header[min(len(row), len(header) - 1)]
        raise bad_cell(path, line, column, f"{len(row)} cells", f"{len(header)} cells, as in the header")
    return dict(zip(header, (cell.strip() for cell in row), strict=True))
