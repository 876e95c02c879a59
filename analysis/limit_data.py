"""What the figure of limits shows: the share of each limit that each candidate takes, trained or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.selection import Entry, Selection
from facerec_core.types import Latency, LimitCheck, Verdict

SAME_FIGURE = {"parameter_bytes": "parameters", "file_bytes": "file", "flash_bytes": "flash"} | {
    "activation_bytes": "activations",
    "ram_bytes": "RAM",
    "latency_ms": "latency",
}
"""Short names of limits; a limit that is not here keeps its own."""


@dataclass(frozen=True)
class LimitMark:
    """One candidate against one limit: `share` 1.0 is the limit itself; `low` to `high` is what it may be.

    `verdict` is this limit's, `fits` whether the candidate keeps every other one, too.
    """

    limit: str
    label: str
    share: float
    low: float
    high: float
    verdict: Verdict
    fits: bool
    recommended: bool
    text: str


def limit_name(name: str) -> str:
    """What the page calls a limit."""
    return SAME_FIGURE.get(name, name)


def limit_marks(selection: Selection) -> tuple[LimitMark, ...]:
    """Every candidate against every limit that is set; of a candidate's int8 variants the best speaks for it."""
    seen: dict[str, Entry] = {}
    for entry in selection.entries:
        if entry.standing != "reference":
            seen.setdefault(entry.record.key, entry)
    best = selection.recommended
    return tuple(
        mark
        for entry in seen.values()
        for mark in marks_of(
            entry.label, entry.checks, entry.record.latency, best is not None and entry.record.key == best.record.key
        )
    )


def marks_of(label: str, checks: Sequence[LimitCheck], latency: Latency, recommended: bool) -> list[LimitMark]:
    """One network against each of its limits."""
    fits = all(check.verdict == "ok" for check in checks)
    found = []
    for check in checks:
        low, middle, high = _range(check, latency)
        text = f"{check.value:,.0f} of {check.limit:,.0f} {check.unit}: {check.verdict}"
        share, least, most = (figure / check.limit for figure in (middle, low, high))
        found.append(LimitMark(check.name, label, share, least, most, check.verdict, fits, recommended, text))
    return found


def _range(check: LimitCheck, latency: Latency) -> tuple[float, float, float]:
    """The least a figure may be, its estimate, and the most; all the same where it is exact."""
    if check.name == "latency_ms":
        return latency.low_ms, latency.ms, latency.high_ms
    return check.value, check.value, check.value


def span(marks: Sequence[LimitMark]) -> tuple[float, float]:
    """The shares that the figure's axis runs from and to; the limit is always inside."""
    return 0.8 * min(1.0, *(mark.low for mark in marks)), 1.25 * max(1.0, *(mark.high for mark in marks))


def rows_of(marks: Sequence[LimitMark]) -> list[str]:
    """The limits in the order they are drawn, from below."""
    return list(dict.fromkeys(mark.limit for mark in reversed(marks)))


def spots(marks: Sequence[LimitMark]) -> list[float]:
    """The height of each mark: its limit's row, those of a row spread evenly over it in the order they come."""
    rows = rows_of(marks)
    within = dict.fromkeys(rows, 0)
    counts = {row: sum(mark.limit == row for mark in marks) for row in rows}
    found = []
    for mark in marks:
        position = within[mark.limit] / max(1, counts[mark.limit] - 1) if counts[mark.limit] > 1 else 0.5
        found.append(rows.index(mark.limit) + 0.35 - 0.7 * position)
        within[mark.limit] += 1
    return found


def mark_kinds(
    marks: Sequence[LimitMark], heights: Sequence[float]
) -> list[tuple[str, str, list[tuple[LimitMark, float]]]]:
    """Marks with their heights by how they are drawn: kind, name in the legend, marks; what lies on top last."""
    pairs = list(zip(marks, heights, strict=True))
    plain = [pair for pair in pairs if not pair[0].recommended]
    kept = [pair for pair in plain if pair[0].verdict == "ok"]
    return [
        ("elsewhere", "keeps this limit, not every one", [pair for pair in kept if not pair[0].fits]),
        ("fits", "keeps every limit", [pair for pair in kept if pair[0].fits]),
        ("undecided", "undecided", [pair for pair in plain if pair[0].verdict == "undecided"]),
        ("exceeded", "exceeds this limit", [pair for pair in plain if pair[0].verdict == "exceeded"]),
        ("recommended", "recommended", [pair for pair in pairs if pair[0].recommended]),
    ]
