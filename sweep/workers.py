"""Worker processes that carry candidates through, shaped like concurrent.futures.

A worker imports TensorFlow once and takes candidate after candidate. It ignores Ctrl-C, which is the driver's to
handle, and ends when the driver does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from facerec_core.pipeline import Outcome, StageError, Task, run_task
from facerec_core.types import Failure, Progress

CANDIDATES_A_WORKER = 8
"""After so many a worker is replaced: the converter leaks memory at every call."""


@dataclass(frozen=True)
class Finished:
    """What came of one task: an outcome or a failure, and when."""

    task: Task
    started_unix: float
    ended_unix: float
    outcome: Outcome | None
    failure: Failure | None


class WorkerPool:
    """Processes that run tasks; `events` carries their signs of life.

    Args:
        workers: how many processes.
        log_path: where what the native libraries print is appended; it would tear the display apart.
    """

    def __init__(self, workers: int, log_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.events: Queue[Progress] = context.Queue()
        self._executor = ProcessPoolExecutor(
            workers,
            mp_context=context,
            initializer=_start_worker,
            initargs=(self.events, log_path),
            max_tasks_per_child=CANDIDATES_A_WORKER,
        )

    def submit(self, task: Task) -> Future[Finished]:
        """Hand over a task; its future holds a Finished, or BrokenProcessPool when the worker died."""
        return self._executor.submit(_work, task)

    def close(self) -> None:
        """End the processes; nothing is waiting any more."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def kill(self) -> None:
        """End the processes at once; stages they had finished stay on disk."""
        for process in multiprocessing.active_children():
            process.terminate()
        self._executor.shutdown(wait=False, cancel_futures=True)


def carry_through(task: Task, emit: Callable[[Progress], None]) -> Finished:
    """Run one task in this process; whatever goes wrong comes back as a Failure."""
    started = time.time()
    try:
        outcome, failure = run_task(task, emit), None
    except Exception as error:  # noqa: BLE001 - one candidate's failure must not end the others
        outcome, failure = None, _failure(error)
    return Finished(task, started, time.time(), outcome, failure)


def _failure(error: Exception) -> Failure:
    stage = error.stage if isinstance(error, StageError) else "data"
    cause = error.__cause__ if isinstance(error, StageError) and error.__cause__ else error
    lines = str(cause).strip().splitlines() or [""]
    return Failure(stage, f"{type(cause).__name__}: {lines[0]}", "".join(traceback.format_exception(cause)))


_events: Any = None


def _start_worker(events: Any, log_path: Path) -> None:
    global _events
    _events = events
    with log_path.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


def _work(task: Task) -> Finished:
    return carry_through(task, _events.put)
