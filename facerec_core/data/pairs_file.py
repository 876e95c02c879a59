"""The text files of the LFW protocol: pairs.txt and people.txt in both of their published forms.

Format: Huang, Ramesh, Berg, Learned-Miller, "Labeled Faces in the Wild", UMass TR 07-49, 2007, and the README that
comes with the data set. A pairs file starts with the number N of genuine pairs, followed by N genuine and N impostor
pairs (View 1), or with the number of folds and N, followed by that once a fold (View 2). A genuine pair is
`NAME n1 n2`, an impostor pair `NAME1 n1 NAME2 n2`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from facerec_core.data.images import SUFFIXES
from facerec_core.data.source import PairRef
from facerec_core.errors import DataError

MAX_IMAGES = 9999
"""Image numbers have four digits."""

_MAX_DIGITS = 9
_GENUINE_FIELDS = 3
_IMPOSTOR_FIELDS = 4


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
    """One line of a people file: a person and how many images there are of them."""

    line: int
    name: str
    images: int


def stem(person: str, number: int) -> str:
    """LFW's name of a person's image, without the suffix; macOS writes accents otherwise, so they are unified."""
    return unicodedata.normalize("NFC", f"{person}/{person}_{number:04d}")


def parse_pairs(text: str, source: str) -> tuple[PairLine, ...]:
    """Read a pairs file.

    Args:
        text: the file's content.
        source: its name, for messages.

    Raises:
        DataError: a line that is no pair, or fewer or more pairs than the first line says.
    """
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


def parse_people(text: str, source: str) -> tuple[PeopleLine, ...]:
    """Read a people file: a line with the number of people, then `NAME COUNT` a line.

    Raises:
        DataError: a line of another form, a person named twice, or another number of people than announced.
    """
    lines = _fields(text)
    if not lines or len(lines[0][1]) != 1:
        raise DataError(f"{source}: line 1 has to be the number of people")
    announced = _whole(lines[0][1][0], lines[0][0], source)
    out: dict[str, PeopleLine] = {}
    for number, fields in lines[1:]:
        if len(fields) != 2:
            raise DataError(f"{source}: line {number}: got {' '.join(fields)!r}; needed: NAME COUNT")
        name = unicodedata.normalize("NFC", fields[0])
        if name in out:
            raise DataError(f"{source}: line {number}: {name} was named before, in line {out[name].line}")
        images = _whole(fields[1], number, source)
        if images > MAX_IMAGES:
            raise DataError(f"{source}: line {number}: {name} with {images} images; at most {MAX_IMAGES} can be named")
        out[name] = PeopleLine(number, name, images)
    if len(out) != announced:
        raise DataError(f"{source}: the first line announces {announced} people, {len(out)} follow")
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


def _fields(text: str) -> list[tuple[int, list[str]]]:
    """The lines that are not blank, numbered from 1; tabs separate where there are any, so names may hold spaces."""
    rows = enumerate(text.lstrip("\ufeff").splitlines(), start=1)
    return [(number, _split(row.strip())) for number, row in rows if row.strip()]


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
    first, second = (stem(person, _whole(fields[1], number, source)), stem(other, _whole(fields[-1], number, source)))
    if same and first == second:
        raise DataError(f"{source}: line {number} pairs {first} with itself")
    if not same and person == other:
        raise DataError(f"{source}: line {number}: an impostor pair of {person} with themselves")
    return PairLine(number, first, second, same, fold)


def _whole(field: str, number: int, source: str) -> int:
    if not field.isdecimal() or len(field) > _MAX_DIGITS or int(field) < 1:
        raise DataError(f"{source}: line {number}: got {field!r}; needed: a whole number from 1")
    return int(field)
