"""What candidates are carried through on: one seam, whatever lies behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Protocol

from facerec_core.task import Task
from facerec_core.types import Progress
from sweep.executors.carrying import Finished

Emit = Callable[[Progress], None]
Work = Callable[[Task, Emit, Callable[[], bool]], Finished]
"""Carries a task through: signs of life go to its second argument; the third says whether to give up.

A function of a module, so that its name is all another process needs.
"""

ATTEMPTS = 2
"""How often a candidate may take its worker process down before it counts as failed."""
POLL_SECONDS = 0.2


class Executor(Protocol):
    """Runs tasks; shaped like an executor of `concurrent.futures`, with signs of life and a way to give up."""

    @property
    def slots(self) -> int:
        """How many tasks run at once, as things are now; at least 1."""

    def submit(self, task: Task) -> Future[Finished]:
        """Take a task; its future holds what came of it.

        A candidate's failure, the death of its worker included, is a `Finished` with a failure. Exceptions are
        StorageError (a disk is full or cannot be written), UsageError (the workers cannot be used at all) and
        CancelledError after `kill`; they end the sweep.
        """

    def drain(self) -> Iterable[Progress]:
        """The signs of life since the last call, in their order; it never waits."""

    def stop(self, key: str) -> None:
        """Ask the running task of that key to give up; it ends as pruned after its epoch, or finishes all the same."""

    def forget(self, stage: str, key: str) -> None:
        """Discard a finished stage wherever this executor would find it, so that it is built again.

        Raises:
            StorageError: it cannot be removed.
        """

    def close(self) -> None:
        """End in peace, when nothing is running any more."""

    def kill(self) -> None:
        """End at once, with what is running; stages that were finished stay."""
