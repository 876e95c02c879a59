"""What the report is about and where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SweepInfo:
    """One sweep as the tracker knows it; `limits` maps a limit's name to its value, None when switched off."""

    name: str
    command: str
    target_far: float
    limits: Mapping[str, float | str | None]
    created_unix: float
    status: str
    tracker_uri: str | None


@dataclass(frozen=True)
class ReportPaths:
    """The files of one report."""

    html: Path
    json: Path
    candidates_csv: Path
    pareto_csv: Path
    pareto_png: Path
    pareto_svg: Path
    roc_png: Path
    roc_svg: Path

    @classmethod
    def inside(cls, folder: Path) -> ReportPaths:
        """The fixed names below `folder`."""
        return cls(
            html=folder / "report.html",
            json=folder / "report.json",
            candidates_csv=folder / "candidates.csv",
            pareto_csv=folder / "pareto.csv",
            pareto_png=folder / "pareto.png",
            pareto_svg=folder / "pareto.svg",
            roc_png=folder / "roc.png",
            roc_svg=folder / "roc.svg",
        )
