"""report.json: entries as plain objects, the same figures the page and the tables show."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from analysis.records import SweepInfo
from analysis.selection import Entry, Metric, Selection
from facerec_core.group_rates import spread
from facerec_core.types import Evaluation

Json = dict[str, Any]


def evaluation_json(evaluation: Evaluation) -> Json:
    """One split's figures; rates 0-1, None where undefined."""
    return {
        "accuracy": evaluation.accuracy,
        "auc": evaluation.auc,
        "eer": evaluation.eer,
        "tar_at_far": dict(evaluation.tar_at_far),
        "far_floor": evaluation.far_floor,
        "genuine_pairs": evaluation.genuine_pairs,
        "impostor_pairs": evaluation.impostor_pairs,
        "threshold": evaluation.threshold,
        "realised_far": evaluation.realised_far,
        "realised_tar": evaluation.realised_tar,
        "groups": [asdict(rates) for rates in evaluation.groups],
        **worst_group_json(evaluation),
    }


def worst_group_json(evaluation: Evaluation) -> Json:
    """The group of people that fares worst by FAR and by TAR, and worst rate / best rate; None where undefined."""
    found = spread(evaluation.groups)
    return {
        "worst_far_group": found.far_group,
        "worst_group_far": found.far,
        "worst_group_far_ratio": found.far_ratio,
        "worst_tar_group": found.tar_group,
        "worst_group_tar": found.tar,
        "worst_group_tar_ratio": found.tar_ratio,
    }


def _identity_json(entry: Entry) -> Json:
    record = entry.record
    return {
        "key": record.key,
        "label": entry.label,
        "variant": entry.variant.scheme if entry.variant else None,
        **asdict(record.candidate),
        "seed": record.seed,
    }


def _cost_json(entry: Entry) -> Json:
    record, variant = entry.record, entry.variant
    arena = variant.file.arena if variant else None
    return {
        "size_bytes": variant.file.size_bytes if variant else None,
        "arena_bytes": arena.total_bytes if arena else None,
        "predicted_file_bytes": record.cost.file_bytes,
        "predicted_arena_bytes": record.cost.arena_bytes,
        "parameters": record.cost.parameters,
        "parameters_without_head": record.cost.parameters_without_head,
        "parameter_bytes": record.cost.parameter_bytes,
        "macs": record.cost.macs,
        "peak_activation_bytes": record.cost.peak_activation_bytes,
        "latency_ms": record.latency.ms,
        "latency_low_ms": record.latency.low_ms,
        "latency_high_ms": record.latency.high_ms,
        "latency_provenance": record.latency.provenance,
        "board": record.latency.board,
        "runtime": record.latency.runtime,
    }


def entry_json(entry: Entry, metric: Metric) -> Json:
    """One entry of recommended, front, dominated, undecided or infeasible."""
    variant = entry.variant
    return {
        **_identity_json(entry),
        "selection_metric": metric.name,
        "selection_value": entry.value,
        "validation": evaluation_json(variant.validation) if variant else None,
        "test": evaluation_json(variant.test) if variant else None,
        **_cost_json(entry),
        "file": variant.file.path if variant else None,
        "sha256": variant.file.sha256 if variant else None,
        "limits": [asdict(check) for check in entry.checks],
    }


def failed_json(entry: Entry) -> Json:
    """One entry of failed."""
    failure = entry.record.failure
    return {
        **_identity_json(entry),
        "stage": failure.stage if failure else None,
        "message": failure.message if failure else None,
    }


def report_json(selection: Selection, info: SweepInfo) -> Json:
    """The whole document: recommended, front, dominated, undecided, infeasible, failed, limits, target_far."""
    metric = selection.metric
    best = selection.recommended
    return {
        "recommended": entry_json(best, metric) if best else None,
        "front": [entry_json(entry, metric) for entry in selection.having("front")],
        "dominated": [entry_json(entry, metric) for entry in selection.having("dominated")],
        "undecided": [entry_json(entry, metric) for entry in selection.having("undecided")],
        "infeasible": [entry_json(entry, metric) for entry in selection.having("infeasible")],
        "failed": [failed_json(entry) for entry in selection.having("failed")],
        "limits": dict(info.limits),
        "target_far": info.target_far,
    }
