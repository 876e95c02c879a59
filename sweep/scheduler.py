"""Tasks over worker processes: results as they come, and no task lost with a worker that dies."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from facerec_core.pipeline import Task
from facerec_core.types import Failure, Progress
from sweep.workers import Finished, WorkerPool

ATTEMPTS = 2
"""How often a candidate may take its worker process down before it counts as failed."""
POLL_SECONDS = 0.2


class Scheduler:
    """Runs tasks in `workers` processes and passes their signs of life on; `log_path` takes what they print."""

    def __init__(self, workers: int, log_path: Path, show: Callable[[Progress], None]) -> None:
        self._log_path = log_path
        self._workers = workers
        self._show = show
        self._stage: dict[str, str] = {}
        self._attempts: dict[str, int] = {}

    def run(self, tasks: Sequence[Task]) -> Iterator[Finished]:
        """Yield every task once, finished or failed, as it ends; an interrupt ends the processes at once."""
        waiting = list(tasks)
        while waiting:
            pool = WorkerPool(min(self._workers, len(waiting)), self._log_path)
            try:
                done: set[str] = set()
                for finished in self._until_broken(pool, waiting):
                    done.add(finished.task.key)
                    yield finished
                waiting = [task for task in waiting if task.key not in done]
                for task in [task for task in waiting if self._attempts.get(task.key, 0) >= ATTEMPTS]:
                    waiting.remove(task)
                    yield self._lost(task)
            except BaseException:
                pool.kill()
                raise
            pool.close()

    def _until_broken(self, pool: WorkerPool, tasks: Sequence[Task]) -> Iterator[Finished]:
        """Results until all are in, or until a worker dies and takes the pool with it."""
        pending: dict[Future[Finished], Task] = {pool.submit(task): task for task in tasks}
        self._stage.clear()
        while pending:
            done, _ = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            self._drain(pool)
            broken = [future for future in done if isinstance(future.exception(), BrokenProcessPool)]
            for future in done.difference(broken):
                self._stage.pop(pending.pop(future).key, None)
                yield future.result()
            if broken:
                for key in self._stage:
                    self._attempts[key] = self._attempts.get(key, 0) + 1
                return

    def _drain(self, pool: WorkerPool) -> None:
        while True:
            try:
                event = pool.events.get_nowait()
            except queue.Empty:
                return
            self._stage[event.key] = event.stage
            self._show(event)

    def _lost(self, task: Task) -> Finished:
        stage = self._stage.get(task.key, "float")
        message = f"the worker process ended {ATTEMPTS} times; out of memory? try fewer workers"
        now = time.time()
        return Finished(task, now, now, None, Failure(stage, message, ""))
