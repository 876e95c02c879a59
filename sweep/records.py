"""Records of a sweep, put together from what was known before training and from what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from facerec_core.budget import check
from facerec_core.roc import far_label
from facerec_core.types import DEPLOYABLE, Evaluation, Feasibility, RocGrid, RunRecord
from sweep.executors.carrying import Finished
from sweep.points import Point
from sweep.provenance import git_commit, versions
from sweep.schema import Settings


def infeasible_record(point: Point) -> RunRecord:
    """The record of a candidate that was not trained because of its limits."""
    now = time.time()
    return RunRecord(
        key=point.key,
        status="infeasible",
        candidate=point.task.candidate,
        seed=point.settings.seed,
        cost=point.cost,
        latency=point.latency,
        feasibility=point.feasibility,
        config=point.settings.config,
        versions=versions(),
        git_commit=git_commit(),
        started_unix=now,
        ended_unix=now,
        data=point.data,
    )


def finished_record(point: Point, finished: Finished) -> RunRecord:
    """The record of a candidate that went through, failed on the way, or was given up."""
    base = replace(infeasible_record(point), started_unix=finished.started_unix, ended_unix=finished.ended_unix)
    outcome = finished.outcome
    if finished.pruned is not None:
        return replace(base, status="pruned", curves=finished.pruned)
    if outcome is None:
        return replace(base, status="failed", failure=finished.failure)
    smallest = min(variant.file.size_bytes for variant in outcome.variants if variant.scheme in DEPLOYABLE)
    return replace(
        base,
        status="complete",
        feasibility=_feasibility(point, smallest),
        data=outcome.data,
        variants=outcome.variants,
        curves=outcome.curves,
        calibration_images=outcome.calibration_images,
        stage_seconds=outcome.stage_seconds,
        warnings=outcome.warnings,
    )


def _feasibility(point: Point, file_bytes: int) -> Feasibility:
    """The limits again, now that there are files; the report judges each variant by its own."""
    return check(point.cost, point.latency, point.settings.budget, point.settings.board, file_bytes=file_bytes)


def lean(record: RunRecord) -> RunRecord:
    """The record without what takes most of its room and decides nothing; what is left can be judged, not reported."""
    variants = tuple(
        replace(v, health=None, validation=_lean_rates(v.validation), test=_lean_rates(v.test)) for v in record.variants
    )
    return replace(record, variants=variants, calibration_images=(), config={}, versions={}, curves=(), command="")


def _lean_rates(found: Evaluation) -> Evaluation:
    """The rates at certain FARs; neither curves nor groups, nor what was resampled or searched for."""
    rates = replace(found, roc=RocGrid((), ()), groups=(), identification=(), float_gallery=())
    return replace(rates, intervals={}, replicates={})


def headline(record: RunRecord) -> str:
    """One line on what came of a candidate: validation TAR of each variant, or why there is none."""
    if record.failure:
        return f"failed in {failure_line(record)}"
    if record.status == "pruned":
        return f"given up after {len(record.curves)} epoch(s), behind the others"
    figures = []
    for variant in record.variants:
        found = variant.validation
        tar = found.tar_at_far.get(far_label(found.target_far), found.realised_tar)
        text = f"accuracy {found.accuracy:.3f}" if tar is None else f"TAR@FAR {far_label(found.target_far)} {tar:.3f}"
        figures.append(f"{variant.scheme} {text}")
    return "validation " + ", ".join(figures)


def failure_line(record: RunRecord) -> str:
    """The stage in which a candidate failed, and why."""
    failure = record.failure
    return f"{failure.stage}: {failure.message}" if failure else ""


def reasons(feasibility: Feasibility) -> str:
    """The limits a candidate does not keep, each with the figure that was judged."""
    checks = [c for c in feasibility.checks if c.verdict != "ok"]
    return ", ".join(f"{c.name} {c.value:,.0f} of {c.limit:,.0f} {c.unit} ({c.verdict})" for c in checks)


def roc_pictures(record: RunRecord) -> dict[str, bytes]:
    """What a candidate is pictured by, by file name: the ROC of its variants on the validation identities."""
    if not record.variants:
        return {}
    from analysis.roc_svg import candidate_roc_svg

    return {"roc.svg": candidate_roc_svg(record)}


def limits_of(settings: Settings) -> dict[str, float | str | None]:
    """The budget as the tracker and the report name it; None where a limit is switched off."""
    budget, board = settings.budget, settings.board
    return {
        "parameter_bytes": budget.parameter_bytes,
        "file_bytes": budget.file_bytes,
        "activation_bytes": budget.activation_bytes,
        "flash_bytes": None if board.flash_bytes is None else board.flash_bytes - board.program_bytes,
        "ram_bytes": board.ram_bytes,
        "latency_ms": budget.latency.limit_ms,
        "latency_judge": budget.latency.judge,
        "board": board.name,
    }


def sweep_parameters(points: Sequence[Point]) -> Mapping[str, str]:
    """What the sweep's own run shows: its axes, data and board."""
    first = points[0]
    return {
        "widths": ", ".join(dict.fromkeys(f"{p.settings.width:g}" for p in points)),
        "resolutions": ", ".join(dict.fromkeys(str(p.settings.res) for p in points)),
        "candidates": str(len(points)),
        "data": first.data.name,
        "data_fingerprint": first.data.fingerprint,
        "board": first.settings.board.name,
    }
