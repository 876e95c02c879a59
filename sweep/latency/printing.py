"""What the actions print on standard output: a table for people and the lines below it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from facerec_core.errors import UsageError
from facerec_core.latency.contradiction import Contradiction
from facerec_core.latency.fit import FEATURES
from facerec_core.latency.table import TimedRow
from sweep.latency import Request

_PIPE_COLUMNS = 160


def plain_table(numbers: Sequence[str], words: Sequence[str] = ()) -> Table:
    """An empty table without lines: columns of numbers, then columns of words."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in words:
        table.add_column(heading)
    return table


def print_report(table: Table | None, lines: Iterable[str]) -> None:
    """Print a table and lines; a pipe gets all the room it needs and no colours."""
    console = Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS, highlight=False, soft_wrap=True)
    with console.capture() as capture:  # written below, because Rich answers a closed pipe by leaving the program
        if table is not None:
            console.print(table)
        for line in lines:
            console.print(line, markup=False)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
    sys.stdout.flush()


def columns() -> int:
    """Characters a line holds: the terminal's, or plenty in a pipe."""
    return Console().width if sys.stdout.isatty() else _PIPE_COLUMNS


def print_json(rows: Sequence[Any]) -> None:
    """A list of dataclasses as JSON, and nothing else."""
    sys.stdout.write(json.dumps([asdict(row) for row in rows], indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def refuse_files(request: Request, action: str) -> None:
    """Raise where an argument is no KEY=VALUE and the action reads no files."""
    if request.files:
        raise UsageError(f"latency {action}: got {request.files[0]!r}, allowed: KEY=VALUE and --board NAME")


def refuse_flags(request: Request, action: str, **given: object) -> None:
    """Raise where a flag was given that an action has no use for.

    Args:
        request: what was asked.
        action: the action's name.
        given: flags by name, None where they were not given.

    Raises:
        UsageError: names the first of them.
    """
    form = None if request.form == "table" else request.form
    for flag, value in ({"json or --csv": form} | given).items():
        if value is not None:
            raise UsageError(f"latency {action} takes no --{flag}; leave it out")


def contradiction_text(one: Contradiction) -> str:
    """Which row is slower than a larger one, and by how much."""
    small, large = (
        f"{row.width:g}@{row.resolution}, {row.embedding}-d, takes {row.latency_ms:.6g} ms"
        for row in (one.slower, one.larger)
    )
    more = f" (and {one.others} more such pairs with one of them)" if one.others else ""
    return f"{small}, {one.excess:.0%} more than a network that contains it: {large}{more}"


def rows_missing(rows: Sequence[TimedRow]) -> str:
    """What a table of its own fit still lacks, in words; empty when it lacks nothing."""
    own = [row for row in rows if row.role == "own"]
    widths = len({row.width for row in own})
    more = max(len(FEATURES) + 1 - len(own), 0)
    needs = [f"{more} more network{'s' * (more > 1)}"] if more else []
    needs += ["another width"] if widths < 2 else []
    return " and ".join(needs)


def usage(rows: Sequence[TimedRow], command: str) -> str:
    """How to use a table that was written, or what keeps it from being used."""
    missing = rows_missing(rows)
    if missing:
        return f"too few for estimates: measure {missing}, then {command}"
    return f"use it: {command}"
