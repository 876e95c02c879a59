"""The text files of the LFW protocol: pairs and people, of View 1 and of View 2, as published and as CSV.

Format: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", UMass TR 07-49, 2007, and the README that
comes with the data set. A pairs file starts with the number N of genuine pairs, followed by N genuine and N impostor
pairs (View 1), or with the number of folds and N, followed by that once a fold (View 2). A genuine pair is
`NAME n1 n2`, an impostor pair `NAME1 n1 NAME2 n2`. A people file starts with the number of people (View 1), or with
that of folds, each of which starts with its number of people (View 2). Kaggle's CSV files have a header of column
names instead of numbers, and an empty cell behind each genuine pair.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import PurePosixPath

from facerec_core.data.images import SUFFIXES
from facerec_core.data.source import PairRef
from facerec_core.errors import DataError

MAX_IMAGES = 9999
"""Image numbers have four digits."""

_MAX_DIGITS = 9
_MOST_FOLDS = 100
"""Shorter turns of genuine and impostor pairs are an order, not folds."""

_GENUINE_FIELDS = 3
_IMPOSTOR_FIELDS = 4

_Fields = tuple[int, list[str]]
"""The number of a line, and its fields."""


@dataclass(frozen=True)
class PairLine:
    """One line of a pairs file; image i of a person is `NAME/NAME_%04d`, written here without the suffix."""

    line: int
    first: str
    second: str
    same: bool
    fold: int | None


@dataclass(frozen=True)
class PeopleLine:
    """One line of a people file: a person, how many images there are of them, and in View 2 the fold, from 0."""

    line: int
    name: str
    images: int
    fold: int | None = None


def stem(person: str, number: int) -> str:
    """LFW's name of a person's image, without the suffix; macOS writes accents otherwise, so they are unified."""
    return unicodedata.normalize("NFC", f"{person}/{person}_{number:04d}")


def parse_pairs(text: str, source: str) -> tuple[PairLine, ...]:
    """Read a pairs file.

    Args:
        text: the file's content.
        source: its name, for messages.

    In a CSV, which may hold pairs of one kind alone, folds are where genuine and impostor pairs take turns.

    Raises:
        DataError: a line that is no pair, fewer or more pairs than the first line says, or turns of unequal length.
    """
    if (table := _comma_rows(text)) is not None:
        return _pair_table(table, source)
    lines = _fields(text)
    folds, per_fold = _pairs_header(lines, source)
    expected = 2 * per_fold * folds
    if len(lines) - 1 != expected:
        raise DataError(
            f"{source}: the first line announces {expected} pairs ({per_fold} genuine and as many impostor pairs"
            f"{f' in each of {folds} folds' if folds > 1 else ''}), {len(lines) - 1} follow"
        )
    out = []
    for index, (number, fields) in enumerate(lines[1:]):
        fold, within = divmod(index, 2 * per_fold)
        out.append(_pair(fields, number, source, same=within < per_fold, fold=fold if folds > 1 else None))
    return tuple(out)


def _pair_table(rows: Sequence[_Fields], source: str) -> tuple[PairLine, ...]:
    same = [len(fields) == _GENUINE_FIELDS for _, fields in rows]
    turns = [len(list(turn)) for _, turn in groupby(same)]
    if not turns or len(set(turns)) > 1 or (len(turns) > 1 and len(turns) % 2):
        listed = ", ".join(map(str, turns[-4:]))
        raise DataError(
            f"{source}: genuine and impostor pairs take {len(turns)} turns, the last of {listed or 'no'} lines; "
            "needed: one kind alone, or as many turns of each kind and all of equal length; is the file cut?"
        )
    several = 2 < len(turns) <= 2 * _MOST_FOLDS
    return tuple(
        _pair(fields, number, source, same=kind, fold=index // (2 * turns[0]) if several else None)
        for index, ((number, fields), kind) in enumerate(zip(rows, same, strict=True))
    )


def parse_people(text: str, source: str) -> tuple[PeopleLine, ...]:
    """Read a people file: numbers of people, each followed by `NAME COUNT` a line, or a CSV of names and counts.

    Raises:
        DataError: a line of another form, a person named twice, or another number of people or folds than announced.
    """
    if (table := _comma_rows(text)) is not None:
        return _people(table, source)
    lines = _fields(text)
    if not lines or len(lines[0][1]) != 1:
        raise DataError(f"{source}: line 1 has to be the number of people, or of folds")
    announced = _whole(lines[0][1][0], lines[0][0], source)
    alone = (index for index, (_, fields) in enumerate(lines) if len(fields) == 1 and fields[0].isdecimal())
    starts = [index for index in alone if index]
    if starts[:1] == [1]:
        return _people_in_folds(lines, starts, announced, source)
    people = _people(lines[1:], source)
    if len(people) != announced:
        raise DataError(f"{source}: the first line announces {announced} people, {len(people)} follow")
    return people


def _people_in_folds(
    lines: Sequence[_Fields], starts: Sequence[int], announced: int, source: str
) -> tuple[PeopleLine, ...]:
    if len(starts) != announced:
        raise DataError(f"{source}: the first line announces {announced} folds, {len(starts)} follow")
    fold_of: list[int] = []
    for fold, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        number, fields = lines[start]
        size = _whole(fields[0], number, source)
        if size != end - start - 1:
            raise DataError(f"{source}: line {number} announces {size} people, {end - start - 1} follow")
        fold_of += [fold] * size
    people = _people([line for index, line in enumerate(lines) if index and index not in starts], source)
    return tuple(replace(line, fold=fold) for line, fold in zip(people, fold_of, strict=True))


def _people(lines: Iterable[_Fields], source: str) -> tuple[PeopleLine, ...]:
    out: dict[str, PeopleLine] = {}
    for number, fields in lines:
        if len(fields) != 2:
            raise DataError(f"{source}: line {number}: got {' '.join(fields)!r}; needed: NAME COUNT")
        name = unicodedata.normalize("NFC", fields[0])
        if name in out:
            raise DataError(f"{source}: line {number}: {name} was named before, in line {out[name].line}")
        images = _whole(fields[1], number, source, column=2)
        if images > MAX_IMAGES:
            raise DataError(f"{source}: line {number}: {name} with {images} images; at most {MAX_IMAGES} can be named")
        out[name] = PeopleLine(number, name, images)
    return tuple(out.values())


def resolve_pairs(lines: Iterable[PairLine], names: Iterable[str], source: str, root: str) -> tuple[PairRef, ...]:
    """Turn each line into two of the given image names, whatever their suffix.

    Args:
        lines: of the pairs file.
        names: of all images there are, broken ones too, such as "Ada_Lovelace/Ada_Lovelace_0001.jpg".
        source: the pairs file, for messages.
        root: where the images lie, for messages.

    Raises:
        DataError: a pair names an image that is absent.
    """
    known = _by_stem(names)

    def find(line: PairLine, wanted: str) -> str:
        if wanted not in known:
            raise DataError(f"{source}: line {line.line} names {wanted}, of which there is no image in {root}")
        return known[wanted]

    return tuple(PairRef(find(line, line.first), find(line, line.second), line.same, line.fold) for line in lines)


def _by_stem(names: Iterable[str]) -> Mapping[str, str]:
    return {
        str(PurePosixPath(name).with_suffix("")) if name.lower().endswith(SUFFIXES) else name: name for name in names
    }


def _rows(text: str) -> list[tuple[int, str]]:
    """The lines that are not blank, numbered from 1."""
    rows = enumerate(text.lstrip("\ufeff").splitlines(), start=1)
    return [(number, row.strip()) for number, row in rows if row.strip()]


def _fields(text: str) -> list[_Fields]:
    """The fields of each line; tabs separate where there are any, so that names may hold spaces."""
    return [(number, _split(row)) for number, row in _rows(text)]


def _comma_rows(text: str) -> list[_Fields] | None:
    """The same of a CSV, without its header and empty last cells; None where the first line is none of a CSV."""
    rows = _rows(text)
    if not rows or "," not in rows[0][1]:
        return None
    split = [(number, [cell.strip() for cell in row.removesuffix(",").split(",")]) for number, row in rows]
    return split if split[0][1][1:2] and split[0][1][1].isdecimal() else split[1:]


def _split(row: str) -> list[str]:
    return [field.strip() for field in row.split("\t")] if "\t" in row else row.split()


def _pairs_header(lines: Sequence[tuple[int, list[str]]], source: str) -> tuple[int, int]:
    """Folds (1 in View 1) and genuine pairs a fold."""
    if not lines or len(lines[0][1]) not in (1, 2):
        raise DataError(f"{source}: line 1 has to be the number of genuine pairs, or the folds and that number")
    number, fields = lines[0]
    values = [_whole(field, number, source) for field in fields]
    return (1, values[0]) if len(values) == 1 else (values[0], values[1])


def _pair(fields: Sequence[str], number: int, source: str, same: bool, fold: int | None) -> PairLine:
    wanted = "NAME n1 n2" if same else "NAME1 n1 NAME2 n2"
    if len(fields) != (_GENUINE_FIELDS if same else _IMPOSTOR_FIELDS):
        raise DataError(f"{source}: line {number}: got {' '.join(fields)!r}; needed: {wanted}")
    person, other = fields[0], fields[0] if same else fields[2]
    first = stem(person, _whole(fields[1], number, source, column=2))
    second = stem(other, _whole(fields[-1], number, source, column=len(fields)))
    if same and first == second:
        raise DataError(f"{source}: line {number} pairs {first} with itself")
    if not same and person == other:
        raise DataError(f"{source}: line {number}: an impostor pair of {person} with themselves")
    return PairLine(number, first, second, same, fold)


def _whole(field: str, number: int, source: str, column: int = 1) -> int:
    if not field.isdecimal() or len(field) > _MAX_DIGITS or int(field) < 1:
        raise DataError(
            f"{source}: line {number}: got {field[:40]!r} in column {column}; needed: a whole number from 1"
        )
    return int(field)
