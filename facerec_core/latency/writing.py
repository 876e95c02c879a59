"""Writing latency tables: one function for all of them, so that what is written can always be read."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from facerec_core.errors import DataError, StorageError
from facerec_core.latency.table import TimedRow, read_table
from facerec_core.stages import write_file
from facerec_core.types import Candidate


@dataclass(frozen=True)
class Setup:
    """What measurements were taken on: the columns that are the same in every row of a table."""

    board: str
    core: str
    clock_mhz: float | None
    runtime: str
    runtime_version: str
    kernels: str


def table_text(rows: Sequence[TimedRow]) -> str:
    """Rows as CSV, the columns being the fields of TimedRow in their order; None is an empty cell."""
    out = io.StringIO()
    names = [field.name for field in fields(TimedRow)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def write_table(path: Path, rows: Sequence[TimedRow]) -> None:
    """Write a table, read it back, and only then give it its name.

    Raises:
        DataError: rows that `read_table` refuses; nothing is left behind.
        StorageError: the folder cannot be written.
    """
    publish({path: table_text(rows).encode()}, check=lambda written: read_table(written[path]))


def own_row(
    setup: Setup, candidate: Candidate, times_ms: tuple[float, float, float], n: int, origin: tuple[str, str, str]
) -> TimedRow:
    """A measurement of a headless network taken with this project.

    Args:
        setup: what it was taken on.
        candidate: the network.
        times_ms: lower end, median and upper end of the spread; six digits are kept.
        n: timed inferences.
        origin: source, path and commit as the table's columns ask.
    """
    low, middle, high = (float(f"{value:.6g}") for value in times_ms)
    source, path, commit = origin
    return TimedRow(
        role="own",
        **asdict(setup),
        model="MobileNetV2",
        width=candidate.width,
        resolution=candidate.resolution,
        channels=3,
        embedding=candidate.embedding,
        classes=None,
        latency_ms=middle,
        low_ms=low,
        high_ms=high,
        macs_millions=None,
        n=n,
        source=source,
        path=path,
        commit=commit,
    )


def check_setup(rows: Sequence[TimedRow], setup: Setup, name: str) -> None:
    """Raise unless the rows of a table were measured on the same board with the same runtime.

    Raises:
        DataError: names the table, the column and both values.
    """
    for column, now in asdict(setup).items():
        for row in rows:
            old = getattr(row, column)
            if old != now:
                hint = "move that file away to start anew, or write elsewhere with --out"
                raise DataError(f"{name}: its {column} is {old!r}, now it is {now!r}; a table never mixes them; {hint}")


def merge_rows(earlier: Sequence[TimedRow], new: Sequence[TimedRow]) -> tuple[TimedRow, ...]:
    """The new rows and those earlier ones that timed another network, ordered by width, resolution and embedding."""
    replaced = {row.measured_what for row in new}
    kept = [row for row in earlier if row.measured_what not in replaced]
    return tuple(sorted([*kept, *new], key=lambda row: (row.width, row.resolution, row.embedding)))


def publish(files: Mapping[Path, bytes], check: Callable[[Mapping[Path, Path]], object]) -> None:
    """Write several files so that either all of them appear or none changes.

    Args:
        files: content by final path.
        check: called with the temporary path of each final one before anything is renamed; what it raises ends
            the writing.

    Raises:
        StorageError: a folder cannot be written, or the disk is full.
    """
    written = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in files}
    try:
        for path, temporary in written.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(temporary, files[path])
        check(written)
        _rename_all(written)
    except OSError as error:
        where = ", ".join(map(str, files))
        raise StorageError(f"cannot write {where}: {error.strerror or error}; name another place with --out") from error
    finally:
        for temporary in written.values():
            temporary.unlink(missing_ok=True)


def _rename_all(written: Mapping[Path, Path]) -> None:
    """Give every file its name; when one cannot be had, those already renamed get their old content back."""
    before = {path: path.read_bytes() if path.is_file() else None for path in written}
    renamed: list[Path] = []
    try:
        for path, temporary in written.items():
            temporary.replace(path)
            renamed.append(path)
    except OSError:
        for path in renamed:
            content = before[path]
            if content is None:
                path.unlink(missing_ok=True)
            else:
                write_file(path, content)
        raise
