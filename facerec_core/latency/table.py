"""Tables of latencies: one CSV file holds one runtime on one core, a row a timed or simulated network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, get_args

from facerec_core.arch import Layer
from facerec_core.cost import macs_by_kind
from facerec_core.errors import OptionError
from facerec_core.latency.csv_file import Rule, bad_cell, count, number, one_of, optional, read_records
from facerec_core.reference_networks import ReferenceModel, reference_network

SHIPPED = Path(__file__).parent / "tables"
MODEL: Final = "MobileNetV2"
NOT_STATED = "not stated"
"""The `runtime_version` of a table whose source names none."""
COUNTS_PREFIX = "tflm_"
"""Shipped tables of instruction counts start with this; the others hold times."""
LONGEST_MS = 600_000.0
MACS_TOLERANCE = 0.005
UNIFORM = ("core", "clock_mhz", "runtime", "runtime_version", "kernels")
CYCLES_PER_MAC = (1 / 16, 500.0)
"""On a Cortex-M: eight-bit Helium at its best, and several times what reference kernels were seen to take."""
USUAL_CLOCK_MHZ = (16.0, 1000.0)
"""Where a source states no clock, a time is only refused if no clock between these explains it."""
Role = Literal["own", "stand_in", "check", "simulated"]
REMARKS = {
    "stm32h747_x-cube-ai_10.0.0.csv": (
        "two of the rows, those with 5 classes, equal the rows of 9.1.0, carried over or unchanged; the other four "
        "alone give the same within 0.5%"
    )
}
"""What must be said of a shipped table wherever an estimate rests on it."""


@dataclass(frozen=True)
class TimedRow:
    """One timed or simulated network, the fields in the order of the CSV columns.

    `role` says what the row is good for: `own` was taken on the board the table is for; `stand_in` agrees in core
    and clock, but the source leaves open the board, the runtime or the network's head; `check` is only compared
    with; `simulated` was computed, not timed. An empty cell is None: `clock_mhz`, `macs_millions` and `n`, the
    number of timed inferences, where the source is silent; `low_ms` and `high_ms`, the 5th and 95th percentile over
    repeats, likewise; `classes` where the network was timed without a head. `embedding` is the width of the last
    convolution.
    """

    role: Role
    board: str
    core: str
    clock_mhz: float | None
    runtime: str
    runtime_version: str
    kernels: str
    model: ReferenceModel
    width: float
    resolution: int
    channels: int
    embedding: int
    classes: int | None
    latency_ms: float
    low_ms: float | None
    high_ms: float | None
    macs_millions: float | None
    n: int | None
    source: str
    path: str
    commit: str

    @cached_property
    def network(self) -> tuple[Layer, ...]:
        """The layers without the head."""
        return self.timed_network if self.classes is None else self.timed_network[:-1]

    @cached_property
    def timed_network(self) -> tuple[Layer, ...]:
        """The layers that were timed, the head included if there was one."""
        shape = (self.width, self.resolution, self.channels, self.embedding, self.classes)
        return reference_network(self.model, *shape)

    @property
    def measured_what(self) -> tuple[object, ...]:
        """What two rows must share to be the same measurement."""
        shape = (self.width, self.resolution, self.channels, self.embedding, self.classes)
        return (self.board, self.model, *shape)

    @property
    def times_ms(self) -> tuple[float, float | None, float | None]:
        """The time and its spread."""
        return (self.latency_ms, self.low_ms, self.high_ms)

    @property
    def citation(self) -> str:
        """Where the figure is from."""
        return f"{self.source} {self.path} @ {self.commit}"


@dataclass(frozen=True)
class LatencyTable:
    """The rows of one file; core, clock, runtime, version and kernels are the same in all of them.

    `remark` is what an estimate that rests on the table has to disclose; empty where there is nothing.
    """

    name: str
    rows: tuple[TimedRow, ...]
    remark: str = ""

    @property
    def runtime(self) -> str:
        """Name and version of the inference runtime."""
        first = self.rows[0]
        return f"{first.runtime}{', version' if first.runtime_version == NOT_STATED else ''} {first.runtime_version}"

    @property
    def core(self) -> str:
        """The processor."""
        return self.rows[0].core

    @property
    def clock(self) -> str:
        """The clock in words."""
        clock_mhz = self.rows[0].clock_mhz
        return "a clock the source does not state" if clock_mhz is None else f"{clock_mhz:g} MHz"

    def with_role(self, *roles: Role) -> tuple[TimedRow, ...]:
        """Those rows that have one of the roles."""
        return tuple(row for row in self.rows if row.role in roles)


def table_path(name: str, key: str = "board.table") -> Path:
    """Where a table lies: a bare file name is one that ships with the package, anything else is a path.

    Raises:
        OptionError: no such file; `key` is what named it.
    """
    bare = Path(name).name == name
    path = SHIPPED / name if bare else Path(name).expanduser()
    if path.is_file():
        return path
    wants_counts = key == "board.counts"
    names = (item.name for item in SHIPPED.glob("*.csv"))
    shipped = ", ".join(sorted(name for name in names if name.startswith(COUNTS_PREFIX) == wants_counts))
    allowed = f"a path such as ./my.csv, or a shipped table: {shipped}" if bare else "a file that exists"
    made = "`python -m sweep latency measure` makes the table of this machine, `latency import` a board's"
    raise OptionError(key, name, allowed, "" if wants_counts else made)


SILENT = "where the source is silent"
RULES: dict[str, Rule] = {
    "role": one_of(*get_args(Role)),
    "clock_mhz": optional(number(1, 10_000), SILENT),
    "model": one_of(*get_args(ReferenceModel)),
    "width": number(0.05, 2),
    "resolution": count(32, 512),
    "channels": Rule(lambda text: (1, 3)[("1", "3").index(text)], "1 or 3"),
    "embedding": count(8, 4096),
    "classes": optional(count(1, 1_000_000), "where the network had no head"),
    "latency_ms": number(0.001, LONGEST_MS),
    "low_ms": optional(number(0.001, LONGEST_MS), SILENT),
    "high_ms": optional(number(0.001, LONGEST_MS), SILENT),
    "macs_millions": optional(number(0.001, 100_000), SILENT),
    "n": optional(count(1, 1_000_000_000), SILENT),
}


def read_table(path: Path) -> LatencyTable:
    """Read and check a table.

    Raises:
        DataError: a missing or unknown column, a value out of range, two different values for one measurement,
            or rows of different runtimes; the message names the file, the line and the column.
    """
    rows: list[TimedRow] = []
    seen: dict[tuple[object, ...], TimedRow] = {}
    for line, row in read_records(path, TimedRow, RULES):
        for check in (_check_network, _check_times, _check_speed):
            check(path, line, row)
        _check_uniform(path, line, row, rows)
        earlier = seen.setdefault(row.measured_what, row)
        if earlier.times_ms != row.times_ms:
            both = f"{earlier.latency_ms:g} and {row.latency_ms:g} ms for the same network"
            raise bad_cell(path, line, "latency_ms", both, "one value a network; remove one of the rows")
        if earlier is row:
            rows.append(row)
    if not rows:
        raise bad_cell(path, 2, "role", "no rows", "at least one measurement")
    return LatencyTable(path.name, tuple(rows), REMARKS.get(path.name, "") if path.parent == SHIPPED else "")


def _check_network(path: Path, line: int, row: TimedRow) -> None:
    """A published count that our layer list does not give means that another network was timed."""
    try:
        ours = sum(macs_by_kind(row.timed_network).values()) / 1e6
    except OptionError as error:
        column = "resolution" if error.key == "res" else error.key
        raise bad_cell(path, line, column, error.received, error.allowed) from error
    if row.macs_millions is not None and abs(row.macs_millions / ours - 1) > MACS_TOLERANCE:
        allowed = f"{ours:.3f}, the count of the network in this row"
        raise bad_cell(path, line, "macs_millions", row.macs_millions, allowed)


def _check_times(path: Path, line: int, row: TimedRow) -> None:
    if (row.low_ms is None) != (row.high_ms is None):
        column = "low_ms" if row.low_ms is None else "high_ms"
        raise bad_cell(path, line, column, "", "low_ms and high_ms both, or neither")
    if row.low_ms is not None and row.low_ms > row.latency_ms:
        raise bad_cell(path, line, "low_ms", row.low_ms, f"at most latency_ms, {row.latency_ms:g}")
    if row.high_ms is not None and row.high_ms < row.latency_ms:
        raise bad_cell(path, line, "high_ms", row.high_ms, f"at least latency_ms, {row.latency_ms:g}")


def _check_speed(path: Path, line: int, row: TimedRow) -> None:
    """Seconds or microseconds in the column of milliseconds come to a speed that no Cortex-M has."""
    if not row.core.startswith("Cortex-M"):
        return
    slowest, fastest = USUAL_CLOCK_MHZ if row.clock_mhz is None else (row.clock_mhz, row.clock_mhz)
    cycles_per_mac = 1000 / sum(macs_by_kind(row.timed_network).values())
    low_ms, high_ms = CYCLES_PER_MAC[0] / cycles_per_mac / fastest, CYCLES_PER_MAC[1] / cycles_per_mac / slowest
    if not low_ms <= row.latency_ms <= high_ms:
        allowed = f"milliseconds; on this core this network takes {low_ms:.3g} to {high_ms:.3g}"
        raise bad_cell(path, line, "latency_ms", row.latency_ms, allowed)


def _check_uniform(path: Path, line: int, row: TimedRow, rows: Sequence[TimedRow]) -> None:
    for column in UNIFORM:
        received = getattr(row, column)
        if rows and received != getattr(rows[0], column):
            allowed = f"{getattr(rows[0], column)!r} as in the first row; a table never mixes runtimes or cores"
            raise bad_cell(path, line, column, received, allowed)
    if rows and (row.role == "simulated") != (rows[0].role == "simulated"):
        raise bad_cell(path, line, "role", row.role, "timed rows or simulated ones; a table never mixes them")
