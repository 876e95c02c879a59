"""Points of a played source over an executor that the test plays: no processes, no TensorFlow."""

import os
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace

import pytest

from facerec_core.errors import StorageError
from facerec_core.stages import hidden_mark
from facerec_core.types import CurvePoint, Failure, Progress
from sweep import records, scheduler
from sweep.executors.carrying import Finished
from sweep.scheduler import Scheduler
from sweep.sources import Listed
from tests.unit.test_records import make_outcome, make_point


class Executor:
    """Keeps what it is given until the test ends it; `slots` at a time."""

    def __init__(self, slots=2):
        self.slots, self.futures, self.events = slots, {}, []
        self.started, self.most, self.stopped, self.forgotten, self.ended = [], 0, [], [], []

    def submit(self, task):
        assert task.key not in self.futures
        self.started.append(task)
        self.futures[task.key] = Future()
        running = [future for future in self.futures.values() if not future.done()]
        self.most = max(self.most, len(running))
        assert len(running) <= self.slots
        return self.futures[task.key]

    def end(self, task, **what):
        done = {"outcome": make_outcome(task.candidate), "failure": None} | what
        self.futures[task.key].set_result(Finished(task, 1.0, 2.0, **done))

    def drain(self):
        events, self.events = self.events, []
        return events

    def stop(self, key):
        self.stopped.append(key)

    def forget(self, stage, key):
        self.forgotten.append((stage, key))

    def close(self):
        self.ended.append("closed")

    def kill(self):
        self.ended.append("killed")


class Asked(Listed):
    """Hands its points out in their order, and keeps what it hears."""

    def __init__(self, points, prunes=()):
        super().__init__(points)
        self.left, self.told, self.heard = list(points), [], []
        self.worst = prunes

    def ask(self):
        return self.left.pop(0) if self.left else None

    def tell(self, point, record):
        self.told.append((point.name, record.status))

    def prunes(self, point, epoch, value):
        self.heard.append((point.name, epoch, value))
        return point.name in self.worst


@pytest.fixture
def display():
    said = []
    quiet = SimpleNamespace(said=said, shown=[])
    for name in ("say", "doing", "expect"):
        setattr(quiet, name, lambda *words: said.append(words[-1]))
    for name in ("name", "finished"):
        setattr(quiet, name, lambda key, text, status=None: said.append(text))
    quiet.progress = quiet.shown.append
    return quiet


@pytest.fixture(autouse=True)
def on_disk(monkeypatch):
    """Keys of tasks whose stages are there."""
    keys = set()
    monkeypatch.setattr(scheduler, "is_finished", lambda task: task.key in keys)
    monkeypatch.setattr(scheduler, "remember", lambda *timing: None)
    monkeypatch.setattr(
        scheduler, "carry_through", lambda task, emit: Finished(task, 1.0, 2.0, make_outcome(task.candidate), None)
    )
    return keys


def points(*overrides: str) -> list:
    return [replace(make_point(*one.split()), name=one) for one in overrides]


def driven(source, display, executor, known=None):
    """A scheduler and a function that ends what runs, task after task, whenever it waits."""
    return Scheduler(source, known or {}, lambda hear: executor, display)


def end_all(monkeypatch, executor, **what):
    """Whenever the scheduler waits, the oldest running task ends."""
    real = scheduler.wait

    def wait(futures, **how):
        key = next(key for key, future in executor.futures.items() if not future.done())
        executor.end(next(task for task in executor.started if task.key == key), **what)
        return real(futures, **how)

    monkeypatch.setattr(scheduler, "wait", wait)


def test_slots_are_filled_every_point_is_recorded_and_told_once(monkeypatch, display) -> None:
    executor, source = Executor(2), Asked(points("seed=1", "seed=2", "seed=3", "width=0.75"))
    end_all(monkeypatch, executor)
    found = list(driven(source, display, executor).run())
    assert [(point.name, record.status) for point, record in found] == source.told
    assert sorted(source.told) == [*((f"seed={n}", "complete") for n in (1, 2, 3)), ("width=0.75", "infeasible")]
    assert (executor.most, executor.ended) == (2, ["closed"])


def test_a_source_is_asked_for_no_more_than_can_run(monkeypatch, display) -> None:
    executor, source = Executor(1), Asked(points("seed=1", "seed=2", "seed=3"))
    end_all(monkeypatch, executor)
    run = driven(source, display, executor).run()
    next(run)
    assert len(source.left) == 2
    assert source.told == [], "not before it was tracked"
    next(run)
    assert source.told == [("seed=1", "complete")]
    run.close()


def test_points_of_one_task_share_it_and_tasks_of_one_float_network_follow_each_other(monkeypatch, display) -> None:
    limits = points("budget.latency.limit_ms=500", "budget.latency.limit_ms=400")
    executor, source = Executor(4), Asked([*limits, *points("quant.qat.epochs=2", "seed=7")])
    end_all(monkeypatch, executor)
    found = [(point.name, len(executor.started)) for point, _ in driven(source, display, executor).run()]
    assert len(executor.started) == 3
    first, second, third = executor.started
    assert (second.recipe.seed, third.float_key == first.float_key) == (7, True)
    assert found[0][1] == found[1][1] == 2, "the other seed ran beside the first, the other quantisation did not"
    assert executor.most == 2


def test_what_is_known_is_told_and_nothing_is_started(display) -> None:
    known, failed = points("seed=1", "seed=2")
    record = next(r for _, r in driven(Asked([known]), display, done_at_once()).run())
    executor, source = done_at_once(), Asked([known, failed])
    earlier = {known.key: record, failed.key: replace(record, status="failed")}
    assert [point.name for point, _ in driven(source, display, executor, earlier).run()] == ["seed=2"]
    assert sorted(source.told) == [("seed=1", "complete"), ("seed=2", "complete")]
    assert [task.recipe.seed for task in executor.started] == [2], "a failure is tried again at the next start"


def done_at_once():
    executor = Executor()
    submit = executor.submit

    def at_once(task):
        future = submit(task)
        executor.end(task)
        return future

    executor.submit = at_once
    return executor


def test_a_point_that_is_proposed_again_is_answered_from_memory(display) -> None:
    (one,) = points("seed=1")
    executor, source = done_at_once(), Asked([one, one, one])
    assert len(list(driven(source, display, executor).run())) == 1
    assert source.told == [("seed=1", "complete")] * 3


def test_finished_stages_are_read_back_without_an_executor(display, on_disk) -> None:
    (one,) = points("seed=1")
    on_disk.add(one.task.key)
    assert [r.status for _, r in Scheduler(Asked([one]), {}, never_opened, display).run()] == ["complete"]


def never_opened(_hear):
    raise AssertionError("nothing has to be trained")


def test_forced_stages_are_forgotten_once_though_two_tasks_share_them(display, on_disk) -> None:
    both = points("force=true", "force=true quant.qat.epochs=2")
    on_disk.update(())
    executor = done_at_once()
    assert len(list(driven(Asked(both), display, executor).run())) == 2
    assert len(executor.forgotten) == len(set(executor.forgotten))
    assert [stage for stage, _ in executor.forgotten].count("float") == 1
    assert [stage for stage, _ in executor.forgotten].count("qat") == 2


def test_a_training_is_given_up_when_its_source_says_so(monkeypatch, display) -> None:
    good, bad = points("seed=1", "seed=2")
    executor, source = Executor(2), Asked([good, bad], prunes=["seed=2"])
    curves = (CurvePoint("train", 1, {"loss": 2.0}),)

    def wait(futures, **how):
        if not executor.stopped:
            for key in executor.futures:
                executor.events.append(Progress(key, "float", 5, 9))
                executor.events.append(Progress(key, "float", 1, 9, epoch=1, value=0.25))
                executor.events.append(Progress(key, "float", 2, 9, epoch=2, value=0.5))
            return set(), futures
        executor.end(bad.task, outcome=None, pruned=curves)
        executor.end(good.task)
        return futures.copy(), set()

    monkeypatch.setattr(scheduler, "wait", wait)
    found = {point.name: record for point, record in driven(source, display, executor).run()}
    assert executor.stopped == [bad.task.key]
    assert source.heard == [("seed=1", 1, 0.25), ("seed=1", 2, 0.5), ("seed=2", 1, 0.25)]
    assert len(display.shown) == 6
    assert (found["seed=2"].status, found["seed=2"].curves) == ("pruned", curves)
    assert "given up after 1 epoch(s), behind the others" in display.said
    assert sorted(source.told) == [("seed=1", "complete"), ("seed=2", "pruned")]


def test_a_training_goes_on_while_one_of_its_points_wants_it(monkeypatch, display) -> None:
    both = points("budget.latency.limit_ms=500", "budget.latency.limit_ms=400")
    executor, source = Executor(2), Asked(both, prunes=[both[0].name])
    executor.events = [Progress(both[0].task.key, "float", 1, 9, epoch=1, value=0.25)]
    end_all(monkeypatch, executor)
    assert len(list(driven(source, display, executor).run())) == 2
    assert (len(source.heard), executor.stopped) == (2, [])


def test_a_failure_is_recorded_and_the_others_go_on(monkeypatch, display) -> None:
    executor, source = Executor(1), Asked(points("seed=1", "seed=2"))
    end_all(monkeypatch, executor, outcome=None, failure=Failure("float", "nan", ""))
    assert [record.status for _, record in driven(source, display, executor).run()] == ["failed", "failed"]


def test_what_ends_the_sweep_ends_the_executor_at_once(monkeypatch, display) -> None:
    executor, source = Executor(1), Asked(points("seed=1", "seed=2"))

    def wait(futures, **how):
        (future,) = futures
        future.set_exception(StorageError("disk full"))
        return {future}, set()

    monkeypatch.setattr(scheduler, "wait", wait)
    with pytest.raises(StorageError):
        list(driven(source, display, executor).run())
    assert executor.ended == ["killed"]


def test_closing_ends_the_executor_at_once(monkeypatch, display) -> None:
    executor, source = Executor(1), Asked(points("seed=1", "seed=2"))
    end_all(monkeypatch, executor)
    run = driven(source, display, executor).run()
    next(run)
    run.close()
    assert executor.ended == ["killed"]
    assert source.told == []


def test_a_list_begins_with_what_is_not_trained_and_then_with_the_largest() -> None:
    listed = Listed(points("width=0.35", "width=1.0", "width=0.5", "width=0.35 res=128"))
    asked = [listed.ask() for _ in range(listed.expected)]
    assert asked[0].settings.width == 1.0
    assert [point.cost.macs for point in asked[1:]] == sorted((p.cost.macs for p in asked[1:]), reverse=True)
    assert listed.ask() is None


@pytest.mark.parametrize("known", [False, True], ids=["read back", "known"])
def test_what_an_earlier_start_left_half_built_goes_though_nothing_is_built_now(
    monkeypatch, display, on_disk, tmp_path, known
) -> None:
    (point,) = points("seed=1")
    point = replace(point, task=replace(point.task, stages_dir=str(tmp_path)))
    on_disk.add(point.task.key)
    # No process has that number.
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 1)
    (tmp_path / f"{hidden_mark('qat')}x").mkdir()
    record = records.finished_record(point, Finished(point.task, 1.0, 2.0, make_outcome(point.task.candidate), None))
    executor = Executor()
    list(driven(Asked([point]), display, executor, {point.key: record} if known else {}).run())
    assert (executor.started, list(tmp_path.iterdir())) == ([], [])


def test_a_list_repeats_itself_only_where_a_point_is_in_it_twice():
    assert not Listed(points("width=0.35", "width=0.5")).repeats
    assert Listed(points("width=0.35", "width=0.5", "width=0.35")).repeats
