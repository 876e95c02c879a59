"""The scheduler over a pool that the test plays: no processes, no TensorFlow."""

import queue
from collections import Counter
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from facerec_core.errors import StorageError
from facerec_core.types import Progress
from sweep import scheduler
from sweep.scheduler import TASKS_A_WORKER, Scheduler
from sweep.workers import Finished


@dataclass(frozen=True)
class Task:
    key: str


@dataclass
class Stage:
    """How the played pools behave, and what they were asked to do."""

    deadly: Counter = field(default_factory=Counter)  # how often a task takes its worker down
    silent: bool = False  # a worker dies before it says anything
    errors: dict = field(default_factory=dict)
    started: list = field(default_factory=list)  # the tasks of each pool
    sizes: list = field(default_factory=list)
    ended: list = field(default_factory=list)


class Pool:
    """Runs `workers` tasks at a time; when one dies, so do those beside it and all that wait."""

    stage: Stage

    def __init__(self, workers, log_path):
        self.events = queue.Queue()
        self.workers, self.broken = workers, False
        self.stage.started.append([])
        self.stage.sizes.append(workers)

    def submit(self, task):
        started, future = self.stage.started[-1], Future()
        started.append(task.key)
        if len(started) <= self.workers and not self.stage.silent:
            self.events.put(Progress(task.key, "float", 0, 0))
        if self.stage.deadly[task.key] > 0:
            self.stage.deadly[task.key] -= 1
            self.broken = True
        error = BrokenProcessPool("died") if self.broken else self.stage.errors.get(task.key)
        if error:
            future.set_exception(error)
        else:
            future.set_result(Finished(task, 1.0, 2.0, f"outcome of {task.key}", None))
        return future

    def close(self):
        self.stage.ended.append("closed")

    def kill(self):
        self.stage.ended.append("killed")


@pytest.fixture
def stage(monkeypatch):
    stage = Stage()
    monkeypatch.setattr(Pool, "stage", stage, raising=False)
    monkeypatch.setattr(scheduler, "WorkerPool", Pool)
    return stage


def run(tasks: str, workers: int = 1, show=lambda event: None) -> dict:
    results = list(Scheduler(workers, Path("workers.log"), show).run([Task(key) for key in tasks]))
    assert len({finished.task.key for finished in results}) == len(results) == len(tasks)
    return {finished.task.key: finished for finished in results}


def test_every_task_comes_back_and_its_signs_of_life_are_shown(stage) -> None:
    shown = []
    assert run("ab", 2, shown.append)["b"].outcome == "outcome of b"
    assert [event.key for event in shown] == ["a", "b"]
    assert (stage.sizes, stage.ended) == ([2], ["closed"])


def test_there_are_never_more_processes_than_tasks(stage) -> None:
    run("a", 4)
    assert stage.sizes == [1]


def test_workers_are_replaced_after_some_tasks(stage) -> None:
    run("abcdefghijklmnopqrst", 1)
    assert [len(keys) for keys in stage.started] == [TASKS_A_WORKER, TASKS_A_WORKER, 20 - 2 * TASKS_A_WORKER]


def test_a_task_whose_worker_died_is_tried_again_alone(stage) -> None:
    stage.deadly["b"] = 1
    assert all(finished.failure is None for finished in run("abc", 1).values())
    assert stage.started[0] == ["a", "b", "c"]
    assert ["c"] in stage.started[1:]


def test_a_task_that_takes_its_worker_down_twice_has_failed_and_spares_those_beside_it(stage) -> None:
    stage.deadly["a"] = 9
    results = run("abc", 2)
    failure = results.pop("a").failure
    assert failure.stage == "float"
    assert "died 2 times" in failure.message
    assert "workers.log" in failure.message
    assert all(finished.failure is None for finished in results.values())


def test_workers_that_cannot_even_start_do_not_go_on_for_ever(stage) -> None:
    stage.deadly = Counter({"a": 99, "b": 99})
    stage.silent = True
    results = run("ab", 2)
    assert {finished.failure.stage for finished in results.values()} == {"start"}


def test_what_ends_the_sweep_ends_the_processes(stage) -> None:
    stage.errors["b"] = StorageError("disk full")
    with pytest.raises(StorageError):
        run("ab")
    assert stage.ended == ["killed"]


def test_an_interrupt_ends_the_processes_at_once(stage) -> None:
    results = Scheduler(1, Path("workers.log"), lambda event: None).run([Task("a"), Task("b")])
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt())
    assert stage.ended == ["killed"]
