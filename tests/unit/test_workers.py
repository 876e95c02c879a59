"""Worker processes: what they report of a task, and that they never outlive the driver."""

import multiprocessing
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from facerec_core.errors import StorageError, TrainingError
from facerec_core.pipeline import StageError
from facerec_core.task import Task
from sweep import workers
from sweep.workers import carry_through
from tests.cli import environment
from tests.settings import settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def task(tmp_path):
    (one,) = settings()
    return Task(one.candidate, one.recipe, "5f1c0ffee", str(tmp_path / "stages"), str(tmp_path / "cache"))


def failing(monkeypatch, error: Exception, cause: Exception | None = None) -> None:
    def run_task(_task, emit):
        raise error from cause

    monkeypatch.setattr(workers, "run_task", run_task)


def test_an_outcome_comes_back_with_its_times(monkeypatch, task) -> None:
    monkeypatch.setattr(workers, "run_task", lambda _task, emit: "outcome")
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


DRIVER = """
    import os, sys, time
    from pathlib import Path
    from sweep import workers

    def work(task):
        workers._events.put(os.getpid())
        print("to the log")
        time.sleep(task)
        return task

    if __name__ == "__main__":
        workers._work = work
        pool = workers.WorkerPool(1, Path(sys.argv[1]))
        if sys.argv[2] == "close":
            print(pool.submit(0).result(), pool.submit(0).result(), pool.events.get() == pool.events.get())
            pool.close()
        else:
            pool.submit(600)
            print(pool.events.get(), flush=True)
            {"kill": pool.kill, "die": lambda: os.kill(os.getpid(), 9)}[sys.argv[2]]()
"""


@pytest.mark.parametrize("ending", ["close", "kill", "die"])
def test_no_worker_outlives_its_pool_or_its_driver(ending, tmp_path) -> None:
    script, log = tmp_path / "driver.py", tmp_path / "workers.log"
    script.write_text(textwrap.dedent(DRIVER))
    command = [sys.executable, str(script), str(log), ending]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert log.exists()
    if ending == "close":
        assert (done.stdout, done.stderr, done.returncode) == ("0 0 True\n", "", 0)
        return
    assert done.returncode == {"kill": 0, "die": -9}[ending]
    worker = int(done.stdout)
    end = time.monotonic() + 30
    while _alive(worker):
        assert time.monotonic() < end, "the worker is still there"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_the_pool_leaves_no_process_of_this_one() -> None:
    assert multiprocessing.active_children() == []
