"""Figures as a reader sees them: rates in per cent, intervals, limits. Nothing is escaped here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from analysis.selection import Entry
from facerec_core.bootstrap import Difference, Ratio
from facerec_core.budget import unmeasured
from facerec_core.types import Interval, LimitCheck, OverDraws


@dataclass(frozen=True)
class Margin:
    """One limit of the recommended candidate; `used` is the share of the limit that is taken, 0-1."""

    name: str
    text: str
    used: float


def percent(rate: float | None) -> str:
    """A rate of 0-1 as per cent with one decimal, or a dash."""
    return "–" if rate is None else f"{100 * rate:.1f} %"


def interval_text(interval: Interval | None) -> str:
    """An interval of rates in per cent, "43.1–50.2"; empty where there is none."""
    return "" if interval is None else f"{100 * interval.low:.1f}–{100 * interval.high:.1f}"


def points(difference: float | None) -> str:
    """A difference of rates in percentage points with its sign, or a dash."""
    return "–" if difference is None else _signed(100 * difference)


def points_text(spread: Difference) -> str:
    """A difference of rates and its interval: "+3.1 points (+1.2 to +4.9)"."""
    return f"{points(spread.value)} points ({points(spread.low)} to {points(spread.high)})"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−") if abs(value) >= 0.05 else "±0.0" if value else "0.0"


def share_text(ratio: Ratio | None) -> str:
    """A share and its interval in per cent; a dash where there is none, and where an end is not finite."""
    if ratio is None:
        return "–"
    low, high = (f"{100 * end:.0f}" if math.isfinite(end) else "?" for end in (ratio.low, ratio.high))
    return f"{100 * ratio.value:.0f} % ({low} to {high})".replace("-", "−")


def over_draws(rate: OverDraws | None) -> str:
    """A mean over draws with its standard deviation in per cent, or a dash."""
    return "–" if rate is None else f"{100 * rate.mean:.1f} ± {100 * rate.deviation:.1f} %"


def far_text(rate: float | None) -> str:
    """A false accept rate with two digits, or a dash."""
    return "–" if rate is None else f"{rate:.2g}"


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
    if unmeasured(check):
        return f"{check.name}: {figures}; an estimate, and only a measurement counts"
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
    worse_end = check.value - check.limit < check.excess - 1e-9 * check.limit or check.figure == "latency_high_ms"
    spare = f"{quantity(-check.excess, check.unit)} to spare"
    return f"{figures}, {spare}{' by the upper end of the estimate' if worse_end else ''}"
