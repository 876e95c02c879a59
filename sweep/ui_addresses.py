"""Addresses of the views of MLflow's interface that are worth opening. Pure, but for what the tracker is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from facerec_core.roc import far_label
from sweep.tracking import Tracker
from sweep.tracking_sweep import SweepRun
from sweep.tracking_views import Views

_KIND = "workflowType=machine_learning"  # and not the pages for language models


def addresses(tracker: Tracker, base: str) -> list[str]:
    """A line for each view: all runs, and what there is to open of the latest sweep."""
    experiment = tracker.experiment_id
    lines = [("All sweeps", f"{base}/#/experiments/{experiment}/runs?{_KIND}")]
    for sweep in tracker.load_sweeps()[:1]:
        lines += _views(base, experiment, sweep, tracker.views(sweep))
    width = max(len(name) for name, _ in lines) + 1
    return [f"{name + ':':<{width}} {address}" for name, address in lines]


def _views(base: str, experiment: str, sweep: SweepRun, views: Views) -> Iterator[tuple[str, str]]:
    yield "Latest sweep", variants_address(base, experiment, sweep)
    if views.has_front:
        yield "Pareto front", variants_address(base, experiment, sweep, "tags.pareto = 'true'")
    report = report_address(base, experiment, sweep, views.report) if views.report else ""
    yield "Report", report or f"none yet; write it with `python -m sweep report sweep={sweep.name}`"
    if views.model:
        yield "Registered", model_address(base, *views.model)
    runs = [run for best in views.best for run in best.runs]
    if runs:
        yield "Best, compared", compare_address(base, experiment, runs)
        yield "ROC curves", roc_address(base, experiment, runs)
    for best in views.best:
        yield f"Variants of {best.name}", compare_address(base, experiment, best.runs)


def variants_address(base: str, experiment_id: str, sweep: SweepRun, which: str = "") -> str:
    """MLflow's table of runs, only the variants of one sweep, and of them only `which`; the best first.

    In any other order than by time the table is flat; else it shows candidates, their variants folded away.
    """
    conditions = (f"tags.sweep = '{sweep.name}'", "tags.level = 'variant'", which)
    query = quote(" and ".join(filter(None, conditions)))
    order = quote(f"metrics.`tar_at_far_{far_label(sweep.target_far)}`")
    return f"{base}/#/experiments/{experiment_id}/runs?searchFilter={query}&orderByKey={order}&orderByAsc=false&{_KIND}"


def compare_address(base: str, experiment_id: str, runs: Sequence[str]) -> str:
    """MLflow's page that sets runs side by side."""
    return f"{base}/#/compare-runs?runs={_list(runs)}&experiments={_list([experiment_id])}&{_KIND}"


def roc_address(base: str, experiment_id: str, runs: Sequence[str]) -> str:
    """MLflow's page of one stepped metric, here TAR over 100 log10 FAR, a curve a run."""
    metric, listed = quote(json.dumps("roc_tar")), _list(["roc_tar"])
    views = f"metric={metric}&plot_metric_keys={listed}&x_axis=step&plot_layout={quote('{}')}"
    return f"{base}/#/metric?runs={_list(runs)}&experiments={_list([experiment_id])}&{views}&{_KIND}"


def report_address(base: str, experiment_id: str, sweep: SweepRun, path: str) -> str:
    """The artifacts of a sweep's run, opened at the report's page."""
    return f"{base}/#/experiments/{experiment_id}/runs/{sweep.run_id}/artifacts/{quote(path)}?{_KIND}"


def model_address(base: str, name: str, version: str) -> str:
    """One version of a registered model."""
    return f"{base}/#/models/{quote(name, safe='')}/versions/{version}?{_KIND}"


def _list(items: Sequence[str]) -> str:
    return quote(json.dumps(list(items), separators=(",", ":")))
