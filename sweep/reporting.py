"""The report verb: a sweep read back from the tracker, written as a page, tables and pictures, and attached to it."""

from __future__ import annotations

import os
import sys

from analysis.records import ReportPaths, SweepInfo
from analysis.report import write_report
from facerec_core.errors import StorageError, TrackingError
from sweep.collector import uncollected
from sweep.schema import Settings
from sweep.steps import Steps
from sweep.tracking import Tracker
from sweep.tracking_sweep import SweepRun


def report(settings: Settings, target_far: float | None = None) -> int:
    """Write the report of `sweep` (null: the latest one; all: every one), attach it to its run, and say where it lies.

    It ranks by TAR at the FAR the sweep was made for, or at `target_far`.

    Raises:
        OptionError: no sweep of that name.
        StorageError: the folder cannot be written.
        TrackingError: there is no sweep, or the tracker cannot be read.
    """
    root = settings.paths.folder
    with Steps() as steps:
        steps.doing("opening the tracker")
        tracker = Tracker.open(root, settings.tracking.uri, settings.tracking.experiment, create=False)
        sweeps = tracker.find_sweeps(settings.sweep or "latest")
    for sweep in sweeps:
        with Steps() as steps, uncollected():
            steps.doing(f"reading the candidates of {sweep.name}")
            records = tracker.load_records(sweep)
            info, folder = _info(sweep, tracker, target_far), root / "reports" / sweep.name
            paths = write_report(records, info, folder, steps.doing, aside=(os.cpu_count() or 1) > 1)
        sys.stdout.write(f"{sweep.name}: {len(records)} candidate(s)\n  page   {paths.html}\n  data   {paths.json}\n")
        _attach(tracker, sweep, paths)
    return 0


def _attach(tracker: Tracker, sweep: SweepRun, paths: ReportPaths) -> None:
    """Put the report where MLflow's interface shows it; whoever may only read the tracker has it on disk."""
    try:
        tracker.attach_report(sweep, paths.all)
    except (StorageError, TrackingError) as error:
        sys.stderr.write(f"warning: the report is not attached to the sweep's run in the tracker: {error}\n")


def _info(sweep: SweepRun, tracker: Tracker, target_far: float | None) -> SweepInfo:
    return SweepInfo(
        name=sweep.name,
        command=sweep.command,
        target_far=sweep.target_far if target_far is None else target_far,
        limits=sweep.limits,
        created_unix=sweep.started_unix,
        status=sweep.status,
        tracker_uri=tracker.uri,
        earlier_commands=sweep.earlier_commands,
    )
