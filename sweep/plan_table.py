"""The plan as a table for people; `sweep/plan_summary.py` writes the lines below it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from facerec_core.types import LimitCheck, fingerprint_name
from sweep.plan import PlannedCandidate, PlanRow
from sweep.plan_summary import SHORT_NAMES, interval, ram, shortened, summary, unmet

_PIPE_COLUMNS = 200
_ROOMY_COLUMNS = 120
_STYLES = {"exceeded": "red", "undecided": "yellow"}
_NUMBERS = ("\nwidth", "\nres", "embed-\nding", "para-\nmeters*", "file\nKiB", "RAM\nKiB", "latency\nms")
_ROOMY_NUMBERS = ("\nMMACs", "finger-\nprints", "training\nmin")
_WORDS = ("\nknown by", "\nlimits")
_NARROW_WORDS = ("\nknown by", "limits\n(KiB, ms)")


def write_table(candidates: Sequence[PlannedCandidate], out: TextIO) -> None:
    """A table that fits 80 columns; a pipe gets all the room it needs.

    Where there is room, several boards share a table with a column that names them; else each has its own, and the
    limits go without their units.
    """
    console = Console(file=out, width=None if out.isatty() else _PIPE_COLUMNS, highlight=False)
    roomy = console.width >= _ROOMY_COLUMNS
    with console.capture() as capture:  # written below, because Rich answers a closed pipe by leaving the program
        boards = dict.fromkeys(c.row.board for c in candidates)
        if roomy or len(boards) == 1:
            console.print(_table(candidates, roomy))
        else:
            for index, board in enumerate(boards):
                console.print(f"{chr(10) * (index > 0)}{shortened(board)}", markup=False, style="bold")
                console.print(_table([c for c in candidates if c.row.board == board], roomy))
        for line in summary(candidates):
            console.print(textwrap.fill(line, console.width, subsequent_indent=" " * 4), markup=False)
    out.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def _table(candidates: Sequence[PlannedCandidate], roomy: bool) -> Table:
    several = len({c.row.board for c in candidates}) > 1
    table = Table(box=None, pad_edge=False, collapse_padding=not roomy, header_style="bold")
    for heading in (*_NUMBERS, *(_ROOMY_NUMBERS if roomy else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    words = _WORDS if roomy else _NARROW_WORDS
    for heading in ("\nboard", *words) if several else words:
        table.add_column(heading, overflow="fold", no_wrap=heading == words[0])
    for candidate in candidates:
        row = candidate.row
        board = [escape(shortened(row.board))] if several else []
        limits = _verdict(candidate, roomy)
        extra = _roomy_numbers(row) if roomy else ()
        table.add_row(*_numbers(row, roomy), *extra, *board, row.latency_provenance, limits)
    return table


def _numbers(row: PlanRow, roomy: bool) -> tuple[str, ...]:
    return (
        f"{row.width:g}",
        str(row.resolution),
        fingerprint_name(row.embedding, row.last),
        f"{row.parameters_without_head:,}",
        f"{row.file_bytes / 1024:,.0f}",
        ram(row) if roomy else f"{row.ram_bytes / 1024:,.0f}",
        interval(row),
    )


def _roomy_numbers(row: PlanRow) -> tuple[str, ...]:
    fits = "" if row.fingerprints is None else f"{row.fingerprints:,}"
    minutes = "" if row.training_seconds is None else f"{row.training_seconds / 60:.1f}"
    return f"{row.macs / 1e6:.1f}", fits, minutes


def _verdict(candidate: PlannedCandidate, roomy: bool) -> str:
    """The limits that are not met, each with its margin, in Rich's markup; `ok` when all are."""
    margins = (f"[{_STYLES[c.verdict]}]{_margin(c, candidate.row, roomy)}[/]" for c in unmet(candidate))
    return (", " if roomy else "\n").join(margins) or "[green]ok[/]"


def _margin(limit: LimitCheck, row: PlanRow, roomy: bool) -> str:
    name, in_bytes = SHORT_NAMES[limit.name], limit.unit == "bytes"
    if limit.verdict == "undecided":
        return f"{name} undecided"
    excess = f"{limit.excess / 1024 if in_bytes else limit.excess:,.0f}"
    if limit.name == "ram_bytes" and row.ram_high_bytes > row.ram_bytes:
        excess = f"{(row.ram_bytes - limit.limit) / 1024:,.0f}–{excess}"
    unit = f" {'KiB' if in_bytes else limit.unit}" if roomy else ""
    return f"{name} +{excess}{unit}"
