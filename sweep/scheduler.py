"""A source's points over an executor: who runs when, and what came of each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

from facerec_core.pipeline import is_finished
from facerec_core.stages import StageStore
from facerec_core.task import Task
from facerec_core.types import Progress, RunRecord
from sweep import records
from sweep.console import Display
from sweep.executors.base import POLL_SECONDS, Emit, Executor
from sweep.executors.carrying import Finished, carry_through
from sweep.forecast import remember
from sweep.points import Point
from sweep.sources import Source

MOST_PARKED = 100
"""So many points may wait for a training they share with a running one; no more are asked for then."""


class Scheduler:
    """Drives a source.

    Args:
        source: says what comes next, and is told what came of it.
        known: records of this sweep from earlier starts, by the points' keys.
        open_executor: called with what signs of life are told, once something has to be trained.
        display: shows what goes on.
    """

    def __init__(
        self,
        source: Source,
        known: Mapping[str, RunRecord],
        open_executor: Callable[[Emit], Executor],
        display: Display,
    ) -> None:
        self._source, self._known, self._display = source, known, display
        self._open = open_executor
        self._executor: Executor | None = None
        self._done: dict[str, RunRecord] = {}
        self._groups: dict[str, list[Point]] = {}  # by task: one training serves several limits
        self._running: dict[Future[Finished], Task] = {}
        self._parked: list[Task] = []
        self._folders: set[Path] = set()
        self._stopped: set[str] = set()
        self._forgotten: set[tuple[str, str]] = set()

    def run(self) -> Generator[tuple[Point, RunRecord], None, None]:
        """Every new record as it becomes known; the source is told of it when the next one is asked for.

        Points whose records are known already are told to the source and not yielded. Close the generator to end
        early; that ends the executor at once.

        Raises:
            StorageError: the disk is full, or the results folder cannot be written any more.
            UsageError: the executor cannot be used.
        """
        try:
            while True:
                yield from self._fill()
                if not self._running and not self._parked:
                    break
                yield from self._collect()
        except BaseException:
            if self._executor:
                self._executor.kill()
            raise
        finally:
            self._clear_leftovers()
        if self._executor:
            self._executor.close()

    # ----------------------------------------------------------------------------------------- starting

    def _fill(self) -> Iterator[tuple[Point, RunRecord]]:
        """Start what can be started, and ask the source while there is room for more."""
        for task in list(self._parked):
            if self._has_room() and not self._shares_a_training(task):
                self._parked.remove(task)
                yield from self._start(task)
        while self._has_room() and len(self._parked) < MOST_PARKED:
            point = self._source.ask()
            self._display.expect(self._source.expected)
            if point is None:
                return
            yield from self._take(point)

    def _has_room(self) -> bool:
        return self._executor is None or len(self._running) < self._executor.slots

    def _shares_a_training(self, task: Task) -> bool:
        """Side by side, both would train the float network they share."""
        return task.float_key in {running.float_key for running in self._running.values()}

    def _take(self, point: Point) -> Iterator[tuple[Point, RunRecord]]:
        self._display.name(point.task.key, point.name)
        self._folders.add(Path(point.task.stages_dir))  # if nothing is built, too: an earlier start left some
        if record := self._settled(point):
            self._source.tell(point, record)
        elif not point.feasibility.feasible:
            self._display.finished(point.task.key, f"not trained: {records.reasons(point.feasibility)}", "infeasible")
            yield from self._record(point, records.infeasible_record(point))
        elif point.task.key in self._groups:
            self._groups[point.task.key].append(point)
        else:
            self._groups[point.task.key] = [point]
            if self._shares_a_training(point.task):
                self._parked.append(point.task)
            else:
                yield from self._start(point.task)

    def _settled(self, point: Point) -> RunRecord | None:
        """The record of a point that is not carried through again; a failure is, at the next start."""
        if record := self._done.get(point.key):
            self._display.finished(point.task.key, "carried through a moment ago", record.status)
            return record
        record = self._known.get(point.key)
        if record is None or record.status == "failed" or point.settings.force:
            return None
        self._display.finished(point.task.key, "known from an earlier start of this sweep", record.status)
        return record

    def _start(self, task: Task) -> Iterator[tuple[Point, RunRecord]]:
        """Hand the task over; one whose stages are all on disk is only read back."""
        if self._groups[task.key][0].settings.force:
            self._forget(task)
        if is_finished(task):
            yield from self._finish(carry_through(task, lambda _event: None))
        else:
            self._running[self._opened().submit(task)] = task

    def _forget(self, task: Task) -> None:
        """Discard its stages, but not those that were built again in this start for a task that shares them."""
        for stage in task.stages:
            built = (stage, task.stage_key(stage))
            if built not in self._forgotten:
                self._forgotten.add(built)
                self._opened().forget(*built)

    def _opened(self) -> Executor:
        if self._executor is None:
            self._display.doing("starting the workers")
            self._executor = self._open(self._hear)
        return self._executor

    # ----------------------------------------------------------------------------------------- ending

    def _collect(self) -> Iterator[tuple[Point, RunRecord]]:
        """What has ended within the next moment; signs of life are passed on in any case."""
        done, _ = wait(self._running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        if self._executor:
            for event in self._executor.drain():
                self._hear(event)
        for future in done:
            del self._running[future]
            yield from self._finish(future.result())

    def _hear(self, event: Progress) -> None:
        """Show a sign of life; one with a figure may be the last, if nobody who wants this training goes on."""
        self._display.progress(event)
        points = self._groups.get(event.key)
        if event.value is None or not points or event.key in self._stopped:
            return
        verdicts = [self._source.prunes(point, event.epoch, event.value) for point in points]  # every one is heard
        if all(verdicts):
            self._stopped.add(event.key)
            self._opened().stop(event.key)

    def _finish(self, finished: Finished) -> Iterator[tuple[Point, RunRecord]]:
        self._stopped.discard(finished.task.key)
        for point in self._groups.pop(finished.task.key):
            if settled := self._done.get(point.key):  # asked for once more while it ran
                self._source.tell(point, settled)
                continue
            record = records.finished_record(point, finished)
            if finished.outcome is not None:
                remember(point.settings, point.task.key, point.cost, finished.outcome.stage_seconds)
            self._display.finished(point.task.key, records.headline(record), record.status)
            for warning in record.warnings:
                self._display.say(f"warning: {point.name}: {warning}")
            yield from self._record(point, record)

    def _record(self, point: Point, record: RunRecord) -> Iterator[tuple[Point, RunRecord]]:
        """Told to the source after it was yielded, and so tracked: a source never knows what the tracker does not."""
        yield point, record
        if self._source.repeats:
            self._done[point.key] = records.lean(record)
        self._source.tell(point, record)

    def _clear_leftovers(self) -> None:
        """What killed workers left half built."""
        for folder in self._folders:
            StageStore(folder).clear_leftovers()
