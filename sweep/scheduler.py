"""Tasks over worker processes: results as they come, and no task lost with a worker that dies."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from facerec_core.task import Task
from facerec_core.types import Failure, Progress
from sweep.workers import Finished, WorkerPool

ATTEMPTS = 2
"""How often a candidate may take its worker process down before it counts as failed."""
TASKS_A_WORKER = 8
"""After so many a worker is replaced: the converter leaks memory at every call."""
POLL_SECONDS = 0.2


class Scheduler:
    """Runs tasks in `workers` processes and passes their signs of life on; `log_path` takes what they print."""

    def __init__(self, workers: int, log_path: Path, show: Callable[[Progress], None]) -> None:
        self._log_path = log_path
        self._workers = workers
        self._show = show
        self._stage: dict[str, str] = {}
        self._deaths: Counter[str] = Counter()

    def run(self, tasks: Sequence[Task]) -> Iterator[Finished]:
        """Yield every task once, finished or failed, as it ends; an interrupt ends the processes at once.

        Raises:
            StorageError: the disk is full, or the results folder cannot be written any more.
        """
        waiting = {task.key: task for task in tasks}
        while waiting:
            for finished in self._carry(self._batch(list(waiting.values()))):
                del waiting[finished.task.key]
                yield finished

    def _batch(self, waiting: list[Task]) -> list[Task]:
        """What the next processes get; a task that may have taken its worker down runs alone, to spare the others."""
        suspects = [task for task in waiting if self._deaths[task.key]]
        return suspects[:1] or waiting[: self._workers * TASKS_A_WORKER]

    def _carry(self, batch: Sequence[Task]) -> Iterator[Finished]:
        pool = WorkerPool(min(self._workers, len(batch)), self._log_path)
        try:
            yield from self._until_broken(pool, batch)
        except BaseException:
            pool.kill()
            raise
        pool.close()

    def _until_broken(self, pool: WorkerPool, batch: Sequence[Task]) -> Iterator[Finished]:
        """Results until all are in, or until a worker dies and takes the pool with it."""
        pending: dict[Future[Finished], Task] = {pool.submit(task): task for task in batch}
        self._stage.clear()
        while pending:
            done, _ = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            self._drain(pool)
            broken = [future for future in done if isinstance(future.exception(), BrokenProcessPool)]
            for future in done.difference(broken):
                del pending[future]
                yield future.result()
            if broken:
                yield from self._count_deaths(list(pending.values()))
                return

    def _count_deaths(self, pending: Sequence[Task]) -> Iterator[Finished]:
        """Blame the tasks that were running, all of them if none got so far; give up on one that died alone."""
        running = [task for task in pending if task.key in self._stage] or pending
        self._deaths.update(task.key for task in running)
        for task in running:
            self._show(Progress(task.key, "worker", 0, 0, "process died"))
        if len(pending) == 1 and self._deaths[pending[0].key] >= ATTEMPTS:
            yield self._lost(pending[0])

    def _drain(self, pool: WorkerPool) -> None:
        while True:
            try:
                event = pool.events.get_nowait()
            except queue.Empty:
                return
            self._stage[event.key] = event.stage
            self._show(event)

    def _lost(self, task: Task) -> Finished:
        message = f"its worker process died {ATTEMPTS} times, out of memory perhaps; its last words: {self._log_path}"
        now = time.time()
        return Finished(task, now, now, None, Failure(self._stage.get(task.key, "start"), message, ""))
