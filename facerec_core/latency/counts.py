"""Tables of instruction counts: what one inference takes on an emulated core, a row a network and a build.

Counts are not cycles: an emulator knows no caches, wait states or dual issue. `emulated` turns them into time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from facerec_core.arch import Layer
from facerec_core.errors import OptionError
from facerec_core.latency.csv_file import TEXT, Rule, bad_cell, count, optional, read_records
from facerec_core.latency.table import RULES as TABLE_RULES
from facerec_core.reference_networks import ReferenceModel, reference_network

RUNTIME = "TFLM"
"""TensorFlow Lite Micro, the runtime all counts are of."""
UNIFORM = ("core", "emulator", "kernels")


@dataclass(frozen=True)
class CountRow:
    """The instructions of one inference, the fields in the order of the CSV columns.

    `classes` is None for a network without a head. `arena_bytes` is what the interpreter used on that core.
    """

    core: str
    emulator: str
    kernels: str
    tflm_commit: str
    cmsis_commit: str
    compiler: str
    model: ReferenceModel
    width: float
    resolution: int
    channels: int
    embedding: int
    classes: int | None
    instructions: int
    arena_bytes: int

    @cached_property
    def network(self) -> tuple[Layer, ...]:
        """The layers that ran, the head included if there was one."""
        shape = (self.width, self.resolution, self.channels, self.embedding, self.classes)
        return reference_network(self.model, *shape)

    @property
    def body(self) -> tuple[Layer, ...]:
        """The layers without the head."""
        return self.network if self.classes is None else self.network[:-1]


@dataclass(frozen=True)
class CountTable:
    """The rows of one file; core, emulator and kernels are the same in all of them, builds may differ."""

    name: str
    rows: tuple[CountRow, ...]

    @property
    def builds(self) -> tuple[str, ...]:
        """The commits of TensorFlow Lite Micro that were emulated."""
        return tuple(dict.fromkeys(row.tflm_commit for row in self.rows))

    def of_build(self, version: str) -> tuple[CountRow, ...]:
        """The rows of the build whose commit starts with `version`."""
        return tuple(row for row in self.rows if row.tflm_commit.startswith(version))


COLUMNS = ("model", "width", "resolution", "channels", "embedding", "classes")
RULES: dict[str, Rule] = {
    **{column: TABLE_RULES[column] for column in COLUMNS},
    "cmsis_commit": optional(TEXT, "where the kernels are not CMSIS-NN's"),
    "instructions": count(1_000, 10**12),
    "arena_bytes": count(1_000, 10**9),
}


def read_counts(path: Path) -> CountTable:
    """Read and check a table of instruction counts.

    Raises:
        DataError: a missing or unknown column, a value out of range, or rows of different cores; the message names
            the file, the line and the column.
    """
    rows: list[CountRow] = []
    for line, row in read_records(path, CountRow, RULES):
        _check(path, line, row, rows)
        rows.append(row)
    if not rows:
        raise bad_cell(path, 2, "core", "no rows", "at least one count")
    return CountTable(path.name, tuple(rows))


def _check(path: Path, line: int, row: CountRow, rows: Sequence[CountRow]) -> None:
    try:
        network = row.network
    except OptionError as error:
        raise bad_cell(path, line, error.key.replace("res", "resolution"), error.received, error.allowed) from error
    for column in UNIFORM:
        received, first = getattr(row, column), getattr((rows or [row])[0], column)
        if received != first:
            raise bad_cell(path, line, column, received, f"{first!r} as in the first row")
    if any(other.tflm_commit == row.tflm_commit and other.network == network for other in rows):
        raise bad_cell(path, line, "instructions", row.instructions, "one row a network and build")
