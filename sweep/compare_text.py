"""What `compare` prints: tables for people, or an object for a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TextIO

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from analysis.compared import Comparison, Figure, Matched, Side, Verdict, judge
from analysis.selection import Metric
from analysis.wording import far_text, interval_text, percent, points, quantity
from facerec_core.types import Interval

_PIPE_COLUMNS = 200
_VERDICTS: Mapping[Verdict, str] = {
    "regressed": "[red]regressed[/]",
    "held": "[green]not regressed[/]",
    "unknown": "not judged",
}


def as_object(compared: Comparison) -> dict[str, object]:
    """A comparison for JSON: rates 0-1 and unrounded, differences are B less A."""
    return {
        "a": _side_object(compared.a),
        "b": _side_object(compared.b),
        "split": compared.split,
        "metric": _figure_object(compared.metric),
        "figures": [_figure_object(figure) for figure in compared.figures],
        "paired": compared.metric.interval is not None,
        "unpaired_because": compared.unpaired or None,
        "notes": list(compared.notes),
    }


def _side_object(side: Side) -> dict[str, object]:
    record, variant = side.record, side.variant
    named = {"sweep": side.sweep, "label": side.label, "candidate": record.candidate.name, "seed": record.seed}
    return named | {"candidate_key": record.key, "variant": variant.scheme, "sha256": variant.file.sha256}


def _figure_object(figure: Figure) -> dict[str, object]:
    return asdict(figure) | {"difference": figure.difference}


def write_two(compared: Comparison, metric: Metric, verdict: Verdict, max_drop: float, out: TextIO) -> None:
    """Two files: every figure, what was not comparable, and the verdict."""
    _write(_two(compared, metric, verdict, max_drop), out)


def write_matched(
    matched: Matched, metric: Metric, names: tuple[str, str], max_drop: float, allow_unpaired: bool, out: TextIO
) -> None:
    """Two sweeps: the candidates that both have, those that one has, and what both recommend."""
    _write(_sweeps(matched, metric, names, max_drop, allow_unpaired), out)


def _sweeps(
    matched: Matched, metric: Metric, names: tuple[str, str], max_drop: float, allow_unpaired: bool
) -> Iterator[RenderableType]:
    yield f"A = sweep {names[0]}, B = sweep {names[1]}; {metric.title} of the candidates that both have:"
    if matched.pairs:
        yield _pairs_table(matched.pairs, max_drop, allow_unpaired)
    else:
        yield "none: no architecture and seed was evaluated in both"
    unpaired = dict.fromkeys(pair.unpaired for pair in matched.pairs if pair.unpaired)
    yield from (f"No interval: {escape(reason)}" for reason in unpaired)
    for name, labels in zip(names, (matched.only_a, matched.only_b), strict=True):
        if labels:
            yield f"Only in {name}: {escape(', '.join(labels))}"
    yield ""
    if matched.recommended is None:
        return
    yield "What each recommends:"
    yield from _two(matched.recommended, metric, judge(matched.recommended, max_drop, allow_unpaired), max_drop)


def _pairs_table(pairs: Iterable[Comparison], max_drop: float, allow_unpaired: bool) -> Table:
    table = _table("A", "B", right=("A", "B", "B − A, points", ""))
    for pair in pairs:
        figure = pair.metric
        verdict = _VERDICTS[judge(pair, max_drop, allow_unpaired)]
        names = (escape(pair.a.label), escape(pair.b.label))
        table.add_row(*names, percent(figure.a), percent(figure.b), _difference(figure), verdict)
    return table


def _two(compared: Comparison, metric: Metric, verdict: Verdict, max_drop: float) -> Iterator[RenderableType]:
    for letter, side in (("A", compared.a), ("B", compared.b)):
        yield f"{letter} = {escape(side.label)} of sweep {side.sweep} (candidate {side.record.key[:8]})"
    table = _table(compared.split, right=("A", "B", "B − A"))
    for figure in (compared.metric, *compared.figures):
        if (figure.a, figure.b) != (None, None):
            table.add_row(figure.name, *_cells(figure))
    yield table
    yield "Brackets are 95 % intervals, of the latencies those of the estimates; B − A of rates in percentage points."
    yield from (f"Note: {escape(note)}" for note in compared.notes)
    if compared.unpaired:
        yield f"No interval for the difference: {escape(compared.unpaired)}"
    yield f"{_VERDICTS[verdict]}: {_sentence(compared, metric, verdict, max_drop)}"


def _sentence(compared: Comparison, metric: Metric, verdict: Verdict, max_drop: float) -> str:
    """What was asked of the metric, and what was found."""
    bound = points(-max_drop)
    found = f"{metric.title} on {compared.split} changed by {_difference(compared.metric)} points"
    if verdict == "unknown":
        return f"{found}; whether that is noise is not known"
    if compared.metric.interval is None:
        return f"{found}, which is {'' if verdict == 'regressed' else 'not '}below {bound}; noise was not looked at"
    return f"{found}; the interval {'lies' if verdict == 'regressed' else 'does not lie'} wholly below {bound}"


def _cells(figure: Figure) -> tuple[str, str, str]:
    return _value(figure, figure.a, figure.a_interval), _value(figure, figure.b, figure.b_interval), _change(figure)


def _value(figure: Figure, value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "–"
    if figure.unit == "far":
        return far_text(value)
    if figure.unit == "rate":
        return f"{percent(value)}{f' ({interval_text(interval)})' if interval else ''}"
    unit = "" if figure.unit == "count" else figure.unit
    span = f" ({interval.low:,.0f}–{interval.high:,.0f})" if interval else ""
    return quantity(value, unit) + span


def _change(figure: Figure) -> str:
    change, interval = figure.difference, figure.interval
    if change is None:
        return "–"
    if figure.unit == "rate":
        return _difference(figure)
    if figure.unit == "far":
        spread = f" ({interval.low:+.2g} to {interval.high:+.2g})" if interval else ""
        return f"{change:+.2g}{spread}".replace("-", "−")
    share = f" ({100 * change / figure.a:+.1f} %)" if figure.a else ""
    return f"{change:+,.{int(figure.unit == 'ms')}f}{share}".replace("-", "−") if change else "0"


def _difference(figure: Figure) -> str:
    """A difference of rates in points, with its interval where there is one."""
    spread = f" ({points(figure.interval.low)} to {points(figure.interval.high)})" if figure.interval else ""
    return f"{points(figure.difference)}{spread}"


def _table(*left: str, right: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in left:
        table.add_column(heading)
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def _write(parts: Iterable[RenderableType], out: TextIO) -> None:
    """Captured first, because Rich answers a closed pipe by leaving the program; a pipe gets the room it needs."""
    console = Console(file=out, width=None if out.isatty() else _PIPE_COLUMNS, highlight=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    out.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
    out.flush()
