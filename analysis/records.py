"""What the report is about and where it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class SweepInfo:
    """One sweep as the tracker knows it; `limits` maps a limit's name to its value, None when switched off.

    `command` is what was typed last, `earlier_commands` what else was typed for the same sweep, the first one first.
    """

    name: str
    command: str
    target_far: float
    limits: Mapping[str, float | str | None]
    created_unix: float
    status: str
    tracker_uri: str | None
    earlier_commands: tuple[str, ...] = ()

    @property
    def commands(self) -> tuple[str, ...]:
        """All that was typed for the sweep, the last one last."""
        return (*self.earlier_commands, self.command)


@dataclass(frozen=True)
class ReportPaths:
    """The files of one report; each figure is a PNG and an SVG."""

    html: Path
    json: Path
    summary_md: Path
    candidates_csv: Path
    pareto_csv: Path
    pareto_png: Path
    pareto_svg: Path
    limits_png: Path
    limits_svg: Path
    roc_png: Path
    roc_svg: Path
    det_png: Path
    det_svg: Path
    quantisation_png: Path
    quantisation_svg: Path
    health_png: Path
    health_svg: Path
    search_png: Path
    search_svg: Path
    learning_png: Path
    learning_svg: Path

    @classmethod
    def inside(cls, folder: Path) -> ReportPaths:
        """The fixed names below `folder`: `report.html`, `report.json`, `summary.md`, and those of the fields."""
        named = {one.name: folder / ".".join(one.name.rsplit("_", 1)) for one in fields(cls)}
        return cls(**named | {"html": folder / "report.html", "json": folder / "report.json"})

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file of the report."""
        return tuple(getattr(self, one.name) for one in fields(self))

    @property
    def figures(self) -> Mapping[str, tuple[Path, Path]]:
        """PNG and SVG of each figure, by its name."""
        names = [one.name.removesuffix("_png") for one in fields(self) if one.name.endswith("_png")]
        return {name: (getattr(self, f"{name}_png"), getattr(self, f"{name}_svg")) for name in names}
