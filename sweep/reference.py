"""The report verb on a published table: what its networks would cost here, and which of them fit."""

from __future__ import annotations

import sys
from dataclasses import replace

from analysis.reference import PricedRow, write_reference
from analysis.reference_table import ROWS, PublishedRow
from sweep.points import price
from sweep.schema import Settings


def lay_out(settings: Settings, command: str) -> int:
    """Lay out a published table by the limits and on the board that are set, and say where; no tracker is needed.

    Raises:
        StorageError: the folder cannot be written.
        UsageError: the board's tables cannot be used.
    """
    name = str(settings.reference)
    rows = [PricedRow(row, *price(_at(settings, row))) for row in ROWS]
    paths = write_reference(name, rows, command, settings.paths.folder / "reports" / f"reference_{name}")
    sys.stdout.write(f"{name}: {len(rows)} published network(s)\n  page   {paths.html}\n  data   {paths.json}\n")
    return 0


def _at(settings: Settings, row: PublishedRow) -> Settings:
    """The settings of a published network."""
    candidate = row.candidate
    return replace(
        settings, width=candidate.width, res=candidate.resolution, embedding=candidate.embedding, last=candidate.last
    )
