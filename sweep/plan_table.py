"""The plan as a table for people, with what to measure and why nothing larger fits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facerec_core.types import Feasibility, LimitCheck
from sweep.plan import PlannedCandidate, PlanRow

_PIPE_COLUMNS = 200
_ROOMY_COLUMNS = 120
_MEASURE_AT_MOST = 6
_STYLES = {"exceeded": "red", "undecided": "yellow"}
_FOOTNOTE = "* without the head, one byte each by the published rule; the file is the int8 .tflite, predicted"
_SHORT = {
    "parameter_bytes": "parameters",
    "file_bytes": "file",
    "flash_bytes": "flash",
    "activation_bytes": "activations",
    "ram_bytes": "RAM",
    "latency_ms": "latency",
}
_NUMBERS = ("width", "res", "embed-\nding", "para-\nmeters*", "file\nKiB", "RAM\nKiB", "latency\nms")
_ROOMY_NUMBERS = ("MMACs", "finger-\nprints", "training\nmin")
_WORDS = ("known by", "limits")


def write_table(candidates: Sequence[PlannedCandidate], out: TextIO) -> None:
    """A table that fits 80 columns; a pipe gets all the room it needs."""
    console = Console(file=out, width=None if out.isatty() else _PIPE_COLUMNS, highlight=False)
    roomy = console.width >= _ROOMY_COLUMNS
    with console.capture() as capture:  # written below, because Rich answers a closed pipe by leaving the program
        console.print(_table(candidates, roomy))
        for line in summary(candidates):
            console.print(line, markup=False)
    out.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def _table(candidates: Sequence[PlannedCandidate], roomy: bool) -> Table:
    several = len({c.row.board for c in candidates}) > 1
    table = Table(box=None, pad_edge=False, collapse_padding=not roomy, header_style="bold")
    for heading in (*_NUMBERS, *(_ROOMY_NUMBERS if roomy else ())):
        table.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for heading in ("board", *_WORDS) if several else _WORDS:
        table.add_column(heading, vertical="bottom")
    for candidate in candidates:
        row = candidate.row
        board = [escape(row.board)] if several else []
        limits = _verdict(candidate.feasibility, ", " if roomy else "\n")
        extra = _roomy_numbers(row) if roomy else ()
        table.add_row(*_numbers(row), *extra, *board, row.latency_provenance, limits)
    return table


def _numbers(row: PlanRow) -> tuple[str, ...]:
    return (
        f"{row.width:g}",
        str(row.resolution),
        str(row.embedding),
        f"{row.parameters_without_head:,}",
        f"{row.file_bytes / 1024:,.0f}",
        f"{row.ram_bytes / 1024:,.0f}",
        _interval(row),
    )


def _roomy_numbers(row: PlanRow) -> tuple[str, ...]:
    fits = "" if row.fingerprints is None else f"{row.fingerprints:,}"
    minutes = "" if row.training_seconds is None else f"{row.training_seconds / 60:.1f}"
    return f"{row.macs / 1e6:.1f}", fits, minutes


def _interval(row: PlanRow) -> str:
    digits = 1 if row.latency_ms < 10 else 0
    low, high = f"{row.latency_low_ms:.{digits}f}", f"{row.latency_high_ms:.{digits}f}"
    return f"{row.latency_ms:.{digits}f} ({low}–{high})"


def _verdict(feasibility: Feasibility, separator: str) -> str:
    """The limits that are not met, each with its margin, in Rich's markup; `ok` when all are."""
    return separator.join(f"[{_STYLES[c.verdict]}]{_margin(c)}[/]" for c in _unmet(feasibility)) or "[green]ok[/]"


def _unmet(feasibility: Feasibility) -> list[LimitCheck]:
    return [c for c in feasibility.checks if c.verdict != "ok"]


def _margin(limit: LimitCheck) -> str:
    name = _SHORT[limit.name]
    if limit.verdict == "undecided":
        return f"{name} undecided"
    if limit.unit == "bytes":
        return f"{name} +{limit.excess / 1024:,.0f} KiB"
    return f"{name} +{limit.excess:,.0f} {limit.unit}"


def summary(candidates: Sequence[PlannedCandidate]) -> list[str]:
    """The lines below the table: boards, how many fit, why nothing larger does, what to measure."""
    boards = dict.fromkeys(f"{c.row.board} ({c.row.runtime})" for c in candidates)
    chosen = [c for c in candidates if c.row.feasible]
    lines = ["", f"board: {', '.join(boards)}", _FOOTNOTE]
    found = f"{len(chosen)} of {len(candidates)} candidates meet every limit"
    if not chosen:
        return [*lines, found, *_to_measure(candidates)]
    largest = max(chosen, key=lambda c: c.row.macs)
    found += f"; the largest is {_name(largest.row)}"
    return [*lines, found, *_why_not_larger(candidates, largest.row), *_to_measure(candidates)]


def _name(row: PlanRow) -> str:
    return f"width={row.width:g} res={row.resolution}"


def _why_not_larger(candidates: Sequence[PlannedCandidate], chosen: PlanRow) -> list[str]:
    """What rules out the next resolution and the next width, on the board of the chosen one."""
    rest = [c for c in candidates if c.row.board == chosen.board and not c.row.feasible]
    higher = [c for c in rest if c.row.width == chosen.width and c.row.resolution > chosen.resolution]
    wider = [c for c in rest if c.row.resolution == chosen.resolution and c.row.width > chosen.width]
    steps = (min(found, key=lambda c: c.row.macs) for found in (higher, wider) if found)
    lines = [f"  {_name(c.row)}: {'; '.join(_reason(x, c.row) for x in _unmet(c.feasibility))}" for c in steps]
    return ["why not larger:", *lines] if lines else []


def _reason(limit: LimitCheck, row: PlanRow) -> str:
    if limit.unit == "bytes":
        return f"{_SHORT[limit.name]} {limit.value / 1024:,.0f} of {limit.limit / 1024:,.0f} KiB"
    return f"latency {_interval(row)} of {limit.limit:g} ms{', undecided' * (limit.verdict == 'undecided')}"


def to_measure(candidates: Sequence[PlannedCandidate]) -> list[PlannedCandidate]:
    """What a measurement would settle or firm up, the most telling first.

    First come the candidates whose latency interval spans the limit and that keep every other limit, then those
    that an exceeded limit rules out anyway, then the feasible ones that nobody has measured, largest first.
    """
    unmeasured = [c for c in candidates if c.row.latency_provenance != "measured"]
    undecided = [c for c in unmeasured if c.row.undecided]
    settled = sorted(undecided, key=lambda c: (len(c.feasibility.violated), -c.row.macs))
    return [*settled, *sorted((c for c in unmeasured if c.row.feasible), key=lambda c: -c.row.macs)]


def _to_measure(candidates: Sequence[PlannedCandidate]) -> list[str]:
    found = to_measure(candidates)
    if not found:
        return []
    more = len(found) - _MEASURE_AT_MOST
    lines = chain(
        (f"  {_name(c.row)}{_why_measure(c)}" for c in found[:_MEASURE_AT_MOST]), [f"  and {more} more"] * (more > 0)
    )
    return ["measure these:", *lines]


def _why_measure(candidate: PlannedCandidate) -> str:
    row = candidate.row
    if not row.undecided:
        return f": {row.latency_ms:,.0f} ms are only {row.latency_provenance}"
    (limit,) = (c for c in candidate.feasibility.checks if c.verdict == "undecided")
    exceeded = ", ".join(_SHORT[name] for name in candidate.feasibility.violated)
    also = f" (but it exceeds {exceeded})" if exceeded else ""
    return f": {_interval(row)} ms against {limit.limit:g} ms is undecided{also}"
