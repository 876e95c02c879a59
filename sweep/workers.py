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

from facerec_core.errors import FacerecError, StorageError
from facerec_core.pipeline import Outcome, StageError, run_task
from facerec_core.task import Task
from facerec_core.types import Failure, Progress
from sweep.interrupts import shielded_children

KILL_SECONDS = 5.0
"""How long a worker that was told to end may take before it is killed."""


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
        # Not max_tasks_per_child: with it the executor of Python 3.11 hangs when a process is replaced (gh-115634).
        self._executor = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_worker, initargs=(self.events, log_path)
        )

    def submit(self, task: Task) -> Future[Finished]:
        """Hand over a task; its future holds a Finished, or BrokenProcessPool when the worker died."""
        with shielded_children():
            return self._executor.submit(_work, task)

    def close(self) -> None:
        """End the processes; nothing is waiting any more."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def kill(self) -> None:
        """End the processes at once; stages they had finished stay on disk."""
        processes = multiprocessing.active_children()
        for process in processes:
            process.terminate()
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.join(KILL_SECONDS)
            process.kill()


def carry_through(task: Task, emit: Callable[[Progress], None]) -> Finished:
    """Run one task in this process; what is wrong with this one candidate comes back as a Failure.

    Raises:
        StorageError: the disk is full or cannot be written, which ends the whole sweep.
    """
    started = time.time()
    try:
        outcome, failure = run_task(task, emit), None
    except Exception as error:  # noqa: BLE001 - one candidate's failure must not end the others
        stage, cause = (error.stage, error.__cause__ or error) if isinstance(error, StageError) else ("data", error)
        if isinstance(cause, StorageError) and isinstance(cause.__cause__, OSError):
            raise cause from None
        outcome, failure = None, _failure(stage, cause)
    return Finished(task, started, time.time(), outcome, failure)


def _failure(stage: str, cause: BaseException) -> Failure:
    lines = str(cause).strip().splitlines() or ["no reason given"]
    kind = "" if isinstance(cause, FacerecError) else f"{type(cause).__name__}: "
    return Failure(stage, f"{kind}{lines[0]}", "".join(traceback.format_exception(cause)))


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
