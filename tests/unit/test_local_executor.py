"""Worker processes of this machine: when they are replaced, and that they never outlive the driver."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from facerec_core.errors import OptionError
from sweep.executors import Site, check_executor, memory, open_executor
from sweep.executors.local import LocalExecutor, LocalLimits
from tests import executor_work as does
from tests.cli import environment
from tests.executor_work import task, work
from tests.settings import settings

ROOMY = LocalLimits(tasks_a_worker=8, worker_bytes=1e12, free_bytes=0.0)
PATIENCE_SECONDS = 60.0


def processes_of(widths, folder, limits) -> list[int]:
    """Which process carried each task through, one after the other."""
    executor = LocalExecutor(1, limits, folder / "stages", folder / "workers.log", work)
    for width in widths:
        executor.submit(task(width, folder)).result(PATIENCE_SECONDS)
    executor.close()
    return [int(event.note) for event in executor.drain() if event.note.isdecimal()]


def test_a_worker_takes_task_after_task_until_it_has_had_enough(tmp_path) -> None:
    first, second, third = processes_of((0.35, 0.75, 1.0), tmp_path, LocalLimits(2, 1e12, 0.0))
    assert first == second != third
    assert not any(psutil.pid_exists(process) for process in (first, third))


def test_a_worker_that_holds_too_much_memory_is_replaced(tmp_path) -> None:
    assert len(set(processes_of((0.35, 0.75), tmp_path, LocalLimits(8, 1e6, 0.0)))) == 2


def test_a_task_begins_beside_others_only_while_memory_is_free(tmp_path, monkeypatch) -> None:
    free = [1e9]
    monkeypatch.setattr(memory, "free_bytes", lambda: free[0])
    executor = LocalExecutor(2, LocalLimits(8, 1e12, 4e9), tmp_path / "stages", tmp_path / "workers.log", work)
    waits = task(does.WAITS_FOR_STOP, tmp_path)
    first = executor.submit(waits)  # alone, it begins in any case
    events = until(executor, lambda events: any(event.note.isdecimal() for event in events))
    second = executor.submit(task(does.GOOD, tmp_path))
    events = until(executor, lambda events: any(event.stage == "waiting" for event in events))
    assert "1.0 of 4 GB free" in next(event.note for event in events if event.stage == "waiting")
    assert not second.done()
    free[0] = 5e9
    assert second.result(PATIENCE_SECONDS).outcome is not None
    executor.stop(waits.key)
    assert first.result(PATIENCE_SECONDS).pruned == ()
    executor.close()


def until(executor, condition) -> list:
    events, end = [], time.monotonic() + PATIENCE_SECONDS
    while not condition(events):
        assert time.monotonic() < end
        events += executor.drain()
        time.sleep(0.02)
    return events


@pytest.mark.parametrize(
    ("limit", "taken"),
    [("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")],
)
def test_what_is_free_of_a_container_is_less_than_what_the_machine_has(tmp_path, monkeypatch, limit, taken) -> None:
    monkeypatch.setattr(memory, "_GROUPS", tmp_path)
    unlimited = memory.machine_bytes()
    (tmp_path / limit).parent.mkdir(exist_ok=True)
    (tmp_path / limit).write_text("max\n")
    assert memory.machine_bytes() == unlimited
    (tmp_path / limit).write_text("50000000\n")
    (tmp_path / taken).write_text("30000000\n")
    assert (memory.machine_bytes(), memory.free_bytes()) == (50_000_000, 20_000_000)


def test_more_workers_than_cores_are_warned_of_and_more_than_memory_allows_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(memory, "machine_bytes", lambda: 8e9)
    said = []

    def opened(*overrides):
        (one,) = settings(*overrides)
        open_executor(one, Site(tmp_path, "sqlite:///x.db", "run", 0.0), print, said.append).close()

    opened("workers=1", "executor.memory_gb=20")  # one may be replaced after each candidate, and that is all
    assert said == []
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    opened("workers=3")
    assert "workers=3 on 2 core(s)" in said[0]
    with pytest.raises(OptionError, match=r"workers: got 9, allowed: at most 8 of 1 GB each; this machine has 8.0 GB"):
        opened("workers=9")
    with pytest.raises(OptionError, match=r"workers: got 3, allowed: at most 2 of 4 GB each; .*executor.memory_gb"):
        check_executor(settings("workers=3", "executor.memory_gb=4")[0])


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("executor.tasks_a_worker=0", r"executor.tasks_a_worker: got 0, allowed: a whole number of at least 1"),
        ("executor.memory_gb=0", r"executor.memory_gb: got 0.0, allowed: a number of gigabytes above 0, or null"),
        ("executor.free_gb=-1", r"executor.free_gb: got -1.0"),
        (
            "executor.kind=dask",
            r"executor.address: got None, allowed: the address of a Dask scheduler, tcp://HOST:PORT",
        ),
        ("executor.resources={GPU:0}", r"executor.resources: got {'GPU': 0.0}"),
        ("executor.kind=slurm", r"executor.kind: got 'slurm', allowed: inprocess, local or dask"),
    ],
)
def test_what_cannot_be_is_one_line(override, line) -> None:
    with pytest.raises(OptionError, match=line):
        settings(override)


DRIVER = """
    import os, sys
    from pathlib import Path
    from tests import executor_work as does
    from tests.unit.test_local_executor import ROOMY, LocalExecutor, task, until, work

    if __name__ == "__main__":
        folder = Path(sys.argv[1])
        executor = LocalExecutor(1, ROOMY, folder / "stages", folder / "workers.log", work)
        executor.submit(task(does.HANGS, folder))
        print(until(executor, bool)[0].note, flush=True)
        {"kill": executor.kill, "die": lambda: os.kill(os.getpid(), 9), "leave": lambda: os._exit(0)}[sys.argv[2]]()
"""


@pytest.mark.parametrize("ending", ["kill", "die", "leave"])
def test_no_worker_outlives_its_executor_or_its_driver(ending, tmp_path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(textwrap.dedent(DRIVER))
    command = [sys.executable, str(script), str(tmp_path), ending]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == {"kill": 0, "die": -9, "leave": 0}[ending], done.stderr
    worker, end = int(done.stdout), time.monotonic() + 30
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the worker is still there"
        time.sleep(0.05)


def test_what_workers_print_goes_to_the_log(tmp_path) -> None:
    executor = LocalExecutor(1, ROOMY, tmp_path / "stages", tmp_path / "workers.log", print_something)
    with pytest.raises(Exception, match="no result"):
        executor.submit(task(does.GOOD, tmp_path)).result(PATIENCE_SECONDS)
    executor.close()
    assert "to the log" in Path(tmp_path / "workers.log").read_text()


def print_something(task, emit, stopped):
    from facerec_core.errors import StorageError

    os.write(1, b"to the log\n")
    raise StorageError("no result")
