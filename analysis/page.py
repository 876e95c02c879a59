"""The report's page: what the template shows, in words and formatted figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from analysis import interactive
from analysis.figure_data import learning_curves, pareto_points, roc_lines, slopes
from analysis.records import SweepInfo
from analysis.selection import Entry, Selection
from facerec_core.group_rates import spread
from facerec_core.roc import far_label
from facerec_core.types import Evaluation, LimitCheck, RunRecord, Split

SPLITS: tuple[Split, ...] = ("test", "validation")


@dataclass(frozen=True)
class Margin:
    """One limit of the recommended candidate; `used` is the share of the limit that is taken, 0-1."""

    name: str
    text: str
    used: float


def percent(rate: float | None) -> str:
    """A rate of 0-1 as per cent with one decimal, or a dash."""
    return "–" if rate is None else f"{100 * rate:.1f} %"


def quantity(value: float, unit: str = "") -> str:
    """A figure with thousands separated, at most one decimal."""
    number = f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:,.1f}"
    return f"{number} {unit}".strip()


def moment(unix: float) -> str:
    """Seconds since 1970 as a date in UTC."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M UTC")


def check_text(check: LimitCheck) -> str:
    """A limit that is not met, in words."""
    figures = f"{quantity(check.value, check.unit)}, limit {quantity(check.limit, check.unit)}"
    if check.verdict == "undecided":
        return f"{check.name}: {figures}; the uncertainty of the figure spans the limit"
    return f"{check.name}: {figures}, {quantity(check.excess, check.unit)} too much"


def reasons(entry: Entry) -> list[str]:
    """Why an entry may not be shipped."""
    return [check_text(check) for check in entry.checks if check.verdict != "ok"] or ["not trained"]


def margins(checks: Sequence[LimitCheck]) -> list[Margin]:
    """How far within each limit a candidate is; an uncertain figure counts with its worse end."""
    return [Margin(c.name, _margin_text(c), min(1.0, max(0.0, 1 + c.excess / c.limit))) for c in checks]


def _margin_text(check: LimitCheck) -> str:
    figures = f"{quantity(check.value, check.unit)} of {quantity(check.limit, check.unit)}"
    worse_end = check.value - check.limit < check.excess - 1e-9 * check.limit
    spare = f"{quantity(-check.excess, check.unit)} to spare"
    return f"{figures}, {spare}{' by the upper end of the estimate' if worse_end else ''}"


def _rivals(selection: Selection) -> list[Entry]:
    best = selection.recommended
    return [e for e in selection.having("front", "dominated") if best and e.record.key != best.record.key]


def _float_sibling(selection: Selection, best: Entry) -> Entry | None:
    siblings = (e for e in selection.having("reference") if e.record.key == best.record.key)
    return next(siblings, None)


def why(selection: Selection) -> list[str]:
    """The recommendation's grounds, each a sentence; why there is none when there is none."""
    best, metric = selection.recommended, selection.metric
    if best is None:
        return _why_none(selection)
    eligible = len(selection.having("front", "dominated"))
    told = [
        f"Highest {metric.title} on validation, {percent(best.value)}, of {eligible} int8 files within every limit."
    ]
    rivals = _rivals(selection)
    if rivals:
        told.append(f"The next best candidate, {rivals[0].label}, reaches {percent(rivals[0].value)}.")
    sibling = _float_sibling(selection, best)
    if sibling and sibling.value is not None and best.value is not None:
        change = f"{100 * (best.value - sibling.value):+.1f} points".replace("-", "−")
        told.append(f"Against its own float32 network ({percent(sibling.value)}) quantisation changes it by {change}.")
    better = [e for e in selection.having("undecided") if (e.value or 0) > (best.value or 0)]
    if better:
        told.append(
            f"{better[0].label} would reach {percent(better[0].value)}, but whether it meets the limits is undecided: "
            "measure it on the board."
        )
    return told


def _why_none(selection: Selection) -> list[str]:
    counts = {name: len(selection.having(name)) for name in ("undecided", "infeasible", "failed")}
    if not any(counts.values()):
        return ["No candidate has finished yet."]
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return [f"No int8 file was trained to the end and meets every limit without doubt: {told}."]


def notices(selection: Selection, records: Sequence[RunRecord]) -> list[str]:
    """What a reader has to know before comparing: a fallback metric, mixed data, candidates with warnings."""
    told = []
    if selection.metric.fallback:
        told.append(f"{selection.metric.fallback}. Candidates are ranked by {selection.metric.title} instead.")
    prints = {record.data.fingerprint for record in records if record.data}
    if len(prints) > 1:
        told.append(
            f"The candidates were evaluated on {len(prints)} different data sets; their figures do not compare."
        )
    boards = {(record.latency.board, record.latency.runtime) for record in records}
    if len(boards) > 1:
        told.append("The latencies belong to different boards or runtimes; they do not compare.")
    told += dict.fromkeys(warning for record in records for warning in record.warnings)
    return told


def threshold_text(evaluation: Evaluation) -> str:
    """What the validation threshold gives on a split, in words."""
    if evaluation.threshold is None:
        return f"The pairs cannot resolve FAR {far_label(evaluation.target_far)}, so no threshold was set."
    target = far_label(evaluation.target_far)
    return (
        f"At the threshold {evaluation.threshold:.4f}, chosen on validation for FAR {target}, "
        f"the test pairs give TAR {percent(evaluation.realised_tar)} at FAR {evaluation.realised_far:.2g}."
    )


def groups_text(evaluation: Evaluation) -> str:
    """Which groups of people fare worst at the threshold, in words; empty where groups or rates are not known."""
    found = spread(evaluation.groups)
    told = []
    if found.far_group is not None and found.far is not None:
        times = f", at least {found.far_ratio:.2g} times that of the best group" if found.far_ratio else ""
        told.append(f"Strangers are let in most often in the group {found.far_group} (FAR {found.far:.2g}{times}).")
    if found.tar_group is not None:
        share = f", {found.tar_ratio:.2f} times that of the best group" if found.tar_ratio is not None else ""
        rate = f"TAR {percent(found.tar)}{share}"
        told.append(f"People are recognised least often in the group {found.tar_group} ({rate}).")
    return " ".join(told)


def far_text(rate: float | None) -> str:
    """A false accept rate with two digits, or a dash."""
    return "–" if rate is None else f"{rate:.2g}"


def _summary(records: Sequence[RunRecord]) -> dict[str, int]:
    undecided = sum(bool(r.feasibility.undecided and not r.feasibility.violated) for r in records)
    counts = {status: sum(r.status == status for r in records) for status in ("complete", "infeasible", "failed")}
    return {"candidates": len(records), **counts, "undecided": undecided}


def _fragments(selection: Selection) -> Mapping[str, Markup]:
    """The figures, empty where there is nothing to show. Markup: plotly's own output, its texts escaped beforehand."""
    points, curves = pareto_points(selection), learning_curves(selection)
    drawn = {"pareto": "", "roc": "", "slopes": "", "curves": ""}
    if curves:
        drawn["curves"] = interactive.learning_fragment(curves)
    if points:
        drawn["pareto"] = interactive.pareto_fragment(points, selection.metric)
        drawn["roc"] = interactive.roc_fragment({split: roc_lines(selection, split) for split in SPLITS})
        drawn["slopes"] = interactive.slopes_fragment(slopes(selection), selection.metric)
    return {name: Markup(html) for name, html in drawn.items()}  # noqa: S704


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("analysis"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, far=far_text, quantity=quantity, moment=moment, reasons=reasons)
    return environment


def _first(records: Sequence[RunRecord]) -> RunRecord | None:
    """The record whose data and versions the page prints: a trained one where there is one."""
    return max(records, key=lambda record: record.data is not None, default=None)


def render(selection: Selection, records: Sequence[RunRecord], info: SweepInfo, pareto_png: bytes) -> str:
    """The whole page as one HTML document that loads nothing from elsewhere."""
    best = selection.recommended
    fragments = _fragments(selection)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            info=info,
            selection=selection,
            metric=selection.metric,
            best=best,
            why=why(selection),
            margins=margins(best.checks) if best else [],
            threshold=threshold_text(best.variant.test) if best and best.variant else "",
            groups=best.variant.test.groups if best and best.variant else (),
            groups_told=groups_text(best.variant.test) if best and best.variant else "",
            notices=notices(selection, records),
            summary=_summary(records),
            fragments=fragments,
            plotly=Markup(interactive.plotly_script()) if any(fragments.values()) else "",  # noqa: S704
            pareto_image=base64.b64encode(pareto_png).decode(),
            sample=_first(records),
            commits=sorted({record.git_commit or "unknown" for record in records}),
            seeds=sorted({record.seed for record in records}),
            target_label=far_label(info.target_far),
        )
    )
