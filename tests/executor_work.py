"""What the executors' tests have workers do instead of training: whatever the recipe's width says."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from facerec_core.arch import resolve_embedding
from facerec_core.errors import StorageError
from facerec_core.pipeline import Outcome
from facerec_core.stages import StageStore, write_file
from facerec_core.task import Task
from facerec_core.types import Candidate, Failure, Progress
from sweep.executors.carrying import Finished
from tests.recipes import tiny_recipe
from tests.records import make_curves, make_data, make_record

GOOD, FAILS, DISK_FULL, DIES_ONCE, DIES, HANGS, WAITS_FOR_STOP = 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65


def work(task: Task, emit: Callable[[Progress], None], stopped: Callable[[], bool]) -> Finished:
    """Carries a task through as its width asks for; every stage that is built leaves a line in `built.txt`."""
    emit(Progress(task.key, "float", 0, 3, str(os.getpid())))
    width, started = task.candidate.width, time.time()
    build_stages(task, emit, 1 if width in (DIES, DIES_ONCE) else None)
    if width == FAILS:
        return Finished(task, started, time.time(), None, Failure("float", "the loss became nan", "Traceback"))
    if width == DISK_FULL:
        raise StorageError("cannot write stages: No space left on device")
    if width == DIES or (width == DIES_ONCE and first_time(task)):
        os.kill(os.getpid(), signal.SIGKILL)
    if HANGS <= width < WAITS_FOR_STOP:
        time.sleep(600)
    if WAITS_FOR_STOP <= width < 0.7:
        while not stopped():
            time.sleep(0.02)
        return Finished(task, started, time.time(), None, None, ())
    build_stages(task, emit, None)
    return Finished(task, started, time.time(), outcome(task.candidate), None)


def outcome(candidate: Candidate) -> Outcome:
    """A plausible one, made up."""
    found = make_record(candidate, limited=False)
    return Outcome(make_data(), found.variants, make_curves(0.5), ("a.jpg",), {"float": 60.0})


def task(width: float, folder: Path) -> Task:
    """A task for `work`, with folders below `folder`."""
    candidate = Candidate(width, 96, resolve_embedding("scaled", width))
    return Task(candidate, tiny_recipe(), str(folder), str(folder / "stages"), str(folder / "cache"))


def build_stages(task: Task, emit: Callable[[Progress], None], most: int | None) -> None:
    """Make the folders of the first stages, those that are not there yet."""
    store = StageStore(Path(task.stages_dir))
    for stage in task.stages[:most]:
        key = task.stage_key(stage)
        if not store.has(stage, key):
            with store.create(stage, key) as folder:
                write_file(folder / "weights.npz", f"{stage} of {task.candidate.name}".encode())
            with log_of(task).open("a") as log:
                log.write(f"{stage} {task.candidate.width}\n")
        emit(Progress(task.key, stage, 1, 1, "finished"))


def log_of(task: Task) -> Path:
    """Where every worker says what it has built; the fingerprint of data nobody reads names the folder."""
    return Path(task.data_fingerprint) / "built.txt"


def first_time(task: Task) -> bool:
    """True once for each task, whichever process asks."""
    try:
        log_of(task).with_name(f"died-{task.candidate.width}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
