"""What of a sweep is worth opening in MLflow's interface: its best candidates, its report, its registered model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facerec_core.roc import far_label
from facerec_core.types import DEPLOYABLE
from sweep.tracking_runs import Runs

REPORT = "report"
"""The folder of a sweep's report among the artifacts of its run."""


@dataclass(frozen=True)
class BestCandidate:
    """A candidate by name, and the run ids of its variants in the order of their names: float32, PTQ, QAT."""

    name: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Views:
    """What there is to open of one sweep.

    `best` are its best candidates, `has_front` is whether variants are marked as Pareto-optimal, `report` the path of
    the report's page among the artifacts of the sweep's run, `model` name and version of the registered model.
    """

    best: tuple[BestCandidate, ...]
    has_front: bool
    report: str | None
    model: tuple[str, str] | None


def views_of(runs: Runs, sweep_run_id: str, target_far: float, candidates: int) -> Views:
    """What there is to open of a sweep.

    Raises:
        MlflowException: the tracker cannot be read.
    """
    variants = runs.search(f"tags.sweep_run_id = '{sweep_run_id}' and tags.level = 'variant'")
    return Views(
        best=best_candidates(variants, target_far)[:candidates],
        has_front=any(run.data.tags.get("pareto") == "true" for run in variants),
        report=_report(runs, sweep_run_id),
        model=_model(runs, {run.info.run_id for run in variants if run.data.tags.get("recommended") == "true"}),
    )


def best_candidates(variants: Sequence[Any], target_far: float) -> tuple[BestCandidate, ...]:
    """The candidates of which a variant keeps every limit, best first: the recommended one, then by int8 figures.

    Args:
        variants: runs of variants.
        target_far: the validation TAR at it ranks, then accuracy.
    """
    wanted = f"tar_at_far_{far_label(target_far)}"
    by_candidate: dict[str, list[Any]] = {}
    for run in variants:
        by_candidate.setdefault(run.data.tags["mlflow.parentRunId"], []).append(run)

    def quality(runs: Sequence[Any]) -> tuple[bool, float, float]:
        chosen = any(run.data.tags.get("recommended") == "true" for run in runs)
        deployable = [run.data.metrics for run in runs if run.data.params["variant"] in DEPLOYABLE]
        return (chosen, *max(((f.get(wanted, -1.0), f.get("accuracy", 0.0)) for f in deployable), default=(-1.0, 0.0)))

    feasible = [runs for runs in by_candidate.values() if any(run.data.params["feasible"] == "true" for run in runs)]
    return tuple(_named(runs) for runs in sorted(feasible, key=quality, reverse=True))


def _named(runs: Sequence[Any]) -> BestCandidate:
    ordered = sorted(runs, key=lambda run: str(run.info.run_name))
    name = str(ordered[0].info.run_name).rsplit(" ", 1)[0]
    return BestCandidate(name, tuple(str(run.info.run_id) for run in ordered))


def _report(runs: Runs, sweep_run_id: str) -> str | None:
    pages = (item.path for item in runs.client.list_artifacts(sweep_run_id, REPORT))
    return next((str(path) for path in pages if path.endswith(".html")), None)


def _model(runs: Runs, recommended: set[str]) -> tuple[str, str] | None:
    """Name and version of the registered model that was made of one of these runs."""
    for run_id in recommended:
        for version in runs.client.search_model_versions(f"run_id = '{run_id}'"):
            return str(version.name), str(version.version)
    return None
