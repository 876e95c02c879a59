"""The report's page: the template filled with words, formatted figures and interactive fragments."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from analysis import (
    interactive,
    interactive_curves,
    interactive_learning,
    interactive_roc,
    interactive_search,
    sentences,
    wording,
)
from analysis.comparison import interval
from analysis.curve_data import slopes
from analysis.figure_data import pareto_points, ram_bytes
from analysis.findings import Findings
from analysis.health_data import decibels, health_panels, health_text, worst_text
from analysis.learning_data import learning_curves
from analysis.limit_data import limit_marks, limit_name
from analysis.records import ReportPaths
from analysis.repeat import leaves, repeat_command
from analysis.roc_data import RocLine, roc_lines
from analysis.search_data import search_figure
from analysis.sources import sources
from facerec_core.roc import far_label
from facerec_core.types import RunRecord, Split

SPLITS: tuple[Split, ...] = ("test", "validation")
_POWER_OF_TEN = re.compile(r"\d+e-\d+")
SHOWN_ROWS = 100
"""Rows of the long table a browser shows at first; the rest is one press away."""


def flattened(config: Mapping[str, object]) -> list[str]:
    """A nested configuration as sorted `key=value` lines."""
    return sorted(f"{key}={'null' if value is None else value}" for key, value in leaves(config))


def summary_of(records: Sequence[RunRecord]) -> dict[str, int]:
    """How many candidates there are, and how many of each status; the undecided are among the others."""
    undecided = sum(bool(r.feasibility.undecided and not r.feasibility.violated) for r in records)
    counts = {
        status: sum(r.status == status for r in records) for status in ("complete", "infeasible", "pruned", "failed")
    }
    return {"candidates": len(records), **counts, "undecided": undecided}


def fragments_of(findings: Findings) -> Mapping[str, Markup]:
    """The figures, empty where there is nothing to show. Markup: plotly's own output, its texts escaped beforehand."""
    selection = findings.selection
    title = f"{selection.metric.title} (validation)"
    points, curves = pareto_points(selection, findings.compared), learning_curves(selection)
    marks = limit_marks(selection)
    drawn = dict.fromkeys(("pareto", "limits", "roc", "det", "search", "slopes", "curves"), "")
    if curves:
        drawn["curves"] = interactive_learning.learning_fragment(curves)
    if searches := search_figure(selection):
        drawn["search"] = interactive_search.search_fragment(searches)
    if marks:
        drawn["limits"] = interactive_curves.limits_fragment(marks)
    if points:
        lines: dict[str, Sequence[RocLine]] = {split: roc_lines(selection, split) for split in SPLITS}
        drawn["pareto"] = interactive.pareto_fragment(points, title)
        drawn["roc"] = interactive_roc.roc_fragment(lines)
        drawn["det"] = interactive_roc.det_fragment(lines)
        drawn["slopes"] = interactive_curves.slopes_fragment(slopes(selection), title)
    return {name: Markup(html) for name, html in drawn.items()}  # noqa: S704


def environment() -> Environment:
    """The templates' environment: everything is escaped, what is not defined is an error."""
    made = Environment(
        loader=PackageLoader("analysis"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        percent=wording.percent,
        interval=wording.interval_text,
        points=wording.points,
        points_text=wording.points_text,
        share=wording.share_text,
        draws=wording.over_draws,
        far=wording.far_text,
        quantity=wording.quantity,
        moment=wording.moment,
        reasons=wording.reasons,
        relaxation=sentences.relaxation_text,
        limit_name=limit_name,
        ram=ram_bytes,
        config=flattened,
        decibels=decibels,
        worst_layers=worst_text,
        unbroken=_unbroken,
    )
    return made


def _unbroken(text: str) -> Markup:
    """The text with its powers of ten kept in one piece: a browser ends lines at the hyphen of 1e-3."""
    return Markup(_POWER_OF_TEN.sub(r'<span class="whole">\g<0></span>', str(escape(text))))  # noqa: S704 - escaped


def _first(records: Sequence[RunRecord]) -> RunRecord | None:
    """The record whose data and versions the page prints: a trained one where there is one."""
    return max(records, key=lambda record: record.data is not None, default=None)


def _recommendation(findings: Findings) -> dict[str, object]:
    """What the page says of the recommended entry."""
    best, metric = findings.selection.recommended, findings.selection.metric
    variant = best.variant if best else None
    if best is None or variant is None:
        words, lists = ("threshold", "groups_told", "repeat"), ("margins", "groups", "sources")
        return {"best": None, **dict.fromkeys(words, ""), **dict.fromkeys(lists, ())}
    return {
        "best": best,
        "margins": wording.margins(best.checks),
        "threshold": sentences.threshold_text(variant.test),
        "groups": variant.test.groups,
        "groups_told": sentences.groups_text(variant.test),
        "sources": sources(best, metric),
        "repeat": repeat_command(findings.info.commands, best.record),
    }


def render(
    findings: Findings, fragments: Mapping[str, Markup], pictures: Mapping[Path, bytes], paths: ReportPaths
) -> str:
    """The whole page as one HTML document that loads nothing from elsewhere.

    Args:
        findings: what is told.
        fragments: of `fragments_of`.
        pictures: the figures by their place. The front is there for readers without JavaScript.
        paths: the files beside the page, which it names.
    """
    selection, records = findings.selection, findings.records
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            **_recommendation(findings),
            findings=findings,
            info=findings.info,
            selection=selection,
            metric=selection.metric,
            interval_of=lambda evaluation: interval(evaluation, selection.metric),
            differences=findings.differences,
            key_of=id,
            why=sentences.why(findings),
            hypervolume=sentences.hypervolume_text(findings.hypervolume) if findings.hypervolume else "",
            notices=sentences.notices(findings),
            searched=sentences.searched,
            searches_of=sentences.searches_of,
            summary=summary_of(records),
            fragments=fragments,
            plotly=Markup(interactive.plotly_script()) if any(fragments.values()) else "",  # noqa: S704
            pareto_image=base64.b64encode(pictures[paths.pareto_png]).decode(),
            health=health_panels(selection),
            health_told=health_text(selection.recommended),
            health_image=base64.b64encode(pictures[paths.health_svg]).decode(),
            sample=_first(records),
            commits=sorted({record.git_commit or "unknown" for record in records}),
            seeds=sorted({record.seed for record in records}),
            target_label=far_label(findings.info.target_far),
            shown_rows=SHOWN_ROWS,
            files=_file_names(paths),
        )
    )


def _file_names(paths: ReportPaths) -> list[str]:
    named: list[Path] = [paths.summary_md, paths.json, paths.candidates_csv, paths.pareto_csv]
    return [path.name for path in (*named, *(path for pair in paths.figures.values() for path in pair))]
