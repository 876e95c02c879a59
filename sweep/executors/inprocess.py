"""Tasks in the command's own process and thread, one after the other: for debuggers and profilers."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

from facerec_core.stages import StageStore
from facerec_core.task import Task
from facerec_core.types import Progress
from sweep.executors.base import Emit, Work
from sweep.executors.carrying import Finished, carry_through


class InProcessExecutor:
    """`submit` carries the task through before it returns, so its signs of life go to `hear` as they come.

    Args:
        stages: folder of the finished stages.
        hear: what every sign of life is told.
        work: carries a task through.
    """

    slots = 1

    def __init__(self, stages: Path, hear: Emit, work: Work = carry_through) -> None:
        self._store = StageStore(stages)
        self._hear = hear
        self._work = work
        self._stopped: set[str] = set()

    def submit(self, task: Task) -> Future[Finished]:
        """Carry the task through; an interrupt is raised from here."""
        future: Future[Finished] = Future()
        try:
            future.set_result(self._work(task, self._hear, lambda: task.key in self._stopped))
        except Exception as error:  # noqa: BLE001 - the future holds it, as with other executors
            future.set_exception(error)
        return future

    def drain(self) -> Iterable[Progress]:
        """Nothing: it was heard already."""
        return ()

    def stop(self, key: str) -> None:
        """Make the running task give up; called by whoever hears its signs of life."""
        self._stopped.add(key)

    def forget(self, stage: str, key: str) -> None:
        """Discard a finished stage."""
        self._store.discard(stage, key)

    def close(self) -> None:
        """Nothing is left."""

    def kill(self) -> None:
        """Nothing is left."""
