"""The lines below a plan: how many candidates fit, why nothing larger does, what to measure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from facerec_core.types import LimitCheck
from sweep.plan import PlannedCandidate, PlanRow

SHORT_NAMES = {
    "parameter_bytes": "parameters",
    "file_bytes": "file",
    "flash_bytes": "flash",
    "activation_bytes": "activations",
    "ram_bytes": "RAM",
    "latency_ms": "latency",
}
_MEASURE_AT_MOST = 6
_RULED_OUT_AT_MOST = 3
_LONGEST_NAME = 40
_FOOTNOTE = "* without the head, one byte each by the published rule; the file is the int8 .tflite, predicted"
_MEMORIES = {"ram_bytes": "RAM", "flash_bytes": "flash"}


def summary(candidates: Sequence[PlannedCandidate]) -> list[str]:
    """The lines below the table; where there are several boards, each line says which it is about."""
    boards = dict.fromkeys((c.row.board, c.row.runtime) for c in candidates)
    names = ", ".join(f"{shortened(board)} ({runtime})" for board, runtime in boards)
    several = len(boards) > 1
    lines = ["", f"board{'s' * several}: {names}", _FOOTNOTE]
    for board, runtime in boards:
        own = [c for c in candidates if (c.row.board, c.row.runtime) == (board, runtime)]
        lines += _of_board(own, f"{shortened(board)}: " if several else "")
    return [*lines, *_to_measure(candidates)]


def _of_board(candidates: Sequence[PlannedCandidate], prefix: str) -> list[str]:
    """What is not checked, how many fit, the largest of them and what rules out more."""
    checked = {check.name for check in candidates[0].feasibility.checks}
    silent = ", ".join(word for name, word in _MEMORIES.items() if name not in checked)
    lines = [f"{prefix}{silent} not checked: the board states none"] if silent else []
    chosen = [c for c in candidates if c.row.feasible]
    found = f"{prefix}{len(chosen)} of {len(candidates)} candidates meet every limit"
    if not chosen:
        return [*lines, found]
    largest = max(chosen, key=lambda c: c.row.macs)
    name = _name(largest.row, candidates)
    return [*lines, f"{found}; the largest is {name}", *_why_not_larger(candidates, largest.row, prefix)]


def shortened(board: str) -> str:
    """A board's name, at most 40 characters of it."""
    return board if len(board) <= _LONGEST_NAME else f"{board[: _LONGEST_NAME - 3]}..."


def unmet(candidate: PlannedCandidate) -> list[LimitCheck]:
    """The limits that are exceeded or undecided."""
    return [c for c in candidate.feasibility.checks if c.verdict != "ok"]


def interval(row: PlanRow) -> str:
    """The latency and its interval, in ms."""
    digits = _digits(row)
    low, high = f"{row.latency_low_ms:.{digits}f}", f"{row.latency_high_ms:.{digits}f}"
    return f"{row.latency_ms:.{digits}f} ({low}–{high})"


def _digits(row: PlanRow) -> int:
    return 1 if row.latency_ms < 10 else 0


def ram(row: PlanRow) -> str:
    """The RAM in KiB, as predicted and, where that is not exact, at most."""
    most = f"–{row.ram_high_bytes / 1024:,.0f}" if row.ram_high_bytes > row.ram_bytes else ""
    return f"{row.ram_bytes / 1024:,.0f}{most}"


def _name(row: PlanRow, candidates: Sequence[PlannedCandidate]) -> str:
    """A candidate by what tells it from the others of the plan."""
    boards = {c.row.board for c in candidates}
    shapes = Counter((c.row.board, c.row.width, c.row.resolution) for c in candidates)
    board = f"{shortened(row.board)} " if len(boards) > 1 else ""
    twins = shapes[row.board, row.width, row.resolution] > 1
    return f"{board}width={row.width:g} res={row.resolution}{f' embedding={row.embedding}' if twins else ''}"


def _why_not_larger(candidates: Sequence[PlannedCandidate], chosen: PlanRow, prefix: str) -> list[str]:
    """What rules out the next resolution and the next width, on the board of the chosen one."""
    rest = [c for c in candidates if not c.row.feasible]
    higher = [c for c in rest if c.row.width == chosen.width and c.row.resolution > chosen.resolution]
    wider = [c for c in rest if c.row.resolution == chosen.resolution and c.row.width > chosen.width]
    steps = (min(found, key=lambda c: c.row.macs) for found in (higher, wider) if found)
    lines = [f"  {_name(c.row, candidates)}: {'; '.join(_reason(x, c.row) for x in unmet(c))}" for c in steps]
    return [f"{prefix}why not larger:", *lines] if lines else []


def _reason(limit: LimitCheck, row: PlanRow) -> str:
    """A limit that is not met: the figure, what is allowed, and whether that is for sure."""
    name, undecided = SHORT_NAMES[limit.name], ", undecided" * (limit.verdict == "undecided")
    if limit.unit == "bytes":
        figure = ram(row) if limit.name == "ram_bytes" else f"{limit.value / 1024:,.0f}"
        return f"{name} {figure} of {limit.limit / 1024:,.0f} KiB{undecided}"
    return f"{name} {interval(row)} of {limit.limit:g} ms{undecided}"


def to_measure(candidates: Sequence[PlannedCandidate]) -> list[PlannedCandidate]:
    """What a measurement would settle or firm up, the most telling first.

    First come the candidates of which a latency or a RAM is undecided and that keep every other limit, then those
    that an exceeded limit rules out anyway, each the nearest to its limit first, then the feasible ones that nobody
    has measured, largest first.
    """
    unmeasured = [c for c in candidates if c.row.latency_provenance != "measured"]
    undecided = [c for c in candidates if c.row.undecided and (c in unmeasured or "ram_bytes" in c.row.undecided)]
    settled = sorted(undecided, key=lambda c: (len(c.feasibility.violated), _distance(c)))
    return [*settled, *sorted((c for c in unmeasured if c.row.feasible), key=lambda c: -c.row.macs)]


def _distance(candidate: PlannedCandidate) -> float:
    """How far, as a ratio on the logarithm, the undecided figure nearest to its limit is from it."""
    row = candidate.row
    figures = {"latency_ms": row.latency_ms, "ram_bytes": row.ram_bytes}
    undecided = (limit for limit in candidate.feasibility.checks if limit.verdict == "undecided")
    return min(abs(math.log(figures[limit.name] / limit.limit)) for limit in undecided)


def _to_measure(candidates: Sequence[PlannedCandidate]) -> list[str]:
    """At most six of them, of which at most three that a measurement cannot save."""
    found = to_measure(candidates)
    if not found:
        return []
    ruled_out = [c for c in found if c.feasibility.violated]
    listed = [c for c in found if c not in ruled_out[_RULED_OUT_AT_MOST:]][:_MEASURE_AT_MOST]
    more = len(found) - len(listed)
    lines = [f"  {_name(c.row, candidates)}{_why_measure(c)}" for c in listed]
    return ["measure these:", *lines, *[f"  and {more} more"] * (more > 0)]


def _why_measure(candidate: PlannedCandidate) -> str:
    row = candidate.row
    if not row.undecided:
        return f": {row.latency_ms:,.{_digits(row)}f} ms are only {row.latency_provenance}"
    doubts = "; ".join(_reason(c, row) for c in unmet(candidate) if c.verdict == "undecided")
    exceeded = ", ".join(SHORT_NAMES[name] for name in candidate.feasibility.violated)
    return f": {doubts}{f' (but it exceeds {exceeded})' if exceeded else ''}"
