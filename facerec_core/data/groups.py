"""Files that say which group of people an image or a person belongs to, so that rates can be given for each group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from facerec_core.data.naming import match_names, normal
from facerec_core.data.source import ImageRef, SourceIndex
from facerec_core.data.table_file import Row, Table, open_table
from facerec_core.errors import DataError
from facerec_core.stages import content_key, file_digest
from facerec_core.types import NO_GROUP

KEY = "data.groups"
FORMS = "a CSV with the columns name,group or identity,group, or CelebA's list_attr_celeba.txt:ATTRIBUTE"
MAX_GROUPS = 100
"""More are no groups: columns were exchanged, or a number was taken for a group."""


@dataclass(frozen=True)
class GroupLabels:
    """The groups of a file: `group[entry]` of a person or, in any of `naming.spellings`, of an image.

    `lines` are the lines in which the entries stand. `partial` tells that the images at hand may be a part of those
    the file is about, as with CelebA's list of all its images.
    """

    source: str
    by: Literal["name", "identity"]
    group: Mapping[str, str]
    lines: Mapping[str, int]
    partial: bool

    def of(self, index: SourceIndex) -> dict[str, str]:
        """The group of each image that has one, by the image's name.

        Raises:
            DataError: an entry is about nobody in the source, or it cannot be said whom it is about.
        """
        refs = [*index.train, *index.validation, *index.test, *index.left_out]
        refs += [ImageRef(image.name, image.name.split("/")[0]) for image in index.broken]
        entries = self._entries(refs)
        unknown = self.group.keys() - set(entries.values())
        if unknown and not (self.partial and entries):
            first = min(unknown, key=self.lines.__getitem__)
            raise DataError(
                f"{self.source}, line {self.lines[first]}, column {self.by}: got {first!r}, allowed: "
                f"{_WANTED[self.by]} of the data set, such as {getattr(refs[0], self.by)} "
                f"({len(unknown)} of {len(self.group)} lines name none)"
            )
        return {name: self.group[entry] for name, entry in entries.items()}

    def _entries(self, refs: Iterable[ImageRef]) -> dict[str, str]:
        """The entry that is about each image."""
        if self.by == "name":
            return match_names((ref.name for ref in refs), self.lines, self.source)
        return {ref.name: ref.identity for ref in refs if ref.identity in self.group}


_WANTED = {"name": "an image", "identity": "an identity"}


def read_groups(value: str) -> GroupLabels:
    """Read what `data.groups` names: any of FORMS; `~` is the user's home.

    Raises:
        DataError: it cannot be read, is of another form, lacks the attribute, names somebody twice, or has more than
            MAX_GROUPS groups.
    """
    path, attribute = _place(value)
    group: dict[str, str] = {}
    lines: dict[str, int] = {}
    with open_table(path, KEY) as table:
        by, rows = _rows(table, attribute)
        for row, name, label in rows:
            if name in lines:
                raise DataError(f"{table.source}, line {row.line}: {name} was named before, in line {lines[name]}")
            group[name], lines[name] = label, row.line
    if (count := len(set(group.values()))) > MAX_GROUPS:
        raise DataError(f"{table.source}: got {count} groups, allowed: at most {MAX_GROUPS}")
    return GroupLabels(table.source, by, group, lines, partial=attribute is not None)


def groups_identity(value: str) -> str:
    """What `data.groups` says, by content and not by where it lies: a hash.

    Raises:
        DataError: the file cannot be read.
    """
    path, attribute = _place(value)
    try:
        stat = path.stat()
        return content_key(_digest(path, stat.st_mtime_ns, stat.st_size), attribute)
    except OSError as error:
        raise DataError(f"{KEY}: {path} cannot be read: {error.strerror or error}") from error


@lru_cache(maxsize=8)
def _digest(path: Path, mtime_ns: int, size_bytes: int) -> str:  # noqa: ARG001  (a changed file is read again)
    """A sweep asks once a stage, and CelebA's list has 25 MB."""
    return file_digest(path)


def _place(value: str) -> tuple[Path, str | None]:
    """The file, and the attribute behind its last colon."""
    whole = Path(value).expanduser()
    file, colon, attribute = value.rpartition(":")
    if not colon or whole.is_file():
        return whole, None
    return Path(file).expanduser(), attribute


def _rows(table: Table, attribute: str | None) -> tuple[Literal["name", "identity"], Iterator[tuple[Row, str, str]]]:
    """What the first column names, and (row, name, group) of every line."""
    if attribute is not None:
        return "name", _attribute_rows(table, attribute)
    if table.columns == ("name", "group"):
        return "name", _labelled_rows(table)
    if table.columns == ("identity", "group"):
        return "identity", _labelled_rows(table)
    hint = "; name the attribute: FILE:Male" if len(table.columns) > 2 else ""
    raise DataError(f"{table.source}: got the columns {_listed(table.columns)}, allowed: {FORMS}{hint}")


def _labelled_rows(table: Table) -> Iterator[tuple[Row, str, str]]:
    for row in table.rows:
        label = row.cells[1]
        if not label or label == NO_GROUP or not label.isprintable():
            raise table.bad_cell(row, 1, f"a group's name, but not {NO_GROUP}; leave out whom it is not known of")
        yield row, normal(row.cells[0]), label


def _attribute_rows(table: Table, attribute: str) -> Iterator[tuple[Row, str, str]]:
    if attribute not in table.columns[1:]:
        raise DataError(f"{KEY}: got the attribute {attribute!r}, allowed: one of {_listed(table.columns[1:])}")
    column = table.columns.index(attribute)
    names = {"1": attribute, "-1": f"not {attribute}"}
    for row in table.rows:
        if row.cells[column] not in names:
            raise table.bad_cell(row, column, "1 or -1")
        yield row, normal(row.cells[0]), names[row.cells[column]]


def _listed(columns: Iterable[str]) -> str:
    text = ",".join(columns)
    return text if len(text) <= 600 else f"{text[:600]}…"
