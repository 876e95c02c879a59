"""Tables of measured latencies: one CSV file holds one runtime on one core, a row a measured network."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from facerec_core.arch import Layer, layers
from facerec_core.cost import macs_by_kind
from facerec_core.errors import DataError, OptionError

SHIPPED = Path(__file__).parent / "tables"
MODEL = "MobileNetV2"
LONGEST_MS = 600_000.0
MACS_TOLERANCE = 0.005
UNIFORM = ("core", "clock_mhz", "runtime", "runtime_version", "kernels")
Role = Literal["own", "stand_in", "check"]


@dataclass(frozen=True)
class TimedRow:
    """One published measurement, its fields in the order of the CSV columns.

    `role` says what the row is good for: `own` was taken on the board the table is for, `stand_in` on one that
    agrees in core, clock and runtime but that the source does not name, and `check` is only compared with.
    `embedding` is the width of the last convolution, `classes` the outputs of the measured head. `n` is the
    number of timed inferences and `macs_millions` the published count; both are None where the source is silent.
    """

    role: Role
    board: str
    core: str
    clock_mhz: float
    runtime: str
    runtime_version: str
    kernels: str
    model: str
    width: float
    resolution: int
    channels: int
    embedding: int
    classes: int
    latency_ms: float
    macs_millions: float | None
    n: int | None
    source: str
    path: str
    commit: str

    @cached_property
    def network(self) -> tuple[Layer, ...]:
        """The measured network's layers without its head."""
        return layers(self.width, self.resolution, self.embedding)

    @property
    def measured_what(self) -> tuple[object, ...]:
        """What two rows must share to be the same measurement."""
        return (self.board, self.model, self.width, self.resolution, self.channels, self.embedding, self.classes)


@dataclass(frozen=True)
class LatencyTable:
    """The rows of one file; core, clock, runtime, version and kernels are the same in all of them."""

    name: str
    rows: tuple[TimedRow, ...]

    @property
    def runtime(self) -> str:
        """Name and version of the inference runtime."""
        return f"{self.rows[0].runtime} {self.rows[0].runtime_version}"


def table_path(name: str) -> Path:
    """Where a table lies: a bare file name is one that ships with the package, anything else is a path.

    Raises:
        OptionError: no such file.
    """
    path = SHIPPED / name if Path(name).name == name else Path(name)
    if not path.is_file():
        shipped = ", ".join(sorted(item.name for item in SHIPPED.glob("*.csv")))
        raise OptionError("board.table", name, f"a shipped table ({shipped}) or a path such as ./{Path(name).name}")
    return path


def read_table(path: Path) -> LatencyTable:
    """Read and check a table.

    Raises:
        DataError: a missing or unknown column, a value out of range, two different values for one measurement,
            or rows of different runtimes; the message names the file, the line and the column.
    """
    rows: list[TimedRow] = []
    seen: dict[tuple[object, ...], TimedRow] = {}
    for line, cells in _lines(path):
        row = _parse(path, line, cells)
        _check_uniform(path, line, row, rows)
        earlier = seen.setdefault(row.measured_what, row)
        if earlier.latency_ms != row.latency_ms:
            both = f"{earlier.latency_ms:g} and {row.latency_ms:g} ms for the same network"
            raise _bad(path, line, "latency_ms", both, "one value a network; remove one of the rows")
        if earlier is row:
            rows.append(row)
    if not rows:
        raise _bad(path, 2, "role", "no rows", "at least one measurement")
    return LatencyTable(path.name, tuple(rows))


def _bad(path: Path, line: int, column: str, received: object, allowed: str) -> DataError:
    return DataError(f"{path}, line {line}, column {column}: got {received!r}, allowed: {allowed}")


def _lines(path: Path) -> list[tuple[int, dict[str, str]]]:
    """The data lines with their line numbers, each a mapping of column to text."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            _check_header(path, header)
            return [(reader.line_num, _cells(path, reader.line_num, header, row)) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV table of latencies in UTF-8: {error}") from error


def _check_header(path: Path, header: list[str]) -> None:
    expected = [field.name for field in fields(TimedRow)]
    wrong = [f"missing {name}" for name in expected if name not in header]
    wrong += [f"unknown {name}" for name in header if name not in expected]
    wrong += [f"repeated {name}" for name in sorted(set(header)) if header.count(name) > 1]
    if wrong:
        raise DataError(f"{path}, line 1: columns {', '.join(wrong)}; allowed: {', '.join(expected)}")


def _cells(path: Path, line: int, header: list[str], row: list[str]) -> dict[str, str]:
    if len(row) != len(header):
        column = header[min(len(row), len(header) - 1)]
        raise _bad(path, line, column, f"{len(row)} cells", f"{len(header)} cells, as in the header")
    return dict(zip(header, (cell.strip() for cell in row), strict=True))


@dataclass(frozen=True)
class _Rule:
    """How a cell becomes a value, and in words what is allowed; `convert` raises ValueError on anything else."""

    convert: Callable[[str], object]
    allowed: str


def _number(low: float, high: float) -> _Rule:
    def convert(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return _Rule(convert, f"a number from {low:g} to {high:g}")


def _count(low: int, high: int) -> _Rule:
    def convert(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return _Rule(convert, f"a whole number from {low} to {high}")


def _optional(rule: _Rule) -> _Rule:
    allowed = f"{rule.allowed}, or nothing where the source is silent"
    return _Rule(lambda text: rule.convert(text) if text else None, allowed)


def _one_of(*allowed: str) -> _Rule:
    return _Rule(lambda text: allowed[allowed.index(text)], " or ".join(allowed))


def _text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


TEXT = _Rule(_text, "some text")
RULES: dict[str, _Rule] = {
    "role": _one_of(*get_args(Role)),
    "clock_mhz": _number(1, 2000),
    "model": _one_of(MODEL),
    "width": _number(0.05, 2),
    "resolution": _count(32, 512),
    "channels": _count(3, 3),
    "embedding": _count(8, 4096),
    "classes": _count(1, 1_000_000),
    "latency_ms": _number(0.001, LONGEST_MS),
    "macs_millions": _optional(_number(0.001, 100_000)),
    "n": _optional(_count(1, 1_000_000_000)),
}


def _parse(path: Path, line: int, cells: dict[str, str]) -> TimedRow:
    values: dict[str, object] = {}
    for field in fields(TimedRow):
        rule = RULES.get(field.name, TEXT)
        try:
            values[field.name] = rule.convert(cells[field.name])
        except ValueError as error:
            raise _bad(path, line, field.name, cells[field.name], rule.allowed) from error
    row = TimedRow(**values)  # type: ignore[arg-type]  # each rule returns its field's type
    _check_macs(path, line, row)
    return row


def _check_macs(path: Path, line: int, row: TimedRow) -> None:
    """A published count that our layer list does not give means that another network was timed."""
    network = layers(row.width, row.resolution, row.embedding, row.classes)
    ours = sum(macs_by_kind(network).values()) / 1e6
    if row.macs_millions is not None and abs(row.macs_millions / ours - 1) > MACS_TOLERANCE:
        raise _bad(path, line, "macs_millions", row.macs_millions, f"{ours:.3f}, the count of the network in this row")


def _check_uniform(path: Path, line: int, row: TimedRow, rows: list[TimedRow]) -> None:
    for column in UNIFORM:
        received = getattr(row, column)
        if rows and received != getattr(rows[0], column):
            allowed = f"{getattr(rows[0], column)!r} as in the first row; a table never mixes runtimes or cores"
            raise _bad(path, line, column, received, allowed)
