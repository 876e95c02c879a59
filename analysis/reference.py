"""A published table laid out like a sweep: front and selection under the limits and on the board that are set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.figure_data import ParetoPoint
from analysis.limit_data import LimitMark, marks_of
from analysis.reference_table import SOURCE, PublishedRow
from analysis.report import write_all
from analysis.selection import Standing, nondominated
from facerec_core.record_json import dump_record
from facerec_core.types import Cost, Feasibility, Latency

METRIC = "ImageNet top-1 accuracy"


@dataclass(frozen=True)
class PricedRow:
    """A published network with what it costs on a board, and which limits it keeps."""

    published: PublishedRow
    cost: Cost
    latency: Latency
    feasibility: Feasibility


@dataclass(frozen=True)
class Judged:
    """A priced row and where it stands; `value` is its accuracy, 0-1."""

    row: PricedRow
    label: str
    value: float
    standing: Standing
    recommended: bool

    @property
    def ram_bytes(self) -> int:
        """The arena where the board's runtime needs one, else the activations."""
        arena = any(check.figure == "arena_bytes" for check in self.row.feasibility.checks)
        return self.row.cost.arena_bytes if arena else self.row.cost.peak_activation_bytes


@dataclass(frozen=True)
class ReferencePaths:
    """The files of one reference."""

    html: Path
    json: Path
    csv: Path


def judge(rows: Sequence[PricedRow]) -> tuple[Judged, ...]:
    """Every row with its standing, best first; recommended is the most accurate that keeps every limit without doubt.

    As for a sweep: of equals the smaller file, then the lower latency; the front is over accuracy, file and latency.
    """
    ordered = sorted(rows, key=lambda r: (-r.published.top1_percent, r.cost.file_bytes, r.latency.ms))
    eligible = [row for row in ordered if row.feasibility.feasible]
    points = [(r.published.top1_percent, float(r.cost.file_bytes), r.latency.ms) for r in eligible]
    front = {id(row) for row, kept in zip(eligible, nondominated(points), strict=True) if kept}
    best = eligible[0] if eligible else None
    return tuple(
        Judged(
            row,
            f"{row.published.width:g}@{row.published.resolution}",
            row.published.top1_percent / 100,
            _standing(row, front),
            row is best,
        )
        for row in ordered
    )


def _standing(row: PricedRow, front: set[int]) -> Standing:
    if row.feasibility.violated:
        return "infeasible"
    if row.feasibility.undecided:
        return "undecided"
    return "front" if id(row) in front else "dominated"


def points_of(judged: Sequence[Judged]) -> tuple[ParetoPoint, ...]:
    """The rows as points of the front; an accuracy that was published without an interval has none."""
    return tuple(
        ParetoPoint(
            label=one.label,
            standing=one.standing,
            scheme="float32",
            value=one.value,
            interval=None,
            size_bytes=one.row.cost.file_bytes,
            latency_ms=one.row.latency.ms,
            latency_low_ms=one.row.latency.low_ms,
            latency_high_ms=one.row.latency.high_ms,
            provenance=one.row.latency.provenance,
            ram_bytes=one.ram_bytes,
            recommended=one.recommended,
            tied=None,
            unmet=tuple(f"{c.name} {c.verdict}" for c in one.row.feasibility.checks if c.verdict != "ok"),
        )
        for one in judged
    )


def marks_for(judged: Sequence[Judged]) -> tuple[LimitMark, ...]:
    """The rows against every limit."""
    return tuple(
        mark
        for one in judged
        for mark in marks_of(one.label, one.row.feasibility.checks, one.row.latency, one.recommended)
    )


def row_json(one: Judged) -> dict[str, Any]:
    """One row as a plain object."""
    published, cost, latency = asdict(one.row.published), one.row.cost, one.row.latency
    checks = one.row.feasibility.checks
    return {
        "label": one.label,
        "standing": one.standing,
        "recommended": one.recommended,
        **published,
        "embedding": one.row.published.candidate.embedding,
        "predicted_file_bytes": cost.file_bytes,
        "parameter_bytes": cost.parameter_bytes,
        "ram_bytes": one.ram_bytes,
        "macs": cost.macs,
        "latency_ms": latency.ms,
        "latency_low_ms": latency.low_ms,
        "latency_high_ms": latency.high_ms,
        "latency_provenance": latency.provenance,
        "board": latency.board,
        "runtime": latency.runtime,
        "limits_exceeded": " ".join(check.name for check in checks if check.verdict == "exceeded"),
        "limits_undecided": " ".join(check.name for check in checks if check.verdict == "undecided"),
    }


def write_reference(name: str, rows: Sequence[PricedRow], command: str, out_dir: Path) -> ReferencePaths:
    """Write a published table's page, document, table and pictures into `out_dir`.

    Raises:
        StorageError: the folder cannot be made or written.
    """
    judged = judge(rows)
    paths = ReferencePaths(out_dir / "report.html", out_dir / "report.json", out_dir / "candidates.csv")
    write_all(_contents(name, judged, command, paths), out_dir)
    return paths


def _contents(name: str, judged: Sequence[Judged], command: str, paths: ReferencePaths) -> Mapping[Path, bytes]:
    # Here, so that importing this module costs no plotting library.
    import pandas as pd

    from analysis import figures, figures_curves, reference_page

    lists = [row_json(one) for one in judged]
    best = next((row for row in lists if row["recommended"]), None)
    limits = {check.name: check.limit for check in judged[0].row.feasibility.checks} if judged else {}
    document = {"name": name, "source": SOURCE, "metric": METRIC, "limits": limits, "recommended": best, "rows": lists}
    pareto = figures.draw_pareto(points_of(judged), METRIC)
    limited = figures_curves.draw_limits(marks_for(judged))
    named = {"pareto": pareto, "limits": limited}
    pictures = {
        paths.html.with_name(f"{stem}.{kind}"): figures.image_bytes(figure, kind)
        for stem, figure in named.items()
        for kind in ("png", "svg")
    }
    return {
        **pictures,
        paths.csv: pd.DataFrame(lists, dtype=object).to_csv(index=False).encode(),
        paths.json: f"{dump_record(document)}\n".encode(),
        paths.html: reference_page.render(name, judged, command).encode(),
    }
