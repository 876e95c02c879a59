"""One task in this process, and what came of it: the same on every executor."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from facerec_core.errors import FacerecError, StorageError
from facerec_core.pipeline import Outcome, Pruned, StageError, never, run_task
from facerec_core.task import Task
from facerec_core.types import CurvePoint, Failure, Progress


@dataclass(frozen=True)
class Finished:
    """What came of one task, and when: an outcome, a failure, or the curves up to where it was given up."""

    task: Task
    started_unix: float
    ended_unix: float
    outcome: Outcome | None
    failure: Failure | None
    pruned: tuple[CurvePoint, ...] | None = None


def carry_through(task: Task, emit: Callable[[Progress], None], stopped: Callable[[], bool] = never) -> Finished:
    """Run one task in this process; what is wrong with this one candidate comes back as a Failure.

    Raises:
        StorageError: the disk is full or cannot be written, which ends the whole sweep.
    """
    started = time.time()
    try:
        outcome = run_task(task, emit, stopped)
    except Pruned as given_up:
        return Finished(task, started, time.time(), None, None, tuple(given_up.curves))
    except Exception as error:  # noqa: BLE001 - one candidate's failure must not end the others
        stage, cause = (error.stage, error.__cause__ or error) if isinstance(error, StageError) else ("data", error)
        if isinstance(cause, StorageError) and isinstance(cause.__cause__, OSError):
            raise cause from None
        return Finished(task, started, time.time(), None, failure_of(stage, cause))
    return Finished(task, started, time.time(), outcome, None)


def failure_of(stage: str, cause: BaseException) -> Failure:
    """An error as the record of a failed candidate tells it: the first line, its kind if it was unforeseen."""
    lines = str(cause).strip().splitlines() or ["no reason given"]
    kind = "" if isinstance(cause, FacerecError) else f"{type(cause).__name__}: "
    return Failure(stage, f"{kind}{lines[0]}", "".join(traceback.format_exception(cause)))


def lost(task: Task, stage: str, last_words: str) -> Finished:
    """The failure of a task whose worker process died too often."""
    now = time.time()
    message = f"its worker process died too often, out of memory perhaps; its last words: {last_words}"
    return Finished(task, now, now, None, Failure(stage, message, ""))
