"""A worker process of this machine: what runs in it, and the handle the driver has of it.

Every worker has a pipe of its own and shares no lock with another, so its death at any moment costs nothing but its
task. It ignores Ctrl-C, which is the driver's to handle, and ends when the driver does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from facerec_core.errors import StorageError
from facerec_core.task import Task
from facerec_core.types import Progress
from sweep.executors.base import Emit, Work
from sweep.executors.carrying import Finished
from sweep.interrupts import shielded_children

PATIENCE_SECONDS = 5.0
"""How long a worker that was told to end may take before it is killed."""


@dataclass(frozen=True)
class Stop:
    """Asks a worker to give up the task of that key."""

    key: str


class WorkerDiedError(Exception):
    """The process ended before its task did."""


class Worker:
    """A process that takes one task after another.

    Args:
        log_path: where what the native libraries print is appended; it would tear the display apart.
        work: carries a task through, in the process.
    """

    def __init__(self, log_path: Path, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # A daemon: should the driver end without closing it, multiprocessing ends it on the way out.
        self._process = context.Process(target=_serve, args=(theirs, log_path, work), daemon=True)
        with shielded_children():
            self._process.start()
        theirs.close()
        self.tasks = 0

    def run(self, task: Task, hear: Emit) -> Finished:
        """Have a task carried through; blocks until it is.

        Raises:
            StorageError: as `carry_through` does.
            WorkerDiedError: the process ended.
        """
        self.tasks += 1
        try:
            self._pipe.send(task)
            while isinstance(message := self._pipe.recv(), Progress):
                hear(message)
        except (EOFError, OSError) as error:  # a message that was cut short is an OSError
            raise WorkerDiedError from error
        if isinstance(message, StorageError):
            raise message
        finished: Finished = message
        return finished

    def stop(self, key: str) -> None:
        """Ask for the running task to be given up; a worker that has just ended hears nothing."""
        try:
            self._pipe.send(Stop(key))
        except OSError:
            return

    @property
    def memory_bytes(self) -> int:
        """What the process holds in memory; 0 when it has ended."""
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def close(self) -> None:
        """End the process, by force if it does not end by itself; only when it runs nothing."""
        self._pipe.close()
        self._process.join(PATIENCE_SECONDS)
        self.kill()

    def terminate(self) -> None:
        """Tell the process to end, whatever it does."""
        self._process.terminate()

    def kill(self) -> None:
        """End the process for good, after a moment if it was told to end."""
        self._process.terminate()
        self._process.join(PATIENCE_SECONDS)
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection, log_path: Path, work: Work) -> None:
    with log_path.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    while (message := _next(pipe)) is not None:
        if isinstance(message, Task):  # a Stop that came too late is passed over
            pipe.send(_answer(pipe, message, work))


def _next(pipe: Connection) -> Task | Stop | None:
    try:
        message: Task | Stop = pipe.recv()
    except (EOFError, OSError):
        return None
    return message


def _answer(pipe: Connection, task: Task, work: Work) -> Finished | StorageError:
    try:
        return work(task, pipe.send, _Stopped(pipe, task.key))
    except StorageError as error:
        return StorageError(str(error))  # without its cause, which may not travel


class _Stopped:
    """Whether the driver has asked for this task to be given up."""

    def __init__(self, pipe: Connection, key: str) -> None:
        self._pipe, self._key, self._asked = pipe, key, False

    def __call__(self) -> bool:
        while self._pipe.poll():
            message = self._pipe.recv()
            self._asked |= isinstance(message, Stop) and message.key == self._key
        return self._asked


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
