"""A sweep from its points to its records: costs first, then the candidates that fit, each tracked when it is done."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from facerec_core.errors import StorageError, TrackingError, UsageError
from facerec_core.stages import content_key
from facerec_core.types import RunRecord
from sweep import records
from sweep.console import Display
from sweep.executors import Site, check_executor, open_executor
from sweep.forecast import forecaster
from sweep.interrupts import Interrupts
from sweep.patience import Patience
from sweep.points import Point, make_points
from sweep.scheduler import Scheduler
from sweep.schema import Invocation, Settings
from sweep.sources import Listed, Source
from sweep.tracking import Tracker
from sweep.tracking_keys import sweep_params
from sweep.tracking_store import check_root


@dataclass(frozen=True)
class Prepared:
    """A sweep that is ready to begin: its name, what its own run shows (MLflow parameters), and its points' source.

    `joins`: the source shares the work with other drivers of the same sweep, which `beating` lets know that this one is
    there, for the length of a block.
    """

    name: str
    parameters: Mapping[str, str]
    source: Source
    joins: bool = False
    beating: Callable[[], AbstractContextManager[None]] = nullcontext


Prepare = Callable[[Path, Display], Prepared]
"""Opens data and makes points, given the results folder and the display; UsageErrors leave nothing behind."""


def run_sweep(settings: Sequence[Settings], invocation: Invocation) -> int:
    """Train, quantise, evaluate and track every point; 0 when none failed, else 1.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM, after the sweep was ended tidily.
        UsageError: something the whole sweep needs cannot be used: data, folders, the tracker.
    """

    def prepare(root: Path, display: Display) -> Prepared:
        points = make_points(settings, root, display)
        name = settings[0].sweep or f"{invocation.verb}-{content_key([point.key for point in points])[:8]}"
        _foresee(points, display)
        return Prepared(name, records.sweep_parameters(points), Listed(points))

    return carry_sweep(settings[0], invocation, prepare)


def carry_sweep(first: Settings, invocation: Invocation, prepare: Prepare) -> int:
    """Carry through whatever a source asks for, as one tracked sweep; 0 when no candidate failed, else 1.

    `multirun` and `search` end here. The steps: the root is checked, signals are taken over, `prepare(root, display)`
    opens the data and gives name, parameters and source; then, under the sweep's lock and inside its run, the source
    is asked, its points are carried through on the executor of `first`, each record is tracked and then told to the
    source. Records this sweep has from earlier starts, failures aside, are told without training; so a search that is
    started again hands its unfinished points out once more and hears of those that were finished. With `force=true`
    they are trained again.

    Args:
        first: what all points of the sweep share: paths, tracking, board, budget, executor.
        invocation: what was typed.
        prepare: makes the sweep ready; a UsageError out of it leaves no new folders.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM, after the sweep was ended tidily.
        UsageError: something the whole sweep needs cannot be used: data, folders, the tracker, the executor.
    """
    root = first.paths.folder
    check_root(root)
    check_executor(first)
    with Interrupts() as interrupts, Display() as display:
        with _no_empty_folders(root):
            prepared = prepare(root, display)
        name = prepared.name
        with _only_one(root, name):
            display.expect(prepared.source.expected)
            display.publish(root, name, invocation.command)
            display.doing("opening the tracker")
            patience = Patience(first.tracking.patience_s, display.say)
            tracker = Tracker.open(root, first.tracking.uri, first.tracking.experiment, patience=patience)
            display.say(f"sweep {name}: {prepared.source.expected} candidate(s), results in {root}")
            try:
                failed = _track(tracker, prepared, first, invocation, display, interrupts)
            except KeyboardInterrupt:
                display.say(f"sweep {name} is stopped; the same command goes on from its last finished stage")
                raise
        display.say(f"sweep {name} is finished; compare its candidates: {_report_command(name, first)}")
        for point, record in failed:
            display.say(f"failed: {point.name} in {records.failure_line(record)}")
    return 1 if failed else 0


def _foresee(points: Sequence[Point], display: Display) -> None:
    """What the time left is worked out from: forecasts from earlier sweeps where there are any, else the MACs."""
    trained = [point for point in points if point.feasibility.feasible]
    forecast = forecaster([point.settings for point in trained])
    seconds = {point.task.key: forecast(point.settings, point.cost) for point in trained}
    known = {key: value for key, value in seconds.items() if value is not None}
    if len(known) == len(seconds):
        display.foresee(known, 1.0)
    else:
        display.foresee({point.task.key: point.cost.macs for point in trained})


def _report_command(name: str, settings: Settings) -> str:
    root = "" if settings.paths.root == "mlruns" else f" paths.root={settings.paths.root}"
    return f"python -m sweep report sweep={name}{root}"


@contextmanager
def _no_empty_folders(root: Path) -> Iterator[None]:
    """A sweep whose data cannot be used leaves no new folders behind."""
    absent = [folder for folder in (root / "cache", root, *root.parents) if not folder.exists()]
    try:
        yield
    except UsageError:
        for folder in absent:
            with suppress(OSError):  # absent still, or in use by another process
                folder.rmdir()
        raise


@contextmanager
def _only_one(root: Path, name: str) -> Iterator[None]:
    """Two processes that carry the same sweep through would undo each other's runs; the lock dies with its process."""
    path = root / f".{name}.lock"
    try:
        lock = path.open("w")
    except OSError as error:
        allowed = "paths.root=PATH to a folder that can be written"
        raise StorageError(f"cannot write {path}: {error.strerror}; set {allowed}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrackingError(
                f"sweep {name} is being carried through by another process; wait for it, or set sweep=NAME to another"
            ) from None
        yield


def _track(
    tracker: Tracker,
    prepared: Prepared,
    first: Settings,
    invocation: Invocation,
    display: Display,
    interrupts: Interrupts,
) -> list[tuple[Point, RunRecord]]:
    """Carry all points through inside one tracked sweep, and return the failed ones."""
    root, limits = first.paths.folder, records.limits_of(first)
    failed = []
    with ExitStack() as sweep:
        with interrupts.held():  # between its making and its `with`, a run would be left RUNNING
            measure = first.target_far, limits
            shown = {**sweep_params(first.config), **prepared.parameters}
            tracked = tracker.sweep(prepared.name, invocation.command, shown, *measure, joins=prepared.joins)
            run_id = sweep.enter_context(tracked)
        sweep.enter_context(prepared.beating())
        site = Site(root, tracker.uri, run_id, first.tracking.patience_s)
        scheduler = Scheduler(
            prepared.source,
            tracker.lean_records(run_id),
            lambda hear: open_executor(first, site, hear, display.say),
            display,
        )
        for point, untold in sweep.enter_context(closing(scheduler.run())):  # ends the workers in any case
            record = replace(untold, command=invocation.command)
            display.doing(f"recording {point.name}")
            tracker.log_candidate(run_id, record, site.stages, records.roc_pictures(record))
            failed += [(point, record)] if record.status == "failed" else []
        display.doing("judging the candidates")
        tracker.mark_standings(run_id)
        tracker.register_best(run_id, first.tracking.register)
    return failed
