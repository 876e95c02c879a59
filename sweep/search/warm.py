"""A warm start: what earlier sweeps found out with the same recipe, data and limits enters a new study as known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from facerec_core.errors import TrackingError, UsageError
from facerec_core.types import RunRecord
from sweep.points import Point
from sweep.schema import Settings
from sweep.search.objectives import judged_record
from sweep.search.space import Axis, Range, Space, Value, identity
from sweep.search.study import Study

APART = ("sweep", "workers", "force", "grid", "search", "executor", "paths", "tracking")
"""Parts of a configuration that decide nothing about a candidate."""
MakePoint = Callable[[str, Settings], Point]


def reuse_records(study: Study, space: Space, settings: Settings, root: Path, make_point: MakePoint) -> int:
    """Add every complete record of the tracker that is a candidate of this space, once; how many were added.

    A record is one of this space when its configuration differs in nothing but the searched keys, and its key equals
    that of the point its values make: the same content of data, teacher and initial weights, the same board, budget,
    cost and latency.

    Raises:
        StorageError: the study cannot be written, or a record is damaged.
        TrackingError: the tracker does not answer.
    """
    known = set(study.findings(study.trials()))
    added = 0
    for record in _complete_records(settings, root):
        values = values_of(record, space)
        if values is None:
            continue
        wanted = space.settings(values)
        candidate, name = identity(wanted), space.name(wanted, values)
        if candidate not in known and make_point(name, wanted).key == record.key:
            study.add(values, candidate, name, judged_record(record, settings.target_far, settings.search.objective))
            known.add(candidate)
            added += 1
    return added


def values_of(record: RunRecord, space: Space) -> dict[str, Value] | None:
    """The values of the axes a record was made with; None when it is no candidate of the space."""
    stated = dict(_flat(record.config))
    shared = {key: value for key, value in _flat(space.base.config) if not _apart(key)}
    searched = {axis.key for axis in space.axes}
    if any(key not in searched and _plain(stated.get(key)) != _plain(value) for key, value in shared.items()):
        return None
    found = {axis.key: _value(axis, stated.get(axis.key)) for axis in space.axes}
    if any(isinstance(value, _Absent) for value in found.values()):
        return None
    try:
        space.settings(found)
    except UsageError:
        return None
    return found


class _Absent:
    """Not a value of an axis; None is one."""


def _value(axis: Axis, stated: Any) -> Any:
    if isinstance(axis, Range):
        number = isinstance(stated, int | float) and not isinstance(stated, bool)
        inside = number and axis.low <= stated <= axis.high
        if not inside or (axis.finite and stated not in axis.lattice):
            return _Absent()
        return int(stated) if axis.whole else float(stated)
    return next(
        (value for value in axis.values if value == stated and type(value) in (type(stated), int, float)), _Absent()
    )


def _complete_records(settings: Settings, root: Path) -> list[RunRecord]:
    from sweep.tracking import Tracker

    try:
        tracker = Tracker.open(root, settings.tracking.uri, settings.tracking.experiment, create=False)
    except TrackingError:
        if settings.tracking.uri is not None or (root / "mlflow.db").exists():
            raise
        return []  # a new folder has no earlier sweeps
    records = (record for sweep in tracker.load_sweeps() for record in tracker.load_records(sweep))
    return [record for record in records if record.status == "complete"]


def _apart(key: str) -> bool:
    return key.split(".")[0] in APART


def _flat(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in config.items():
        pairs += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)]
    return pairs


def _plain(value: Any) -> Any:
    """Lists out of JSON are tuples in a dataclass."""
    return tuple(value) if isinstance(value, list) else value
