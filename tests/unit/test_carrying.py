"""What is reported of a task that is carried through in this process."""

import time

import pytest

from facerec_core.errors import StorageError, TrainingError
from facerec_core.pipeline import Pruned, StageError
from facerec_core.task import Task
from sweep.executors import carrying
from sweep.executors.carrying import carry_through, lost
from tests.records import make_curves
from tests.settings import settings


@pytest.fixture
def task(tmp_path):
    (one,) = settings()
    return Task(one.candidate, one.recipe, "5f1c0ffee", str(tmp_path / "stages"), str(tmp_path / "cache"))


def failing(monkeypatch, error: Exception, cause: Exception | None = None) -> None:
    def run_task(_task, emit, stopped):
        raise error from cause

    monkeypatch.setattr(carrying, "run_task", run_task)


def test_an_outcome_comes_back_with_its_times(monkeypatch, task) -> None:
    monkeypatch.setattr(carrying, "run_task", lambda _task, emit, stopped: "outcome")
    before = time.time()
    finished = carry_through(task, print)
    assert (finished.task, finished.outcome, finished.failure) == (task, "outcome", None)
    assert before <= finished.started_unix <= finished.ended_unix


def test_a_failure_names_the_stage_the_reason_and_the_traceback(monkeypatch, task) -> None:
    failing(monkeypatch, StageError("qat"), TrainingError("qat: the loss became nan at step 3 of 4"))
    failure = carry_through(task, print).failure
    assert (failure.stage, failure.message) == ("qat", "qat: the loss became nan at step 3 of 4")
    assert "TrainingError" in failure.traceback


def test_an_unforeseen_error_is_one_line_that_names_its_kind(monkeypatch, task) -> None:
    failing(monkeypatch, StageError("ptq"), ValueError("first\nsecond"))
    failure = carry_through(task, print).failure
    assert failure.message == "ValueError: first"
    assert "second" in failure.traceback
    failing(monkeypatch, StageError("ptq"), MemoryError())
    assert carry_through(task, print).failure.message == "MemoryError: no reason given"


def test_an_error_outside_the_stages_fails_the_candidate_too(monkeypatch, task) -> None:
    failing(monkeypatch, KeyError("x"))
    assert carry_through(task, print).failure.stage == "data"


def test_a_full_disk_ends_the_sweep_and_a_damaged_file_only_the_candidate(monkeypatch, task) -> None:
    full = StorageError("cannot write stages/float: No space left on device")
    full.__cause__ = OSError(28, "No space left on device")
    failing(monkeypatch, StageError("float"), full)
    with pytest.raises(StorageError, match="No space left"):
        carry_through(task, print)
    failing(monkeypatch, StageError("ptq"), StorageError("weights.npz: not readable"))
    assert carry_through(task, print).failure.message == "weights.npz: not readable"


def test_what_was_given_up_keeps_its_curves(monkeypatch, task) -> None:
    curves = tuple(make_curves(0.5))
    failing(monkeypatch, Pruned(curves))
    finished = carry_through(task, print)
    assert (finished.outcome, finished.failure, finished.pruned) == (None, None, curves)


def test_a_lost_worker_is_a_failure_that_says_where_to_look(task) -> None:
    failure = lost(task, "qat", "mlruns/workers.log").failure
    assert failure.stage == "qat"
    assert "died too often" in failure.message
    assert "mlruns/workers.log" in failure.message
