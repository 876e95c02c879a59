"""Tasks over worker processes of this machine; one that dies takes only its own task along, which is tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from facerec_core.stages import StageStore
from facerec_core.task import Task
from facerec_core.types import Progress
from sweep.executors import memory
from sweep.executors.base import ATTEMPTS, POLL_SECONDS, Work
from sweep.executors.carrying import Finished, carry_through, lost
from sweep.executors.worker import Worker, WorkerDiedError


@dataclass(frozen=True)
class LocalLimits:
    """When a worker is replaced, and what memory has to be left for a task to begin beside others."""

    tasks_a_worker: int
    worker_bytes: float
    free_bytes: float


class LocalExecutor:
    """A thread a slot, which has a worker process carry one task after another through.

    Args:
        workers: how many processes.
        limits: when one is replaced, and when a task waits for memory.
        stages: folder of the finished stages.
        log_path: takes what the workers print.
        work: carries a task through, in a worker.
    """

    def __init__(
        self, workers: int, limits: LocalLimits, stages: Path, log_path: Path, work: Work = carry_through
    ) -> None:
        self.slots = workers
        self._limits = limits
        self._store = StageStore(stages)
        self._log_path = log_path
        self._work = work
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="slot")
        self._events: SimpleQueue[Progress] = SimpleQueue()
        self._stage: dict[str, str] = {}
        self._lock = threading.Lock()  # guards what follows
        self._idle: list[Worker] = []
        self._running: dict[str, Worker] = {}
        self._ended = False

    def submit(self, task: Task) -> Future[Finished]:
        """Have a task carried through as soon as a slot is free."""
        return self._threads.submit(self._carry, task)

    def drain(self) -> Iterable[Progress]:
        """The signs of life since the last call."""
        try:
            while True:
                yield self._events.get_nowait()
        except Empty:
            return

    def stop(self, key: str) -> None:
        """Ask the task's worker to give it up."""
        with self._lock:
            worker = self._running.get(key)
        if worker is not None:
            worker.stop(key)

    def forget(self, stage: str, key: str) -> None:
        """Discard a finished stage."""
        self._store.discard(stage, key)

    def close(self) -> None:
        """End the processes, when nothing is running any more."""
        self._threads.shutdown(wait=True)
        for worker in self._idle:
            worker.close()
        self._idle.clear()

    def kill(self) -> None:
        """End the processes at once; whoever waits for a task gets a CancelledError."""
        with self._lock:
            self._ended = True
            workers = [*self._idle, *self._running.values()]
            self._idle.clear()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _hear(self, event: Progress) -> None:
        self._stage[event.key] = event.stage
        self._events.put(event)

    def _carry(self, task: Task) -> Finished:
        """In a thread of the slot: the task in a worker, in another one if that dies."""
        for _attempt in range(ATTEMPTS):
            try:
                with self._worker(task) as worker:
                    return worker.run(task, self._hear)
            except WorkerDiedError:
                if self._ended:
                    raise CancelledError from None
                stage = self._stage.get(task.key, "start")
                self._hear(Progress(task.key, stage, 0, 0, "its worker process died", stays=True))
        return lost(task, self._stage.get(task.key, "start"), str(self._log_path))

    @contextmanager
    def _worker(self, task: Task) -> Iterator[Worker]:
        """A worker for the length of a task, back among the idle ones unless it died or has to be replaced."""
        worker = self._take(task)
        died = False
        try:
            yield worker
        except WorkerDiedError:
            died = True
            raise
        finally:
            worn = died or self._is_worn(worker)
            with self._lock:
                del self._running[task.key]
                ended = self._ended
                if not worn and not ended:
                    self._idle.append(worker)
            if worn and not ended:  # `kill` takes care of all that were running
                worker.close()

    def _take(self, task: Task) -> Worker:
        while True:
            with self._lock:
                if self._ended:
                    raise CancelledError
                free = memory.free_bytes()
                if free >= self._limits.free_bytes or not self._running:
                    worker = self._idle.pop() if self._idle else Worker(self._log_path, self._work)
                    self._running[task.key] = worker
                    return worker
            wanted = self._limits.free_bytes / memory.GB
            self._events.put(
                Progress(task.key, "waiting", 0, 0, f"for memory: {free / memory.GB:.1f} of {wanted:g} GB free")
            )
            time.sleep(POLL_SECONDS)

    def _is_worn(self, worker: Worker) -> bool:
        return worker.tasks >= self._limits.tasks_a_worker or worker.memory_bytes > self._limits.worker_bytes
