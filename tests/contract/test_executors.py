"""What every executor promises: results, failures, deaths, stops and endings; nothing is trained."""

import multiprocessing
import time
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from functools import cache

import pytest

from facerec_core.errors import StorageError
from sweep.executors import Site
from sweep.executors.cluster import open_cluster
from sweep.executors.inprocess import InProcessExecutor
from sweep.executors.local import LocalExecutor, LocalLimits
from tests import executor_work as does
from tests.clusters import cluster
from tests.executor_work import task, work
from tests.settings import settings

PATIENCE_SECONDS = 60.0


@contextmanager
def inprocess(folder):
    yield InProcessExecutor(folder / "stages", lambda event: None, work)


@contextmanager
def local(folder):
    limits = LocalLimits(tasks_a_worker=8, worker_bytes=1e12, free_bytes=0.0)
    executor = LocalExecutor(2, limits, folder / "stages", folder / "workers.log", work)
    yield executor
    executor.kill()


@contextmanager
def dask(folder):
    (one,) = settings("executor=dask", f"executor.address={two_workers().address}")
    executor = open_cluster(one.executor, Site(folder, "sqlite:///unused.db", "run", 0.0), print, work)
    yield executor
    executor.kill()


_clusters = ExitStack()


@cache
def two_workers():
    """One cluster for all tests of this module."""
    return _clusters.enter_context(cluster())


@pytest.fixture(scope="module", autouse=True)
def _end_of_the_cluster():
    with _clusters:
        yield
    two_workers.cache_clear()


LOCAL, DASK = pytest.param(local, id="local"), pytest.param(dask, id="dask", marks=pytest.mark.slow)


@pytest.fixture(params=[pytest.param(inprocess, id="inprocess"), LOCAL, DASK])
def executor(request, tmp_path):
    with request.param(tmp_path) as executor:
        yield executor


@pytest.fixture(params=[LOCAL, DASK])
def processes(request, tmp_path):
    with request.param(tmp_path) as executor:
        yield executor


def built(folder) -> list[str]:
    return (folder / "built.txt").read_text().splitlines()


def result(future):
    return future.result(PATIENCE_SECONDS)


def first_event(executor, key):
    """The first sign of life of a task: it says which process runs it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        for event in executor.drain():
            if event.key == key:
                return event
        time.sleep(0.02)
    raise AssertionError("no sign of life")


def test_a_result_comes_back_with_its_task_and_its_stages(executor, tmp_path) -> None:
    good = task(does.GOOD, tmp_path)
    finished = result(executor.submit(good))
    assert finished.task == good
    assert finished.failure is None
    assert finished.outcome == does.outcome(good.candidate)
    assert finished.started_unix <= finished.ended_unix
    for stage in good.stages:
        folder = tmp_path / "stages" / f"{stage}-{good.stage_key(stage)}"
        assert (folder / "weights.npz").read_text() == f"{stage} of {good.candidate.name}"
    assert built(tmp_path) == [f"{stage} 0.35" for stage in good.stages]


def test_a_failure_is_a_result_and_others_go_on(executor, tmp_path) -> None:
    fails, good = executor.submit(task(does.FAILS, tmp_path)), executor.submit(task(does.GOOD, tmp_path))
    assert result(fails).failure.message == "the loss became nan"
    assert result(good).outcome is not None


def test_a_full_disk_is_raised(executor, tmp_path) -> None:
    with pytest.raises(StorageError, match="No space left"):
        result(executor.submit(task(does.DISK_FULL, tmp_path)))
    assert result(executor.submit(task(does.GOOD, tmp_path))).outcome is not None


def test_what_is_forgotten_is_built_again(executor, tmp_path) -> None:
    good = task(does.GOOD, tmp_path)
    result(executor.submit(good))
    executor.forget("ptq", good.stage_key("ptq"))
    result(executor.submit(good))
    assert sorted(built(tmp_path)) == sorted([*(f"{stage} 0.35" for stage in good.stages), "ptq 0.35"])


def test_there_is_at_least_one_slot_and_it_can_be_closed(executor, tmp_path) -> None:
    assert executor.slots >= 1
    result(executor.submit(task(does.GOOD, tmp_path)))
    executor.close()
    assert multiprocessing.active_children() == []


def test_signs_of_life_come_while_a_task_runs_and_it_stops_when_asked(processes, tmp_path) -> None:
    waits = task(does.WAITS_FOR_STOP, tmp_path)
    future = processes.submit(waits)
    event = first_event(processes, waits.key)
    assert (event.stage, event.total) == ("float", 3)
    processes.stop("another key")
    assert not future.done()
    processes.stop(waits.key)
    finished = result(future)
    assert (finished.pruned, finished.outcome, finished.failure) == ((), None, None)
    after = task(does.WAITS_FOR_STOP + 0.05, tmp_path)  # a stop is for one task, not for its worker
    assert result(processes.submit(after)).outcome is not None


def test_a_task_whose_worker_died_is_tried_again_from_its_last_stage(processes, tmp_path) -> None:
    dies, good = task(does.DIES_ONCE, tmp_path), task(does.GOOD, tmp_path)
    futures = processes.submit(dies), processes.submit(good)
    for future in futures:
        assert result(future).outcome is not None
    assert sorted(built(tmp_path)) == sorted(f"{stage} {width}" for stage in good.stages for width in (0.35, 0.5))


def test_a_task_that_takes_its_worker_down_again_and_again_has_failed_and_spares_the_others(
    processes, tmp_path
) -> None:
    dies, good = processes.submit(task(does.DIES, tmp_path)), processes.submit(task(does.GOOD, tmp_path))
    assert result(good).outcome is not None
    failure = result(dies).failure
    assert failure.stage in ("float", "start")
    assert "worker process died" in failure.message
    assert result(processes.submit(task(0.7, tmp_path))).outcome is not None


def test_killing_ends_what_runs_and_what_waits(processes, tmp_path) -> None:
    tasks = [task(does.WAITS_FOR_STOP + 0.01 * position, tmp_path) for position in range(4)]
    futures = [processes.submit(one) for one in tasks]
    first_event(processes, tasks[0].key)
    processes.kill()
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(PATIENCE_SECONDS)
    assert multiprocessing.active_children() == []


def test_a_task_in_this_process_is_heard_and_stopped_while_it_runs(tmp_path) -> None:
    heard = []

    def hear(event):
        heard.append(event.stage)
        executor.stop(event.key)

    executor = InProcessExecutor(tmp_path / "stages", hear, work)
    assert executor.submit(task(does.WAITS_FOR_STOP, tmp_path)).result(0).pruned == ()
    assert heard[0] == "float"
