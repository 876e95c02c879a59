"""The report verb: a sweep read back from the tracker, written as a page, tables and pictures, and attached to it."""

from __future__ import annotations

import os
import sys
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext

from analysis.drawing import painter
from analysis.records import ReportPaths, SweepInfo
from analysis.report import write_report
from facerec_core.errors import StorageError, TrackingError
from sweep.collector import uncollected
from sweep.schema import Settings
from sweep.steps import Steps
from sweep.tracking import Tracker
from sweep.tracking_store import DATABASE
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
    with _painter(settings) as beside:
        with Steps() as steps:
            steps.doing("opening the tracker")
            tracker = Tracker.open(root, settings.tracking.uri, settings.tracking.experiment, create=False)
            sweeps = tracker.find_sweeps(settings.sweep or "latest")
        for sweep in sweeps:
            with Steps() as steps, uncollected():
                steps.doing(f"reading the candidates of {sweep.name}")
                records, info = tracker.load_records(sweep), _info(sweep, tracker, target_far)
                paths = write_report(records, info, root / "reports" / sweep.name, steps.doing, beside)
            told = f"{sweep.name}: {len(records)} candidate(s)\n  page   {paths.html}\n  data   {paths.json}\n"
            sys.stdout.write(told)
            _attach(tracker, sweep, paths)
    return 0


def _painter(settings: Settings) -> AbstractContextManager[Executor | None]:
    """A process that draws, where there is a core for it and, as far as can be told at once, something to draw."""
    there = settings.tracking.uri is not None or (settings.paths.folder / DATABASE).is_file()
    return painter() if there and (os.cpu_count() or 1) > 1 else nullcontext()


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
