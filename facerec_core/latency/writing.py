"""Writing latency tables: one function for all of them, so that what is written can always be read."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from facerec_core.errors import DataError, StorageError, UsageError
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
            the writing, and names the final path where it names a temporary one.

    Raises:
        DataError: what `check` objects to.
        StorageError: a folder cannot be written, or the disk is full.
    """
    written = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in files}
    try:
        with new_folders(path.parent for path in files), _gone_at_last(written.values()):
            for path, temporary in written.items():
                write_file(temporary, files[path])
            _checked(written, check)
            _rename_all(written)
    except OSError as error:
        raise _not_written(files, error) from error


@contextmanager
def _gone_at_last(paths: Iterable[Path]) -> Iterator[None]:
    try:
        yield
    finally:
        for path in paths:
            _remove(path)


def _checked(written: Mapping[Path, Path], check: Callable[[Mapping[Path, Path]], object]) -> None:
    try:
        check(written)
    except UsageError as error:
        said = str(error)
        for path, temporary in written.items():
            said = said.replace(str(temporary), str(path)).replace(temporary.name, path.name)
        raise DataError(said) from error


def _not_written(paths: Iterable[Path], error: OSError) -> StorageError:
    where = ", ".join(map(str, paths))
    return StorageError(f"cannot write {where}: {error.strerror or error}; name another place with --out")


@contextmanager
def new_folders(folders: Iterable[Path]) -> Iterator[None]:
    """Make folders, and take those that were not there away again when the block fails and has left them empty.

    Raises:
        OSError: a folder cannot be made.
    """
    made: list[Path] = []
    try:
        for folder in folders:
            absent = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
            made.extend(absent)
            folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in sorted(made, key=lambda one: len(one.parts), reverse=True):
            with suppress(OSError):  # in use by another process
                folder.rmdir()
        raise


@contextmanager
def only_writer(table: Path) -> Iterator[None]:
    """Hold the lock beside a table, which every command that reads, changes and writes it waits for.

    The lock dies with its process, and its file goes with the block.

    Raises:
        StorageError: the lock cannot be made.
    """
    path = table.with_name(f".{table.name}.lock")
    with ExitStack() as tidy:
        try:
            tidy.enter_context(new_folders([table.parent]))
            lock = _locked(path)
        except OSError as error:
            raise _not_written([table], error) from error
        tidy.callback(os.close, lock)
        tidy.callback(_remove, path)
        yield


def _locked(path: Path) -> int:
    """The descriptor of a lock that is held; one whose file another process has removed meanwhile would hold nobody."""
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        os.close(lock)


def _remove(path: Path) -> None:
    with suppress(OSError):  # never written, or in a folder that cannot be
        path.unlink(missing_ok=True)


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
