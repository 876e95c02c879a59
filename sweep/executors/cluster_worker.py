"""What a Dask worker does with a task: checks that it is as the driver's machine, carries it through, sends stages."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from facerec_core.data.loader import load_faces
from facerec_core.errors import DataError, FacerecError, OptionError, StorageError, UsageError
from facerec_core.stages import StageStore
from facerec_core.task import Task
from facerec_core.types import Progress
from sweep.executors.base import Emit, Work
from sweep.executors.carrying import Finished, carry_through
from sweep.executors.transfer import ArtifactStages

BUSY_SECONDS = 1.0
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Errand:
    """What travels to a Dask worker.

    Args:
        task: as the driver has it, with the driver's folders.
        key: the task's identity on the driver's machine.
        versions: the driver's packages.
        topic: of Dask's events, for signs of life.
        stop: name of the Dask event that is set when the task is to be given up.
        tracking_uri: of the MLflow server through which stages travel; None where all share the driver's folders.
        run_id: of the sweep there.
        patience_s: how long that server is waited for.
        scratch: the worker's own folder; None: below its local directory.
        token: names this start of the sweep; below the driver's stages a file of this name, where folders are shared.
        work: carries the task through.
    """

    task: Task
    key: str
    versions: Mapping[str, str]
    topic: str
    stop: str
    tracking_uri: str | None
    run_id: str
    patience_s: float
    scratch: str | None
    token: str
    work: Work


def run_errand(errand: Errand) -> Finished:
    """In a Dask worker: carry the task through; a worker that is busy with another one passes it on.

    Raises:
        StorageError: a disk is full.
        UsageError: this worker cannot be used, or the server cannot be reached; any text, no other attributes.
    """
    from distributed import Reschedule

    if not _one_at_a_time.acquire(blocking=False):
        time.sleep(BUSY_SECONDS)
        raise Reschedule
    try:
        return _carry(errand)
    except StorageError as error:
        raise StorageError(str(error)) from None
    except FacerecError as error:  # an OptionError does not survive the journey
        raise UsageError(str(error)) from None
    finally:
        _one_at_a_time.release()


def _carry(errand: Errand) -> Finished:
    from distributed import Event, get_worker

    worker = get_worker()
    _check_versions(errand.versions, worker.address)
    task = _own(errand, worker)
    if task.key != errand.key:
        raise OptionError("train.init", worker.address, "a worker whose initial weights and teacher are the driver's")
    send = _sender(errand, task)
    stop = Event(errand.stop)

    def emit(event: Progress) -> None:
        worker.log_event(errand.topic, {"progress": asdict(event)})
        send()

    finished = errand.work(task, emit, stop.is_set)
    send()
    return replace(finished, task=errand.task)


def _check_versions(wanted: Mapping[str, str], address: str) -> None:
    """Raise UsageError where a package that decides a result differs."""
    from sweep.provenance import versions

    here, named = versions(), set(wanted) - {"python", "platform"}
    differing = [
        f"{n} {here.get(n, 'absent')} instead of {wanted[n]}" for n in sorted(named) if here.get(n) != wanted[n]
    ]
    if differing:
        raise UsageError(
            f"the Dask worker {address} has {', '.join(differing)}; install the driver's requirements there"
        )


def _own(errand: Errand, worker: Any) -> Task:
    """The task with this worker's folders and threads; a new object, so that its keys are worked out here."""
    task = replace(errand.task, threads=worker.state.nthreads)
    if errand.tracking_uri is None:
        if not (Path(task.stages_dir) / errand.token).is_file():
            allowed = f"the address of an MLflow server, or a folder that {worker.address} shares with the driver"
            raise OptionError("tracking.uri", None, allowed, f"{task.stages_dir} is not the driver's there")
        return task
    scratch = _scratch(errand.scratch, worker)
    return replace(task, stages_dir=str(scratch / errand.token), cache_dir=str(scratch / "cache"))


def _sender(errand: Errand, task: Task) -> Callable[[], None]:
    """Fetches what is finished elsewhere, and returns what sends the stages that were finished since."""
    if errand.tracking_uri is None:
        return lambda: None
    artifacts = ArtifactStages(errand.tracking_uri, errand.run_id, errand.patience_s)
    store, keys = StageStore(Path(task.stages_dir)), {stage: task.stage_key(stage) for stage in task.stages}
    sent = {stage for stage, key in keys.items() if artifacts.fetch(store, stage, key)}

    def send() -> None:
        for stage, key in keys.items():
            if stage not in sent and store.has(stage, key):
                artifacts.send(store.folder(stage, key))
                sent.add(stage)

    return send


def carry_through_here(task: Task, emit: Emit, stopped: Callable[[], bool]) -> Finished:
    """Carry a task through on a machine that is not the driver's, if the data there are the same.

    Raises:
        DataError: they are not.
        StorageError: as `carry_through` does.
    """
    recipe, side, cache = task.recipe, task.candidate.resolution, Path(task.cache_dir)

    def report(done: int, total: int) -> None:
        emit(Progress(task.key, "data", done, total))

    found = load_faces(recipe.data, side, cache, report, folds=recipe.eval.folds).summary
    if found.fingerprint != task.data_fingerprint:
        raise DataError(
            f"data.root: the faces on this Dask worker are others than the driver's: fingerprint {found.fingerprint} "
            f"instead of {task.data_fingerprint}"
        )
    return carry_through(task, emit, stopped)


def clear_scratch(scratch: str | None, token: str, dask_worker: Any) -> None:
    """Remove what a worker kept for one start of a sweep; decoded images stay for the next."""
    shutil.rmtree(_scratch(scratch, dask_worker) / token, ignore_errors=True)


def _scratch(scratch: str | None, worker: Any) -> Path:
    return Path(scratch or worker.local_directory)
