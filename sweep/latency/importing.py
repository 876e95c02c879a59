"""`python -m sweep latency import`: the log of a board's benchmark, checked and made into a board of one's own."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from facerec_core.errors import DataError, OptionError, UsageError
from facerec_core.latency import BoardSpec, LatencyModel, latency_model
from facerec_core.latency.bench_log import BenchLog, read_log
from facerec_core.latency.bench_result import BenchResult
from facerec_core.latency.contradiction import Contradiction, contradictions
from facerec_core.latency.fit import FEATURES
from facerec_core.latency.reading import user_path
from facerec_core.latency.table import TimedRow, read_table
from facerec_core.latency.writing import Setup, check_setup, merge_rows, only_writer, own_row, publish, table_text
from sweep.latency import Request
from sweep.latency.board_file import board_text, imported_board, known_before, shipped_counts
from sweep.latency.printing import contradiction_text, plain_table, print_report, refuse_flags, rows_missing

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_WORDS_OF_YAML = {"null", "none", "true", "false", "yes", "no", "on", "off", "nan", "inf"}


@dataclass(frozen=True)
class Imported:
    """What an import wrote: every row of the table, those of this log, the board and its file, and rows to doubt."""

    rows: tuple[TimedRow, ...]
    new: tuple[TimedRow, ...]
    board: BoardSpec
    board_file: Path
    doubts: tuple[Contradiction, ...]

    @property
    def missing(self) -> str:
        """What keeps the board from estimates, in words; empty when nothing does."""
        return "" if self.board.donor or self.board.counts else rows_missing(self.rows)


def act(request: Request) -> int:
    """Read a log, write table and board, and say how well estimates for that board will do.

    Raises:
        UsageError: anything about the request, the log, or an earlier import of that name that does not fit;
            nothing is written then.
    """
    refuse_flags(request, "import", runs=request.runs)
    name, path = _board_name(request.board), _log_file(request)
    log = read_log(path)
    if not log.results:
        failed = "; ".join(f"line {one.line}, {one.model}: {one.error}" for one in log.errors)
        raise DataError(f"{path}: no network was timed ({failed}); nothing is written")
    folder = _folder(request)
    with only_writer(folder / f"{name}.csv"):
        imported = _write(folder, name, log, path)
    for one in log.errors:
        sys.stderr.write(f"warning: {one.model} is left out: {one.error}\n")
    for doubt in imported.doubts:
        sys.stderr.write(f"warning: {contradiction_text(doubt)}\n")
    print_report(_table(log.results, imported.new), _closing_lines(imported, folder))
    return 1 if log.errors else 0


def _board_name(name: str | None) -> str:
    if name is None or not _NAME.fullmatch(name) or name.lower() in _WORDS_OF_YAML:
        allowed = "a letter, then up to 63 letters, digits, dashes and underscores"
        raise OptionError(
            "--board", name, allowed, "such as `python -m sweep latency import uart.log --board my_board`"
        )
    return name


def _log_file(request: Request) -> Path:
    if len(request.files) != 1:
        received = " ".join(request.files) or None
        raise UsageError(f"latency import: got {received!r}, allowed: one log of the benchmark's output")
    return user_path(request.files[0])


def _folder(request: Request) -> Path:
    if request.out is not None:
        return user_path(request.out).absolute()
    return request.points[0].paths.folder / "latency" / "boards"


def _write(folder: Path, name: str, log: BenchLog, path: Path) -> Imported:
    """Table and board file: both or neither, and only if a board can be made of them."""
    table, board_file = folder / f"{name}.csv", folder / "board" / f"{name}.yaml"
    setup = _setup(name, log.results[0])
    earlier = read_table(table).rows if table.exists() else ()
    check_setup(earlier, setup, str(table))
    new = _rows(log, setup, path)
    places = {row: f"{path}, line {result.line}" for row, result in zip(new, log.results, strict=True)}
    rows, known = merge_rows(earlier, new), known_before(board_file, name)
    doubts = contradictions(rows, new)
    _refuse_impossible(doubts, places, table)
    counts = shipped_counts(setup) if rows_missing(rows) and known.donor is None else None
    board = imported_board(setup, table, known, counts)
    imported = Imported(rows, new, board, board_file, doubts)

    def check(written: Mapping[Path, Path]) -> None:
        read_table(written[table])
        if not imported.missing:
            latency_model(replace(board, table=str(written[table])))

    publish({table: table_text(rows).encode(), board_file: board_text(board, known).encode()}, check)
    return imported


def _refuse_impossible(doubts: Sequence[Contradiction], places: Mapping[TimedRow, str], table: Path) -> None:
    """Raise where a network is far slower than one that contains it; either of the two may be the wrong one."""
    for one in doubts:
        if one.is_impossible:
            slower, larger = (places.get(row, f"a row of {table}") for row in (one.slower, one.larger))
            remedy = "one of them is wrong: measure again, or remove its line (in a log, lower begin and end, too)"
            raise DataError(f"{slower}: {contradiction_text(one)}, in {larger}; {remedy}; nothing is written")


def _setup(name: str, result: BenchResult) -> Setup:
    clock_mhz = result.clock_hz / 1e6
    return Setup(name, result.core, clock_mhz, result.runtime, result.runtime_version, result.kernels)


def _rows(log: BenchLog, setup: Setup, path: Path) -> tuple[TimedRow, ...]:
    name = "".join(character if character.isprintable() else "_" for character in path.name).strip()
    origin = (f"measured on {setup.board}", name or "log", f"sha256:{log.sha256[:16]}")
    return tuple(own_row(setup, one.candidate, one.times_ms, one.n, origin) for one in log.results)


def _table(results: Sequence[BenchResult], rows: Sequence[TimedRow]) -> Table:
    table = plain_table(("width", "res", "embedding", "ms", "5 %", "95 %", "n", "arena KiB"))
    for result, row in zip(results, rows, strict=True):
        times = (f"{value:.2f}" for value in (row.latency_ms, *result.times_ms[::2]))
        arena = f"{result.arena_used_bytes / 1024:,.0f}"
        table.add_row(f"{row.width:g}", str(row.resolution), str(row.embedding), *times, str(row.n), arena)
    return table


def _closing_lines(imported: Imported, folder: Path) -> Iterator[str]:
    row, board = imported.rows[0], imported.board
    yield ""
    yield f"{row.core} at {row.clock_mhz:g} MHz, {row.runtime} {row.runtime_version} with {row.kernels}"
    kept = len(imported.rows) - len(imported.new)
    yield f"written to {board.table}" + (f", which keeps {kept} earlier rows" if kept else "")
    yield f"       and {imported.board_file}" + ("" if board.ram_bytes else "; fill in the sizes of its memories there")
    if imported.missing:
        yield f"too few for estimates: measure {imported.missing}, or name a donor there (docs/measuring.md)"
    else:
        yield from _model_lines(latency_model(board))
    use = shlex.join(["python", "-m", "sweep", "plan", "--config-dir", str(folder), f"board={board.name}"])
    yield f"{'then' if imported.missing else 'use it'}: {use}"


def _model_lines(model: LatencyModel) -> Iterator[str]:
    terms = zip(FEATURES, model.coefficients, strict=True)
    per_million = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in terms if value)
    worth = f"leave-one-out error {model.fit.mean_error:.1%} mean, {model.fit.worst_error:.1%} worst"
    if model.kind == "fitted":
        yield f"fit of {len(model.rows)} networks, ms per million multiply-adds: {per_million}; {worth}"
        return
    yield f"{model.kind}, because there are too few networks for a fit: {model.source}"
    yield f"a fit of its own needs {rows_missing(model.rows)}"
