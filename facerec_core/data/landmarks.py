"""Files of five landmarks an image, which faces are aligned by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facerec_core.data.alignment import Points
from facerec_core.data.naming import match_names, normal
from facerec_core.data.table_file import Row, Table, open_table
from facerec_core.errors import DataError
from facerec_core.stages import file_digest

COLUMNS = ("lx", "ly", "rx", "ry", "nx", "ny", "mlx", "mly", "mrx", "mry")
CELEBA_COLUMNS = tuple(
    f"{part}_{axis}" for part in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth") for axis in "xy"
)
FORMS = (
    f"a CSV with the columns name,{','.join(COLUMNS)}, CelebA's list_landmarks_align_celeba.txt or .csv, or JSON "
    '{"NAME": [[x, y], ... five points]}'
)
_POINTS = (len(COLUMNS) // 2, 2)
_FARTHEST = 1e9

_Entry = tuple[int, str, Sequence[float]]
"""Line, name and ten numbers."""


@dataclass(frozen=True)
class Landmarks:
    """The landmarks of a file: row `rows[entry]` of `points`, float64 [n, 5, 2] (`alignment` says in which order).

    `source` names key and file in messages, `lines` the line an entry stands in (in JSON the how-manieth it is, and
    `unit` says so), `digest` is a hash of the content.
    """

    source: str
    unit: str
    digest: str
    lines: Mapping[str, int]
    rows: Mapping[str, int]
    points: Points

    def of(self, names: Iterable[str]) -> dict[str, Points]:
        """The landmarks of those of the images that have any: float64 [5, 2] each.

        Raises:
            DataError: it cannot be said which image an entry is about.
        """
        matched = match_names(names, self.lines, self.source, self.unit)
        return {name: self.points[self.rows[entry]] for name, entry in matched.items()}


def read_landmarks(file: str, key: str) -> Landmarks:
    """Read a file of landmarks, of any of FORMS; images are named in any spelling of `naming.spellings`.

    Args:
        file: a .txt, .csv or .json file; `~` is the user's home.
        key: the configuration key that named it, for messages.

    Raises:
        DataError: it cannot be read, is of another form, or names an image twice.
    """
    path = Path(file).expanduser()
    is_json = path.suffix.lower() == ".json"
    unit = "entry" if is_json else "line"
    lines: dict[str, int] = {}
    points: list[Sequence[float]] = []
    for line, name, numbers in _json_entries(path, key) if is_json else _rows(path, key):
        if name in lines:
            raise DataError(f"{key}: {path}, {unit} {line}: {name} was named before, in {unit} {lines[name]}")
        lines[name] = line
        points.append(numbers)
    array = np.array(points, np.float64).reshape(len(points), *_POINTS)
    rows = {name: row for row, name in enumerate(lines)}
    return Landmarks(f"{key}: {path}", unit, file_digest(path), lines, rows, array)


def _rows(path: Path, key: str) -> Iterator[_Entry]:
    with open_table(path, key) as table:
        if table.columns[1:] not in (COLUMNS, CELEBA_COLUMNS):
            raise DataError(f"{table.source}: got the columns {','.join(table.columns)}, allowed: {FORMS}")
        for row in table.rows:
            yield row.line, normal(row.cells[0]), [_number(table, row, column) for column in range(1, len(row.cells))]


def _number(table: Table, row: Row, column: int) -> float:
    try:
        return float(row.cells[column])
    except ValueError:
        raise table.bad_cell(row, column, "a number of pixels") from None


def _json_entries(path: Path, key: str) -> Iterator[_Entry]:
    """The entries of a JSON object; they have no lines of their own, so they are counted."""
    try:
        listed = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Pairs)
    except OSError as error:
        raise DataError(f"{key}: {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{key}: {path} is not JSON: {error}") from error
    if not isinstance(listed, _Pairs):
        raise DataError(f"{key}: {path}: got {type(listed).__name__}, allowed: {FORMS}")
    for number, (name, points) in enumerate(listed, start=1):
        yield number, normal(name), _flat(points, f"{key}: {path}, entry {number}, {name}")


class _Pairs(list[tuple[str, object]]):
    """A JSON object as it is written, so that a name given twice is noticed."""


def _flat(points: object, where: str) -> list[float]:
    allowed = f"{where}: got something else than five points [x, y] of numbers"
    if not isinstance(points, list) or isinstance(points, _Pairs) or len(points) != _POINTS[0]:
        raise DataError(allowed)
    if not all(isinstance(point, list) and len(point) == _POINTS[1] for point in points):
        raise DataError(allowed)
    flat = [number for point in points for number in point]
    if not all(isinstance(number, int | float) and abs(number) < _FARTHEST for number in flat):
        raise DataError(allowed)
    return [float(number) for number in flat]
