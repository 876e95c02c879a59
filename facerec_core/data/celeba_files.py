"""The two annotation files of CelebA that decide about splits: whose face an image shows, and its official partition.

Format: Liu, Luo, Wang, Tang, "Deep Learning Face Attributes in the Wild", ICCV 2015: a line an image, its name and a
whole number, without a header. Copies exist as CSV, and with a header. Attributes and landmarks, which are tables of
many columns, are read by `table_file`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from facerec_core.data.images import SUFFIXES
from facerec_core.errors import DataError

_MAX_DIGITS = 9
_CELLS = 2


@dataclass(frozen=True)
class Column:
    """What an annotation file says of an image: the column's name, the file's names, and the values allowed."""

    name: str
    files: tuple[str, ...]
    allowed: str
    values: tuple[str, ...] = ()

    def accepts(self, cell: str) -> bool:
        """Whether the cell is a value of this column."""
        if self.values:
            return cell in self.values
        return cell.isascii() and cell.isdecimal() and len(cell) <= _MAX_DIGITS


IDENTITY = Column("identity", ("identity_CelebA.txt", "identity_CelebA.csv"), "the number of a person")
PARTITION = Column(
    "partition",
    ("list_eval_partition.txt", "list_eval_partition.csv"),
    "0, 1 or 2, for train, validation and test",
    ("0", "1", "2"),
)


@dataclass(frozen=True)
class Entry:
    """One line: the image's name as it is written there, and its value in digits without leading zeros."""

    line: int
    image: str
    value: str


def stem(name: str) -> str:
    """An image's name without its suffix; the same images are handed on as .jpg and as .png."""
    return name.rpartition(".")[0] if name.lower().endswith(SUFFIXES) else name


def read_column(text: str, column: Column, source: str) -> dict[str, Entry]:
    """The value of each image, by its `stem`.

    Args:
        text: of the file, cells separated by a comma or by blanks.
        column: what it says of an image.
        source: the file's name, for messages.

    Raises:
        DataError: the file is empty, or a line has another number of cells, another value or an image named before.
    """
    out: dict[str, Entry] = {}
    for line, cells in _rows(text):
        if len(cells) != _CELLS:
            columns = f"{_CELLS}, the image and its {column.name}"
            raise _bad(source, line, column.name, f"{len(cells)} cells", columns)
        image, value = cells
        if not out and not image.lower().endswith(SUFFIXES) and not column.accepts(value):
            continue  # a header
        if not image.lower().endswith(SUFFIXES):
            raise _bad(source, line, "image", image, f"an image's name, such as 000001{SUFFIXES[0]}")
        if not column.accepts(value):
            raise _bad(source, line, column.name, value, column.allowed)
        if (key := stem(image)) in out:
            raise _bad(source, line, "image", image, f"an image that is not named before; see line {out[key].line}")
        out[key] = Entry(line, image, str(int(value)))
    if not out:
        raise DataError(f"{source} is empty; needed: an image and its {column.name} a line")
    return out


def _rows(text: str) -> Iterator[tuple[int, Sequence[str]]]:
    for line, row in enumerate(text.splitlines(), start=1):
        cells = [cell.strip(' \t"') for cell in row.split(",")] if "," in row else row.split()
        if cells:
            yield line, cells


def _bad(source: str, line: int, column: str, received: str, allowed: str) -> DataError:
    return DataError(f"{source}, line {line}, column {column}: got {received!r}, allowed: {allowed}")


def check_partition(shown: Mapping[str, str], partition: Mapping[str, Entry], source: str) -> None:
    """Refuse a partition that lacks an image, or has a person in two splits.

    Args:
        shown: the identity that each image shows, by the image's `stem`.
        partition: of `read_column`.
        source: the file of the partition, for messages.

    Raises:
        DataError: naming the line, the image and the identity.
    """
    if missing := sorted(shown.keys() - partition.keys()):
        raise DataError(f"{source}: no line for {len(missing)} of {len(shown)} images, such as {missing[0]}")
    known: dict[str, Entry] = {}
    for image in sorted(shown):
        entry = partition[image]
        other = known.setdefault(shown[image], entry)
        if other.value != entry.value:
            raise DataError(
                f"{source}, line {entry.line}, column {PARTITION.name}: {entry.image} of identity {shown[image]} is in "
                f"{entry.value} and, by line {other.line}, {other.image} in {other.value}; nobody may be in two splits"
            )
