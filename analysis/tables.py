"""The CSV tables: fixed columns, units in their names, rates 0-1 and unrounded, empty where undefined."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.document import entry_json
from analysis.findings import Findings
from analysis.selection import Entry
from facerec_core.roc import LISTED_FARS, far_label

_RATES = (
    "accuracy",
    "auc",
    "eer",
    *(f"tar_at_far_{far_label(far)}" for far in LISTED_FARS),
    "far_floor",
    "threshold",
    "realised_far",
    "realised_tar",
    "worst_far_group",
    "worst_group_far",
    "worst_group_far_ratio",
    "worst_tar_group",
    "worst_group_tar",
    "worst_group_tar_ratio",
)
COLUMNS: tuple[str, ...] = (
    *("key", "label", "standing", "recommended", "variant", "width", "resolution", "embedding", "last", "seed"),
    *("selection_metric", "selection_value", "selection_low", "selection_high"),
    *("less_recommended", "less_recommended_low", "less_recommended_high", "tied_with_recommended"),
    *(f"validation_{rate}" for rate in _RATES),
    *(f"test_{rate}" for rate in _RATES),
    *("fingerprint_sqnr_db", "worst_layer", "worst_layer_sqnr_db"),
    *(
        "size_bytes",
        "arena_bytes",
        "ram_bytes",
        "predicted_file_bytes",
        "predicted_arena_bytes",
        "parameters",
        "parameters_without_head",
        "parameter_bytes",
        "macs",
    ),
    *(
        "peak_activation_bytes",
        "latency_ms",
        "latency_low_ms",
        "latency_high_ms",
        "latency_provenance",
        "board",
        "runtime",
    ),
    *("limits_exceeded", "limits_undecided", "failure_stage", "failure_message", "seconds", "git_commit", "sha256"),
)


def _rates(split: str, evaluation: dict[str, Any] | None) -> dict[str, Any]:
    if evaluation is None:
        return {}
    tars = {f"tar_at_far_{label}": tar for label, tar in evaluation["tar_at_far"].items()}
    return {f"{split}_{name}": value for name, value in (evaluation | tars).items()}


def _intervals(flat: dict[str, Any]) -> dict[str, Any]:
    """Ends of the metric's interval, and of its difference from the recommended one."""
    spread = ((flat["validation"] or {}).get("intervals") or {}).get(flat["selection_metric"]) or {}
    behind = flat["less_recommended"] or {}
    return {
        "selection_low": spread.get("low"),
        "selection_high": spread.get("high"),
        "less_recommended": behind.get("value"),
        "less_recommended_low": behind.get("low"),
        "less_recommended_high": behind.get("high"),
    }


def _row(entry: Entry, findings: Findings) -> dict[str, Any]:
    flat = entry_json(entry, findings)
    record, failure = entry.record, entry.record.failure
    return {
        **flat,
        **_intervals(flat),
        **_rates("validation", flat["validation"]),
        **_rates("test", flat["test"]),
        "standing": entry.standing,
        "recommended": entry is findings.selection.recommended,
        "limits_exceeded": " ".join(check.name for check in entry.checks if check.verdict == "exceeded"),
        "limits_undecided": " ".join(check.name for check in entry.checks if check.verdict == "undecided"),
        "failure_stage": failure.stage if failure else None,
        "failure_message": failure.message if failure else None,
        "seconds": record.ended_unix - record.started_unix,
        "git_commit": record.git_commit,
    }


def _table(entries: tuple[Entry, ...], findings: Findings) -> pd.DataFrame:
    rows = [_row(entry, findings) for entry in entries]
    # dtype object: a column of whole numbers with a gap must not turn into 1.0, 2.0
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def candidates_table(findings: Findings) -> pd.DataFrame:
    """Every candidate times variant, float32 included, best first."""
    return _table(findings.selection.entries, findings)


def pareto_table(findings: Findings) -> pd.DataFrame:
    """The front alone, best first."""
    return _table(findings.selection.having("front"), findings)
