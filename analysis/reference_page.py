"""The page of a published table."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from analysis import interactive, interactive_curves
from analysis.limit_data import limit_name
from analysis.page import environment
from analysis.reference import METRIC, Judged, marks_for, points_of
from analysis.reference_table import SOURCE
from analysis.wording import margins


def render(name: str, judged: Sequence[Judged], command: str) -> str:
    """The whole page as one HTML document that loads nothing from elsewhere."""
    best = next((one for one in judged if one.recommended), None)
    marks = marks_for(judged)
    return (
        environment()
        .get_template("reference.html.j2")
        .render(
            name=name,
            judged=judged,
            best=best,
            metric=METRIC,
            source=SOURCE,
            command=command,
            margins=margins(best.row.feasibility.checks) if best else [],
            unmet={one.label: _unmet(one) for one in judged},
            # Markup: plotly's own output, its texts escaped beforehand.
            pareto=Markup(interactive.pareto_fragment(points_of(judged), METRIC)),  # noqa: S704
            limits=Markup(interactive_curves.limits_fragment(marks)) if marks else "",  # noqa: S704
            plotly=Markup(interactive.plotly_script()),  # noqa: S704
        )
    )


def _unmet(one: Judged) -> list[str]:
    """The limits that are not kept, each with the share of it that is taken."""
    checks = [check for check in one.row.feasibility.checks if check.verdict != "ok"]
    return [
        f"{limit_name(c.name)} {100 * c.value / c.limit:.0f} %{', undecided' if c.verdict == 'undecided' else ''}"
        for c in checks
    ]
