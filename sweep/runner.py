"""A sweep from its points to its records: costs first, then the candidates that fit, each tracked when it is done."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from facerec_core.pipeline import forget, is_finished
from facerec_core.stages import content_key
from facerec_core.types import RunRecord
from sweep import records
from sweep.console import Display
from sweep.points import Point, make_points
from sweep.scheduler import Scheduler
from sweep.schema import Invocation, Settings
from sweep.tracking import Tracker
from sweep.tracking_keys import candidate_name
from sweep.workers import Finished, carry_through


def run_sweep(settings: Sequence[Settings], invocation: Invocation) -> int:
    """Train, quantise, evaluate and track every point; 0 when none failed, else 1.

    Raises:
        UsageError: something the whole sweep needs cannot be used: data, folders, the tracker.
    """
    first = settings[0]
    root = Path(first.paths.root).resolve()
    with _terminated_like_interrupted(), Display(len(settings)) as display:
        display.say(f"sweep of {len(settings)} candidate(s), results in {root}")
        tracker = Tracker.open(root, first.tracking.uri, first.tracking.experiment)
        points = make_points(settings, root, display)
        name = first.sweep or f"{invocation.verb}-{content_key([point.key for point in points])[:8]}"
        failed = _track(tracker, name, points, invocation, display)
        display.say(f"sweep {name} is finished; compare its candidates: python -m sweep report sweep={name}")
        for record in failed:
            display.say(f"failed: {candidate_name(record.candidate)}, {records.headline(record)}")
    return 1 if failed else 0


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends a sweep as tidily as Ctrl-C does."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _track(
    tracker: Tracker, name: str, points: Sequence[Point], invocation: Invocation, display: Display
) -> list[RunRecord]:
    """Carry all points through inside one tracked sweep, and return the failed ones."""
    first, stages = points[0].settings, Path(points[0].task.stages_dir)
    parameters, limits, failed = records.sweep_parameters(points), records.limits_of(first), []
    with tracker.sweep(name, invocation.command, parameters, first.target_far, limits) as run_id:
        known = tracker.known_records(run_id)
        for record in _records(points, known, display):
            if record is not known.get(record.key):
                tracker.log_candidate(run_id, record, stages, records.roc_pictures(record))
            failed += [record] if record.status == "failed" else []
    return failed


def _records(points: Sequence[Point], known: Mapping[str, RunRecord], display: Display) -> Iterator[RunRecord]:
    """The record of every point as it becomes known: from an earlier start, infeasible, or carried through."""
    waiting: dict[str, list[Point]] = {}
    for point in points:
        display.name(point.task.key, point.name)
        earlier = known.get(point.key)
        if earlier and earlier.status != "failed" and not point.settings.force:
            display.finished(point.task.key, "known from an earlier start of this sweep")
            yield earlier
        elif not point.feasibility.feasible:
            display.finished(point.task.key, f"not trained: {records.reasons(point.feasibility)}")
            yield records.infeasible_record(point)
        else:
            waiting.setdefault(point.task.key, []).append(point)
    for done in _carried([group[0] for group in waiting.values()], display):
        for point in waiting[done.task.key]:
            record = records.finished_record(point, done)
            display.finished(point.task.key, records.headline(record))
            yield record


def _carried(points: Sequence[Point], display: Display) -> Iterator[Finished]:
    """Every task in the order in which it ends; one whose stages are all on disk is only read back."""
    todo = []
    for point in points:
        if point.settings.force:
            forget(point.task)
        if is_finished(point.task):
            yield carry_through(point.task, display.progress)
        else:
            todo.append(point.task)
    if todo:
        log_path = Path(todo[0].stages_dir).parent / "workers.log"
        yield from Scheduler(points[0].settings.workers, log_path, display.progress).run(todo)
