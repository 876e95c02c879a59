"""report.json: entries as plain objects, the same figures the page and the tables show."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from analysis.comparison import Quantised
from analysis.figure_data import ram_bytes
from analysis.findings import Findings
from analysis.health_data import health_json, health_panels, panels_json
from analysis.selection import Entry, Standing
from analysis.trade import Relaxation
from facerec_core.group_rates import spread
from facerec_core.types import Evaluation

Json = dict[str, Any]


def fields_of(record: object) -> Json:
    """A record of plain values as an object; `asdict` would copy each value deeply, which thousands make seconds of."""
    return dict(vars(record))


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
        "intervals": {key: {"low": found.low, "high": found.high} for key, found in evaluation.intervals.items()},
        "groups": [fields_of(rates) for rates in evaluation.groups],
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
        **fields_of(record.candidate),
        "seed": record.seed,
    }


def _cost_json(entry: Entry) -> Json:
    record, variant = entry.record, entry.variant
    arena = variant.file.arena if variant else None
    return {
        "size_bytes": variant.file.size_bytes if variant else None,
        "arena_bytes": arena.total_bytes if arena else None,
        "ram_bytes": ram_bytes(record),
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


def entry_json(entry: Entry, findings: Findings) -> Json:
    """One entry of recommended, front, dominated, undecided or infeasible."""
    variant, metric = entry.variant, findings.selection.metric
    compared = findings.differences.get(id(entry))
    return {
        **_identity_json(entry),
        "selection_metric": metric.name,
        "selection_value": entry.value,
        "less_recommended": fields_of(compared.difference) if compared else None,
        "tied_with_recommended": compared.tied if compared else None,
        "validation": evaluation_json(variant.validation) if variant else None,
        "test": evaluation_json(variant.test) if variant else None,
        **health_json(variant),
        **_cost_json(entry),
        "file": variant.file.path if variant else None,
        "sha256": variant.file.sha256 if variant else None,
        "limits": [fields_of(check) for check in entry.checks],
    }


def failed_json(entry: Entry) -> Json:
    """One entry of failed."""
    failure = entry.record.failure
    return {
        **_identity_json(entry),
        "stage": failure.stage if failure else None,
        "message": failure.message if failure else None,
    }


def _details_json(best: Entry | None) -> Json | None:
    """What the lists leave out of the recommended entry: its open-set rates on test, and its configuration."""
    if best is None or best.variant is None:
        return None
    test = best.variant.test
    return {
        "identification": [asdict(rates) for rates in test.identification],
        "float_gallery": [asdict(rates) for rates in test.float_gallery],
        "config": dict(best.record.config),
    }


def _quantised_json(one: Quantised) -> Json:
    ratio = one.recovered
    ends = {"low": ratio.low, "high": ratio.high} if ratio else {}
    finite = {name: end if math.isfinite(end) else None for name, end in ends.items()}
    return {**asdict(one), "recovered": {"value": ratio.value, **finite} if ratio else None}


def _relaxation_json(found: Relaxation) -> Json:
    return {**asdict(found.check), "label": found.entry.label, "value_of": found.entry.value, "gain": found.gain}


def report_json(findings: Findings) -> Json:
    """The whole document.

    recommended, front, dominated, undecided, infeasible, pruned, failed, limits, target_far, then recommended_details
    and what compares them: metric, hypervolume (None without a front), quantisation, relaxations and, of the best
    candidates' int8 files, quantisation_health.
    """
    selection, info, best = findings.selection, findings.info, findings.selection.recommended
    standings: tuple[Standing, ...] = ("front", "dominated", "undecided", "infeasible", "pruned")
    lists: Json = {name: [entry_json(entry, findings) for entry in selection.having(name)] for name in standings}
    return {
        "recommended": entry_json(best, findings) if best else None,
        **lists,
        "failed": [failed_json(entry) for entry in selection.having("failed")],
        "limits": dict(info.limits),
        "target_far": info.target_far,
        "recommended_details": _details_json(best),
        "metric": {**asdict(selection.metric), "name": selection.metric.name},
        "hypervolume": asdict(findings.hypervolume) if findings.hypervolume else None,
        "quantisation": [_quantised_json(one) for one in findings.quantised],
        "relaxations": [_relaxation_json(found) for found in findings.relaxations],
        "quantisation_health": panels_json(health_panels(selection)),
    }
