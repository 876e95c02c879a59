"""Tables of annotations a user names: CSV with a header, or the form in which CelebA's lists are published.

CelebA's lists (Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015) begin with the number of images and
a line with the names of the columns; a row is an image's name and a number a column, separated by blanks.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facerec_core.errors import DataError


@dataclass(frozen=True)
class Row:
    """One line of a table, its cells as text; `line` counts from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table being read: the names of its columns, that of the first included, and its rows, once.

    `published` tells CelebA's form, whose first column has no name of its own and is called "name" here.
    """

    source: str
    columns: tuple[str, ...]
    rows: Iterator[Row]
    published: bool

    def bad_cell(self, row: Row, column: int, allowed: str) -> DataError:
        """The refusal of one cell."""
        where = f"{self.source}, line {row.line}, column {self.columns[column]}"
        return DataError(f"{where}: got {row.cells[column]!r}, allowed: {allowed}")


@contextmanager
def open_table(path: Path, key: str) -> Iterator[Table]:
    """Open a table to read its rows one after the other.

    Args:
        path: the file, UTF-8.
        key: the configuration key that named it, for messages.

    Raises:
        DataError: it cannot be read, is empty, or a row has another number of cells than the header; the last also
            while rows are taken.
    """
    source = f"{key}: {path}"
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield _table(stream, source)
    except OSError as error:
        raise DataError(f"{source} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is not UTF-8 text") from error
    except csv.Error as error:
        raise DataError(f"{source} is not CSV: {error}") from error


def _table(lines: Iterable[str], source: str) -> Table:
    numbered = ((number, text.strip()) for number, text in enumerate(lines, start=1))
    filled = ((number, text) for number, text in numbered if text)
    first = next(filled, None)
    if first is None:
        raise DataError(f"{source} is empty")
    if not first[1].isdecimal():
        header = tuple(cell.strip() for cell in next(csv.reader([first[1]])))
        return Table(source, header, _checked(_comma_rows(filled), len(header), source), published=False)
    header = ("name", *next(filled, (0, ""))[1].split())
    rows = (Row(number, tuple(text.split())) for number, text in filled)
    announced = _counted(_checked(rows, len(header), source), int(first[1][:9]), source)
    return Table(source, header, announced, published=True)


def _comma_rows(lines: Iterable[tuple[int, str]]) -> Iterator[Row]:
    for number, text in lines:
        yield Row(number, tuple(cell.strip() for cell in next(csv.reader([text], strict=True))))


def _checked(rows: Iterable[Row], cells: int, source: str) -> Iterator[Row]:
    for row in rows:
        if len(row.cells) != cells:
            raise DataError(
                f"{source}, line {row.line}: got {len(row.cells)} cells, allowed: {cells}, as in the header"
            )
        yield row


def _counted(rows: Iterable[Row], announced: int, source: str) -> Iterator[Row]:
    count = 0
    for row in rows:
        count += 1
        yield row
    if count != announced:
        raise DataError(f"{source}: the first line announces {announced} rows, {count} follow; is the file cut?")
