"""Reading what the benchmark of `bench/` printed over a UART.

A log holds one or more runs of the benchmark, each from a line with "begin" to a line with "end"; whatever else a board
prints is passed over. Nothing is guessed: a run that is not whole, or a figure that cannot be, refuses the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from facerec_core.errors import DataError
from facerec_core.latency.bench_result import BenchError, BenchResult, parse_error, parse_result
from facerec_core.latency.reading import read_limited

VERSION = 1
MARK = '{"facerec_bench"'
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Terminal sequences (ECMA-48 CSI) and control characters, which JSON never holds."""


@dataclass(frozen=True)
class BenchLog:
    """The networks of every run in a log, in order: those that were timed and those that failed.

    `sha256` is that of the bytes they were read from, in hexadecimal digits.
    """

    results: tuple[BenchResult, ...]
    errors: tuple[BenchError, ...]
    sha256: str


class LineError(ValueError):
    """A line of the benchmark that cannot be used; `column` counts from 1."""

    def __init__(self, column: int, reason: str) -> None:
        self.column = column
        super().__init__(reason)


def read_log(path: Path) -> BenchLog:
    """Read and check a log.

    Raises:
        StorageError: the file cannot be read, or is no log by its size.
        DataError: it holds no whole run, a run that is cut, a damaged line, an impossible figure, two results for one
            network, or two boards or runtimes; the message names file, line and column.
    """
    return parse_log(read_limited(path, pipes=True), str(path))


def parse_log(content: bytes, name: str) -> BenchLog:
    """The same from the bytes of a log; `name` is what messages call it."""
    text = content.decode("utf-8", errors="replace")
    results: list[BenchResult] = []
    errors: list[BenchError] = []
    for number, column, record in _checked_runs(_records(text, name), name):
        where = f"{name}, line {number}, column {column}"
        if "error" in record:
            errors.append(parse_error(record, where, number))
            continue
        result = parse_result(record, where, number)
        twin = next((one for one in results if one.candidate == result.candidate), None)
        if results:
            _check_same_setup(results[0], result, where)
        if twin is None:
            results.append(result)
        elif twin.figures != result.figures:
            both = f"{twin.median_ms:.6g} ms in line {twin.line} and {result.median_ms:.6g} ms here"
            raise DataError(f"{where}: {result.model} was timed twice, {both}; keep one of the runs")
    if not results and not errors:
        raise DataError(f"{name}, {_extent(text)}: no run of the benchmark in it ({MARK}... from begin to end)")
    return BenchLog(tuple(results), tuple(errors), sha256(content).hexdigest())


def _extent(text: str) -> str:
    lines = text.count("\n") + (not text.endswith("\n"))
    return f"lines 1 to {lines}" if lines > 1 else "line 1" if text else "line 1: the log is empty"


Record = tuple[int, int, Mapping[str, Any]]
"""Line and column, both from 1, and the JSON object that stands there."""


class Begun(NamedTuple):
    """Where a run began, and the number of networks it said it would have."""

    line: int
    column: int
    models: int


def _records(text: str, name: str) -> Iterator[Record]:
    """The benchmark's own lines, wherever they begin in a line of the log."""
    for number, raw in enumerate(text.split("\n"), start=1):
        line = _ESCAPES.sub("", raw.rstrip("\r"))
        start = line.find(MARK)
        if start < 0:
            continue
        try:
            record = parse_line(line, start)
        except LineError as error:
            raise DataError(f"{name}, line {number}, column {error.column}: {error}") from error
        yield number, start + 1, record


def parse_line(line: str, start: int) -> dict[str, Any]:
    """The JSON object that begins at `start`, and after which nothing may follow.

    Raises:
        LineError: cut, damaged, or of another version of the benchmark.
    """
    try:
        record, end = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_without_repeats).raw_decode(
            line, start
        )
    except json.JSONDecodeError as error:
        raise LineError(error.pos + 1, f"the line is cut or damaged ({error.msg}); capture the log again") from error
    except (ValueError, RecursionError) as error:
        raise LineError(start + 1, f"the line is damaged ({error}); capture the log again") from error
    if line[end:].strip():
        raise LineError(end + 1, f"{line[end : end + 20]!r} follows the object; capture the log again")
    version = record["facerec_bench"]
    if isinstance(version, bool) or version != VERSION:
        raise LineError(start + 1, f"facerec_bench is {version!r}, allowed: {VERSION}; build the benchmark anew")
    return dict(record)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no figure")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands there twice")
    return record


def _checked_runs(records: Iterator[Record], name: str) -> Iterator[Record]:
    """The lines of networks, once it is sure that each run began, ended, and has as many as it said it would."""
    run: list[Record] | None = None
    begun = Begun(0, 0, 0)
    for number, column, record in records:
        where = f"{name}, line {number}, column {column}"
        if "begin" in record:
            _refuse_open(run, begun, name)
            run, begun = [], Begun(number, column, _count(record, "begin", where))
        elif run is None:
            raise DataError(f"{where}: no line with begin before this one; capture the log from the board's reset on")
        elif "end" in record:
            _check_end(len(run), begun, _count(record, "end", where), where)
            yield from run
            run = None
        else:
            run.append((number, column, record))
    _refuse_open(run, begun, name)


def _refuse_open(run: list[Record] | None, begun: Begun, name: str) -> None:
    if run is not None:
        missing = f"{len(run)} of {begun.models} networks and no line with end"
        where = f"{name}, line {begun.line}, column {begun.column}"
        raise DataError(f"{where}: this run was cut: {missing}; capture the log until its end")


def _check_end(found: int, begun: Begun, ended: int, where: str) -> None:
    if (found, ended) != (begun.models, begun.models):
        said = f"the run began in line {begun.line} with {begun.models} networks, ends with {ended}, and has {found}"
        raise DataError(f"{where}: {said}; lines are missing, capture the log again")


def _count(record: Mapping[str, Any], key: str, where: str) -> int:
    value = record[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DataError(f"{where}: {key} is {value!r}, allowed: a whole number of at least 1")
    return int(value)


def _check_same_setup(first: BenchResult, other: BenchResult, where: str) -> None:
    for key, value in first.setup.items():
        here = other.setup[key]
        if here != value:
            said = f"{key} is {here!r}, but {value!r} in line {first.line}"
            raise DataError(f"{where}: {said}; one log holds one board with one runtime, import them apart")
