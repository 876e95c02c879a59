"""Which variant to ship: the metric to choose by, the Pareto front, the recommendation.

Only validation figures are read here. A variant is eligible when it is int8 and meets every limit without
doubt; the front is over (highest metric, smallest file, lowest latency).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import moocore
import numpy as np

from analysis.records import SweepInfo
from facerec_core.budget import for_file
from facerec_core.roc import LISTED_FARS, far_label
from facerec_core.types import (
    DEPLOYABLE,
    Evaluation,
    Feasibility,
    LimitCheck,
    RunRecord,
    Scheme,
    VariantRecord,
)

Standing = Literal["front", "dominated", "undecided", "infeasible", "pruned", "failed", "reference"]
SCHEME_NAMES: Mapping[Scheme, str] = {
    "float32": "float",
    "float32_control": "float control",
    "ptq_int8": "PTQ",
    "qat_int8": "QAT",
}


@dataclass(frozen=True)
class Metric:
    """What variants are ranked by: TAR at `far`, or accuracy when `far` is None.

    `fallback` says in a sentence why it is not the TAR at the target FAR; empty when it is.
    """

    far: float | None
    fallback: str = ""

    @property
    def name(self) -> str:
        """The metric's key, such as "tar_at_far_1e-3"."""
        return "accuracy" if self.far is None else f"tar_at_far_{far_label(self.far)}"

    @property
    def title(self) -> str:
        """The metric's name in prose."""
        return "accuracy" if self.far is None else f"TAR at FAR {far_label(self.far)}"

    def of(self, evaluation: Evaluation) -> float | None:
        """The metric's value on one split, None when undefined."""
        return evaluation.accuracy if self.far is None else tar_at(evaluation, self.far)


@dataclass(frozen=True)
class Entry:
    """One variant of a candidate, or a candidate that has none, and where it stands.

    `value` is the metric on validation; `checks` are the limits with the size of this variant's own file.
    """

    label: str
    standing: Standing
    record: RunRecord
    variant: VariantRecord | None
    value: float | None
    checks: tuple[LimitCheck, ...]


@dataclass(frozen=True)
class Selection:
    """Every entry of a sweep, best first; `recommended` is one of the front or None."""

    metric: Metric
    entries: tuple[Entry, ...]
    recommended: Entry | None

    def having(self, *standings: Standing) -> tuple[Entry, ...]:
        """The entries with one of these standings, in order."""
        return tuple(entry for entry in self.entries if entry.standing in standings)


def tar_at(evaluation: Evaluation, far: float) -> float | None:
    """TAR at a listed FAR or at the evaluation's own target; None when undefined or never computed."""
    label = far_label(far)
    if label in evaluation.tar_at_far:
        return evaluation.tar_at_far[label]
    return evaluation.realised_tar if far_label(evaluation.target_far) == label else None


def choose_metric(records: Sequence[RunRecord], target_far: float) -> Metric:
    """TAR at `target_far`, else at the nearest listed FAR that every int8 variant has, above first, else accuracy."""
    evaluations = [v.validation for r in records for v in r.variants if v.scheme in DEPLOYABLE]
    above = sorted(far for far in LISTED_FARS if far > target_far)
    for far in (target_far, *above, *sorted(set(LISTED_FARS) - {target_far, *above}, reverse=True)):
        if all(tar_at(evaluation, far) is not None for evaluation in evaluations):
            chosen: float | None = far
            break
    else:
        chosen = None
    if chosen == target_far:
        return Metric(target_far)
    floor = max(evaluation.far_floor for evaluation in evaluations)
    reason = f"is not defined on every validation split (the pairs resolve a FAR of {floor:.2g} at best)"
    if target_far >= floor:
        reason = "was not computed for every candidate (it is where the sweep has it as target_far)"
    return Metric(chosen, f"TAR at the target FAR {far_label(target_far)} {reason}")


def candidate_names(records: Sequence[RunRecord]) -> dict[str, str]:
    """A readable name for each key: "0.5@128-640", with the seed and the key where names would repeat."""
    short = {r.key: r.candidate.name for r in records}
    repeats = Counter(short.values())
    seeded = {r.key: f"{short[r.key]} seed {r.seed}" if repeats[short[r.key]] > 1 else short[r.key] for r in records}
    repeats = Counter(seeded.values())
    return {key: f"{name} ({key[:8]})" if repeats[name] > 1 else name for key, name in seeded.items()}


def nondominated(points: Sequence[tuple[float, float, float]]) -> list[bool]:
    """Which (value to maximise, size to minimise, latency to minimise) no other point beats; equals are all kept."""
    if not points:
        return []
    mask = moocore.is_nondominated(np.array(points, float), maximise=[True, False, False], keep_weakly=True)
    return [bool(kept) for kept in mask]


def _checks(record: RunRecord, variant: VariantRecord | None) -> tuple[LimitCheck, ...]:
    """The record's limits, those on the file judged by this variant's own."""
    checks = record.feasibility.checks
    return checks if variant is None else for_file(checks, variant.file.size_bytes)


def _standing(record: RunRecord, variant: VariantRecord | None, checks: tuple[LimitCheck, ...]) -> Standing:
    limits = Feasibility(checks)
    if record.status in ("failed", "pruned"):
        return record.status
    if variant is not None and variant.scheme not in DEPLOYABLE:
        return "reference"
    if limits.violated or (record.status == "infeasible" and not limits.undecided):
        return "infeasible"
    return "undecided" if limits.undecided else "dominated"


def _entries(record: RunRecord, name: str, metric: Metric) -> list[Entry]:
    """The candidate's entries; the eligible ones still count as dominated."""
    found: list[Entry] = []
    for variant in record.variants if record.status != "failed" and record.variants else (None,):
        checks = _checks(record, variant)
        label = name if variant is None else f"{name} {SCHEME_NAMES[variant.scheme]}"
        value = None if variant is None else metric.of(variant.validation)
        found.append(Entry(label, _standing(record, variant, checks), record, variant, value, checks))
    return found


def _rank(entry: Entry) -> tuple[float | str, ...]:
    """Best first: metric, then smaller file, then lower latency; the rest only makes the order fixed."""
    candidate = entry.record.candidate
    value = -1.0 if entry.value is None else entry.value
    size = entry.variant.file.size_bytes if entry.variant else entry.record.cost.parameter_bytes
    order = (candidate.width, candidate.resolution, candidate.embedding, candidate.last or 0, entry.record.key)
    return (-value, size, entry.record.latency.ms, *order)


def _with_front(entries: Sequence[Entry]) -> list[Entry]:
    """The same entries, those of the eligible ones that nothing dominates marked as the front."""
    points = [
        (entry.value or 0.0, entry.variant.file.size_bytes, entry.record.latency.ms)
        for entry in entries
        if entry.standing == "dominated" and entry.variant
    ]
    kept = iter(nondominated(points))
    return [
        replace(entry, standing="front") if entry.standing == "dominated" and entry.variant and next(kept) else entry
        for entry in entries
    ]


def select(records: Sequence[RunRecord], info: SweepInfo) -> Selection:
    """Judge every candidate of a sweep.

    Recommended is the eligible variant with the highest validation metric; of equals the smaller file, then the
    lower latency.
    """
    metric = choose_metric(records, info.target_far)
    names = candidate_names(records)
    entries = [e for record in records for e in _entries(record, names[record.key], metric)]
    ranked = sorted(_with_front(entries), key=_rank)
    recommended = next((entry for entry in ranked if entry.standing == "front"), None)
    return Selection(metric, tuple(ranked), recommended)
