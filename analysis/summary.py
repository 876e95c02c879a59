"""The report as a few lines of Markdown, for a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from analysis.comparison import interval
from analysis.findings import Findings
from analysis.selection import Entry
from analysis.sentences import hypervolume_text, notices, relaxation_text, threshold_text, why
from analysis.wording import interval_text, margins, moment, percent, points, quantity, reasons

MOST_ROWS = 12
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~&$]|^[+-])")


def escaped(raw: str) -> str:
    """Text that Markdown shows as it is: on one line, every character escaped that could mean anything."""
    return _SPECIAL.sub(r"\\\1", " ".join(raw.split()))


def _code(raw: str) -> str:
    """A span of code that no backtick inside ends."""
    line = " ".join(raw.split())
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return ["", *lines, ""]


def _rate(entry: Entry, findings: Findings) -> str:
    spread = interval(entry.variant.validation, findings.selection.metric) if entry.variant else None
    return f"{percent(entry.value)} ({interval_text(spread)})" if spread else percent(entry.value)


def _standing(entry: Entry, findings: Findings) -> str:
    known = findings.differences.get(id(entry))
    named = "**recommended**" if entry is findings.selection.recommended else entry.standing
    return f"{named}, tied" if known and known.tied else named


def _row(entry: Entry, findings: Findings) -> list[str]:
    metric, known = findings.selection.metric, findings.differences.get(id(entry))
    test = percent(metric.of(entry.variant.test)) if entry.variant else "–"
    latency = entry.record.latency
    return [
        escaped(entry.label),
        _standing(entry, findings),
        _rate(entry, findings),
        points(known.difference.value) if known else "",
        test,
        quantity(entry.variant.file.size_bytes) if entry.variant else "–",
        f"{quantity(latency.ms)} ({quantity(latency.low_ms)}–{quantity(latency.high_ms)}, {latency.provenance})",
    ]


def _front(findings: Findings) -> list[str]:
    front, title = findings.selection.having("front"), findings.selection.metric.title
    if not front:
        return []
    head = ["network", "", f"{title}, validation", "less recommended, points", "test", "file, bytes", "latency, ms"]
    rows = [_row(entry, findings) for entry in front[:MOST_ROWS]]
    more = [f"{len(front) - MOST_ROWS} more are on the front."] if len(front) > MOST_ROWS else []
    return ["## Front", *_table(head, rows), *more, ""]


def _limits(findings: Findings) -> list[str]:
    best = findings.selection.recommended
    told = [f"- {escaped(f'{one.name}: {one.text}')}" for one in margins(best.checks)] if best else []
    told += [f"- {escaped(f'{one.check.name}: {relaxation_text(one)}')}" for one in findings.relaxations]
    told += [
        f"- {escaped(f'{entry.label}: {reasons(entry)[0]}')}"
        for entry in findings.selection.having("undecided")[:MOST_ROWS]
    ]
    return ["## Limits", "", *told, ""] if told else []


def markdown(findings: Findings) -> str:
    """The recommendation, its grounds, the front and the limits as Markdown; text from outside is escaped."""
    selection, info = findings.selection, findings.info
    best = selection.recommended
    head = f"Ship {best.label}" if best else "Nothing to recommend"
    lines = [f"# {escaped(head)}", ""]
    lines += [f"{escaped(sentence)}  " for sentence in why(findings)]
    if best and best.variant:
        lines.append(escaped(threshold_text(best.variant.test)))
    lines += ["", *(f"> {escaped(notice)}\n" for notice in notices(findings))]
    lines += [*_front(findings), *_limits(findings)]
    lines += [escaped(hypervolume_text(findings.hypervolume)), ""] if findings.hypervolume else []
    data = sorted({f"{r.data.name}, fingerprint {r.data.fingerprint}" for r in findings.records if r.data})
    lines += ["## Made by", "", *(line for one in info.commands for line in (_code(one), ""))]
    lines += [f"Sweep {escaped(info.name)}, {escaped(info.status.lower())}, {moment(info.created_unix)}.  "]
    lines += [f"Data: {escaped(one)}.  " for one in data]
    return "\n".join(lines).rstrip() + "\n"
