"""The report verb: a sweep read back from the tracker, written as a page, tables and pictures."""

from __future__ import annotations

import sys

from analysis.records import SweepInfo
from analysis.report import write_report
from sweep.schema import Settings
from sweep.tracking import SweepRun, Tracker


def report(settings: Settings, target_far: float | None = None) -> int:
    """Write the report of `sweep` (null: the latest one; all: every one), and say where it lies.

    It ranks by TAR at the FAR the sweep was made for, or at `target_far`.

    Raises:
        OptionError: no sweep of that name.
        StorageError: the folder cannot be written.
        TrackingError: there is no sweep, or the tracker cannot be read.
    """
    root = settings.paths.folder
    tracker = Tracker.open(root, settings.tracking.uri, settings.tracking.experiment, create=False)
    for sweep in tracker.find_sweeps(settings.sweep or "latest"):
        records = tracker.load_records(sweep)
        paths = write_report(records, _info(sweep, tracker, target_far), root / "reports" / sweep.name)
        sys.stdout.write(f"{sweep.name}: {len(records)} candidate(s)\n  page   {paths.html}\n  data   {paths.json}\n")
    return 0


def _info(sweep: SweepRun, tracker: Tracker, target_far: float | None) -> SweepInfo:
    return SweepInfo(
        name=sweep.name,
        command=sweep.command,
        target_far=sweep.target_far if target_far is None else target_far,
        limits=sweep.limits,
        created_unix=sweep.started_unix,
        status=sweep.status,
        tracker_uri=tracker.uri,
    )
