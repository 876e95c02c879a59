"""A sweep from its points to its records: costs first, then the candidates that fit, each tracked when it is done."""

from __future__ import annotations

import fcntl
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from facerec_core.errors import StorageError, TrackingError, UsageError
from facerec_core.pipeline import forget, is_finished
from facerec_core.stages import StageStore, content_key
from facerec_core.types import RunRecord
from sweep import records
from sweep.console import Display
from sweep.forecast import remember
from sweep.interrupts import Interrupts
from sweep.points import Point, make_points
from sweep.scheduler import Scheduler
from sweep.schema import Invocation, Settings
from sweep.tracking import Tracker
from sweep.tracking_store import check_root
from sweep.workers import Finished, carry_through


def run_sweep(settings: Sequence[Settings], invocation: Invocation) -> int:
    """Train, quantise, evaluate and track every point; 0 when none failed, else 1.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM, after the sweep was ended tidily.
        UsageError: something the whole sweep needs cannot be used: data, folders, the tracker.
    """
    first = settings[0]
    root = first.paths.folder
    check_root(root)
    with Interrupts() as interrupts, Display() as display:
        with _no_empty_folders(root):
            points = make_points(settings, root, display)
        name = first.sweep or f"{invocation.verb}-{content_key([point.key for point in points])[:8]}"
        with _only_one(root, name):
            display.doing("opening the tracker")
            tracker = Tracker.open(root, first.tracking.uri, first.tracking.experiment)
            display.say(f"sweep {name}: {len(points)} candidate(s), results in {root}")
            display.expect(len(points))
            try:
                failed = _track(tracker, name, points, invocation, display, interrupts)
            except KeyboardInterrupt:
                display.say(f"sweep {name} is stopped; the same command goes on from its last finished stage")
                raise
        display.say(f"sweep {name} is finished; compare its candidates: {_report_command(name, first)}")
        for point, record in failed:
            display.say(f"failed: {point.name} in {records.failure_line(record)}")
    return 1 if failed else 0


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
    name: str,
    points: Sequence[Point],
    invocation: Invocation,
    display: Display,
    interrupts: Interrupts,
) -> list[tuple[Point, RunRecord]]:
    """Carry all points through inside one tracked sweep, and return the failed ones."""
    first, stages = points[0].settings, Path(points[0].task.stages_dir)
    parameters, limits, failed = records.sweep_parameters(points), records.limits_of(first), []
    with ExitStack() as sweep:
        with interrupts.held():  # between its making and its `with`, a run would be left RUNNING
            tracked = tracker.sweep(name, invocation.command, parameters, first.target_far, limits)
            run_id = sweep.enter_context(tracked)
        known = tracker.known_records(run_id)
        carried = sweep.enter_context(closing(_records(points, known, display)))  # ends the workers in any case
        for point, record in carried:
            if record is not known.get(record.key):
                display.doing(f"recording {point.name}")
                tracker.log_candidate(run_id, record, stages, records.roc_pictures(record))
            failed += [(point, record)] if record.status == "failed" else []
    return failed


def _records(
    points: Sequence[Point], known: Mapping[str, RunRecord], display: Display
) -> Generator[tuple[Point, RunRecord], None, None]:
    """The record of every point as it becomes known: from an earlier start, infeasible, or carried through."""
    waiting: dict[str, list[Point]] = {}
    for point in points:
        display.name(point.task.key, point.name)
        earlier = known.get(point.key)
        if earlier and earlier.status != "failed" and not point.settings.force:
            display.finished(point.task.key, "known from an earlier start of this sweep")
            yield point, earlier
        elif not point.feasibility.feasible:
            display.finished(point.task.key, f"not trained: {records.reasons(point.feasibility)}")
            yield point, records.infeasible_record(point)
        else:
            waiting.setdefault(point.task.key, []).append(point)
    for done in _carried([group[0] for group in waiting.values()], display):
        for point in waiting[done.task.key]:
            record = records.finished_record(point, done)
            if done.outcome is not None:
                remember(point.settings, point.task.key, point.cost, done.outcome.stage_seconds)
            display.finished(point.task.key, records.headline(record))
            for warning in record.warnings:
                display.say(f"warning: {point.name}: {warning}")
            yield point, record


def _carried(points: Sequence[Point], display: Display) -> Iterator[Finished]:
    """Every task in the order in which it ends; one whose stages are all on disk is only read back."""
    todo = []
    # The longest first, so that no process ends up alone with the largest network.
    for point in sorted(points, key=lambda point: -point.cost.macs):
        if point.settings.force:
            forget(point.task)
        if is_finished(point.task):
            yield carry_through(point.task, lambda _event: None)
        else:
            todo.append(point.task)
    if todo:
        display.doing("starting the worker processes")
        stages = Path(todo[0].stages_dir)
        scheduler = Scheduler(points[0].settings.workers, stages.parent / "workers.log", display.progress)
        try:
            yield from scheduler.run(todo)
        finally:
            StageStore(stages).clear_leftovers()
